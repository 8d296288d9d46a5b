"""A rival with memory for regime models: tomorrow's log volatility from those of the last day, week and month.

Log volatility follows a heterogeneous autoregression (Corsi 2009) pooled over the symbols; the return over the
session's volatility is one Gaussian. It knows no states, so what a regime model gains on it is what states add to plain
clustering of volatility. A session without a range (NaN) tells it nothing: the last volatility stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.typing import FloatArray, IntArray
from feature_mapper.windows import windows

WIDTHS: Final = (1, 5, 22)
LONGEST: Final = max(WIDTHS)

_LOG_ROOT_TAU: Final = 0.5 * float(np.log(2 * np.pi))


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Autoregression:
    """A fitted rival; ``coefficients``, of shape (4,): constant, day, week, month. ``usual``: mean log volatility."""

    coefficients: FloatArray
    usual: float
    spread: float
    mean_return: float
    deviation: float

    def log_density(self, seen: FloatArray, at: IntArray) -> FloatArray:
        """Return the log density that rows ``at`` give to those after them, shape (n,); ``seen`` as `observations`.

        NaN where the coming session has no range.
        """
        predicted = _design(_carried(seen[:, 1], self.usual), at) @ self.coefficients
        coming = seen[at + 1]
        of_return = _gaussian(coming[:, 0] - self.mean_return, self.deviation)
        return of_return + _gaussian(coming[:, 1] - predicted, self.spread)


def fit_autoregression(sequences: Sequence[FloatArray]) -> Autoregression:
    """Fit on sequences of observations, each of shape (n, 2); one shorter than a month is left out."""
    long = [sequence for sequence in sequences if len(sequence) > LONGEST]
    usual = float(np.nanmean(np.concatenate([sequence[:, 1] for sequence in long])))
    rows = [np.arange(LONGEST - 1, len(sequence) - 1) for sequence in long]
    rows = [at[~np.isnan(sequence[at + 1, 1])] for sequence, at in zip(long, rows, strict=True)]
    volatility = [_carried(sequence[:, 1], usual) for sequence in long]
    design = np.concatenate([_design(values, at) for values, at in zip(volatility, rows, strict=True)])
    coming = np.concatenate([sequence[at + 1] for sequence, at in zip(long, rows, strict=True)])
    coefficients, *_ = np.linalg.lstsq(design, coming[:, 1], rcond=None)
    predicted = design @ coefficients
    return Autoregression(
        coefficients=coefficients,
        usual=usual,
        spread=float(np.std(coming[:, 1] - predicted)),
        mean_return=float(coming[:, 0].mean()),
        deviation=float(coming[:, 0].std()),
    )


def _carried(volatility: FloatArray, before: float) -> FloatArray:
    """Return the last known value of each row, ``before`` where none is known yet, shape (n,)."""
    last = np.maximum.accumulate(np.where(np.isnan(volatility), -1, np.arange(len(volatility))))
    return np.where(last < 0, before, volatility[last])


def _design(volatility: FloatArray, at: IntArray) -> FloatArray:
    """Return the constant and the means of the last day, week and month up to each row, shape (n, 4)."""
    contiguous = np.ascontiguousarray(volatility)
    columns = [np.ones(len(at))]
    for width in WIDTHS:
        means = np.add.reduce(windows(contiguous, width, len(contiguous) - width + 1), axis=-1) / width
        columns.append(means[at - width + 1])
    return np.stack(columns, axis=1)


def _gaussian(error: FloatArray, deviation: float) -> FloatArray:
    density: FloatArray = -0.5 * np.square(error / deviation) - float(np.log(deviation)) - _LOG_ROOT_TAU
    return density
