"""Date cells: one form for a whole file, found from its values; a daily bar keeps the day of its exchange."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final, Literal

import numpy as np

from data.errors import AmbiguousFile, UnreadableFile
from data.sources.csv.instants import SECONDS_A_DAY, Place, session_days
from data.sources.csv.options import Options
from feature_mapper.typing import BoolArray, DateArray, IntArray

DateOrder = Literal["DMY", "MDY"]

_MONTH_NAMES: Final = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_MONTHS: Final = {
    "sept": 9,
    **{name[:cut]: number for number, name in enumerate(_MONTH_NAMES, start=1) for cut in (3, len(name))},
}
_CLOCK: Final = (
    r"(?:[T ](?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d{1,9})?)?"
    r" ?(?P<offset>Z|UTC|[+-]\d\d:?\d\d)?)?"
)
_SHAPES: Final = {
    "year, month, day": re.compile(
        rf"(?P<y>\d{{4}})(?P<sep>[-/.])(?P<m>\d{{1,2}})(?P=sep)(?P<d>\d{{1,2}}){_CLOCK}", re.ASCII
    ),
    "year last": re.compile(rf"(?P<a>\d{{1,2}})(?P<sep>[-/.])(?P<b>\d{{1,2}})(?P=sep)(?P<y>\d{{4}}){_CLOCK}", re.ASCII),
    "year, month, day in eight digits": re.compile(rf"(?P<y>\d{{4}})(?P<m>\d\d)(?P<d>\d\d)(?:\.0+)?{_CLOCK}", re.ASCII),
    "day, month name, year": re.compile(r"(?P<d>\d{1,2})[ -](?P<month>[A-Za-z]{3,9})\.?[ ,-] ?(?P<y>\d{4})", re.ASCII),
    "month name, day, year": re.compile(r"(?P<month>[A-Za-z]{3,9})\.? (?P<d>\d{1,2}),? (?P<y>\d{4})", re.ASCII),
    "epoch seconds": re.compile(r"(?P<epoch>\d{9,10})(?:\.0+)?", re.ASCII),
    "epoch milliseconds": re.compile(r"(?P<epoch>\d{12,13})(?:\.0+)?", re.ASCII),
    "epoch microseconds": re.compile(r"(?P<epoch>\d{15,16})(?:\.0+)?", re.ASCII),
    "epoch nanoseconds": re.compile(r"(?P<epoch>\d{18,19})(?:\.0+)?", re.ASCII),
}
_ALL_ISO: Final = re.compile(r"(?:\d{4}-\d\d-\d\d\n)*+", re.ASCII)
_PER_SECOND: Final = {
    "epoch seconds": 1,
    "epoch milliseconds": 1_000,
    "epoch microseconds": 1_000_000,
    "epoch nanoseconds": 1_000_000_000,
}
_TWO_DIGIT_YEAR: Final = re.compile(r"\d{1,2}[-/. ](?:\d{1,2}|[A-Za-z]{3,9})[-/. ]\d{2}")
_YEARS: Final = range(1800, 2101)
NAT: Final = np.datetime64("NaT", "D")
_Match = re.Match[str]
_Parts = tuple[str | Any, ...]
"""Year, month and day, as digits or as numbers."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds an array
class Dates:
    """Session days of the rows (NaT at fault), the form that was found, and what is wrong by row."""

    days: DateArray
    form: str
    faults: dict[int, str]


