"""`parse_rows`: the rows of a file one by one, as a batch needs them."""

from dataclasses import dataclass
from typing import Literal

from data.sources.csv.options import Options
from data.sources.csv.select import pick, symbols_of
from data.sources.csv.sheet import describe, open_sheet, read_series
from data.sources.csv.table import RowFault
from data.sources.result import ReadReport
from feature_mapper.typing import DateArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class RowTable:
    """The data rows of a file, in its order, sound or not.

    Attributes
    ----------
    line : IntArray of shape (n,)
        One-based lines of the file.
    symbol : tuple of (str or None)
        Symbol of each row: from its column, from the headers, or as given.
    date : DateArray of shape (n,) or None
        Session days, NaT at fault, neither sorted nor unique; ``None`` if the file has no dates.
    open, high, low, close : FloatArray of shape (n,)
        As written, unadjusted; NaN where missing or at fault.
    volume : FloatArray of shape (n,) or None
        As written; NaN where missing; ``None`` if there is no such column.
    faults : dict of RowFault
        What is wrong, by row. A row that isn't in it is a sound bar.
    report : ReadReport
        What was recognised; it holds no series.

    """

    line: IntArray
    symbol: tuple[str | None, ...]
    date: DateArray | None
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray | None
    faults: dict[int, RowFault]
    report: ReadReport

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.line)


def parse_rows(
    data: bytes,
    *,
    symbol: str | None = None,
    date_order: Literal["DMY", "MDY"] | None = None,
    decimal: Literal[".", ","] | None = None,
    timezone: str | None = None,
) -> RowTable:
    """Parse the rows of a file, each for itself: a faulty row gets a fault and refuses no other.

    Prices are taken as written; an adjusted close is left aside. Dates may lack. Archives are refused.

    Raises
    ------
    UnreadableFile, AmbiguousFile, UnknownSymbol
        As in `read_csv`, where the fault is of the file as a whole: no table, no header, no one way to read its dates.

    """
    options = Options(
        symbol=symbol,
        date_order=date_order,
        decimal=decimal,
        adjusted=False,
        timezone=timezone,
        gaps=False,
        archives=False,
    )
    sheet = open_sheet(data, options)
    wide = pick(symbols_of(sheet.columns), symbol)
    series = read_series(sheet, wide, options, dated=False)
    table = series.table
    symbols = table.symbols or [wide or symbol or ""] * len(table.lines)
    return RowTable(
        line=table.lines,
        symbol=tuple(one or None for one in symbols),
        date=table.days if table.dated else None,
        open=table.values["open"],
        high=table.values["high"],
        low=table.values["low"],
        close=table.values["close"],
        volume=table.values.get("volume"),
        faults=table.faults,
        report=describe(sheet, [series], ()),
    )
