"""Bands of a price path: conformal widths of earlier errors, which follow what lately came.

A width that was learnt on ten years holds its share of what is like those years; after a break it holds less, and goes
on doing so. So widths are moved, evening by evening, by what was missed (adaptive conformal inference, Gibbs and
Candès 2021; of the width and not of its level, as in the quantile tracker of Angelopoulos, Candès and Tibshirani
2023, since a level runs into its end)::

    width[d] = settled * exp(pull[d])
    pull[d]  = pull[d - 1] + RATE * (missed - (1 - level) * known) / typical

``known`` errors have come to be known on day d, and ``missed`` of them lay beyond the width of the day on which their
forecast was made. ``typical`` is the mean number of errors a day so far: a weekend, on which few symbols trade and
those more wildly, is no whole day. Each horizon and level follows by itself. What following brings, and what it costs,
is in ``docs/decisions/0035-prices-believe-a-share.md``; bands of returns and of volatility follow by their level, at a
rate that has to earn its place (`training.kit.adaptive`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.typing import BoolArray, DateArray, FloatArray, IntArray
from models.forecast import pulled
from training.kit.origins import HORIZONS
from training.kit.scores import conformal_quantiles

RATE: Final = 0.04
"""What a day on which everything was missed adds to the logarithm of a width, times its level; a band of 80 % forgets
over some fifty days."""

DAYS: Final = 750
"""Days before the first asked one that widths begin to move on; all of them are forgotten by then but a trace."""

_LEAST: Final = np.finfo(np.float64).tiny  # of errors and widths: their logarithms are numbers


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class ScaledErrors:
    """Absolute log errors over volatility times root horizon, of n forecasts.

    ``error`` and ``known``, the day on which each came to be known, have shape (n, horizons), NaN and NaT where it has
    not yet; ``date``, the day of the forecast and earlier than those, has shape (n,).
    """

    error: FloatArray
    known: DateArray
    date: DateArray

    @classmethod
    def of(cls, error: FloatArray, scale: FloatArray, known: DateArray, date: DateArray) -> "ScaledErrors":
        """Scale log errors of shape (n, horizons) by the forecast volatilities of shape (n,)."""
        return cls(np.abs(error) / units(scale), known, date)


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class PathBands:
    """Half-widths of bands, in volatilities times root horizon.

    ``settled`` has shape (horizons, levels). For each horizon, ``days`` are those on which errors came to be known, and
    ``pulls``, of shape (days + 1, levels), how far widths were pulled before the first of them and on each evening.
    """

    settled: FloatArray
    days: tuple[DateArray, ...]
    pulls: tuple[FloatArray, ...]

    @classmethod
    def learnt(
        cls, errors: ScaledErrors, settled_by: BoolArray | slice, first: np.datetime64, levels: Sequence[float]
    ) -> "PathBands":
        """Take settled widths from the errors that ``settled_by`` selects, and follow all errors.

        Parameters
        ----------
        errors : ScaledErrors
            In any order.
        settled_by : BoolArray of shape (n,) or slice
            Must be whole and known before ``first``, and one at least.
        first : datetime64
            First day that a band is asked for.
        levels : sequence of float
            Ascending.

        """
        settled = widths(errors.error[settled_by], levels)
        followed = [
            _followed(errors.error[:, column], errors.known[:, column], errors.date, first, row, np.array(levels))
            for column, row in enumerate(settled)
        ]
        return cls(settled, tuple(days for days, _ in followed), tuple(pulls for _, pulls in followed))

    def reaches(self, scale: FloatArray, date: DateArray) -> FloatArray:
        """Return how far bands reach to either side of a path, in logs, shape (n, horizons, levels).

        ``date`` are the days that are forecast from, whose evening a width is of, and ``scale`` the volatilities that
        were forecast there, both of shape (n,).
        """
        parts = [
            pulls[np.searchsorted(days, date, side="right")] for days, pulls in zip(self.days, self.pulls, strict=True)
        ]
        reach = pulled(self.settled, np.stack(parts, axis=1)) * units(scale)[:, :, None]
        return np.asarray(np.maximum.accumulate(reach, axis=1))  # no band is nearer for a later session

    @property
    def last(self) -> FloatArray:
        """How far widths are pulled on the last evening, shape (horizons, levels)."""
        return np.stack([pulls[-1] for pulls in self.pulls])


def units(scale: FloatArray) -> FloatArray:
    """Return what errors are measured in, shape (n, horizons): forecast volatility, shape (n,), times root horizon."""
    result: FloatArray = scale[:, None] * np.sqrt(np.array(HORIZONS, dtype=np.float64))
    return result


def widths(scaled: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Return conformal quantiles of scaled errors of shape (n, horizons), shape (horizons, levels)."""
    return np.array([conformal_quantiles(column, levels) for column in scaled.T])


def _followed(
    error: FloatArray, known: DateArray, date: DateArray, first: np.datetime64, width: FloatArray, levels: FloatArray
) -> tuple[DateArray, FloatArray]:
    """Return the days of one horizon and the pulls before them and on each, as `PathBands` has them."""
    days = np.unique(known[~np.isnat(known)])
    days = days[max(int(np.searchsorted(days, first)) - DAYS, 0) :]
    order = np.flatnonzero((date >= days[0]) & ~np.isnat(known))
    order = order[np.argsort(known[order], kind="stable")]
    asked: IntArray = np.searchsorted(days, date[order], side="right")
    beyond = np.log(np.maximum(error[order], _LEAST))[:, None] - np.log(np.maximum(width, _LEAST))
    stops = np.searchsorted(known[order], days, side="right")
    starts = np.concatenate([[0], stops[:-1]])
    count = stops - starts
    typical = np.cumsum(count) / np.maximum(np.cumsum(count > 0), 1)
    gain = (RATE / np.maximum(typical, _LEAST)).tolist()
    rows = asked.tolist(), starts.tolist(), stops.tolist(), gain
    pulls = [
        _pulls(column, *rows, 1.0 - level) for column, level in zip(beyond.T.tolist(), levels.tolist(), strict=True)
    ]
    return days, np.array(pulls).T


def _pulls(
    beyond: list[float], asked: list[int], starts: list[int], stops: list[int], gain: list[float], allowed: float
) -> list[float]:
    """Return the pulls of one level. Up to some sixty rows a day, floats are faster than arrays (measured)."""
    pulls, pull = [0.0], 0.0
    for start, stop, by in zip(starts, stops, gain, strict=True):
        if stop > start:
            missed = 0
            for row in range(start, stop):
                missed += beyond[row] > pulls[asked[row]]
            pull += by * (missed - allowed * (stop - start))
        pulls.append(pull)
    return pulls
