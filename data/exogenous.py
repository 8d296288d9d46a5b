"""Macro and other series beside the market, joined to sessions as of what was known at each close.

The trap is time. A figure *about* March is published in April and revised in May; joined by its own date it tells a
model in March what nobody knew. So an observation carries the day from which it was known, and a session sees the
newest observation among those known by its close, in the version of that day.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from data.errors import UnreadableFile
from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Exogenous:
    """Observations of one series, by the day from which they were known.

    Build one with `of`, or read it with `data.sources.exogenous.read_exogenous`.

    Attributes
    ----------
    name : str
        What is observed.
    observed : DateArray of shape (n,)
        The day that an observation is about, or the first day of the period, as its source has it.
    known : DateArray of shape (n,)
        The first day at whose close it was known; ascending. Several of one ``observed`` are revisions.
    value : FloatArray of shape (n,)
        In the unit of the source; finite.
    notes : tuple of str
        What was left out when it was read.

    """

    name: str
    observed: DateArray
    known: DateArray
    value: FloatArray
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, name: str, observed: DateArray, known: DateArray, value: FloatArray, notes: tuple[str, ...] = ()
    ) -> Self:
        """Return observations in the order in which they became known."""
        order = np.lexsort((observed, known))
        return cls(name, observed[order], known[order], value[order], notes)

    def as_of(self, days: DateArray) -> "AsOf":
        """Return what was known at the close of each day: the newest observation, in its latest version by then.

        A revision of an older observation that comes after a newer observation doesn't take its place.

        Parameters
        ----------
        days : DateArray of shape (m,)
            In any order. Nothing is known at NaT.

        """
        # Of the observations known so far, the one with the highest (observed, known), at each place in `known`.
        by_age = np.lexsort((self.known, self.observed))
        rank = np.empty(len(by_age), dtype=np.int64)
        rank[by_age] = np.arange(len(by_age))
        newest = by_age[np.maximum.accumulate(rank)]
        count: IntArray = np.searchsorted(self.known, days, side="right")
        seen = (count > 0) & ~np.isnat(days)
        rows = newest[count[seen] - 1]
        value = np.full(len(days), np.nan)
        observed, known = (np.full(len(days), np.datetime64("NaT", "D")) for _ in range(2))
        value[seen], observed[seen], known[seen] = self.value[rows], self.observed[rows], self.known[rows]
        return AsOf(value, observed, known)


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class AsOf:
    """What was known of a series at the close of each of m days.

    Attributes
    ----------
    value : FloatArray of shape (m,)
        NaN before anything was known. A gap in the observations carries the last one on.
    observed, known : DateArray of shape (m,)
        The day that it is about, and from which it was known: how old it is. NaT where the value is NaN.

    """

    value: FloatArray
    observed: DateArray
    known: DateArray


def join(bars: Bars, *series: Exogenous) -> Mapping[str, AsOf]:
    """Return what was known of each series at the close of each bar, by name.

    Raises
    ------
    UnreadableFile
        Bars without dates.
    ValueError
        Two series of one name.

    """
    if bars.date is None:
        raise UnreadableFile("expected bars with dates to join to, found none; give each bar its day")
    found = {one.name: one.as_of(bars.date) for one in series}
    if len(found) < len(series):
        raise ValueError(f"expected a name of its own for each series, found {[one.name for one in series]}")
    return found
