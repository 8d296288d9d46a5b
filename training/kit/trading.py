"""What a forecast would have earned if it were followed blindly, before costs, and what costs would have left of it.

Every symbol is held long or short by the sign of the forecast, each with the same weight, from one close to the next.
A forecast of several sessions is followed for all of them, by an equal part of the position each: what is held is the
mean of as many last signs (Jegadeesh & Titman 1993), so that no day of the week is chosen to trade on.
That is no strategy that anyone should follow. It turns a forecast into money by a rule without settings, so that
nothing can be tuned to please.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray, IntArray
from models.tasks.base import Columns
from models.tasks.direction import EVEN
from training.kit.panel import dated
from training.kit.questions.base import Rows
from training.kit.targets import log_return

SESSIONS: Final = 252
BASIS_POINTS: Final = 1e4

COST_BP: Final = 5.0
"""Cost of trading that net figures take off, in basis points of what is traded: a convention to compare models by, not
a measurement of any market. Whoever pays another one has the break-even cost to go by."""

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
        Books that were looked at, this one included.
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


class Followed(Trading, frozen=True, kw_only=True):
    """The same of one tier, with what costs leave.

    Attributes
    ----------
    tier : int
        Bars of history.
    cost_bp : float
        Cost that is taken off each trade, in basis points of what is traded.
    net_bp, net_sharpe, net_deflated_sharpe : float
        As ``mean_bp``, ``sharpe`` and ``deflated_sharpe``, after that cost.

    """

    tier: int
    cost_bp: float
    net_bp: float
    net_sharpe: float
    net_deflated_sharpe: float


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Book:
    """Daily figures of a book, each of shape (days,).

    ``returns`` are simple returns of the book before costs, ``long`` those of holding every symbol, ``traded`` the
    shares of the book that are traded to get into the day's positions.
    """

    returns: FloatArray
    long: FloatArray
    traded: FloatArray

    @property
    def turnover(self) -> float:
        """Mean share that is traded a day."""
        return float(self.traded.mean())

    def net(self, cost_bp: float) -> FloatArray:
        """Return daily returns less a cost, in basis points, on everything that is traded."""
        return self.returns - cost_bp / BASIS_POINTS * self.traded


def sides(said: Columns) -> FloatArray | None:
    """Return 1 for long and -1 for short, shape (n,); None of forecasts that say nothing of the direction."""
    if "probability_up" in said:
        return np.where(said["probability_up"] >= EVEN, 1.0, -1.0)
    return np.where(said["expected_return"] >= 0, 1.0, -1.0) if "expected_return" in said else None


def book(side: FloatArray, log_return: FloatArray, date: DateArray, symbol: IntArray, horizon: int = 1) -> Book:
    """Follow the sides, each of shape (n,), for ``horizon`` rows, with simple returns from each close to the next.

    A symbol that has no row on a day has no position on it; to close one and to open one are trades.
    """
    side = _positions(side, date, symbol, horizon)
    days, day = np.unique(date, return_inverse=True)
    counts = np.bincount(day)
    simple = np.expm1(log_return)
    held = np.zeros((len(days) + 1, int(symbol.max()) + 1))
    held[day + 1, symbol] = side / counts[day]
    return Book(
        returns=np.bincount(day, side * simple) / counts,
        long=np.bincount(day, simple) / counts,
        traded=np.abs(np.diff(held, axis=0)).sum(axis=1),
    )


def coming_returns(series: Mapping[str, Bars], rows: Rows) -> FloatArray:
    """Return the log return from each row's close to the next, shape (n,); NaN after the last bar of a symbol.

    ``series`` are those that the rows were made of, in the order of ``rows.symbol``.
    """
    result = np.full(len(rows), np.nan)
    for number, bars in enumerate(series.values()):
        mine = rows.symbol == number
        result[mine] = log_return(bars)[np.searchsorted(dated(bars), rows.date[mine])]
    return result


def followed(said: Columns, rows: Rows, series: Mapping[str, Bars], horizon: int = 1) -> Book | None:
    """Return the book that follows forecasts of ``rows``; None if they say nothing of the direction."""
    side = sides(said)
    return None if side is None else book(side, coming_returns(series, rows), rows.date, rows.symbol, horizon)


def _positions(side: FloatArray, date: DateArray, symbol: IntArray, horizon: int) -> FloatArray:
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


def judge_tier(of: Book, tier: int, trials: int, cost_bp: float = COST_BP) -> Followed:
    """Judge the book of a tier, that is one of ``trials``, before costs and after them."""
    net = of.net(cost_bp)
    return Followed(
        **msgspec.structs.asdict(judge(of, trials)),
        tier=tier,
        cost_bp=cost_bp,
        net_bp=float(net.mean()) * BASIS_POINTS,
        net_sharpe=_sharpe(net) * math.sqrt(SESSIONS),
        net_deflated_sharpe=deflated_sharpe(net, trials),
    )


def deflated_sharpe(returns: FloatArray, trials: int) -> float:
    """Return the chance that the daily Sharpe ratio is above the expected largest of ``trials`` ratios of no skill.

    ``Phi((s - s0) sqrt(T - 1) / sqrt(1 - g s + (k - 1) / 4 s^2))`` with skewness g and kurtosis k of the returns, and
    ``s0 = sqrt(V) ((1 - e) q(1 - 1/N) + e q(1 - 1/(N exp 1)))`` with ``V = 1 / (T - 1)``, the variance of the ratio of
    T returns that have none, normal quantiles q and Euler's constant e. Of one trial, s0 is 0. Returns that never
    differ have a ratio of 0, and the moments of a normal law.
    """
    from scipy.stats import kurtosis, norm, skew

    days, ratio = len(returns), _sharpe(returns)
    largest = 0.0
    if trials > 1:
        first, second = (float(norm.ppf(1 - tail)) for tail in (1 / trials, 1 / (trials * math.e)))
        largest = ((1 - EULER) * first + EULER * second) / math.sqrt(days - 1)
    spread = 1.0
    if ratio != 0:
        spread += -float(skew(returns)) * ratio + float(kurtosis(returns, fisher=False) - 1) / 4 * ratio**2
    return float(norm.cdf((ratio - largest) * math.sqrt(days - 1) / math.sqrt(spread)))


def _sharpe(returns: FloatArray) -> float:
    deviation = float(returns.std())
    return float(returns.mean()) / deviation if deviation > 0 else 0.0
