"""Scores: losses a row, skill against a baseline on the same rows, and what to make of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.typing import DateArray, FloatArray, IntArray
from models.manifest import Score
from models.verdicts import BETTER, NEITHER, WEAK

BLOCK: Final = 63
"""Days in a bootstrap block: losses of neighbouring days are not independent, least of all those of volatility and of
paths over 20 sessions, which share 19 of them with the next."""

LEAST_DAYS: Final = 4 * BLOCK
"""Days below which a bootstrap of blocks says nothing: of two blocks, its interval would hold any loss whatever."""

RESAMPLES: Final = 1000

SEED: Final = 7
"""Of the resamples: the same rows give the same interval, whatever the model's seed and whoever asks."""

LEVEL: Final = 0.95
"""Share of resamples inside an interval that is quoted as such."""

LITTLE: Final[Mapping[str, float]] = {
    "mse_skill": 0.005,
    "log_loss_skill": 0.0025,
    "qlike_skill": 0.01,
    "rps_skill": 0.01,
    "log_density_gain": 0.01,
    "mae_skill": 0.005,
}
"""Skill below which one that is measurable is called weak, by metric.

- ``mse_skill``: a share R^2 of the variance of daily returns is worth an annual Sharpe ratio of sqrt(252 R^2) before
  costs, to whoever sizes positions by the forecast: 0.005 is worth 1.1, which costs of trading daily may well eat.
- ``log_loss_skill``: the sign of a normal return with that R^2 is forecast with a skill of R^2 / (pi log 2), or half.
- ``qlike_skill``, ``rps_skill``, ``log_density_gain``: by how much the gate lets a version fall short of its baseline
  (`training.kit.gate.MARGIN`). Where that loses 0.3, 0.01 of it is the QLIKE of a volatility that is wrong by 4 %.
- ``mae_skill``: of a path; an R^2 takes half of itself off a mean absolute error, so this is one of 0.01.
"""

_TINY: Final = 1e-15


def log_loss(probability: FloatArray, outcome: FloatArray) -> FloatArray:
    """Return ``-log`` of the probability given to what happened, shape (n,). 0 is perfect, log 2 a fair coin."""
    chance = np.where(outcome == 1, probability, 1 - probability)
    loss: FloatArray = -np.log(np.clip(chance, _TINY, 1))
    return loss


def squared_error(forecast: FloatArray, outcome: FloatArray) -> FloatArray:
    """Return ``(forecast - outcome)^2``, shape (n,)."""
    return np.square(forecast - outcome)


def qlike(variance: FloatArray, outcome: FloatArray) -> FloatArray:
    """Return the QLIKE loss ``outcome / variance - log(outcome / variance) - 1``, shape (n,).

    0 is perfect. Its mean ranks variance forecasts as the true variance would, though ``outcome`` is only a noisy proxy
    of it (Patton 2011).
    """
    ratio = outcome / variance
    return ratio - np.log(ratio) - 1


