"""Last step: the table of one series to bars, in order, once each, adjusted, with everything that was done said."""

import numpy as np

from data.adjustment import Adjusted, Adjustment, adjust, check_dividends
from data.errors import UnreadableFile
from data.quality import inspect
from data.sources.csv.layouts import Layout
from data.sources.csv.options import Options
from data.sources.csv.table import FaultKind, RowFault, Table
from data.sources.csv.vocabulary import PRICES
from data.sources.result import Dropped, SeriesReport
from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray, IntArray


def assemble(
    table: Table, rows: IntArray, symbol: str | None, layout: Layout, options: Options, *, from_adjusted: bool
) -> tuple[Bars, SeriesReport]:
    """Make bars of the given rows of a table.

    ``from_adjusted`` says that the prices in the table are the vendor's adjusted columns already.

    Raises
    ------
    UnreadableFile
        A row that can't be read, an impossible bar, two different bars of one day, no bar at all, no usable adjusted
        close although ``adjusted=True``.

    """
    _refuse([table.faults[row] for row in map(int, rows) if row in table.faults], options)
    kept, dropped = _sound(table, rows)
    if not len(kept):
        line = int(table.lines[rows[0]]) if len(rows) else None
        raise UnreadableFile("expected at least one row with prices, found none", line=line)
    order = _order(table.days[kept])
    kept, repeated = _unique(table, kept[np.argsort(table.days[kept], kind="stable")])
    days = table.days[kept]
    values = {field: column[kept] for field, column in table.values.items()}
    prices = {field: values[field] for field in PRICES}
    volume, volume_note = _volume(values.get("volume"))
    warnings: list[str] = []
    if from_adjusted:
        done = Adjusted(**prices, volume=volume, splits=())
        adjustment, note = Adjustment.SPLIT_DIVIDEND, "the vendor's adjusted columns"
    elif (aside := _set_aside(values.get("adj_close"), table.lines[kept], options)) is not None:
        done = Adjusted(**prices, volume=volume, splits=())
        adjustment, note = layout.unadjusted, f"{layout.basis}{aside}"
    else:
        done = adjust(**prices, adj_close=values["adj_close"], volume=volume)
        adjustment, note = Adjustment.SPLIT_DIVIDEND, "each price times adjusted close / close"
        if done.splits:
            listed = ", ".join(f"{days[one.row]} ({one.ratio:g} for 1)" for one in done.splits)
            volume_note = f"multiplied by the ratio before each split: {listed}"
        if "dividend" in values:
            found = check_dividends(days, values["close"], values["adj_close"], np.nan_to_num(values["dividend"]))
            warnings += [str(mismatch) for mismatch in found]
    bars = Bars.validated(
        open=done.open, high=done.high, low=done.low, close=done.close, volume=done.volume, date=days, symbol=symbol
    )
    widened = np.isin(table.lines[kept], table.dusty)
    if widened.any():
        warnings.append(f"{widened.sum()} bars with an open or close outside low and high by float rounding: widened")
    warnings += [finding.message for finding in inspect(bars)]
    return bars, SeriesReport(
        symbol=symbol or "",
        rows=len(rows),
        bars=len(bars),
        first=days[0],
        last=days[-1],
        order=order,
        adjustment=adjustment,
        adjustment_note=note,
        volume_note=volume_note,
        dropped=(*dropped, *repeated),
        warnings=tuple(warnings),
    )


def _refuse(faults: list[RowFault], options: Options) -> None:
    """Raise the first fault that may not be left out."""
    allowed = {FaultKind.MISSING} | ({FaultKind.IMPOSSIBLE} if options.impossible == "drop" else set())
    fatal = [fault for fault in faults if fault.kind not in allowed]
    if not fatal:
        return
    # What can't be parsed comes first: the advice about impossible bars holds only if they are all there is.
    worst = min(fatal, key=lambda fault: (fault.kind is FaultKind.IMPOSSIBLE, fault.line))
    alike = sum(fault.kind is worst.kind for fault in fatal)
    more = f" (and {alike - 1} more such rows)" if alike > 1 else ""
    advice = "; correct the rows, or pass impossible='drop' to leave them out"
    raise UnreadableFile(
        f"{worst.message}{more}{advice if worst.kind is FaultKind.IMPOSSIBLE else ''}",
        line=worst.line,
        column=worst.column,
    )


