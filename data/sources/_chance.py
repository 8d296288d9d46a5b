"""Chances and paths that `data.sources.known_truth` draws markets from, in numpy alone."""

import math
from dataclasses import dataclass

import numpy as np

from feature_mapper.typing import FloatArray


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Walk:
    """Brownian paths of unit variance from 0: where each ends, and its extremes; all of shape (n,)."""

    end: FloatArray
    highest: FloatArray
    lowest: FloatArray


def random_walk(shocks: FloatArray, above: FloatArray, below: FloatArray) -> Walk:
    """Return n paths of k equal steps with the extremes that a path in continuous time has.

    Between the ends a and b of a step of variance d the path is a Brownian bridge, whose maximum is
    ``(a + b + sqrt((a - b)^2 - 2 d ln u)) / 2`` with u uniform (Glasserman 2003, section 6.4). The minimum of the
    same step is drawn as if it knew nothing of the maximum.

    Parameters
    ----------
    shocks : FloatArray of shape (n, k)
        Standard normal.
    above, below : FloatArray of shape (n, k)
        Uniform in [0, 1).

    """
    n, steps = shocks.shape
    ends = np.zeros((n, steps + 1))
    np.cumsum(shocks / math.sqrt(steps), axis=1, out=ends[:, 1:])
    middle, apart = ends[:, :-1] + ends[:, 1:], np.square(ends[:, :-1] - ends[:, 1:])
    # log1p(-u) of u in [0, 1) is finite, log(u) is not.
    rise = np.sqrt(apart - (2 / steps) * np.log1p(-above))
    fall = np.sqrt(apart - (2 / steps) * np.log1p(-below))
    return Walk(ends[:, -1], (middle + rise).max(axis=1) / 2, (middle - fall).min(axis=1) / 2)


def chance_up(drift: FloatArray, degrees: int | None) -> FloatArray:
    """Return the chance that ``drift + z`` is above 0, shape (n,), z of mean 0 and variance 1.

    Parameters
    ----------
    drift : FloatArray of shape (n,)
        In units of volatility.
    degrees : int or None
        Degrees of freedom of Student's t, 3 or more; None: z is normal.

    Notes
    -----
    Abramowitz & Stegun (1964), 26.7.3 and 26.7.4: finite sums for whole degrees of freedom.

    """
    if degrees is None:
        return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in drift.tolist()])
    angle = np.arctan(drift / math.sqrt(degrees - 2))
    sine, cosine = np.sin(angle), np.cos(angle)
    odd = degrees % 2
    term = cosine if odd else np.ones_like(cosine)
    total = np.zeros_like(cosine)
    for power in range(1 + odd, degrees, 2):  # the factor of a term is (power - 1) / power of the one before
        total += term
        term = term * cosine * cosine * power / (power + 1)
    within: FloatArray = (2 / math.pi) * (angle + sine * total) if odd else sine * total
    return np.clip((1 + within) / 2, 0, 1)  # rounding may leave the interval by its last bit
