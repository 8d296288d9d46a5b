"""What a forecast would have earned if it were followed blindly, before costs, and what costs would have left of it.

Every symbol is held long or short by the sign of the forecast, each with the same weight, from one close to the next.
A forecast of several sessions is followed for all of them, by an equal part of the position each: what is held is the
mean of as many last signs (Jegadeesh & Titman 1993), so that no day of the week is chosen to trade on.
That is no strategy that anyone should follow. It turns a forecast into money by a rule without settings, so that
nothing can be tuned to please.
"""

import math
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from feature_mapper.typing import DateArray, FloatArray, IntArray
from models.tasks.base import Columns
from models.tasks.direction import EVEN

SESSIONS: Final = 252
BASIS_POINTS: Final = 1e4
EULER: Final = 0.5772156649015329
"""Euler and Mascheroni's constant, of the mean of the largest of many draws."""


class Trading(msgspec.Struct, frozen=True, kw_only=True):
    """The forecast followed blindly, before costs.

    Attributes
    ----------
    days : int
        Days with a position.
    mean_bp : float
        Mean daily return of the book, in basis points.
    turnover : float
        Mean share of the book that is traded a day; 2 where every position is turned round every day.
    break_even_bp : float
        Cost of trading, in basis points of what is traded, that would have eaten the whole return; below 0, there was
        none to eat.
    sharpe, sharpe_long : float
        Mean over standard deviation of daily returns, annualised by the root of 252; and that of holding every symbol.
    trials : int
        Books of the report, this one included.
    deflated_sharpe : float
        Chance that the true Sharpe ratio is above what the best of so many books without any skill would have shown
        (Bailey & Lopez de Prado 2014), with the variance that ratios of no skill have.

    """

    days: int
    mean_bp: float
    turnover: float
    break_even_bp: float
    sharpe: float
    sharpe_long: float
    trials: int
    deflated_sharpe: float


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Book:
    """Daily returns of a book and of holding every symbol, each of shape (days,), and the mean turnover a day."""

    returns: FloatArray
    long: FloatArray
    turnover: float


def sides(said: Columns) -> FloatArray | None:
    """Return 1 for long and -1 for short, shape (n,); None of forecasts that say nothing of the direction."""
    if "probability_up" in said:
        return np.where(said["probability_up"] >= EVEN, 1.0, -1.0)
    return np.where(said["expected_return"] >= 0, 1.0, -1.0) if "expected_return" in said else None


def book(side: FloatArray, log_return: FloatArray, date: DateArray, symbol: IntArray, horizon: int = 1) -> Book:
    """Follow the sides, each of shape (n,), for ``horizon`` rows, with simple returns from each close to the next.

    A symbol that has no row on a day has no position on it; to close one and to open one are trades.
    """
    side = _followed(side, date, symbol, horizon)
    days, day = np.unique(date, return_inverse=True)
    counts = np.bincount(day)
    simple = np.expm1(log_return)
    held = np.zeros((len(days) + 1, int(symbol.max()) + 1))
    held[day + 1, symbol] = side / counts[day]
    return Book(
        returns=np.bincount(day, side * simple) / counts,
        long=np.bincount(day, simple) / counts,
        turnover=float(np.abs(np.diff(held, axis=0)).sum(axis=1).mean()),
    )


def _followed(side: FloatArray, date: DateArray, symbol: IntArray, horizon: int) -> FloatArray:
    """Return the mean of the last ``horizon`` sides of each symbol, shape (n,); before there are so many, of 0 too."""
    result = np.zeros(len(side))
    for each in np.unique(symbol):
        mine = np.flatnonzero(symbol == each)
        mine = mine[np.argsort(date[mine], kind="stable")]
        for age in range(min(horizon, len(mine))):
            result[mine[age:]] += side[mine[: len(mine) - age]]
    return result / horizon


def judge(of: Book, trials: int) -> Trading:
    """Judge a book that is one of ``trials``."""
    mean = float(of.returns.mean())
    return Trading(
        days=len(of.returns),
        mean_bp=mean * BASIS_POINTS,
        turnover=of.turnover,
        break_even_bp=mean / of.turnover * BASIS_POINTS,
        sharpe=_sharpe(of.returns) * math.sqrt(SESSIONS),
        sharpe_long=_sharpe(of.long) * math.sqrt(SESSIONS),
        trials=trials,
        deflated_sharpe=deflated_sharpe(of.returns, trials),
    )


def deflated_sharpe(returns: FloatArray, trials: int) -> float:
    """Return the chance that the daily Sharpe ratio is above the expected largest of ``trials`` ratios of no skill.

    ``Phi((s - s0) sqrt(T - 1) / sqrt(1 - g s + (k - 1) / 4 s^2))`` with skewness g and kurtosis k of the returns, and
    ``s0 = sqrt(V) ((1 - e) q(1 - 1/N) + e q(1 - 1/(N exp 1)))`` with ``V = 1 / (T - 1)``, the variance of the ratio of
    T returns that have none, normal quantiles q and Euler's constant e. Of one trial, s0 is 0.
    """
    from scipy.stats import kurtosis, norm, skew

    days, ratio = len(returns), _sharpe(returns)
    largest = 0.0
    if trials > 1:
        first, second = (float(norm.ppf(1 - tail)) for tail in (1 / trials, 1 / (trials * math.e)))
        largest = ((1 - EULER) * first + EULER * second) / math.sqrt(days - 1)
    spread = 1 - float(skew(returns)) * ratio + float(kurtosis(returns, fisher=False) - 1) / 4 * ratio**2
    return float(norm.cdf((ratio - largest) * math.sqrt(days - 1) / math.sqrt(spread)))


def _sharpe(returns: FloatArray) -> float:
    deviation = float(returns.std())
    return float(returns.mean()) / deviation if deviation > 0 else 0.0
