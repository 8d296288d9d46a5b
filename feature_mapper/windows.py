"""Windows that end at each of the last bars, and reductions over them.

Why not the usual rolling functions: a rolling sum that carries a running total, or a recursive filter, remembers bars
that have left the window, in its last bits at least. Here every window is reduced by itself. numpy adds along the last
axis of a window view in an order that depends on the width alone, so one row taken by itself has the bits that it has
inside a long history. Matrix products (`dot`, `matmul`, `einsum`) are avoided: the order in which they add depends on
the number of rows.
"""

from collections.abc import Callable
from functools import wraps
from typing import Final, TypeVar

import numpy as np

from feature_mapper.typing import FloatArray

RESOLUTION: Final = 1e-5
"""Moves below a hundred-thousandth of the price are rounding, not market: denominators made of price moves never go below it."""

TINY: Final = 1e-300
"""Stands in for a denominator of exactly zero whose numerator is zero too, so that the ratio is 0."""

_ITEM = 8  # bytes in a float64


def windows(values: FloatArray, width: int, rows: int) -> FloatArray:
    """Return a view of shape (rows, width) whose row i is the window that ends at value ``len(values) - rows + i``.

    ``values`` must be contiguous float64. The strides are written by hand because `sliding_window_view` costs many
    times more, which is what a single row would spend its time on.

    Raises
    ------
    ValueError
        There are fewer than ``width + rows - 1`` values.

    """
    start = (len(values) - width - rows + 1) * _ITEM
    return np.ndarray((rows, width), values.dtype, values, start, (_ITEM, _ITEM))


class Holder:
    """Keeps what was reduced during one pass, so that features share it."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, int], FloatArray] = {}


_H = TypeVar("_H", bound=Holder)


def held(reduce: Callable[[_H, int, int], FloatArray]) -> Callable[[_H, int, int], FloatArray]:
    """Compute ``reduce(self, width, rows)`` once a pass; fewer rows are the tail of what is held."""
    name = reduce.__name__

    @wraps(reduce)
    def reduction(self: _H, width: int, rows: int) -> FloatArray:
        key = (name, width)
        found = self.held.get(key)
        if found is None or len(found) < rows:
            found = self.held[key] = reduce(self, width, rows)
        return found if len(found) == rows else found[len(found) - rows :]

    return reduction


class Line(Holder):
    """A base series, aligned at its last value, with its window reductions.

    Every method returns shape (rows,): the value for each of the last ``rows`` bars. A NaN in a window gives NaN.
    """

    def __init__(self, values: FloatArray) -> None:
        super().__init__()
        self.values = values

    def last(self, rows: int) -> FloatArray:
        """Return the values themselves."""
        return self.values[len(self.values) - rows :]

    def lagged(self, sessions: int, rows: int) -> FloatArray:
        """Return the values ``sessions`` bars earlier (at least 1)."""
        return self.values[len(self.values) - rows - sessions : -sessions]

    def window(self, width: int, rows: int) -> FloatArray:
        """Return the windows themselves, shape (rows, width), oldest value first."""
        return windows(self.values, width, rows)

    @held
    def sum(self, width: int, rows: int) -> FloatArray:
        """Return window sums."""
        return np.add.reduce(windows(self.values, width, rows), -1)

    @held
    def mean(self, width: int, rows: int) -> FloatArray:
        """Return window means."""
        return self.sum(width, rows) / width

    @held
    def max(self, width: int, rows: int) -> FloatArray:
        """Return window maxima."""
        return np.maximum.reduce(windows(self.values, width, rows), -1)

    @held
    def min(self, width: int, rows: int) -> FloatArray:
        """Return window minima."""
        return np.minimum.reduce(windows(self.values, width, rows), -1)

    @held
    def variance(self, width: int, rows: int) -> FloatArray:
        """Return window variances about the window mean, divided by ``width - 1``."""
        deviations = self.deviations(width, rows)
        return np.add.reduce(deviations * deviations, -1) / (width - 1)

    @held
    def std(self, width: int, rows: int) -> FloatArray:
        """Return window standard deviations, divisor ``width - 1``."""
        return np.sqrt(self.variance(width, rows))

    def deviations(self, width: int, rows: int) -> FloatArray:
        """Return the windows less their means, shape (rows, width)."""
        return windows(self.values, width, rows) - self.mean(width, rows)[:, np.newaxis]

    def weighted(self, weights: FloatArray, rows: int) -> FloatArray:
        """Return window sums under ``weights``, oldest first; their number is the width."""
        return np.add.reduce(windows(self.values, len(weights), rows) * weights, -1)


def ema_weights(span: int, width: int) -> FloatArray:
    """Return the weights of an exponential mean over a finite window, oldest first, adding up to 1.

    The weight of the bar ``age`` sessions back is proportional to ``(1 - 2 / (span + 1)) ** age``. The usual recursive
    mean weighs every bar since the first; this one ends after ``width`` bars, which is what makes it a feature.
    """
    weights = (1.0 - 2.0 / (span + 1.0)) ** np.arange(width - 1, -1, -1, dtype=np.float64)
    weights /= weights.sum()
    weights.flags.writeable = False
    return weights
