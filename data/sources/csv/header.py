"""Third step: which line names the columns, how it is split, and what each name means."""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import Final

from data.errors import UnreadableFile
from data.sources.csv.decode import Text
from data.sources.csv.dialect import DELIMITERS, split
from data.sources.csv.vocabulary import NUMERIC, PRICES, RANKED, SPELLINGS, field_of, normal, split_symbol

MAX_PREAMBLE: Final = 5
"""How many lines of text may stand above the header: a source line, a title."""

MIN_FIELDS: Final = 3
"""A header names at least so many fields."""

LEVELS: Final = 3
"""Lines that pandas writes above columns of two levels."""

_MANGLED: Final = re.compile(r"(?:open|high|low|close|adj ?close|volume)\.\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its header as written, the field that it means (``None``: ignored), the symbol in its header."""

    index: int
    label: str
    field: str | None = None
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What stands above the rows.

    Attributes
    ----------
    delimiter : str
        One of `DELIMITERS`.
    columns : tuple of Column
        Every column of the file, in its order. Empty in a file without header.
    line : int
        One-based line of the header; 0 if there is none.
    first : int
        One-based line of the first row.
    levels : int
        How many lines name the columns: 0, 1, or 3 (fields, symbols, name of the date column).
    notes : tuple of str
        Lines above the header that were skipped.

    """

    delimiter: str
    columns: tuple[Column, ...]
    line: int
    first: int
    levels: int
    notes: tuple[str, ...] = ()


def find_header(text: Text) -> Header:
    """Find the header in the first lines of a file.

    Raises
    ------
    UnreadableFile
        Lines with cells stand above it, a name occurs twice, two columns mean the same field, a date or prices lack.

    """
    written = ((number, line) for number, line in enumerate(text.lines, start=1) if line.strip())
    head = list(islice(written, MAX_PREAMBLE + 1))
    if three := _three_levels(head):
        return three
    for position, (number, line) in enumerate(head):
        delimiter = max(DELIMITERS, key=lambda mark: (_known(line, mark, number), line.count(mark)))
        if _known(line, delimiter, number) >= MIN_FIELDS:
            notes = tuple(_preamble(above, above_line, delimiter) for above, above_line in head[:position])
            columns = _named(split(line, delimiter, number), number)
            return Header(delimiter, columns, number, number + 1, 1, notes)
    number, line = head[0]
    delimiter = max(DELIMITERS, key=line.count)
    return Header(delimiter, (), 0, number, 0)


def _known(line: str, delimiter: str, number: int) -> int:
    """Count the distinct fields that a line names when it is split at ``delimiter``."""
    if delimiter not in line:
        return 0
    try:
        cells = split(line, delimiter, number)
    except UnreadableFile:
        return 0  # not split by this mark; what is wrong with the line shows when it is split by the right one
    return max(
        len({field_of(cell) for cell in cells} - {None}),
        len({pair[1] for pair in map(split_symbol, cells) if pair}),
    )


def _preamble(number: int, line: str, delimiter: str) -> str:
    told = line.lstrip().lower().startswith(("#", "sep="))  # a comment; what Excel writes about the delimiter
    if not told and len(split(line, delimiter, number)) > 1:
        raise UnreadableFile("expected the header first, found cells above it; remove that line", line=number)
    return f"skipped line {number} above the header: {line.strip()[:60]!r}"


def _three_levels(head: list[tuple[int, str]]) -> Header | None:
    """Read the header that pandas writes for columns of two levels (yfinance): fields, symbols, ``Date,,,``."""
    if len(head) < LEVELS:
        return None
    for delimiter in DELIMITERS:
        if any(delimiter not in line or '"' in line for _, line in head[:LEVELS]):
            continue
        upper, lower, last = (split(line, delimiter, number) for number, line in head[:LEVELS])
        named = len(last) > 1 and field_of(last[0]) == "date" and not any(last[1:])
        if not (named and len(upper) == len(lower) == len(last)):
            continue
        if all(field_of(cell) in NUMERIC for cell in lower[1:]):
            upper, lower = lower, upper
        columns = [Column(0, last[0], "date")]
        for index, (label, symbol) in enumerate(zip(upper[1:], lower[1:], strict=True), start=1):
            field = field_of(label)
            columns.append(Column(index, f"{label} {symbol}".strip(), field if field in NUMERIC else None, symbol))
        line = head[0][0]
        _check_unique(columns, line)
        return Header(delimiter, tuple(columns), line, head[LEVELS - 1][0] + 1, LEVELS)
    return None


def _named(labels: list[str], line: int) -> tuple[Column, ...]:
    """Give each header its meaning."""
    for label, count in Counter(label for label in labels if label).items():
        if count > 1:
            message = f"expected each column name once, found it {count} times; remove or rename the others"
            raise UnreadableFile(message, line=line, column=label)
        if _MANGLED.fullmatch(label):
            message = (
                "expected one such column, found a numbered copy: a table of several symbols that lost their names"
            )
            raise UnreadableFile(message, line=line, column=label)
    plain = [Column(index, label, field_of(label)) for index, label in enumerate(labels)]
    if not any(column.field in PRICES for column in plain):
        plain = [_with_symbol(column) for column in plain]
    columns = _rank(plain)
    if columns[0].label == "" and not any(column.field == "date" for column in columns):
        columns[0] = Column(0, "", "date")
    _check_unique(columns, line)
    return tuple(columns)


def _with_symbol(column: Column) -> Column:
    pair = None if column.field else split_symbol(column.label)
    return Column(column.index, column.label, pair[1], pair[0]) if pair else column


def _rank(columns: list[Column]) -> list[Column]:
    """Keep the best spelling of each ranked field and ignore the others."""
    for field in RANKED:
        rivals = [column for column in columns if column.field == field]
        best = min(rivals, key=lambda column: SPELLINGS[column.field or ""].index(normal(column.label)), default=None)
        columns = [
            Column(column.index, column.label) if column.field == field and column is not best else column
            for column in columns
        ]
    return columns


def _check_unique(columns: list[Column], line: int) -> None:
    seen: dict[tuple[str, str | None], Column] = {}
    for column in columns:
        if column.field is None:
            continue
        other = seen.setdefault((column.field, column.symbol), column)
        if other is not column:
            message = (
                f"expected one column for {column.field}, found {other.label!r} too; remove the one that isn't meant"
            )
            raise UnreadableFile(message, line=line, column=column.label)