def _sound(table: Table, rows: IntArray) -> tuple[IntArray, list[Dropped]]:
    """Return the rows that hold a bar, and the others by reason."""
    reasons: dict[str, list[int]] = {}
    for row in map(int, rows):
        if fault := table.faults.get(row):
            reason = fault.message if fault.kind is FaultKind.MISSING else "impossible bar"
            reasons.setdefault(reason, []).append(fault.line)
    kept = rows[~np.isin(rows, list(table.faults))]
    return kept, [Dropped(reason, tuple(sorted(lines))) for reason, lines in reasons.items()]


def _order(days: np.ndarray[tuple[int], np.dtype[np.datetime64]]) -> str:
    steps = np.diff(days).astype(np.int64)
    if (steps >= 0).all():
        return "oldest first"
    return "newest first" if (steps <= 0).all() else "unsorted"


def _unique(table: Table, rows: IntArray) -> tuple[IntArray, list[Dropped]]:
    """Leave out repetitions of a row; refuse two different bars of one day. ``rows`` ascend by day."""
    days = table.days[rows]
    keep = np.append(True, days[1:] != days[:-1])
    originals = rows[keep][np.cumsum(keep) - 1]
    repeats = [(int(rows[at]), int(originals[at])) for at in np.flatnonzero(~keep)]
    for one, other in repeats:
        earlier, later = sorted((one, other))
        texts = table.day_cells[later], table.day_cells[earlier]
        if texts[0] != texts[1] or not _same(table, one, other):
            hint = " (bars of less than a day?)" if texts[0] != texts[1] else ""
            raise UnreadableFile(
                f"expected one bar a day, found {texts[0]!r} here and {texts[1]!r} with other values on line "
                f"{table.lines[earlier]}{hint}; keep the right one",
                line=int(table.lines[later]),
            )
    lines = tuple(sorted(int(table.lines[one]) for one, _ in repeats))
    return rows[keep], [Dropped("repeats another row", lines)] if lines else []


def _same(table: Table, one: int, other: int) -> bool:
    return all(
        column[one] == column[other] or (np.isnan(column[one]) and np.isnan(column[other]))
        for column in table.values.values()
    )


def _volume(volume: FloatArray | None) -> tuple[FloatArray | None, str]:
    """Return the volume, or ``None`` if the file has none to speak of, and a word about it."""
    if volume is None:
        return None, "absent: the file has no such column"
    unknown = np.isnan(volume)
    if unknown.all():
        return None, "absent: the column is empty"
    if not volume[~unknown].any():
        return None, "absent: 0 in every row, as vendors write for currencies and indices"
    return volume, f"unknown in {unknown.sum()} bars" if unknown.any() else ""


def _set_aside(adj_close: FloatArray | None, lines: IntArray, options: Options) -> str | None:
    """Say why no adjusted close is applied (empty: there is none); ``None`` if it can be."""
    why, line = "", None
    if adj_close is not None:
        if options.adjusted is False:
            return "; the adjusted close was left aside, as asked"
        bad = np.flatnonzero(~(adj_close > 0))
        if not len(bad):
            return None
        line = int(lines[bad].min())
        why = f"; the adjusted close was left aside: missing or not above 0 in {len(bad)} rows, first on line {line}"
    if options.adjusted:
        message = f"expected a usable adjusted close, as adjusted=True asks for, found none{why}; pass adjusted=None"
        raise UnreadableFile(message, line=line)
    return why
