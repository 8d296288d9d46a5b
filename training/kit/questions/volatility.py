"""Volatility: forecast variance against the long-run mean, the rolling mean, EWMA and HAR."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from feature_mapper.volatility import garman_klass_variance, session_variance
from feature_mapper.windows import windows
from models.families.base import Objective
from models.scale import FLOOR
from models.tasks.bands import LEVELS
from models.tasks.base import Columns, Head
from models.tasks.volatility import Volatility, VolatilityHead
from training.kit.adaptive import adapted, central_rank
from training.kit.questions.base import Rows
from training.kit.scores import qlike
from training.kit.targets import variance_over

MONTH: Final = 21
EWMA_DECAY: Final = 0.94
"""RiskMetrics' daily decay (J.P. Morgan 1996)."""
EWMA_WINDOW: Final = 126
"""Sessions after which a weight has fallen to 0.0004 of the first."""


class VolatilityQuestion:
    """Mean variance of the sessions of a horizon, by QLIKE."""

    objective: Final[Objective] = "positive"
    metric: Final = "qlike_skill"

    def __init__(self, horizon: int = 1) -> None:
        """Ask of so many sessions."""
        self.task: Final = Volatility(horizon)
        self.target: Final = variance_over(horizon)

    def context(self, bars: Bars) -> dict[str, FloatArray]:
        """Return means of session variance: rolling, EWMA, and of all sessions so far; and that of the bar alone.

        They see as much history as the symbol has, whatever the tier.
        """
        variance = session_variance(bars)
        decay = EWMA_DECAY ** np.arange(EWMA_WINDOW - 1, -1, -1)
        return {
            "rolling_mean": _weighted(variance, np.full(MONTH, 1 / MONTH)),
            "ewma": _weighted(variance, decay / decay.sum()),
            "long_run": _so_far(variance),
            "own_bar": np.maximum(garman_klass_variance(bars), FLOOR),
        }

    def label(self, y: FloatArray, scale: FloatArray) -> FloatArray:
        """Fit the variance relative to the symbol's own level; the gamma deviance of the estimator is QLIKE."""
        return np.maximum(y, FLOOR) / np.square(scale)

    def head(self, margin: FloatArray, scale: FloatArray, rows: Rows, level: float, weights: FloatArray) -> Head:  # noqa: ARG002  one signature for all questions
        """Take the central quantiles of log(realised / forecast volatility) out of fold, at levels that follow."""
        ratio = 0.5 * (np.log(np.maximum(rows.y, FLOOR)) - margin) - np.log(scale)
        asked = sorted({level, *LEVELS})
        central = np.abs(2.0 * central_rank(ratio) - 1.0)
        rate, states = adapted(central, rows.date, rows.label_end, asked, level)
        ends = np.quantile(ratio, ((1 - states) / 2, (1 + states) / 2))
        by_level = dict(zip(asked, ends.T.tolist(), strict=True))
        lowers, uppers = zip(*(by_level[each] for each in LEVELS), strict=True)
        lower, upper = by_level[level]
        return VolatilityHead(
            level=level, lower=lower, upper=upper, levels=LEVELS, lowers=lowers, uppers=uppers, rate=rate
        )

    def loss(self, forecast: Columns, y: FloatArray) -> FloatArray:
        """QLIKE of the variance."""
        return qlike(np.square(forecast["volatility"]), np.maximum(y, FLOOR))

    def baselines(self, train: Rows, test: Rows, scale: FloatArray, tier: int) -> dict[str, Columns]:
        """Rival forecasts; each is made unbiased on the training rows, so that none loses by its level alone.

        ``variance = level[t] * mean over the training rows of (y / level)``, where ``level[t]`` is what the name says
        of the symbol's own sessions up to t. So ``long_run`` says that variance never changes, for each symbol at its
        own level: where that is true, what estimates it from a few sessions can't beat it.
        """
        rivals: dict[str, Columns] = {}
        if tier > MONTH:
            rivals["har"] = {"volatility": scale}
        for name in (*(("rolling_mean", "ewma") if tier > MONTH else ("own_bar", "rolling_mean")), "long_run"):
            bias = np.mean(train.y / train.context[name])
            rivals[name] = {"volatility": np.sqrt(test.context[name] * bias)}
        return rivals

    def quoted(self, losses: Mapping[str, float], tier: int) -> str:
        """Quote the strongest rival: a skill against a weaker one is the rival's weakness, not the model's strength.

        Of one bar its own range is quoted, which is all that a history of one bar has.
        """
        return min(losses, key=losses.__getitem__) if tier > MONTH else next(iter(losses))

    def figures(self, forecast: Columns, y: FloatArray) -> dict[str, float]:
        """Return QLIKE, errors and fit of the logs, the mean ratio (1 is unbiased) and the band's coverage."""
        volatility, realised = forecast["volatility"], np.sqrt(np.maximum(y, FLOOR))
        log_error = np.log(realised) - np.log(volatility)
        spread = np.log(realised) - np.log(realised).mean()
        return {
            "qlike": float(np.mean(self.loss(forecast, y))),
            "rmse": float(np.sqrt(np.mean(np.square(volatility - realised)))),
            "log_r2": float(1 - np.mean(np.square(log_error)) / np.mean(np.square(spread))),
            "variance_ratio": float(np.mean(y / np.square(volatility))),
            "coverage": float(np.mean((forecast["lower"] <= realised) & (realised <= forecast["upper"]))),
        }


def _weighted(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted mean of the last ``len(weights)`` values, floored; NaN where there are fewer."""
    result = np.full(len(values), np.nan)
    rows = len(values) - len(weights)
    if rows > 0:
        result[len(weights) :] = np.maximum(np.sum(windows(values[1:], len(weights), rows) * weights, axis=-1), FLOOR)
    return result


def _so_far(values: FloatArray) -> FloatArray:
    """Return the mean of all values up to each, floored; NaN before there are `EWMA_WINDOW` of them.

    The first value has no session before it, and is NaN.
    """
    result = np.full(len(values), np.nan)
    means = np.cumsum(values[1:]) / np.arange(1, len(values))
    result[EWMA_WINDOW:] = np.maximum(means[EWMA_WINDOW - 1 :], FLOOR)
    return result
