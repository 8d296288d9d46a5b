"""Bands by level: which levels training measures, and which of them answers a question."""

from bisect import bisect_left
from typing import Final, Self

import msgspec

from feature_mapper.errors import BarcastError
from models.tasks.base import Head

LEVELS: Final = tuple(percent / 100 for percent in range(50, 100))
"""Levels that heads hold a band for, besides their own: of fewer than half of the outcomes nobody asks, and beyond 0.99
a band rests on a handful of errors."""


class LevelUnknown(BarcastError):
    """A band was asked for at a level that the version never measured."""


class BandHead(Head, frozen=True, kw_only=True):
    """A head with a band: that of its own ``level``, and a table of others.

    ``levels`` ascend; none are in versions that were trained before there was a table. ``rate`` is that at which the
    levels of the errors followed what came (adaptive conformal inference); 0: they did not.
    """

    level: float
    levels: tuple[float, ...] = ()
    rate: float = 0.0

    def table(self) -> tuple[tuple[str, tuple[float, ...]], ...]:
        """Return each field of the band with its values by level, in the order of ``levels``."""
        raise NotImplementedError  # abstract: which fields make the band is each head's own to say

    def __post_init__(self) -> None:
        """Refuse a table that is none; msgspec makes a ``ValidationError`` of it."""
        counts = {len(values) for _, values in self.table()}
        if counts != {len(self.levels)} or list(self.levels) != sorted({*self.levels}):
            message = f"expected ascending levels and a value for each of the {len(self.levels)}, found {counts}"
            raise ValueError(message)

    def at(self, level: float) -> Self:
        """Return the head whose band is of ``level``, or of the next one above it that was measured.

        A level between two of them gets the wider band: it holds at least what was asked for.

        Raises
        ------
        LevelUnknown
            None was measured that high.

        """
        if level == self.level:
            return self
        found = bisect_left(self.levels, level)
        if found == len(self.levels):
            most = (
                f"a level up to {self.levels[-1]:g}" if self.levels else f"level {self.level:g}, the only one measured"
            )
            raise LevelUnknown(f"expected {most}, found {level:g}; ask for that, or train the model again for others")
        band = {name: values[found] for name, values in self.table()}
        return msgspec.structs.replace(self, level=self.levels[found], **band)


def at_level(head: Head, level: float | None) -> Head:
    """Return the head whose band is of ``level``; the head itself if none is asked for, or it has no band.

    Raises
    ------
    LevelUnknown
        The version never measured a level as high.

    """
    return head if level is None or not isinstance(head, BandHead) else head.at(level)
