"""Targets: what each task asks about the sessions after t. A row whose answer is not known yet is NaN, never 0."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from feature_mapper.volatility import session_variance
from feature_mapper.windows import windows

RISK_HORIZON: Final = 5
TWO_YEARS: Final = 504
"""Sessions in two years, by convention 252 a year."""


@dataclass(frozen=True, slots=True)
class Target:
    """A named function of the bars after t.

    ``values(bars)`` has shape (n,); entry t depends on bars up to t + ``horizon`` only, and is NaN for the last
    ``horizon`` bars.
    """

    name: str
    definition: str
    horizon: int
    values: Callable[[Bars], FloatArray]


def next_log_return(bars: Bars) -> FloatArray:
    """Return ``log(close[t+1] / close[t])``."""
    return _ahead(np.log(bars.close[1:] / bars.close[:-1]), len(bars))


def next_up(bars: Bars) -> FloatArray:
    """Return 1 if ``close[t+1] > close[t]``, else 0; an unchanged close is not up."""
    return _ahead((bars.close[1:] > bars.close[:-1]).astype(np.float64), len(bars))


def next_session_variance(bars: Bars) -> FloatArray:
    """Return the Garman-Klass variance plus squared overnight gap of session t+1."""
    return _ahead(session_variance(bars)[1:], len(bars))


def week_volatility(bars: Bars) -> FloatArray:
    """Return the root mean session variance of the 5 sessions that end at t, shape (n,); NaN for the first 5 bars."""
    result = np.full(len(bars), np.nan)
    rows = len(bars) - RISK_HORIZON
    if rows > 0:
        result[RISK_HORIZON:] = np.sqrt(np.mean(windows(session_variance(bars)[1:], RISK_HORIZON, rows), axis=-1))
    return result


def risk_class(bars: Bars, *, ahead: int = RISK_HORIZON) -> FloatArray:
    """Return the third of the symbol's own last two years that the next week's volatility falls into: 0, 1 or 2.

    Entry t compares `week_volatility` at t + ``ahead`` with the terciles of its values at t - 503 to t. ``ahead=0``
    gives today's class, which persistence repeats. NaN where two years of history, or the coming week, are not there.
    """
    volatility = week_volatility(bars)
    result = np.full(len(bars), np.nan)
    first = RISK_HORIZON + TWO_YEARS - 1
    rows = len(bars) - first
    if rows > 0:
        low, high = np.quantile(windows(volatility, TWO_YEARS, rows), (1 / 3, 2 / 3), axis=-1)
        coming = np.full(rows, np.nan)
        coming[: max(rows - ahead, 0)] = volatility[first + ahead :]
        known = ~np.isnan(coming)
        result[first:][known] = (coming > low).astype(np.float64)[known] + (coming > high).astype(np.float64)[known]
    return result


def _ahead(values: FloatArray, n: int) -> FloatArray:
    """Place the values of sessions 1..n-1 one row earlier; the last row has none."""
    result = np.full(n, np.nan)
    result[: n - 1] = values
    return result


NEXT_RETURN: Final = Target("next_log_return", "log(close[t+1] / close[t])", 1, next_log_return)
NEXT_UP: Final = Target("next_up", "1 if close[t+1] > close[t] else 0", 1, next_up)
NEXT_VARIANCE: Final = Target(
    "next_session_variance", "Garman-Klass variance[t+1] + log(open[t+1] / close[t])^2", 1, next_session_variance
)
RISK: Final = Target(
    "risk_class",
    "tercile (0, 1, 2) of root mean session variance over t+1..t+5 among its own values at t-503..t",
    RISK_HORIZON,
    risk_class,
)
