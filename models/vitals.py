"""What a market is like, whatever a model reads of it: how far sessions range, and how far closes move.

Models look at ratios, so that a symbol at another level is served as well; a market that stands still, or jumps by half
a day after day, may then look like any other. These look at the level itself.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from feature_mapper.windows import Values, windows

MONTH: Final = 21
"""Sessions that `volatility` looks at, or as many as the tier has."""

Vital: TypeAlias = Callable[[Bars, int, int], Values]
"""Measures the last so many bars, each from a tier's bars of history; of one row it returns a scalar."""

RANGE: Final = "session_range"
VOLATILITY: Final = "volatility"


def session_range(bars: Bars, rows: int, tier: int) -> Values:  # noqa: ARG001  one signature for all vitals
    """Return ``log(high / low)`` of each of the last ``rows`` bars; of one row, a scalar."""
    if rows == 1:
        return np.float64(np.log(bars.high[-1] / bars.low[-1]))
    return np.log(bars.high[-rows:] / bars.low[-rows:])


def volatility(bars: Bars, rows: int, tier: int) -> Values:
    """Return the root mean square of the log returns of the last sessions, for each of the last ``rows`` bars.

    Needs two bars of history at least, so a tier of 2 or more. Of one row, a scalar.
    """
    width = min(MONTH, tier - 1)
    first, close = 1 - rows - width, bars.close
    squares = np.square(np.log(close[first:] / close[first - 1 : -1]))
    total: Values = np.add.reduce(squares if rows == 1 else windows(squares, width, rows), axis=-1)
    return np.sqrt(total / width)


VITALS: Final[Mapping[str, Vital]] = {RANGE: session_range, VOLATILITY: volatility}


def of_tier(tier: int) -> tuple[str, ...]:
    """Return the vitals that a history of ``tier`` bars has."""
    return tuple(VITALS) if tier > 1 else (RANGE,)


def measured(names: tuple[str, ...], bars: Bars, rows: int, tier: int) -> FloatArray:
    """Return the named vitals as of each of the last ``rows`` bars, shape (rows, names)."""
    return np.column_stack([np.atleast_1d(VITALS[name](bars, rows, tier)) for name in names])
