"""The house's own text form of a series: strict, fast to read, exact in both directions."""

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


def dump(bars: Bars) -> bytes:
    """Return a series as text. `load` gives the same bits back.

    ``bars`` needs dates. A volume that is unknown (NaN) is an empty cell; without volume the column lacks.
    """
    if bars.date is None:
        raise UnreadableFile("expected bars with dates to store, found none; give each bar its day")
    columns = [np.datetime_as_string(bars.date).tolist()]
    columns += [["" if np.isnan(value) else repr(value) for value in column.tolist()] for _, column in bars.columns()]
    header = ("date", *(name for name, _ in bars.columns()))
    return "".join(",".join(cells) + "\n" for cells in (header, *zip(*columns, strict=True))).encode("ascii")


def load(data: bytes, symbol: str) -> Bars:
    """Read what `dump` wrote, or a sample file; an ``adj_close`` is applied to the prices.

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
