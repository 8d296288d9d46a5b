"""`read_csv`: a file to bars by symbol, or the reason why not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from data.errors import UnreadableFile
from data.sources.csv.assemble import assemble
from data.sources.csv.options import Options
from data.sources.csv.select import pick, symbols_of
from data.sources.csv.sheet import Series, Sheet, describe, open_sheet, read_bytes, read_series
from data.sources.result import SourceResult
from feature_mapper.typing import IntArray


def read_csv(
    source: bytes | Path,
    *,
    symbol: str | None = None,
    all_symbols: bool = False,
    date_order: Literal["DMY", "MDY"] | None = None,
    decimal: Literal[".", ","] | None = None,
    adjusted: bool | None = None,
    timezone: str | None = None,
    price_scale: float | None = None,
    impossible: Literal["refuse", "drop"] = "refuse",
) -> SourceResult:
    """Read daily bars from a file that a person has, and say how.

    The parameters are explained at `Options`; a file that shows its meaning needs none.

    Raises
    ------
    UnreadableFile
        The file can't be read without guessing; line, column and cause are in the error.
    AmbiguousFile
        It can, once the parameter that the error names is given.
    UnknownSymbol
        The file names symbols, and not the wanted one.

    """
    options = Options(
        symbol=symbol,
        all_symbols=all_symbols,
        date_order=date_order,
        decimal=decimal,
        adjusted=adjusted,
        timezone=timezone,
        price_scale=price_scale,
        impossible=impossible,
    )
    sheet = open_sheet(read_bytes(source), options)
    bars, reports, read = {}, [], []
    for name, series, rows in _each(sheet, options):
        bars[name or ""], report = assemble(
            series.table, rows, name, sheet.layout, options, from_adjusted=series.selection.adjusted
        )
        reports.append(report)
        read.append(series)
    return SourceResult(bars, describe(sheet, read, tuple(reports)))


def _each(sheet: Sheet, options: Options) -> Iterator[tuple[str | None, Series, IntArray]]:
    """Yield name, table and rows of each series that is to be read."""
    every = np.arange(len(sheet.rows.lines))
    if wide := symbols_of(sheet.columns):
        for name in wide if options.all_symbols else [pick(wide, options.symbol)]:
            yield name, read_series(sheet, name, options, dated=True), every
        return
    series = read_series(sheet, None, options, dated=True)
    if series.table.symbols is None:
        yield options.symbol, series, every
        return
    column = np.array(series.table.symbols)
    ragged = np.isin(every, list(sheet.rows.ragged))
    if len(blank := every[(column == "") & ~ragged]):
        line = sheet.rows.lines[int(blank[0])]
        raise UnreadableFile(
            "expected a symbol in every row, found an empty cell; fill it or remove the row", line=line
        )
    found = list(dict.fromkeys(name for name in series.table.symbols if name))
    for name in found if options.all_symbols else [pick(found, options.symbol)]:
        # A row that can't be split may be of any symbol, so it refuses each of them.
        yield name, series, every[(column == name) | ragged]
