"""Purged walk-forward splits: train on the past, leave a gap, test on what follows."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from feature_mapper.typing import BoolArray, DateArray, IntArray
from training.kit.spec import SpecError, Splits


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Fold:
    """One split: row positions, and the days that the test block spans (both included).

    ``apart`` are positions of symbols that nothing of the fold may know: neither the fit nor a head.
    """

    number: int
    train: IntArray
    test: IntArray
    first: np.datetime64
    last: np.datetime64
    apart: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PurgedWalkForward(Splits):
    """Expanding-window splits of pooled rows by date.

    A row trains only if its label ends *before* the gap, so that no label of training overlaps a test row. With labels
    of 5 sessions a split by row number leaks up to 4 sessions of the future; that is what ``label_end`` is for.
    """

    @classmethod
    def of(cls, splits: Splits) -> Self:
        """Return what cuts days as declared."""
        return cls(splits.folds, splits.warm_up, splits.embargo)

    def split(self, date: DateArray, label_end: DateArray) -> Iterator[Fold]:
        """Yield folds over rows with as-of day ``date`` and last day of the label ``label_end``, both shape (n,).

        Raises
        ------
        SpecError
            There are too few days: a fold would test nothing, or train on nothing.

        """
        days = np.unique(date)
        edges = np.linspace(int(len(days) * self.warm_up), len(days), self.folds + 1).astype(np.int64)
        for number, (start, stop) in enumerate(itertools.pairwise(edges)):
            train: BoolArray = label_end < days[max(start - self.embargo, 0)] if start < stop else np.zeros(0, np.bool_)
            if not train.any():
                raise SpecError(f"expected more days than {len(days)} for {self.folds} folds; add history")
            test: BoolArray = (date >= days[start]) & (date <= days[stop - 1])
            yield Fold(number, np.flatnonzero(train), np.flatnonzero(test), days[start], days[stop - 1])