def ranked_probability(shares: FloatArray, code: FloatArray) -> FloatArray:
    """Return the ranked probability score ``sum_k (P(<= k) - [code <= k])^2 / (K - 1)`` of K ordered classes.

    Shape (n,). 0 is perfect, and being two classes off costs more than being one off (Epstein 1969).
    """
    classes = shares.shape[1]
    reached = np.cumsum(shares, axis=1)[:, :-1]
    happened = (code[:, None] <= np.arange(classes - 1)).astype(np.float64)
    score: FloatArray = np.sum(np.square(reached - happened), axis=1) / (classes - 1)
    return score


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class DailySums:
    """Losses of a model and of its baseline, added up by day.

    Symbols of one day share the day's news, so days, not rows, are what a bootstrap may draw.
    """

    model: FloatArray
    baseline: FloatArray
    rows: IntArray

    @classmethod
    def of(cls, model: FloatArray, baseline: FloatArray, date: DateArray) -> "DailySums":
        """Add up rows by day, in order of days."""
        _, day = np.unique(date, return_inverse=True)
        model_sum: FloatArray = np.bincount(day, model).astype(np.float64)
        baseline_sum: FloatArray = np.bincount(day, baseline).astype(np.float64)
        return cls(model_sum, baseline_sum, np.bincount(day))

    def skill(self) -> float:
        """Return ``1 - sum(model) / sum(baseline)``: 1 is perfect, 0 no better than the baseline."""
        return float(1 - self.model.sum() / self.baseline.sum())

    def gain(self) -> float:
        """Return the mean of baseline less model a row: 0 no better than the baseline, in units of the loss."""
        return float((self.baseline.sum() - self.model.sum()) / self.rows.sum())

    def interval(self, level: float = LEVEL, seed: int = SEED) -> tuple[float, float]:
        """Return an interval of the skill by a circular block bootstrap of days (Politis & Romano 1992), stretched."""
        drawn = self._drawn(seed)
        return self._central(self.skill(), 1 - self.model[drawn].sum(axis=1) / self.baseline[drawn].sum(axis=1), level)

    def gain_interval(self, level: float = LEVEL, seed: int = SEED) -> tuple[float, float]:
        """Return an interval of the gain, by the same bootstrap."""
        drawn = self._drawn(seed)
        gains = (self.baseline - self.model)[drawn].sum(axis=1) / self.rows[drawn].sum(axis=1)
        return self._central(self.gain(), gains, level)

    def _central(self, value: float, resampled: FloatArray, level: float) -> tuple[float, float]:
        tail = (1 - level) / 2
        low, high = np.quantile(resampled, (tail, 1 - tail))
        longer = stretch(len(self.rows), tail)
        return float(value + (low - value) * longer), float(value + (high - value) * longer)

    def _drawn(self, seed: int) -> IntArray:
        days = len(self.model)
        rng = np.random.default_rng(seed)
        starts = rng.integers(0, days, size=(RESAMPLES, -(-days // BLOCK)))
        return (starts[:, :, None] + np.arange(BLOCK)).reshape(RESAMPLES, -1)[:, :days] % days


def stretch(days: int, tail: float) -> float:
    """Return by how much an interval of the block bootstrap has to be longer, as it rests on few blocks.

    Of k blocks it knows the spread as k - 1 degrees of freedom do, so the quantile is that of Student's t; and it is
    too narrow by ``sqrt(1 - 1 / k)``, as resamples vary about the mean of the very blocks. With 11 blocks and a tail of
    2.5 % that is 1.19: without it, a tail of 2.5 % holds nearly 4.

    Parameters
    ----------
    days : int
        That were resampled; fewer than two blocks count as two.
    tail : float
        Chance that is to lie beyond each end.

    """
    from scipy.stats import norm, t

    blocks = max(days / BLOCK, 2)
    return float(t.ppf(tail, blocks - 1) / norm.ppf(tail) / math.sqrt(1 - 1 / blocks))


def skill(metric: str, model: FloatArray, baseline: FloatArray, date: DateArray, *, against: str) -> Score:
    """Score losses of shape (n,) against those of a baseline on the same rows."""
    sums = DailySums.of(model, baseline, date)
    return _score(metric, sums.skill(), sums.interval(), sums.rows, against)


def gain(metric: str, model: FloatArray, baseline: FloatArray, date: DateArray, *, against: str) -> Score:
    """Score losses whose zero means nothing, such as log densities: by their mean difference, not their ratio."""
    sums = DailySums.of(model, baseline, date)
    return _score(metric, sums.gain(), sums.gain_interval(), sums.rows, against)


def _score(metric: str, value: float, interval: tuple[float, float], rows: IntArray, against: str) -> Score:
    told = verdict(metric, value, interval) if len(rows) >= LEAST_DAYS else NEITHER
    return Score(metric=metric, value=value, ci95=interval, n=int(rows.sum()), baseline=against, verdict=told)


def verdict(metric: str, value: float, interval: tuple[float, float]) -> str:
    """Say what a skill and its interval mean, in the words that answers carry.

    Metrics go by the name in `LITTLE` that they begin with: ``mae_skill_5`` is a ``mae_skill``. No other is called
    weak.
    """
    if interval[0] <= 0:
        return NEITHER
    little = next((little for name, little in LITTLE.items() if metric.startswith(name)), 0.0)
    return WEAK if value < little else BETTER


def conformal_quantile(errors: FloatArray, level: float) -> float:
    """Return the split-conformal quantile: the ``ceil((n + 1) * level)``-th smallest of n errors.

    A further error, exchangeable with these, lies at or below it with a chance of at least ``level`` (Vovk et al.
    2005), provided that ``n >= level / (1 - level)``; of fewer errors the largest is returned, which promises less.
    """
    return conformal_quantiles(errors, (level,))[0]


def conformal_quantiles(errors: FloatArray, levels: Sequence[float]) -> tuple[float, ...]:
    """Return the `conformal_quantile` of each level."""
    n = len(errors)
    ranks = [min(math.ceil((n + 1) * level), n) - 1 for level in levels]
    ordered = np.partition(errors, sorted({*ranks}))
    return tuple(ordered[ranks].tolist())
