"""What a regime model sees of a session: where it went, in units of its own size, and how large it was.

Both are freed of the symbol: a return over its own session's volatility is a few units anywhere, and the volatility is
taken relative to the `Habit` of the sessions before it in the window that is read. With levels left in, states of
pooled symbols tell a bond fund from a coin, and neither ever changes its regime.
"""

from typing import Final

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import BoolArray, FloatArray
from feature_mapper.volatility import garman_klass_variance, session_variance
from feature_mapper.windows import windows as views
from models.scale import FLOOR

LEAST: Final = FLOOR**0.5
"""Least volatility of a session, in log return."""


class Habit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How large a symbol's sessions usually are and how much that varies, by those of a window and of all symbols.

    Of the n log volatilities v of a window: ``level = (sum v + weight * usual) / (n + weight)`` and
    ``spread^2 = (sum (v - level)^2 + weight * variety^2) / (n + weight)``. Both are shrunk towards those of all symbols
    (James and Stein 1961), as a session says little of a symbol and a year much.

    Attributes
    ----------
    usual : float
        Mean log volatility of the symbols that were learnt on, a session.
    variety : float
        Root of the mean squared difference of their log volatilities from the level, above 0.
    weight : float
        Sessions that both count for, above 0.
    night : float
        What the gap of the night adds to a log volatility, on the mean: where it is unknown, it is taken to be that.

    """

    usual: float
    variety: float
    weight: float
    night: float

    def of(self, volatility: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return level and spread of windows of log volatilities, shape (..., width) to (...); NaN is unknown."""
        known = ~np.isnan(volatility)
        n = np.add.reduce(known, axis=-1) + self.weight
        level = (np.add.reduce(np.where(known, volatility, 0.0), axis=-1) + self.weight * self.usual) / n
        apart = np.where(known, volatility - level[..., None], 0.0)
        return level, np.sqrt((np.add.reduce(apart * apart, axis=-1) + self.weight * self.variety**2) / n)

    def before(self, volatility: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return level and spread before each session of windows, by those of the window that came earlier.

        Shape (..., width) to the same; that of a first session is what is usual of all symbols.
        """
        apart = np.where(np.isnan(volatility), 0.0, volatility - self.usual)
        n = _earlier(~np.isnan(volatility)) + self.weight
        first, second = _earlier(apart), _earlier(apart * apart)
        shift = first / n
        squares = np.maximum(second - first * shift - self.weight * shift * shift, 0.0)
        return self.usual + shift, np.sqrt((squares + self.weight * self.variety**2) / n)


def _earlier(values: FloatArray | BoolArray) -> FloatArray:
    """Return the sum of what came before each value along the last axis, from left to right."""
    total: FloatArray = np.zeros(values.shape)
    np.add.accumulate(values[..., :-1], axis=-1, dtype=np.float64, out=total[..., 1:])
    return total


def observations(bars: Bars) -> FloatArray:
    """Return the log return over the session's volatility, and the log of that volatility, of each bar, shape (n, 2).

    The volatility is the root of the Garman-Klass variance plus the squared overnight gap. As the return is made of the
    same gap g and a move inside the same range h, it is at most 3.13 of it (g + h over the root of
    ``g^2 + (1.5 - 2 log 2) h^2``): what is wild is in the volatility.

    A row of NaN is a bar that tells nothing: the first one, which has no bar before it, and one whose high is its low.
    Where closes alone were recorded every bar is such a one, and as zeros they would make a state of their own.
    """
    returns = np.full(len(bars), np.nan)
    returns[1:] = np.log(bars.close[1:] / bars.close[:-1])
    seen = observed(returns, np.sqrt(session_variance(bars)))
    seen[bars.high <= bars.low] = np.nan
    return seen


def observed(returns: FloatArray, volatility: FloatArray) -> FloatArray:
    """Return observations, of shape (n, 2), of log returns and volatilities themselves, both of shape (n,)."""
    floored = np.maximum(volatility, LEAST)
    return np.stack([returns / floored, np.log(floored)], axis=1)


def windows(bars: Bars, tier: int, rows: int) -> FloatArray:
    """Return the observations of the ``tier`` bars up to each of the last ``rows`` bars, shape (rows, width, 2).

    The first bar of a window only gives the close that the next one is seen from, so that the width is one less. A
    window of one bar sees its range, and neither a return nor a gap (`Habit.night`). What lies before the first bar is
    NaN.

    Raises
    ------
    ValueError
        More rows than bars are asked for.

    """
    if rows > len(bars):
        raise ValueError(f"expected at most {len(bars)} rows, as many as bars, found {rows}; ask for fewer")
    if tier == 1:
        last = bars.tail(rows)
        size = 0.5 * np.log(np.maximum(garman_klass_variance(last), FLOOR))
        bare = np.stack([np.full(rows, np.nan), np.where(last.high > last.low, size, np.nan)], axis=1)
        return bare[:, None, :]
    seen = observations(bars.tail(rows + tier - 1))
    return np.stack([windows_of(column, tier - 1, rows) for column in seen.T], axis=-1)


def windows_of(values: FloatArray, width: int, rows: int) -> FloatArray:
    """Return the ``width`` values up to each of the last ``rows`` ones, a view of shape (rows, width); NaN before."""
    needed = rows + width - 1
    padded = np.concatenate([np.full(max(needed - len(values), 0), np.nan), values[max(len(values) - needed, 0) :]])
    return views(padded, width, rows)