def parse_dates(place: Place, vendor_order: DateOrder | None, options: Options, bound: int) -> Dates:
    """Read the date column of a file. Beyond ``bound`` faults one more is reported and the rest is left unread.

    The form that most rows have is the form of the file; a row of another form is at fault. Written days are taken as
    they stand, whatever the offset behind them: that is the day of the exchange. Instants (epochs, times in UTC that
    aren't midnight) need the exchange's zone, unless the days themselves show that the UTC day is the session day.

    Raises
    ------
    UnreadableFile
        No row has a date, or rows contradict each other on the order of day and month.
    AmbiguousFile
        Nothing shows the order of day and month, or the session day of instants.

    """
    cells, lines, column = place.cells, place.lines, place.column
    if (written := _plain_days(cells)) is not None:
        return Dates(written, "year, month, day", {})
    matches = _shapes(cells)
    counts = Counter(name for name, _ in matches if name)
    if not counts:
        raise UnreadableFile(_no_date(cells[0]), line=lines[0], column=column)
    shape = max(counts, key=lambda name: counts[name])
    first = next(row for row, (name, _) in enumerate(matches) if name == shape)
    other = islice((row for row, (name, _) in enumerate(matches) if name != shape), bound + 1)
    faults = {
        row: (
            _no_date(cells[row])
            if matches[row][0] is None
            else f"expected a date of the form of line {lines[first]}, {cells[first]!r}, found {cells[row][:40]!r}"
        )
        for row in other
    }
    if len(faults) > bound:
        return _collected({}, len(cells), shape, faults)
    sound = {row: match for row, (name, match) in enumerate(matches) if name == shape and match is not None}
    if shape in _PER_SECOND:
        seconds = {row: int(match["epoch"]) / _PER_SECOND[shape] for row, match in sound.items()}
        instants_days, how = session_days(seconds, place, options)
        return _collected(instants_days, len(cells), f"{shape}, {how}", faults)
    if shape == "year last":
        order = _order(sound, place, vendor_order, options)
        form = {"DMY": "day, month, year", "MDY": "month, day, year"}[order]
        parts: Callable[[_Match], _Parts] = _day_first if order == "DMY" else _month_first
    else:
        form, parts = shape, (_month_named if "month name" in shape else _as_written)
    days, real = _days([parts(match) for match in sound.values()])
    rows = np.fromiter(sound, dtype=np.int64, count=len(sound))
    span = f"from {_YEARS.start} to {_YEARS.stop - 1}"
    for row in rows[~real][: bound + 1].tolist():
        faults[row] = f"expected a day of the calendar {span}, found {cells[row]!r}"
    ordinals = dict(zip(rows[real].tolist(), days[real].tolist(), strict=True))
    instants = _utc_instants(sound, ordinals)
    if instants is not None:
        ordinals, how = session_days(instants, place, options)
        form = f"{form}, times in UTC, {how}"
    elif any("hour" in match.re.groupindex and match["hour"] for match in sound.values()):
        form += ", times and offsets left aside: the written day is the exchange's"
    return _collected(ordinals, len(cells), form, faults)


def _plain_days(cells: Sequence[str]) -> DateArray | None:
    """Return the days of a column in which every cell is ``2024-12-31``; ``None`` if one isn't.

    The common case at one look; the general way gives the same days.
    """
    if not _ALL_ISO.fullmatch("\n".join((*cells, ""))):
        return None
    try:
        days = np.array(cells, dtype="datetime64[D]")
    except ValueError:
        return None  # a day that isn't in the calendar, which the general way names
    years = days.astype("datetime64[Y]").astype(np.int64) + 1970
    return days if ((years >= _YEARS.start) & (years < _YEARS.stop)).all() else None


def _shapes(cells: Sequence[str]) -> list[tuple[str | None, _Match | None]]:
    """Return the shape of each cell; at one look where all are of the shape of the first."""
    name, _ = _shape_of(cells[0])
    if name is not None:
        same = [*map(_SHAPES[name].fullmatch, cells)]
        if None not in same:
            return [(name, match) for match in same]
    return [_shape_of(cell) for cell in cells]


def _shape_of(cell: str) -> tuple[str | None, _Match | None]:
    for name, pattern in _SHAPES.items() if cell else ():
        if match := pattern.fullmatch(cell):
            return name, match
    return None, None


