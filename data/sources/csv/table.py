"""Rows split into cells, and the table of values that they become."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from data.errors import UnreadableFile
from data.sources.csv.dialect import split
from data.sources.csv.options import bearable
from feature_mapper.typing import DateArray, FloatArray, IntArray


class FaultKind(StrEnum):
    """Why a row holds no bar."""

    RAGGED = "ragged"
    DATE = "date"
    NUMBER = "number"
    MISSING = "missing"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True)
class RowFault:
    """The first thing that is wrong with a row: its zero-based place, its line, the header of the column, why."""

    row: int
    line: int
    column: str | None
    kind: FaultKind
    message: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Data rows of a file: one-based line and cells of each, blank lines left out. A ragged row has no cells.

    ``quoted`` tells whether any of them has a quote.
    """

    lines: list[int]
    cells: list[list[str]]
    ragged: dict[int, str]
    quoted: bool


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Table:
    """Values of one series, a row for every data row of the file, in its order.

    Attributes
    ----------
    lines : IntArray of shape (n,)
        One-based lines of the file.
    days : DateArray of shape (n,)
        Session days; NaT at fault, and everywhere if the file has no dates.
    dated : bool
        Whether the file has dates.
    day_cells : sequence of str
        The date cells as written.
    date_form : str
        Form of the dates, in words.
    values : dict of FloatArray of shape (n,)
        By field; NaN where missing or at fault.
    symbols : sequence of str or None
        The symbol column.
    faults : dict of RowFault
        By row.
    dusty : tuple of int
        Lines whose low or high was widened over float dust.

    """

    lines: IntArray
    days: DateArray
    dated: bool
    day_cells: Sequence[str]
    date_form: str
    values: dict[str, FloatArray]
    symbols: Sequence[str] | None
    faults: dict[int, RowFault]
    dusty: tuple[int, ...]


def too_many(message: str, found: int, rows: int, line: int, column: str | None = None) -> UnreadableFile:
    """Return the refusal of a file with more unreadable rows than is `bearable`, of which this is the first."""
    cause = f"{message} (and so {found - 1} more, at least, of {rows} rows that can't be read: no table)"
    return UnreadableFile(cause, line=line, column=column)


def split_rows(lines: Sequence[str], first: int, delimiter: str, width: int) -> Rows:
    """Split the lines from ``first`` (one-based) on; blank ones are skipped, ragged and badly quoted ones noted."""
    rows = Rows([], [], {}, quoted=any('"' in line for line in lines[first - 1 :]))
    bound = bearable(len(lines) - first + 1)
    for number in range(first, len(lines) + 1):
        line = lines[number - 1]
        if not line or line.isspace():
            continue
        cells: list[str] = []
        try:
            cells = split(line, delimiter, number)
        except UnreadableFile as error:
            rows.ragged[len(rows.lines)] = error.cause
        if cells and len(cells) != width:
            rows.ragged[len(rows.lines)] = (
                f"expected {width} cells, as many as the header names, found {len(cells)}; "
                "quote numbers that hold the delimiter, and end no row with a delimiter that the header lacks"
            )
            cells = []
        rows.lines.append(number)
        rows.cells.append(cells)
        if len(rows.ragged) > bound:
            worst = min(rows.ragged)
            raise too_many(rows.ragged[worst], len(rows.ragged), len(lines) - first + 1, rows.lines[worst])
    return rows
