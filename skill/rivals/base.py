"""What a rival is: a method from a well-kept library or a textbook, given at least the data that a model is given."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray
from models.tasks.base import Columns
from training.kit.panel import Panel, dated
from training.kit.splits import Fold


class SymbolRival(Protocol):
    """Forecasts the sessions of a horizon, one or several, from one symbol's own past."""

    @property
    def name(self) -> str:
        """As tables show it."""
        ...

    @property
    def horizon(self) -> int:
        """Sessions that it forecasts, together."""
        ...

    def columns(self, bars: Bars, edges: DateArray) -> Columns:
        """Return forecasts of the sessions after each bar by name, each of shape (n,); NaN before the first edge.

        ``variance`` is the mean of theirs, nights included. A rival that has a distribution of the log return over all
        of them gives its ``mean``, ``deviation`` and ``freedom``, the degrees of Student's t.

        From an edge to the next, parameters are those of all sessions before the edge, without an embargo, and the bars
        since are read with them.
        """
        ...


def blocks(bars: Bars, edges: DateArray) -> Iterator[tuple[int, int]]:
    """Yield the first and the past-the-last position of the bars of each block that has some."""
    at = np.searchsorted(dated(bars), edges)
    for start, stop in zip(at[:-1].tolist(), at[1:].tolist(), strict=True):
        if start < stop:
            yield start, stop


class FoldRival(Protocol):
    """Forecasts the test rows of a fold from a fit on its training rows, as a model does."""

    @property
    def name(self) -> str:
        """As tables show it."""
        ...

    def columns(self, panel: Panel, fold: Fold) -> Columns:
        """Return forecasts of the test rows, by the names of the task."""
        ...
