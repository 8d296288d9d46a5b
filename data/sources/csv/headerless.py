"""Files without a header: the few that the values themselves give away. All others are refused."""

import re
from dataclasses import dataclass
from typing import Final

from data.adjustment import Adjustment
from data.errors import AmbiguousFile, UnreadableFile
from data.sources.csv.header import Column
from data.sources.csv.layouts import Layout
from data.sources.csv.options import Options

_EPOCH: Final = r"\d{12,13}|\d{15,16}"
_NUMBER: Final = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_WHOLE: Final = r"\d+"
_DAY: Final = r"\d{8}"
_MINUTE: Final = r"\d{8} \d\d:\d\d"


@dataclass(frozen=True, slots=True)
class Shape:
    """What the cells of a row look like, and what the columns are; ``None`` where no column is to be read."""

    layout: Layout
    cells: tuple[str, ...]
    fields: tuple[str | None, ...]

    def fits(self, row: list[str]) -> bool:
        """Tell whether a row looks like this."""
        return len(row) == len(self.cells) and all(
            re.fullmatch(pattern, cell) for pattern, cell in zip(self.cells, row, strict=True)
        )


_OHLCV: Final = ("date", "open", "high", "low", "close", "volume")

BINANCE: Final = Shape(
    Layout(
        name="binance",
        title="Binance klines, 12 columns without header",
        levels=0,
        unadjusted=Adjustment.RAW,
        basis="a currency pair has neither splits nor dividends",
    ),
    (_EPOCH, *[_NUMBER] * 5, _EPOCH, _NUMBER, _WHOLE, _NUMBER, _NUMBER, _NUMBER),
    (*_OHLCV, *[None] * 6),
)

LEAN: Final = Shape(
    Layout(
        name="lean",
        title="QuantConnect Lean daily trade bars",
        levels=0,
        unadjusted=Adjustment.RAW,
        basis="prices as traded",
    ),
    (_MINUTE, *[_NUMBER] * 5),
    _OHLCV,
)

REFUSED: Final = (
    ((_MINUTE, *[_NUMBER] * 10), "QuantConnect Lean quote bars: bid and ask, no traded price; pass trade bars instead"),
    ((_DAY, *[_NUMBER] * 3), "a QuantConnect Lean factor file, which has no bars; pass the zip of the daily bars"),
    ((_DAY, r"[a-z.]+", r"[A-Z]?"), "a QuantConnect Lean map file, which has no bars; pass the zip of the daily bars"),
    ((_DAY, r"[a-z.]+"), "a QuantConnect Lean map file, which has no bars; pass the zip of the daily bars"),
)
"""Shapes that are known and hold no bars that could be read."""


def recognise_row(row: list[str], line: int, options: Options) -> tuple[Layout, tuple[Column, ...]]:
    """Return layout and columns of a file without header, from its first row.

    Raises
    ------
    UnreadableFile
        No known shape, or one that holds no traded prices.
    AmbiguousFile
        Lean bars: equities are in deci-cents, currencies are not, and nothing in the file tells which it is.

    """
    for cells, what in REFUSED:
        if Shape(LEAN.layout, cells, ()).fits(row):
            raise UnreadableFile(f"expected daily bars, found what looks like {what}", line=line)
    for shape in (BINANCE, LEAN):
        if not shape.fits(row):
            continue
        if shape is LEAN and options.price_scale is None:
            message = (
                "expected prices in units of the currency, found what looks like QuantConnect Lean bars, which hold "
                "deci-cents for equities and plain prices for currencies; pass price_scale=10000 or price_scale=1"
            )
            raise AmbiguousFile(message, parameter="price_scale", line=line)
        columns = tuple(Column(index, f"column {index + 1}", field) for index, field in enumerate(shape.fields))
        return shape.layout, columns
    message = (
        "expected a header that names at least a date and open, high, low, close; found "
        f"{', '.join(repr(cell[:20]) for cell in row[:4])}; add a line such as 'date,open,high,low,close,volume'"
    )
    raise UnreadableFile(message, line=line)
