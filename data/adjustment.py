"""Adjustment of prices and volumes for splits and dividends.

A series *as traded* jumps on the day of a split and drops on the day of a dividend without anybody getting poorer. The
factor ``adj_close / close`` of a vendor undoes both; prices take it whole, volumes take its split part only.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from feature_mapper.typing import BoolArray, DateArray, FloatArray

SPLIT_TOLERANCE: Final = 2e-3
"""Largest relative distance of a jump of the factor from a split ratio: adjusted closes are printed with six digits."""

PRICE_TOLERANCE: Final = 0.3
"""Largest relative distance of the move of the traded price from the ratio: what a share can move on such a day."""

_FORWARD: Final = (
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    12,
    14,
    15,
    20,
    25,
    30,
    40,
    50,
    75,
    100,
    3 / 2,
    4 / 3,
    5 / 2,
    5 / 3,
    5 / 4,
)
SPLIT_RATIOS: Final = (*_FORWARD, *(1 / ratio for ratio in _FORWARD))
"""New shares per old share that occur. Ratios nearer to 1 than 5:4 are left out: a special dividend looks the same."""


class Adjustment(StrEnum):
    """What the prices of a series have been freed of."""

    RAW = "raw"
    SPLIT = "split"
    SPLIT_DIVIDEND = "split+dividend"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Split:
    """A split seen in the factor: row of the first session at the new price, new shares per old share."""

    row: int
    ratio: float


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Adjusted:
    """Adjusted columns of one ascending run, each of shape (n,), and the splits that the volume was freed of."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray | None
    splits: tuple[Split, ...]


def adjust(
    *,
    open: FloatArray,  # noqa: A002  the field's standard name
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    adj_close: FloatArray,
    volume: FloatArray | None,
) -> Adjusted:
    """Free prices of splits and dividends, and volume of splits.

    ``price * (adj_close / close)`` for each of the four prices, the close included: one positive factor a row keeps
    ``low <= min(open, close)`` and ``high >= max(open, close)`` to the last bit, since rounding is monotone. (Taking
    ``adj_close`` itself for the close would not: it can differ from ``close * factor`` in the last bit.)
    Volume before a split is multiplied by the ratio.

    Parameters
    ----------
    open, high, low, close, adj_close : FloatArray of shape (n,)
        Oldest first, finite and positive.
    volume : FloatArray of shape (n,) or None
        As traded, or already free of splits; in the second case the factor shows none.

    """
    factor = adj_close / close
    splits = find_splits(close, factor)
    if volume is not None and splits:
        scale = np.ones(len(close))
        for split in splits:
            scale[: split.row] *= split.ratio
        volume = volume * scale
    return Adjusted(open * factor, high * factor, low * factor, close * factor, volume, splits)


def find_splits(close: FloatArray, factor: FloatArray) -> tuple[Split, ...]:
    """Return the splits that the factor shows.

    Row t is a split of ratio s if ``factor[t] / factor[t-1]`` lies within `SPLIT_TOLERANCE` of s and the traded price
    moved with it: ``close[t-1] / close[t]`` within `PRICE_TOLERANCE` of s. A factor that jumps while the price does not
    is an error of the vendor and is no split; a dividend moves the factor by its yield, far from any ratio here.
    """
    jumps = factor[1:] / factor[:-1]
    moves = close[:-1] / close[1:]
    suspects = np.flatnonzero(np.abs(jumps - 1) > 1 - 1 / min(_FORWARD) - 2 * SPLIT_TOLERANCE)
    ratios = np.array(SPLIT_RATIOS, dtype=np.float64)
    found = []
    for row in suspects:
        ratio = float(ratios[np.argmin(np.abs(jumps[row] / ratios - 1))])
        if abs(jumps[row] / ratio - 1) <= SPLIT_TOLERANCE and abs(moves[row] / ratio - 1) <= PRICE_TOLERANCE:
            found.append(Split(int(row) + 1, ratio))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class DividendMismatch:
    """A dividend that the adjusted close does not show, or shows with another amount."""

    day: np.datetime64
    amount: float
    expected_step: float
    found_step: float

    def __str__(self) -> str:
        """Say it in one sentence."""
        return (
            f"dividend of {self.amount:g} on {self.day} should move the adjusted close by "
            f"{100 * (self.expected_step - 1):.3g} % against the close, found {100 * (self.found_step - 1):.3g} %: "
            "the dividend is missing there or of another unit"
        )


DIVIDEND_TOLERANCE: Final = 0.005
"""Largest distance between the step that a dividend should leave in the factor and the step that is there."""


def check_dividends(
    date: DateArray, close: FloatArray, adj_close: FloatArray, dividend: FloatArray
) -> tuple[DividendMismatch, ...]:
    """Return the dividends that disagree with the adjusted close: missing from it, or of another unit.

    A dividend d on row t should leave ``factor[t-1] / factor[t] = 1 - d / close[t-1]``. Rows on which the traded price
    was split as well are left to `find_splits`.
    """
    factor = adj_close / close
    expected = 1 - dividend[1:] / close[:-1]
    found = factor[:-1] / factor[1:]
    split: BoolArray = np.zeros(len(close) - 1, dtype=np.bool_)
    for one in find_splits(close, factor):
        split[one.row - 1] = True
    wrong = (dividend[1:] > 0) & ~split & (np.abs(expected - found) > DIVIDEND_TOLERANCE)
    return tuple(
        DividendMismatch(date[row + 1], float(dividend[row + 1]), float(expected[row]), float(found[row]))
        for row in np.flatnonzero(wrong)
    )
