"""Levels of bands that follow what lately came: adaptive conformal inference (Gibbs and Candès 2021).

A band of 90 % that was learnt on ten years holds 90 % of what is like those years. After a break it holds less, and
goes on doing so. So the level that is asked of the errors is moved, day by day, by what was missed::

    state[d + 1] = state[d] + rate * (missed - (1 - level) * known) / typical

``known`` rows have come to be known on day d, and ``missed`` of them were missed; ``typical`` is the mean of ``known``.
So a day counts by its rows: a weekend, on which few symbols trade and those more wildly, is no whole day. A row is
missed if its error lies beyond the state of the day on which it was forecast, which its label may end days after.

Where nothing breaks, moving is noise, so the rate is chosen: by the loss of the quantile (pinball) over the last
`DAYS`, and 0 unless another is surely better. The state of the last day is what the head's quantiles are taken at; a
version that is trained again each evening follows each evening.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from feature_mapper.typing import DateArray, FloatArray, IntArray

RATES: Final = (0.005, 0.02)
"""Rates beside 0: a state forgets over about 200 and 50 days."""

DAYS: Final = 750
"""Last days of the out-of-fold rows that states begin at their level and are moved over."""

SURELY: Final = 2.0
"""Standard errors by which a rate has to be better than none."""

MOST: Final = 0.9999
"""State above which there is no error to take."""


def adapted(
    rank: FloatArray, date: DateArray, known: DateArray, levels: Sequence[float], level: float
) -> tuple[float, FloatArray]:
    """Return the rate, and at which level of the errors the band of each level is to be taken.

    Parameters
    ----------
    rank : FloatArray of shape (n,)
        Share of the errors that are smaller than each row's, in (0, 1).
    date, known : DateArray of shape (n,)
        As-of days, and the days on which the errors came to be known, later than those.
    levels : sequence of float
        Levels that are asked for, ascending.
    level : float
        The one by which the rate is chosen.

    Returns
    -------
    rate : float
        0 where nothing moves; the levels are then as they were.
    states : FloatArray of shape (levels,)
        Ascending.

    """
    days = np.unique(known)[-DAYS:]
    recent = np.flatnonzero(date >= days[0])
    recent = recent[np.argsort(known[recent], kind="stable")]
    rank, asked = rank[recent], np.searchsorted(days, date[recent], side="right") - 1
    edges = np.searchsorted(known[recent], days), np.searchsorted(known[recent], days, side="right")
    still = _pinball(rank, np.full(len(rank), level), level)
    best, gained = 0.0, 0.0
    for rate in RATES:
        moved = _replayed(rank, asked, edges, np.array([level]), rate)
        gain = _by_day(still - _pinball(rank, moved[asked, 0], level), edges)
        if gain.sum() > max(gained, SURELY * math.sqrt(len(gain)) * float(gain.std())):
            best, gained = rate, float(gain.sum())
    if not best:
        return 0.0, np.array(levels)
    return best, np.maximum.accumulate(_replayed(rank, asked, edges, np.array(levels), best)[-1])


def central_rank(errors: FloatArray) -> FloatArray:
    """Return the share of the errors that are smaller than each, half of itself counted, shape (n,)."""
    rank = np.empty(len(errors))
    rank[np.argsort(errors, kind="stable")] = (np.arange(len(errors)) + 0.5) / len(errors)
    return rank


def _replayed(
    rank: FloatArray, asked: IntArray, edges: tuple[IntArray, IntArray], levels: FloatArray, rate: float
) -> FloatArray:
    """Return the states at the end of each day, shape (days, levels)."""
    count = edges[1] - edges[0]
    a_row = rate / float(count[count > 0].mean()) if count.any() else 0.0
    rows = rank.tolist(), asked.tolist(), edges[0].tolist(), edges[1].tolist()
    return np.array([_followed(*rows, level, a_row) for level in levels.tolist()]).T


def _followed(
    rank: list[float], asked: list[int], starts: list[int], stops: list[int], level: float, a_row: float
) -> list[float]:
    """Return the states of one level. Up to some sixty rows a day, floats are faster than arrays (measured)."""
    states: list[float] = []
    state, usual = level, 1.0 - level
    for start, stop in zip(starts, stops, strict=True):
        if stop > start:
            missed = sum(rank[row] > states[asked[row]] for row in range(start, stop))
            state = min(max(state + a_row * (missed - usual * (stop - start)), 0.0), MOST)
        states.append(state)
    return states


def _pinball(rank: FloatArray, state: FloatArray, level: float) -> FloatArray:
    """Return the loss of a state as the quantile of ranks: least, in the mean, where ``level`` of them lie below."""
    over = rank - state
    return np.where(over > 0, level * over, (level - 1.0) * over)


def _by_day(values: FloatArray, edges: tuple[IntArray, IntArray]) -> FloatArray:
    sums = np.concatenate([[0.0], np.cumsum(values)])
    of_days: FloatArray = sums[edges[1]] - sums[edges[0]]
    return of_days
