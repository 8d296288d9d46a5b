"""What the models of a task are measured by: losses by row, the task's own first.

Forecast distributions are judged by two proper scores (Gneiting & Raftery 2007), each in units of the log return. The
interval score of a band of level ``1 - a``: ``upper - lower + 2/a (lower - y)+ + 2/a (y - upper)+``. And the continuous
ranked probability score, as twice the mean pinball loss over the quantiles of `TAUS`: the same sum for each, so that
nobody gains by a formula.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.typing import FloatArray
from models.tasks.base import Columns
from training.kit.questions.base import Question

BAND: Final = 0.9
"""Share of outcomes that the band is to hold which the interval score judges."""

TAUS: Final = tuple(round(0.01 * step, 2) for step in range(1, 100))

MEDIAN: Final = 0.5

Quantile = Callable[[float], FloatArray]
"""The quantiles of a forecast distribution, shape (n,), by the share of outcomes that is to lie below."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Said:
    """What a model or a rival says of n rows: the task's columns, and a distribution where it has one."""

    columns: Columns
    quantile: Quantile | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """A loss by row, lower is better; None of who does not say what it judges."""

    name: str
    losses: Callable[[Said, FloatArray], FloatArray | None]


def measures(question: Question) -> Iterator[Measure]:
    """Yield the measures of a task."""
    yield Measure(question.metric.removesuffix("_skill"), lambda said, y: question.loss(said.columns, y))
    match question.task.identity.name:
        case "return":
            yield Measure("interval_score", lambda said, y: said.quantile and interval(said.quantile, y))
            yield Measure("crps", lambda said, y: said.quantile and crps(said.quantile, y))
        case "risk":
            yield Measure("balanced_error", lambda said, y: balanced_error(said.columns["probabilities"], y))


def interval(quantile: Quantile, y: FloatArray, level: float = BAND) -> FloatArray:
    """Return the interval score of the central band, shape (n,)."""
    tail = (1 - level) / 2
    lower, upper = quantile(tail), quantile(1 - tail)
    result: FloatArray = upper - lower + (np.maximum(lower - y, 0) + np.maximum(y - upper, 0)) / tail
    return result


def crps(quantile: Quantile, y: FloatArray) -> FloatArray:
    """Return the continuous ranked probability score, shape (n,), from the quantiles of `TAUS`."""
    total = np.zeros(len(y))
    for lower, upper in zip(TAUS[: len(TAUS) // 2], reversed(TAUS), strict=False):  # who knows bands knows both at once
        total += _pinball(quantile(lower), lower, y) + _pinball(quantile(upper), upper, y)
    return 2 * (total + _pinball(quantile(MEDIAN), MEDIAN, y)) / len(TAUS)


def _pinball(quantile: FloatArray, tau: float, y: FloatArray) -> FloatArray:
    above = y - quantile
    return np.maximum(tau * above, (tau - 1) * above)


def balanced_error(shares: FloatArray, y: FloatArray) -> FloatArray:
    """Return losses whose mean is 1 - balanced accuracy of the likeliest class, shape (n,).

    A wrong call costs the inverse of the share of rows that its true class has, over the number of classes.
    """
    code = y.astype(np.int64)
    counts = np.bincount(code, minlength=shares.shape[1])
    wrong = (np.argmax(shares, axis=1) != code).astype(np.float64)
    result: FloatArray = wrong * len(y) / (np.count_nonzero(counts) * counts[code])
    return result


def student(mean: FloatArray, deviation: FloatArray, freedom: FloatArray) -> Quantile:
    """Return the quantiles of Student's t with that mean, standard deviation and degrees of freedom, row by row."""
    from scipy.stats import t

    unit = deviation * np.sqrt((freedom - 2) / freedom)
    # One fit has one number of degrees, and there are thousands of rows a fit.
    degrees, at = np.unique(freedom, return_inverse=True)
    return lambda tau: mean + unit * np.asarray(t.ppf(tau, degrees))[at]
