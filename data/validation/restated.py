"""Whether a series goes on from the one before: the same history, up to one factor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.bars import PRICES, Bars
from feature_mapper.typing import BoolArray, DateArray, FloatArray, IntArray

STRETCHES: Final = 10
"""Runs of changed days that are told one by one; more are another history, which is told and accepted as one."""


MOST_DIGITS: Final = 4
PRINTED: Final = 1e-6
"""A price is printed with so many digits behind the point at most if it is so close to such a number."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds an array
class Change:
    """A run of rows of the new series that tell another history, and a sentence."""

    rows: IntArray
    message: str


@dataclass(frozen=True, slots=True)
class Restated:
    """What became of the previous series on the days that both have: other prices, other volumes."""

    prices: tuple[Change, ...]
    volumes: tuple[Change, ...]


def compare(new: Bars, previous: Bars, price_tolerance: float, volume_tolerance: float) -> Restated:
    """Compare the days that both series have.

    Prices may all be multiplied by one factor, and volumes by another: that is what an adjusted series does on a split
    or a dividend. The factor is the median over the common days, so the larger part of the history defines it. Without
    a common day nothing shows that it is the same history, so it is another one.

    Parameters
    ----------
    new, previous : Bars
        With dates.
    price_tolerance, volume_tolerance : float
        Relative difference that rounding explains, of prices beyond the digits that they were printed with.

    Raises
    ------
    ValueError
        A series without dates.

    """
    if new.date is None or previous.date is None:
        raise ValueError("expected two series with dates, found one without; give each bar its day")
    days, mine, theirs = np.intersect1d(new.date, previous.date, assume_unique=True, return_indices=True)
    if not len(days):
        return Restated(tuple(_replaced(new, previous.date)), ())
    # The close stands first: its factor is that of all prices, and the one that is quoted.
    names = ("close", *(name for name in PRICES if name != "close"))
    now_told = np.stack([getattr(new, name)[mine] for name in names])
    told_before = np.stack([getattr(previous, name)[theirs] for name in names])
    factor = float(np.median(now_told[0] / told_before[0]))
    expected_prices = told_before * factor
    # Half a cent is more than a thousandth of a price below 5: what was printed in cents, twice, may differ by one.
    printed = (_step(now_told) + factor * _step(told_before)) / 2
    off = (np.abs(now_told - expected_prices) - printed) / expected_prices
    worst, row = off.argmax(axis=0), np.arange(len(days))
    prices = _changes(
        days,
        mine,
        off.max(axis=0) > price_tolerance,
        now_told[worst, row],
        expected_prices[worst, row],
        [names[column] for column in worst.tolist()],
    )
    volumes: tuple[Change, ...] = ()
    if new.volume is not None and previous.volume is not None:
        now, before = new.volume[mine], previous.volume[theirs]
        traded = (now > 0) & (before > 0)
        scale = float(np.median(now[traded] / before[traded])) if traded.any() else 1.0
        expected = before * scale
        # An unknown volume compares false: it tells no other history.
        volumes = _changes(
            days,
            mine,
            np.abs(now - expected) > volume_tolerance * np.maximum(now, expected),
            now,
            expected,
            ["volume"] * len(days),
        )
    return Restated(prices, volumes)


def _replaced(new: Bars, known: DateArray) -> Iterator[Change]:
    if len(new) and len(known):
        yield Change(np.arange(len(new)), f"none of the {len(known)} days known, {known[0]} to {known[-1]}")


def _changes(
    days: DateArray, rows: IntArray, changed: BoolArray, now: FloatArray, before: FloatArray, names: Sequence[str]
) -> tuple[Change, ...]:
    return tuple(_told(days, rows, np.flatnonzero(changed), now, before, names))


def _told(
    days: DateArray, rows: IntArray, changed: IntArray, now: FloatArray, before: FloatArray, names: Sequence[str]
) -> Iterator[Change]:
    runs = np.split(changed, np.flatnonzero(np.diff(changed) != 1) + 1) if len(changed) else []
    for run in runs if len(runs) <= STRETCHES else [changed]:
        first, last = run[0], run[-1]
        span = f"on {days[first]}" if len(run) == 1 else f"on {len(run)} days from {days[first]} to {days[last]}"
        yield Change(rows[run], f"other {span}: {names[first]} {now[first]:g} for {before[first]:g}")


def _step(prices: FloatArray) -> float:
    """Return the power of ten that all prices are multiples of: what they were printed with; 0 for finer ones."""
    for digits in range(MOST_DIGITS + 1):
        scaled = prices * 10.0**digits
        if np.all(np.abs(scaled - np.round(scaled)) < PRINTED):
            return float(10.0**-digits)
    return 0.0
