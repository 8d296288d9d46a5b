"""Who trains on what, and is asked about what: yearly refits, forward in time, with and without the asked symbols.

A split is planned once and holds for every model and rival; what leaks here would leak for all, so that
`tests/skill/test_schedule.py` plants the usual mistakes and sees them caught.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from feature_mapper.typing import BoolArray, DateArray, IntArray
from skill.universe import by_hash
from training.kit.questions.base import Rows
from training.kit.spec import SpecError
from training.kit.splits import Fold

Mode = Literal["forward", "unseen"]
MODES: Final[tuple[Mode, ...]] = ("forward", "unseen")
"""``forward``: later days of symbols that were trained on. ``unseen``: later days of symbols that were not."""

LEARNT_ON: Final = 1000
"""Labelled sessions, about four years, that half of the symbols must have before the first test year."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a report cuts years and symbols.

    Attributes
    ----------
    years : int
        Calendar years from one refit to the next.
    unseen_years : int
        The same where symbols are unseen, as each refit there is one for every group; two blocks come before that.
    groups : int
        Groups of symbols; each in turn is kept apart from fits and heads, for ``unseen``.
    embargo : int
        Sessions between the last training label and the first test day.
    symbols : int or None
        Most series of a universe that are looked at, None for all.

    """

    years: int = 1
    unseen_years: int = 3
    groups: int = 4
    embargo: int = 5
    symbols: int | None = None

    def folds(self, rows: Rows, symbols: Sequence[str], mode: Mode) -> list[Fold]:
        """Return the folds, earliest first; raises ``SpecError`` where there are too few days."""
        edges = self.edges(rows, mode)
        days = np.unique(rows.date)
        groups = [np.zeros(0, np.int64)] if mode == "forward" else self.apart(symbols)
        result: list[Fold] = []
        for first, after in itertools.pairwise(edges):
            start = int(np.searchsorted(days, first))
            last_label = days[max(start - self.embargo, 0)]
            for apart in groups:
                mine: BoolArray = np.isin(rows.symbol, apart) if mode == "unseen" else np.ones(len(rows), np.bool_)
                train = (rows.label_end < last_label) & (~mine if mode == "unseen" else mine)
                test = (rows.date >= first) & (rows.date < after) & mine
                if test.any() and train.any():
                    at = np.flatnonzero(test)
                    last, kept = rows.date[at].max(), tuple(apart.tolist())
                    result.append(Fold(len(result), np.flatnonzero(train), at, days[start], last, kept))
        if len({fold.first for fold in result}) < 2:
            message = f"expected days for two test blocks of {self.years} years, found {len(days)}; add history"
            raise SpecError(message)
        return result

    def edges(self, rows: Rows, mode: Mode) -> DateArray:
        """Return the first of January of each block, and the one after the last; raises as `folds`."""
        starts = [np.sort(rows.label_end[rows.symbol == symbol]) for symbol in np.unique(rows.symbol)]
        ready = np.sort([ends[LEARNT_ON - 1] for ends in starts if len(ends) >= LEARNT_ON])
        needed = (len(starts) + 1) // 2
        if len(ready) < needed:
            message = f"expected {needed} symbols of {LEARNT_ON} sessions to learn on, found {len(ready)}; add history"
            raise SpecError(message)
        first = ready[needed - 1].astype("datetime64[Y]").astype(np.int64) + 1971
        last = rows.date.max().astype("datetime64[Y]").astype(np.int64) + 1971
        step = self.years if mode == "forward" else max(self.years, min(self.unseen_years, int(last - first) // 2))
        years = [*range(int(first), int(last), step), int(last)]
        return (np.array(years) - 1970).astype("datetime64[Y]").astype("datetime64[D]")

    def apart(self, symbols: Sequence[str]) -> list[IntArray]:
        """Return the groups of symbols, by the hash of their names: no order of theirs, and no hand, chose them."""
        order = by_hash(symbols)
        return [np.array(sorted(order[group :: self.groups]), np.int64) for group in range(self.groups)]


def blocks_of(folds: Sequence[Fold]) -> dict[np.datetime64, IntArray]:
    """Return the rows that are asked about in the days of each block, in order, by the first of these days."""
    firsts = dict.fromkeys(fold.first for fold in folds)
    return {first: np.sort(np.concatenate([fold.test for fold in folds if fold.first == first])) for first in firsts}
