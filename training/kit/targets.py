"""Targets: what each task asks about the sessions after t. A row whose answer is not known yet is NaN, never 0."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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


def log_return(bars: Bars, horizon: int = 1) -> FloatArray:
    """Return ``log(close[t+h] / close[t])``."""
    return _ahead(np.log(bars.close[horizon:] / bars.close[:-horizon]), len(bars))


def up(bars: Bars, horizon: int = 1) -> FloatArray:
    """Return 1 if ``close[t+h] > close[t]``, else 0; an unchanged close is not up."""
    return _ahead((bars.close[horizon:] > bars.close[:-horizon]).astype(np.float64), len(bars))


def mean_variance(bars: Bars, horizon: int = 1) -> FloatArray:
    """Return the mean over t+1..t+h of session variance: Garman-Klass variance plus squared overnight gap."""
    return _ahead(_window_means(bars, horizon), len(bars))


def week_volatility(bars: Bars) -> FloatArray:
    """Return the root mean session variance of the 5 sessions that end at t, shape (n,); NaN for the first 5 bars."""
    result = np.full(len(bars), np.nan)
    result[RISK_HORIZON:] = np.sqrt(_window_means(bars, RISK_HORIZON))
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


def _window_means(bars: Bars, width: int) -> FloatArray:
    """Return the mean session variance of every run of ``width`` sessions that have a night, shape (n - width,)."""
    rows = len(bars) - width
    if rows <= 0:
        return np.zeros(0)
    means: FloatArray = np.mean(windows(session_variance(bars)[1:], width, rows), axis=-1)
    return means


def _ahead(values: FloatArray, n: int) -> FloatArray:
    """Place what is known of the first bars, and NaN for the last ones, whose sessions ahead are not all there."""
    result = np.full(n, np.nan)
    result[: len(values)] = values
    return result


def return_over(horizon: int) -> Target:
    """Return the target of the log return over so many sessions."""
    definition = f"log(close[t+{horizon}] / close[t])"
    name = "next_log_return" if horizon == 1 else f"log_return_{horizon}"
    return Target(name, definition, horizon, partial(log_return, horizon=horizon))


def up_over(horizon: int) -> Target:
    """Return the target of the direction over so many sessions."""
    name = "next_up" if horizon == 1 else f"up_{horizon}"
    return Target(name, f"1 if close[t+{horizon}] > close[t] else 0", horizon, partial(up, horizon=horizon))


def variance_over(horizon: int) -> Target:
    """Return the target of the variance of a session over so many sessions: their mean, so that horizons compare."""
    name, definition = "next_session_variance", "Garman-Klass variance[t+1] + log(open[t+1] / close[t])^2"
    if horizon > 1:
        name = f"mean_session_variance_{horizon}"
        definition = f"mean over i = t+1..t+{horizon} of Garman-Klass variance[i] + log(open[i] / close[i-1])^2"
    return Target(name, definition, horizon, partial(mean_variance, horizon=horizon))


NEXT_RETURN: Final = return_over(1)
NEXT_UP: Final = up_over(1)
NEXT_VARIANCE: Final = variance_over(1)
RISK: Final = Target(
    "risk_class",
    "tercile (0, 1, 2) of root mean session variance over t+1..t+5 among its own values at t-503..t",
    RISK_HORIZON,
    risk_class,
)
