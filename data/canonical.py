"""The house's own text form of a series, strict and fast to read: the sample's, and the former one of imports."""

import re
from typing import Final

import numpy as np

from data.adjustment import Adjustment, adjust
from data.errors import UnreadableFile
from feature_mapper.bars import Bars

_PRICES: Final = ("open", "high", "low", "close")
_HEADERS: Final = {
    ("date", *_PRICES): Adjustment.UNKNOWN,
    ("date", *_PRICES, "volume"): Adjustment.UNKNOWN,
    ("date", *_PRICES, "adj_close", "volume"): Adjustment.SPLIT_DIVIDEND,
}
"""Columns of a file, and what its bars are freed of once read, as far as the columns tell."""

_NUMBER: Final = r"(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)"


def load(data: bytes, symbol: str) -> Bars:
    """Read a series as text; an ``adj_close`` is applied to the prices. A volume that is unknown is an empty cell.

    Raises
    ------
    UnreadableFile
        Another header, or a row that isn't in this form.
    InvalidBars
        The values are no run of bars.

    """
    text = data.decode("ascii", errors="replace")
    head, _, body = text.partition("\n")
    header = tuple(head.split(","))
    if header not in _HEADERS:
        raise UnreadableFile(
            f"expected one of the headers of a stored series, found {head[:80]!r}; import it again", line=1
        )
    row = rf"\d{{4}}-\d\d-\d\d(?:,{_NUMBER}){{{len(header) - 2}}},{_NUMBER}?\n"
    if not re.fullmatch(rf"(?:{row})*+", body, re.ASCII):
        good = re.match(rf"(?:{row})*+", body, re.ASCII)
        line = 2 + body.count("\n", 0, good.end() if good else 0)
        raise UnreadableFile("expected a row of a stored series, found another form; import it again", line=line)
    cells = body.replace("\n", ",").split(",")[:-1]
    width = len(header)
    try:
        date = np.array(cells[::width], dtype="datetime64[D]")
    except ValueError as error:
        raise UnreadableFile(f"expected days of the calendar, found: {error}; import it again") from error
    values = {
        name: np.array([float(cell) if cell else np.nan for cell in cells[index::width]], dtype=np.float64)
        for index, name in enumerate(header)
        if index
    }
    prices = {name: values[name] for name in _PRICES}
    volume = values.get("volume")
    if "adj_close" in values:
        # Checked as traded first: a factor that isn't positive and finite must not be what is reported.
        Bars.validated(**prices, volume=volume, date=date, symbol=symbol)
        done = adjust(**prices, adj_close=values["adj_close"], volume=volume)
        prices = {name: getattr(done, name) for name in _PRICES}
        volume = done.volume
    return Bars.validated(**prices, volume=volume, date=date, symbol=symbol)
