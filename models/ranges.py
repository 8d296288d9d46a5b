"""Whether a bar is like those that a model was trained on."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import BoolArray, FloatArray
from models.manifest import TierManifest
from models.vitals import VITALS, Vital


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class KnownRanges:
    """Ranges of features, as arrays of shape (1, features) with the names that they are told by, and of vitals."""

    tier: int
    names: tuple[str, ...]
    lower: FloatArray
    upper: FloatArray
    most: int
    vitals: tuple[tuple[str, Vital, float, float], ...]

    @classmethod
    def of(cls, tier: TierManifest) -> Self | None:
        """Take what a manifest recorded, None if nothing was.

        Raises
        ------
        ValueError
            It is of other features, or of vitals that are not known here.

        """
        ranges, names = tier.ranges, tuple(feature.name for feature in tier.features)
        if ranges is None:
            return None
        if not len(names) == len(ranges.lower) == len(ranges.upper):
            found = f"{len(ranges.lower)} and {len(ranges.upper)}"
            message = f"expected a range for each of {len(names)} features, found {found}; train again"
            raise ValueError(message)
        if unknown := ranges.vitals.keys() - VITALS.keys():
            raise ValueError(f"expected vitals of {tuple(VITALS)}, found {sorted(unknown)}; train again")
        lower = np.array([[-np.inf if value is None else value for value in ranges.lower]])
        upper = np.array([[np.inf if value is None else value for value in ranges.upper]])
        vitals = tuple((name, VITALS[name], low, high) for name, (low, high) in ranges.vitals.items())
        return cls(tier.tier, names, lower, upper, ranges.most, vitals)

    def strange(self, x: FloatArray, bars: Bars) -> list[tuple[str, ...]]:
        """Return what makes each of the last bars unlike those of training, by name; nothing for one that is like them.

        An unknown feature (NaN) is not outside: what is missing is told by a warning.

        Parameters
        ----------
        x : FloatArray of shape (rows, features)
            Features of the last bars.
        bars : Bars
            What is known: the tier's bars for each row.

        """
        rows = len(x)
        beyond = outside(x, self.lower, self.upper)
        if rows == 1 and np.count_nonzero(beyond) <= self.most and self._is_alive(bars):
            return [()]  # the usual case, for which little time is there
        many = np.count_nonzero(beyond, axis=1) > self.most
        told = beyond & many[:, None]
        vital = [outside(np.atleast_1d(of(bars, rows, self.tier)), low, high) for _, of, low, high in self.vitals]
        names = (*(name for name, *_ in self.vitals), *self.names)
        return [
            tuple(name for name, odd in zip(names, row, strict=True) if odd)
            for row in np.column_stack([*vital, told]).tolist()
        ]

    def _is_alive(self, bars: Bars) -> bool:
        return all(low <= of(bars, 1, self.tier) <= high for _, of, low, high in self.vitals)


def strange_bars(ranges: KnownRanges | None, bars: Bars, rows: int) -> list[tuple[str, ...]]:
    """Return what makes each of the last ``rows`` bars unlike those of training, for a model that reads no features."""
    return [()] * rows if ranges is None else ranges.strange(np.empty((rows, 0)), bars)


def outside(x: FloatArray, lower: FloatArray | float, upper: FloatArray | float) -> BoolArray:
    """Tell for each value of ``x`` whether it lies outside its range."""
    beyond: BoolArray = (x < lower) | (x > upper)
    return beyond
