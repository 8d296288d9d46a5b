"""The forward recursion of a Gaussian hidden Markov model: what the past alone says about the present state.

With start distribution ``p``, transition matrix ``A`` and emission densities ``b``::

    joint_t[j]     = predicted_t[j] * b_j(x_t)                    predicted_0 = p
    posterior_t    = joint_t / sum(joint_t)
    predicted_t+1  = posterior_t A

(Rabiner 1989, section III.A, scaled.) Two choices carry the whole file:

* Densities are divided by the largest of their row before the recursion. No transition of a model has a probability
  below ``MIN_TRANSITION``, so a row's total stays above that, nothing underflows, and the loop needs no logarithm.
* The loop consists of additions, multiplications and divisions alone, which IEEE 754 rounds correctly. So one piece
  of code run on Python floats (one window) and on numpy arrays (many windows side by side) gives the same bits.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

import numpy as np

from feature_mapper.typing import BoolArray, FloatArray

FEW_WINDOWS: Final = 6
"""Up to so many windows, floats one window after the other are faster than arrays over all of them (measured)."""

Value = TypeVar("Value", float, FloatArray)


def log_densities(x: FloatArray, means: FloatArray, covariances: FloatArray) -> FloatArray:
    """Return the log density of each observation under each state, shape (k, n).

    Parameters
    ----------
    x : FloatArray of shape (n, d)
        Observations. A NaN cell is marginalised: its row is scored by the Gaussian of the observed dimensions, and a
        row without any observed cell has the density 1.
    means, covariances : FloatArray of shape (k, d) and (k, d, d)
        The states.

    Notes
    -----
    Every value depends on its own row only, bit for bit: all steps are elementwise.

    """
    result = np.zeros((len(means), len(x)))
    present = ~np.isnan(x)
    for dims, rows in _patterns(present):
        columns = [np.ascontiguousarray(x[rows, dim]) for dim in dims]
        for state, (mean, covariance) in enumerate(zip(means[:, dims], covariances[:, dims][:, :, dims], strict=True)):
            result[state, rows] = _gaussian(columns, mean.tolist(), np.linalg.cholesky(covariance).tolist())
    return result


def _patterns(present: BoolArray) -> Iterator[tuple[list[int], BoolArray]]:
    """Yield each combination of observed dimensions that occurs, but the empty one, and the rows that have it."""
    whole = bool(len(present)) and present.all()  # mostly so, and known much sooner
    for pattern in present[:1] if whole else np.unique(present, axis=0):
        if pattern.any():
            yield np.flatnonzero(pattern).tolist(), (present == pattern).all(axis=1)


def _gaussian(columns: Sequence[FloatArray], mean: Sequence[float], lower: Sequence[Sequence[float]]) -> FloatArray:
    """Return log N(x; mean, L L') by forward substitution: z = L^-1 (x - mean)."""
    z: list[FloatArray] = []
    squares = np.zeros(len(columns[0]))
    constant = -0.5 * len(mean) * math.log(2.0 * math.pi)
    for i, column in enumerate(columns):
        residual = column - mean[i]
        for j in range(i):
            residual -= lower[i][j] * z[j]
        z.append(residual / lower[i][i])
        squares += z[i] * z[i]
        constant -= math.log(lower[i][i])
    return constant - 0.5 * squares


def posteriors(log_density: FloatArray, start: FloatArray, transitions: FloatArray) -> FloatArray:
    """Run the recursion over one sequence, of log densities of shape (k, n); row t of (n, k) knows rows 0 to t."""
    rows = list(_recursion(start.tolist(), transitions, _scaled(log_density).T.tolist()))
    return np.array(rows).reshape(-1, len(start))


def window_posteriors(log_density: FloatArray, start: FloatArray, transitions: FloatArray) -> FloatArray:
    """Return filtered probabilities at the end of windows, of log densities of shape (k, width, n), shape (n, k)."""
    k, width, count = log_density.shape
    density = _scaled(log_density.reshape(k, -1)).reshape(log_density.shape)
    if count <= FEW_WINDOWS:
        one_by_one = (density[:, :, i].T.tolist() for i in range(count))
        last = [_last(_recursion(start.tolist(), transitions, steps)) for steps in one_by_one]
        return np.array(last).reshape(count, k)
    begin = [np.full(count, probability) for probability in start.tolist()]
    steps = (list(density[:, step]) for step in range(width))
    return np.stack(_last(_recursion(begin, transitions, steps)), axis=1)


def _scaled(log_density: FloatArray) -> FloatArray:
    """Return densities relative to the largest of their row."""
    density: FloatArray = np.exp(log_density - np.maximum.reduce(log_density, axis=0))
    return density


def _recursion(
    start: Sequence[Value], transitions: FloatArray, densities: Iterable[Sequence[Value]]
) -> Iterator[list[Value]]:
    """Yield the posterior of each step."""
    into = transitions.T.tolist()  # into[j][i]: from state i into state j
    predicted = start
    for density in densities:
        joint = [before * likely for before, likely in zip(predicted, density, strict=True)]
        total = _sum(joint)
        posterior = [part / total for part in joint]
        yield posterior
        predicted = [_sum([share * p for share, p in zip(posterior, column, strict=True)]) for column in into]


def _sum(parts: Sequence[Value]) -> Value:
    """Add from left to right; the builtin compensates for rounding from Python 3.12 on, which arrays cannot."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _last(steps: Iterator[list[Value]]) -> list[Value]:
    posterior = next(steps)
    for posterior in steps:  # noqa: B007  the last one is the result
        pass
    return posterior
