"""Rivals of price forecasts: the last close, drift, plain Prophet, and three of statsforecast by a process of its own.

All forecast the log close, as the model does. Each reads at least the sessions that a path is fitted on, up to the very
day that it forecasts from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray, IntArray
from feature_mapper.windows import windows
from models.families import prophet
from training.kit.panel import dated

SHOWN: Final = (1, 5, 20)
"""Sessions ahead that are judged."""

LEVELS: Final = (0.8, 0.95)
"""Shares of outcomes that bands are to hold."""

LOOKBACK: Final = 1000
"""Sessions that rivals which are fitted at each origin read; a path of the model is fitted on 750."""

SPREAD: Final = 250
"""Sessions that the bands of the last close and of drift take their width from."""

NAIVE: Final = "last close"
DRIFT: Final = "drift"
PLAIN: Final = "plain Prophet"

PLAIN_PRIOR: Final = 0.05
PLAIN_YEARLY: Final = 10
PLAIN_WEEKLY: Final = 3
"""Prophet's own settings."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Fan:
    """Centres and bands of the log move over `SHOWN` sessions, from n days; NaN where nothing is said.

    ``centre`` has shape (n, horizons), ``lower`` and ``upper`` shape (n, levels, horizons).
    """

    centre: FloatArray
    lower: FloatArray
    upper: FloatArray

    @classmethod
    def silent(cls, n: int) -> "Fan":
        """Return a fan that says nothing."""
        shape = (n, len(LEVELS), len(SHOWN))
        return cls(np.full((n, len(SHOWN)), np.nan), np.full(shape, np.nan), np.full(shape, np.nan))

    @classmethod
    def unpacked(cls, arrays: Mapping[str, FloatArray]) -> "Fan":
        """Return what `packed` gave."""
        return cls(arrays["centre"], arrays["lower"], arrays["upper"])

    def packed(self) -> dict[str, FloatArray]:
        """Return the arrays by name."""
        return {"centre": self.centre, "lower": self.lower, "upper": self.upper}

    def take(self, at: IntArray) -> "Fan":
        """Return what is said of the rows ``at``."""
        return Fan(self.centre[at], self.lower[at], self.upper[at])

    def put(self, at: IntArray, part: "Fan") -> None:
        """Write what a part says to the rows ``at``."""
        self.centre[at], self.lower[at], self.upper[at] = part.centre, part.lower, part.upper


def walks(bars: Bars, at: IntArray) -> dict[str, Fan]:
    """Return the last close and drift from each position, with the bands of a Gaussian random walk.

    Drift is the mean log return of all sessions so far, and its band is wider for not knowing it well: by
    ``sqrt(1 + h / sessions)`` (Hyndman and Athanasopoulos 2021, section 5.5). The deviation is that of the last
    `SPREAD` returns.
    """
    from scipy.stats import norm

    log = np.log(bars.close)
    returns = np.diff(log)
    sessions, drift = at.astype(np.float64), (log[at] - log[0]) / at
    deviation = np.array([returns[max(day - SPREAD, 0) : day].std() for day in at.tolist()])
    steps, quantiles = np.array(SHOWN, dtype=np.float64), norm.ppf(0.5 + np.array(LEVELS) / 2)
    half = deviation[:, None, None] * quantiles[:, None] * np.sqrt(steps)
    unsure = half * np.sqrt(1 + steps / sessions[:, None, None])
    level = np.zeros((len(at), len(SHOWN)))
    ahead = drift[:, None] * steps
    return {
        NAIVE: Fan(level, -half, half),
        DRIFT: Fan(ahead, ahead[:, None] - unsure, ahead[:, None] + unsure),
    }


def plain_prophet(bars: Bars, at: IntArray, seed: int) -> Fan:
    """Return what Prophet says as it comes, fitted anew at each position: its own level, its own bands."""
    said, log, date = Fan.silent(len(at)), np.log(bars.close), dated(bars)
    for row, day in enumerate(at.tolist()):
        past = slice(max(day + 1 - LOOKBACK, 0), day + 1)
        path = prophet.fit(
            date[past],
            log[past],
            regressors={},
            changepoint_prior_scale=PLAIN_PRIOR,
            seed=seed,
            yearly_order=PLAIN_YEARLY,
            weekly_order=PLAIN_WEEKLY,
        )
        ahead = date[day + np.array(SHOWN)]
        said.centre[row] = path.path(ahead, {}) - log[day]
        for column, level in enumerate(LEVELS):
            lower, upper = prophet.plain_interval(path, ahead, {}, level=level, seed=seed)
            said.lower[row, column], said.upper[row, column] = lower - log[day], upper - log[day]
    return said


def read_by_rivals(bars: Bars, at: IntArray) -> FloatArray:
    """Return the log closes that a rival reads at each position, shape (n, `LOOKBACK`), NaN before they begin."""
    log = np.concatenate([np.full(LOOKBACK - 1, np.nan), np.log(bars.close)])
    return windows(log, LOOKBACK, len(bars))[at]
