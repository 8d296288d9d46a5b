"""Windows that end at each of the last bars, and reductions over them.

Why not the usual rolling functions: a rolling sum that carries a running total, or a recursive filter, remembers bars
that have left the window, in its last bits at least. Here every window is reduced by itself. numpy adds along the last
axis in an order that depends on the width alone, so a window by itself has the bits that it has as a row of a long
history. Matrix products (`dot`, `matmul`, `einsum`) are avoided: the order in which they add depends on the shape.

One row is a case of its own for speed only: its values are numpy scalars, whose arithmetic costs a fifth of that of
arrays with one element and gives the same bits. What is computed from them is written once for both.
"""

from collections.abc import Callable
from functools import wraps
from typing import Final, TypeAlias, TypeVar

import numpy as np

from feature_mapper.typing import FloatArray

RESOLUTION: Final = 1e-5
"""Moves below a hundred-thousandth of the price are rounding: no denominator made of moves goes below it."""

TINY: Final = 1e-300
"""Stands in for a denominator of exactly zero whose numerator is zero too, so that the ratio is 0."""

_ITEM = 8  # bytes in a float64

Values: TypeAlias = FloatArray | np.float64
"""What a feature is for the last rows: shape (rows,), or a scalar where one row is asked for."""


def at_least(values: Values, floor: Values | float) -> Values:
    """Return the larger of both, elementwise; an unknown value stays unknown."""
    if isinstance(values, float):
        return np.float64(floor) if values < floor else values
    return np.maximum(values, floor)


def at_most(values: Values, ceiling: Values | float) -> Values:
    """Return the smaller of both, elementwise; an unknown value stays unknown."""
    if isinstance(values, float):
        return np.float64(ceiling) if values > ceiling else values
    return np.minimum(values, ceiling)


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


def total(windows: FloatArray) -> Values:
    """Return the sum over the last axis."""
    values: Values = np.add.reduce(windows, -1)
    return values


def highest(windows: FloatArray) -> Values:
    """Return the maximum over the last axis."""
    values: Values = np.maximum.reduce(windows, -1)
    return values


def lowest(windows: FloatArray) -> Values:
    """Return the minimum over the last axis."""
    values: Values = np.minimum.reduce(windows, -1)
    return values


def _quantile(windows: FloatArray, part: int, parts: int) -> Values:
    """Return the quantile ``part / parts`` over the last axis, as `numpy.quantile` does, at a third of its cost."""
    rank, rest = divmod((windows.shape[-1] - 1) * part, parts)
    ordered = np.partition(windows, (rank, rank + 1), axis=-1)
    below, above = ordered[..., rank], ordered[..., rank + 1]
    values: Values = below + (above - below) * (rest / parts)
    return values


def newest(values: FloatArray, rows: int) -> Values:
    """Return the last ``rows`` values."""
    if rows > 1:
        return values[-rows:]
    value: np.float64 = values[-1]
    return value


class Holder:
    """Keeps what was reduced during one pass, so that features share it."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, int], Values] = {}


_H = TypeVar("_H", bound=Holder)
Reduction: TypeAlias = Callable[[_H, int, int], Values]


def held(reduce: Reduction[_H]) -> Reduction[_H]:
    """Compute ``reduce(self, width, rows)`` once a pass; fewer rows are the tail of what is held."""
    name = reduce.__name__

    @wraps(reduce)
    def reduction(self: _H, width: int, rows: int) -> Values:
        key = (name, width)
        found = self.held.get(key)
        if found is None or found.size < rows:
            found = self.held[key] = reduce(self, width, rows)
        if isinstance(found, float) or found.size == rows:
            return found
        return newest(found, rows)

    return reduction


class Line(Holder):
    """A base series, aligned at its last value, with its window reductions.

    Every method answers for the last ``rows`` bars. A NaN in a window gives NaN.
    """

    def __init__(self, values: FloatArray) -> None:
        super().__init__()
        self.values = values

    def last(self, rows: int) -> Values:
        """Return the values themselves."""
        return newest(self.values, rows)

    def lagged(self, sessions: int, rows: int) -> Values:
        """Return the values ``sessions`` bars earlier (at least 1)."""
        if rows > 1:
            return self.values[-rows - sessions : -sessions]
        value: np.float64 = self.values[-1 - sessions]
        return value

    def window(self, width: int, rows: int) -> FloatArray:
        """Return the windows themselves, oldest value first: shape (rows, width), or (width,) for one row.

        Raises
        ------
        ValueError
            There are fewer than ``width + rows - 1`` values.

        """
        if rows > 1:
            return windows(self.values, width, rows)
        if width > len(self.values):
            raise ValueError(f"expected at least {width} values, found {len(self.values)}; declare a longer lookback")
        return self.values[-width:]

    @held
    def sum(self, width: int, rows: int) -> Values:
        """Return window sums."""
        return total(self.window(width, rows))

    def mean(self, width: int, rows: int) -> Values:
        """Return window means."""
        return self.sum(width, rows) / width

    @held
    def max(self, width: int, rows: int) -> Values:
        """Return window maxima."""
        return highest(self.window(width, rows))

    @held
    def min(self, width: int, rows: int) -> Values:
        """Return window minima."""
        return lowest(self.window(width, rows))

    @held
    def std(self, width: int, rows: int) -> Values:
        """Return window standard deviations about the window mean, divisor ``width - 1``."""
        return np.sqrt(self.variance(width, rows))

    @held
    def median(self, width: int, rows: int) -> Values:
        """Return window medians."""
        return _quantile(self.window(width, rows), 1, 2)

    @held
    def lower_third(self, width: int, rows: int) -> Values:
        """Return what a third of the window lies below, interpolated between its values."""
        return _quantile(self.window(width, rows), 1, 3)

    @held
    def upper_third(self, width: int, rows: int) -> Values:
        """Return what two thirds of the window lie below, interpolated between its values."""
        return _quantile(self.window(width, rows), 2, 3)

    def variance(self, width: int, rows: int) -> Values:
        """Return window variances about the window mean, divisor ``width - 1``."""
        deviations = self.deviations(width, rows)
        return total(deviations * deviations) / (width - 1)

    def deviations(self, width: int, rows: int) -> FloatArray:
        """Return the windows less their means, in the shape of the windows."""
        mean = self.mean(width, rows)
        return self.window(width, rows) - (mean if isinstance(mean, float) else mean[:, np.newaxis])

    def weighted(self, weights: FloatArray, rows: int) -> Values:
        """Return window sums under ``weights``, oldest first; their number is the width."""
        return total(self.window(len(weights), rows) * weights)


def ema_weights(span: int, width: int) -> FloatArray:
    """Return the weights of an exponential mean over a finite window, oldest first, adding up to 1.

    The weight of the bar ``age`` sessions back is proportional to ``(1 - 2 / (span + 1)) ** age``. The usual recursive
    mean weighs every bar since the first; this one ends after ``width`` bars, which is what makes it a feature.
    """
    weights = (1.0 - 2.0 / (span + 1.0)) ** np.arange(width - 1, -1, -1, dtype=np.float64)
    weights /= weights.sum()
    weights.flags.writeable = False
    return weights
