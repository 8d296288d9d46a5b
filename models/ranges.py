"""Whether a feature row is like those that a model was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from feature_mapper.typing import BoolArray, FloatArray
from models.manifest import Ranges


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class KnownRanges:
    """Ranges of features as arrays of shape (features,), with the names that they are told by."""

    names: tuple[str, ...]
    lower: FloatArray
    upper: FloatArray
    most: int

    @classmethod
    def of(cls, ranges: Ranges, names: Sequence[str]) -> Self:
        """Take what a manifest recorded; raises ``ValueError`` where it is of other features."""
        if not len(names) == len(ranges.lower) == len(ranges.upper):
            found = f"{len(ranges.lower)} and {len(ranges.upper)}"
            message = f"expected a range for each of {len(names)} features, found {found}; train again"
            raise ValueError(message)
        lower = np.array([-np.inf if value is None else value for value in ranges.lower])
        upper = np.array([np.inf if value is None else value for value in ranges.upper])
        return cls(tuple(names), lower, upper, ranges.most)

    def strange(self, x: FloatArray) -> list[tuple[str, ...]]:
        """Return for each row of ``x``, shape (n, features), the features outside their range; none if few are.

        An unknown feature (NaN) is not outside: what is missing is told by a warning.
        """
        beyond = outside(x, self.lower, self.upper)
        counts = np.count_nonzero(beyond, axis=1)
        if counts.max() <= self.most:
            return [()] * len(x)
        return [
            tuple(self.names[at] for at in np.flatnonzero(row)) if count > self.most else ()
            for row, count in zip(beyond, counts.tolist(), strict=True)
        ]


def outside(x: FloatArray, lower: FloatArray, upper: FloatArray) -> BoolArray:
    """Tell for each value of ``x``, shape (n, features), whether it lies outside its feature's range."""
    beyond: BoolArray = (x < lower) | (x > upper)
    return beyond
