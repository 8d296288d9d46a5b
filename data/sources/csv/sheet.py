"""A file on its way: decoded, its header found, its layout recognised, its rows split; then the table of a series."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data.errors import UnreadableFile
from data.sources.csv.build import build, choose_decimal
from data.sources.csv.decode import decode
from data.sources.csv.dialect import split
from data.sources.csv.header import Column, find_header
from data.sources.csv.headerless import recognise_row
from data.sources.csv.layouts import Layout, recognise
from data.sources.csv.numbers import Decimal
from data.sources.csv.options import MAX_BYTES, Options
from data.sources.csv.select import Selection, select
from data.sources.csv.table import Rows, Table, split_rows
from data.sources.result import ReadReport, SeriesReport

_FOOTER: Final = "downloaded from"
"""How barchart.com begins the line under its last row."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is known of a file before a series is chosen."""

    layout: Layout
    delimiter: str
    columns: tuple[Column, ...]
    header_line: int
    rows: Rows
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """The table of one series, the columns that it came from, the decimal mark of its numbers."""

    table: Table
    selection: Selection
    decimal: Decimal


def read_bytes(source: bytes | Path) -> bytes:
    """Return the content of a source, at most a byte more than is allowed."""
    if isinstance(source, bytes):
        return source
    try:
        with source.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableFile(f"expected a readable file, found: {error.strerror or error}; check the path") from error


def open_sheet(data: bytes, options: Options) -> Sheet:
    """Decode a file, find its header, recognise its layout and split its rows."""
    text = decode(data, archives=options.archives)
    header = find_header(text)
    lines, notes = text.lines, [*text.notes, *header.notes]
    if len(lines) > header.first and lines[-1].strip(' "').lower().startswith(_FOOTER):
        notes.append(f"skipped line {len(lines)} under the rows: {lines[-1][:60]!r}")
        lines = lines[:-1]
    if header.levels:
        layout, columns = recognise(header), header.columns
    else:
        row = split(lines[header.first - 1], header.delimiter, header.first)
        layout, columns = recognise_row(row, header.first, options)
    rows = split_rows(lines, header.first, header.delimiter, len(columns))
    if not rows.lines:
        raise UnreadableFile("expected rows under the header, found none: the source had no data", line=header.line)
    return Sheet(layout, header.delimiter, columns, header.line, rows, tuple(notes))


def read_series(sheet: Sheet, symbol: str | None, options: Options, *, dated: bool) -> Series:
    """Build the table of the series whose columns carry ``symbol`` (``None``: plain columns)."""
    adjusted = options.adjusted is not False
    selection = select(sheet.columns, symbol, sheet.header_line, adjusted=adjusted, dated=dated)
    decimal = choose_decimal(sheet.rows, selection.columns, sheet.delimiter, options)
    table = build(sheet.rows, selection.columns, decimal, sheet.layout.date_order, options)
    return Series(table, selection, decimal)


def describe(sheet: Sheet, series: list[Series], reports: tuple[SeriesReport, ...]) -> ReadReport:
    """Gather what was recognised into a report."""
    read = {column.index: column for one in series for column in one.selection.columns}
    return ReadReport(
        layout=sheet.layout.name,
        title=sheet.layout.title,
        delimiter=sheet.delimiter,
        decimal=series[0].decimal,
        dates=series[0].table.date_form,
        used=tuple((column.field or "", column.label) for _, column in sorted(read.items())),
        ignored=tuple(column.label or "(unnamed)" for column in sheet.columns if column.index not in read),
        notes=sheet.notes,
        series=reports,
    )