def _no_date(cell: str) -> str:
    if _TWO_DIGIT_YEAR.fullmatch(cell):
        return f"expected a year of four digits, found {cell!r}, whose century would be a guess; export four digits"
    return (
        f"expected a date such as 2024-12-31, found {cell[:40]!r}" if cell else "expected a date, found an empty cell"
    )


def _day_first(match: _Match) -> _Parts:
    return match.group("y", "b", "a")


def _month_first(match: _Match) -> _Parts:
    return match.group("y", "a", "b")


def _as_written(match: _Match) -> _Parts:
    return match.group("y", "m", "d")


def _month_named(match: _Match) -> _Parts:
    return match["y"], _MONTHS.get(match["month"].lower(), 0), match["d"]


def _days(parts: Sequence[_Parts]) -> tuple[IntArray, BoolArray]:
    """Return the days since 1970, and whether there is such a day; where not, the number means nothing."""
    year, month, day = np.array([*map(int, chain.from_iterable(parts))], dtype=np.int64).reshape(-1, 3).T
    first = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = first.astype("datetime64[D]") + (day - 1)
    real = (year >= _YEARS.start) & (year < _YEARS.stop) & (month >= 1) & (month <= 12)
    return days.astype(np.int64), real & (day >= 1) & (days.astype("datetime64[M]") == first)


def _order(sound: dict[int, _Match], place: Place, vendor: DateOrder | None, options: Options) -> DateOrder:
    """Decide between day and month first: the values, then the vendor, then the caller."""
    proofs: dict[DateOrder, int] = {}
    for row, match in sound.items():
        a, b = int(match["a"]), int(match["b"])
        if a > len(_MONTH_NAMES) >= b:
            proofs.setdefault("DMY", row)
        elif b > len(_MONTH_NAMES) >= a:
            proofs.setdefault("MDY", row)
    if {"DMY", "MDY"} <= proofs.keys():
        other, row = sorted(proofs.values())
        message = (
            "expected one order of day and month in the whole file, found "
            f"{place.cells[other]!r} on line {place.lines[other]} and {place.cells[row]!r}; write all dates alike"
        )
        raise UnreadableFile(message, line=place.lines[row], column=place.column)
    told = options.date_order or vendor
    for proven, row in proofs.items():
        if told not in {None, proven}:
            who = "date_order" if options.date_order else "the vendor's custom"
            message = (
                f"expected {told} by {who}, found {place.cells[row]!r}, which is {proven}; check the source of the file"
            )
            raise UnreadableFile(message, line=place.lines[row], column=place.column)
        return proven
    if told is not None:
        return told
    first = next(iter(sound))
    if sound[first]["sep"] == ".":
        return "DMY"  # the countries that write points write the day first
    message = (
        f"expected a date that shows which is the day, found only such as {place.cells[first]!r}; "
        "pass date_order='DMY' or date_order='MDY'"
    )
    raise AmbiguousFile(message, parameter="date_order", line=place.lines[first], column=place.column)


def _utc_instants(sound: dict[int, _Match], ordinals: dict[int, int]) -> dict[int, float] | None:
    """Return seconds since 1970 by row if the column holds times in UTC that aren't all midnight, else ``None``."""
    seconds: dict[int, float] = {}
    for row, day in ordinals.items():
        found = sound[row].groupdict()
        if (
            not found.get("hour")
            or (found.get("offset") or "").strip("+-:0") not in {"", "Z", "UTC"}
            or not found["offset"]
        ):
            return None
        clock = int(found["hour"]) * 3600 + int(found["minute"]) * 60 + int(found["second"] or 0)
        seconds[row] = day * SECONDS_A_DAY + clock
    return seconds if any(value % SECONDS_A_DAY for value in seconds.values()) else None


def _collected(ordinals: dict[int, int], rows: int, form: str, faults: dict[int, str]) -> Dates:
    days = np.full(rows, NAT)
    if ordinals:
        days[list(ordinals)] = np.array(list(ordinals.values()), dtype=np.int64).astype("datetime64[D]")
    return Dates(days, form, faults)
