"""Bars that never were: what an audit puts in the place of what a forecast must not have seen."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from feature_mapper.bars import PRICES, Bars
from feature_mapper.typing import DateArray, FloatArray
from training.kit.panel import dated

FACTOR: Final = 3.0
"""By what prices and volumes are multiplied: far beyond any rounding, and still a price."""

STRETCH: Final = 1.5
"""By what log moves and ranges are: the same ones in another order have the same mean, which a scaler might read."""


def later(bars: Bars, start: int) -> Bars:
    """Return the bars with all from position ``start`` on run backwards, wilder, at another level, on other days."""
    return _falsified(bars, slice(start, len(bars)))


def earlier(bars: Bars, stop: int) -> Bars:
    """Return the bars with all before position ``stop`` run backwards, wilder, at another level, on other days."""
    return _falsified(bars, slice(0, stop))


def later_days(series: Mapping[str, Bars], day: np.datetime64) -> dict[str, Bars]:
    """Return series with other sessions after ``day``, as `later` has them; the days stay, as splits go by them."""
    return {
        symbol: _falsified(bars, slice(int(np.searchsorted(dated(bars), day, side="right")), len(bars)), days=False)
        for symbol, bars in series.items()
    }


def textured(bars: Bars, seed: int) -> Bars:
    """Return the bars with a range, a body and a gap in each, whatever they had: closes alone leave features idle."""
    rng = np.random.default_rng(seed)
    opened, up, down = 0.01 * rng.standard_normal((3, len(bars)))
    first = bars.close * np.exp(opened)
    high = np.maximum(first, bars.close) * np.exp(np.abs(up))
    low = np.minimum(first, bars.close) * np.exp(-np.abs(down))
    columns = {**dict(bars.columns()), "open": first, "high": high, "low": low}
    return _with(bars, columns, bars.date)


def shuffled(series: Mapping[str, Bars], seed: int) -> dict[str, Bars]:
    """Return markets in which no session follows from another: the same sessions in any order, of any symbol.

    A session is what it made of the close before: four ratios and a volume. They are drawn without replacement from
    those of all symbols together, so that no symbol keeps a level of its own, and each is turned upside down with a
    chance of one half (high for low), so that log prices have no drift. What is left to know of tomorrow is what
    sessions are like at all.
    """
    rng = np.random.default_rng(seed)
    shapes = np.concatenate([_shapes(bars) for bars in series.values()])
    volumes = np.concatenate([_volumes(bars) for bars in series.values()])
    order = rng.permutation(len(shapes))
    shapes, volumes = shapes[order], volumes[order]
    turned = rng.random(len(shapes)) < 0.5
    shapes[turned] = -shapes[turned][:, [0, 2, 1, 3]]
    markets, begin = dict[str, Bars](), 0
    for symbol, bars in series.items():
        end = begin + len(bars) - 1
        markets[symbol] = _market(bars, shapes[begin:end], volumes[begin:end])
        begin = end
    return markets


def _shapes(bars: Bars) -> FloatArray:
    """Return logs of open, high, low and close over the close before, shape (n - 1, 4)."""
    return np.log(np.stack([getattr(bars, name)[1:] for name in PRICES], axis=1) / bars.close[:-1, None])


def _volumes(bars: Bars) -> FloatArray:
    return np.full(len(bars) - 1, np.nan) if bars.volume is None else bars.volume[1:]


def _market(bars: Bars, shapes: FloatArray, volumes: FloatArray) -> Bars:
    before = np.concatenate([[0.0], np.cumsum(shapes[:, 3])[:-1]])
    logs = np.log(bars.close[0]) + before[:, None] + shapes
    first = np.full((1, len(PRICES)), bars.close[0])
    prices = np.concatenate([first, np.exp(logs)])
    # Rounding may put a close that is the day's high a bit above it.
    top, bottom = prices[:, [0, 3]].max(axis=1), prices[:, [0, 3]].min(axis=1)
    volume = None if bars.volume is None else np.concatenate([bars.volume[:1], volumes])
    return Bars.validated(
        open=prices[:, 0].copy(),
        high=np.maximum(prices[:, 1], top),
        low=np.minimum(prices[:, 2], bottom),
        close=prices[:, 3].copy(),
        volume=volume,
        date=bars.date,
        symbol=bars.symbol,
    )


def _falsified(bars: Bars, part: slice, *, days: bool = True) -> Bars:
    columns = {name: column.copy() for name, column in bars.columns()}
    anchor = bars.close[part][:1]
    for name, column in columns.items():
        turned = column[part][::-1]
        column[part] = FACTOR * (turned if name == "volume" else anchor * (turned / anchor) ** STRETCH)
    date = bars.date
    if date is not None and days:
        date = date.copy()
        length = len(date[part])
        # Ascending still: what is earlier moves away into the past, what is later into the future.
        date[part] += np.arange(-length, 0) if part.start == 0 else np.arange(1, length + 1)
    return _with(bars, columns, date)


def _with(bars: Bars, columns: Mapping[str, FloatArray], date: DateArray | None) -> Bars:
    prices = {name: columns[name] for name in PRICES}
    return Bars(**prices, volume=columns.get("volume"), date=date, symbol=bars.symbol)
