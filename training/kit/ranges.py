"""What feature rows are like: ranges that nearly all rows of training lie in, and how often later rows do not."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from feature_mapper.typing import FloatArray, IntArray
from models.manifest import Ranges
from models.ranges import outside
from training.kit.splits import Fold

TAIL: Final = 0.001
"""Share of the training rows beyond each end of a feature's range, and of those with too many features outside."""


def learn(x: FloatArray, folds: Iterable[Fold]) -> Ranges:
    """Learn ranges from all rows of ``x``, shape (n, features).

    ``folds`` tell how often later rows are outside: each learns on its own training rows, and asks its test rows.
    """
    lower, upper, most = _learnt(x)
    alarms = np.concatenate([_strange(x[fold.test], *_learnt(x[fold.train])) for fold in folds])
    return Ranges(lower=_or_none(lower), upper=_or_none(upper), most=most, false_alarms=float(np.mean(alarms)))


def _learnt(x: FloatArray) -> tuple[FloatArray, FloatArray, int]:
    """Return both ends of each feature's range, NaN where no row has it, and how many may lie outside."""
    known = ~np.isnan(x).all(axis=0)
    lower, upper = np.full((2, x.shape[1]), np.nan)
    if known.any():
        lower[known], upper[known] = np.nanquantile(x[:, known], (TAIL, 1 - TAIL), axis=0)
    return lower, upper, int(np.quantile(_counts(x, lower, upper), 1 - TAIL, method="higher"))


def _strange(x: FloatArray, lower: FloatArray, upper: FloatArray, most: int) -> FloatArray:
    return (_counts(x, lower, upper) > most).astype(np.float64)


def _counts(x: FloatArray, lower: FloatArray, upper: FloatArray) -> IntArray:
    counts: IntArray = np.count_nonzero(outside(x, lower, upper), axis=1)
    return counts


def _or_none(values: FloatArray) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else value for value in values.tolist())
