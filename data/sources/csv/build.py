"""Cells to values: the table of one series. Every row stays in it; a row that holds no bar gets a fault."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from data.sources.csv.dates import DateOrder, parse_dates
from data.sources.csv.header import Column
from data.sources.csv.instants import Place
from data.sources.csv.numbers import Cell, Decimal, decimal_mark, is_null, parse, parse_plain
from data.sources.csv.options import Options, bearable
from data.sources.csv.table import FaultKind, RowFault, Rows, Table, too_many
from data.sources.csv.vocabulary import NUMERIC, PRICES
from feature_mapper.typing import BoolArray, DateArray, FloatArray

DUST: Final = 1e-6
"""Relative distance by which an open or close may lie outside low and high: the rounding of float32 prices that were
adjusted. Low and high are widened over it."""

_DAILY: Final = frozenset({"d", "1d", "daily", "day"})


def choose_decimal(rows: Rows, columns: Sequence[Column], delimiter: str, options: Options) -> Decimal:
    """Decide the decimal mark of a file from all number columns that are read.

    In a comma-separated file without a comma inside quotes nothing is to decide: the comma is taken.
    """
    indices = [column.index for column in columns if column.field in NUMERIC]
    commas = rows.quoted and any("," in row[index] for row in rows.cells if row for index in indices)
    if delimiter == "," and not commas:
        return "."

    def cells() -> Iterator[Cell]:
        for line, row in zip(rows.lines, rows.cells, strict=True):
            for index in indices if row else ():
                yield Cell(row[index], line)

    return decimal_mark(cells(), options.decimal)


def build(
    rows: Rows, columns: Sequence[Column], decimal: Decimal, vendor_order: DateOrder | None, options: Options
) -> Table:
    """Parse the columns of one series."""
    builder = _Builder(rows, {column.field: column for column in columns if column.field}, options)
    days, form = builder.dates(vendor_order)
    values: dict[str, FloatArray] = {
        field: builder.numbers(field, decimal) for field in NUMERIC if field in builder.columns
    }
    if options.price_scale is not None:
        for field in set(values) - {"volume", "adj_volume", "dividend", "split"}:
            values[field] /= options.price_scale
    builder.check_period()
    builder.check_present(values)
    dusty = builder.check_possible(values)
    return Table(
        lines=np.array(rows.lines, dtype=np.int64),
        days=days,
        dated="date" in builder.columns,
        day_cells=builder.texts("date"),
        date_form=form,
        values=values,
        symbols=builder.texts("symbol") if "symbol" in builder.columns else None,
        faults=builder.faults,
        dusty=dusty,
    )


_UNREADABLE: Final = frozenset({FaultKind.DATE, FaultKind.NUMBER, FaultKind.IMPOSSIBLE})
"""Faults of which many mean that this is no file of bars. Rows without prices are not among them: series begin late."""


class _Builder:
    """Collects the first fault of each row while the columns are read one after the other."""

    def __init__(self, rows: Rows, columns: dict[str, Column], options: Options) -> None:
        self.rows = rows
        self.options = options
        self.columns = columns
        self.whole = [row for row, cells in enumerate(rows.cells) if cells]
        self.bound = bearable(len(rows.cells))
        self.counted = _UNREADABLE if options.gaps else _UNREADABLE | {FaultKind.MISSING}
        self.unreadable = 0
        self.faults: dict[int, RowFault] = {}
        for row, message in rows.ragged.items():
            self.note(row, None, FaultKind.RAGGED, message)

    def note(self, row: int, field: str | None, kind: FaultKind, message: str) -> None:
        if row in self.faults:
            return
        label = self.columns[field].label if field in self.columns else None
        self.faults[row] = RowFault(row, self.rows.lines[row], label, kind, message)
        self.unreadable += kind in self.counted
        if self.unreadable > self.bound:
            counted = (fault for fault in self.faults.values() if fault.kind in self.counted)
            first = min(counted, key=lambda fault: fault.line)
            raise too_many(first.message, self.unreadable, len(self.rows.cells), first.line, first.column)

    def texts(self, field: str) -> list[str]:
        if field not in self.columns:
            return [""] * len(self.rows.cells)
        index = self.columns[field].index
        return [cells[index] if cells else "" for cells in self.rows.cells]

    def dates(self, vendor_order: DateOrder | None) -> tuple[DateArray, str]:
        texts = self.texts("date")
        days = np.full(len(texts), np.datetime64("NaT", "D"))
        if "date" not in self.columns or not self.whole:
            return days, "none in the file"
        place = Place(
            [texts[row] for row in self.whole],
            [self.rows.lines[row] for row in self.whole],
            self.columns["date"].label,
        )
        parsed = parse_dates(place, vendor_order, self.options, self.bound)
        days[self.whole] = parsed.days
        for position, message in parsed.faults.items():
            self.note(self.whole[position], "date", FaultKind.DATE, message)
        return days, parsed.form

    def numbers(self, field: str, decimal: Decimal) -> FloatArray:
        values = np.full(len(self.rows.cells), np.nan)
        index = self.columns[field].index
        texts = [self.rows.cells[row][index] for row in self.whole]
        if decimal == "." and (plain := parse_plain(texts)) is not None:
            values[self.whole] = plain
            return values
        for row, text in zip(self.whole, texts, strict=True):
            if row in self.faults or is_null(text):
                continue
            try:
                values[row] = parse(text, decimal)
            except ValueError as error:
                self.note(row, field, FaultKind.NUMBER, str(error))
        return values

    def check_period(self) -> None:
        """Refuse rows that say that they aren't daily."""
        if "period" not in self.columns:
            return
        for row, text in enumerate(self.texts("period")):
            if text.lower() not in _DAILY:
                self.note(row, "period", FaultKind.NUMBER, f"expected daily bars (D), found the period {text[:20]!r}")

    def check_present(self, values: dict[str, FloatArray]) -> None:
        """Note rows without all four prices."""
        gaps = np.array([np.isnan(values[field]) for field in PRICES])
        patterns = np.left_shift(1, np.arange(len(PRICES))) @ gaps
        for pattern in np.unique(patterns[patterns > 0]):
            lacking = [field for bit, field in enumerate(PRICES) if pattern >> bit & 1]
            message = "no prices" if len(lacking) == len(PRICES) else f"no {' and no '.join(lacking)}"
            for row in np.flatnonzero(patterns == pattern).tolist():
                self.note(row, lacking[0], FaultKind.MISSING, message)

    def check_possible(self, values: dict[str, FloatArray]) -> tuple[int, ...]:
        """Note impossible bars, and widen low and high over `DUST`; return the lines where that was done."""
        prices = [values[field] for field in PRICES]
        opened, high, low, close = prices
        sound: BoolArray = np.ones(len(close), dtype=np.bool_)
        sound[list(self.faults)] = False
        for field, price in zip(PRICES, prices, strict=True):
            for row in np.flatnonzero(sound & (price <= 0)):
                self.note(int(row), field, FaultKind.IMPOSSIBLE, f"expected a price above 0, found {price[row]:g}")
        if "volume" in values:
            volume = values["volume"]
            for row in np.flatnonzero(sound & (volume < 0)):
                self.note(
                    int(row), "volume", FaultKind.IMPOSSIBLE, f"expected a volume of 0 or more, found {volume[row]:g}"
                )
        top, bottom = np.maximum(opened, close), np.minimum(opened, close)
        dusty: BoolArray = np.zeros(len(close), dtype=np.bool_)
        for field, price, edge, outside in (("high", high, top, high < top), ("low", low, bottom, low > bottom)):
            dust = np.abs(price - edge) <= DUST * np.abs(edge)
            for row in np.flatnonzero(sound & outside & ~dust):
                rule = "at or above" if field == "high" else "at or below"
                found = f"{field} {price[row]:g} with open {opened[row]:g} and close {close[row]:g}"
                message = f"expected {field} {rule} open and close, found {found}"
                self.note(int(row), field, FaultKind.IMPOSSIBLE, message)
            widened = sound & outside & dust
            price[widened] = edge[widened]
            dusty |= widened
        return tuple(self.rows.lines[int(row)] for row in np.flatnonzero(dusty))
