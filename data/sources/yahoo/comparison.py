"""Does Yahoo still say what it said? And if not: which split, which payout, or what else?"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from data.sources.yahoo.outcomes import Cell, Correction, NewPayout, NewSplit, Reason
from data.sources.yahoo.reading import UNIT, UNIT_TOLERANCE
from data.sources.yahoo.series import COLUMNS, YahooSeries
from feature_mapper.bars import PRICES
from feature_mapper.typing import BoolArray, FloatArray

PRICE_NOISE: Final = 1e-6
"""Largest relative distance of two tellings of one price. Yahoo stores 24 bits of it: its own rounding is 6e-8."""

ADJUSTED_NOISE: Final = 2e-5
"""The same for an adjusted close, which Yahoo computes anew with each answer. A dividend below this yield is seen by
its event, not by its trace."""

PAYOUT_NOISE: Final = 2e-3
"""How far the trace of a payout in the adjusted close may lie from what its amount says."""

EVENT_NOISE: Final = 1e-3
"""The same for a payout's amount, which Yahoo prints with six decimals after dividing it by all later splits."""

VOLUME_SLACK: Final = 0.5
"""What a volume loses when it is carried over a split; without one, volumes are whole and have to be the same."""

MAX_CELLS: Final = 100
"""How many values of one column a correction holds; it counts them all."""

PAYOUTS: Final = {"dividends": "dividend", "capital_gains": "capital gain"}

NOISE: Final = {
    **dict.fromkeys(PRICES, PRICE_NOISE),
    "adj_close": ADJUSTED_NOISE,
    **dict.fromkeys(("splits", *PAYOUTS), EVENT_NOISE),
}


def stands(known: YahooSeries, fresh: YahooSeries, start: np.datetime64) -> bool:
    """Tell whether ``fresh``, asked from ``start`` on, repeats the known days and changes none before them.

    Only days up to the last one of both count: what is new is new, and what an old answer lacks at its end is late.
    A payout or a split that was not known changes all days before it, so it never stands.
    """
    end = min(known.date[-1], fresh.date[-1])
    before = known.take((known.date >= start) & (known.date <= end))
    after = fresh.take((fresh.date >= start) & (fresh.date <= end))
    if not len(before) or not np.array_equal(before.date, after.date):
        return False
    if any(_differs(name, before.column(name), after.column(name)).any() for name in COLUMNS):
        return False
    new = fresh.date > known.date[-1]
    return not any((fresh.column(name)[new] != 0).any() for name in ("splits", *PAYOUTS))


def reasons(known: YahooSeries, whole: YahooSeries) -> tuple[Reason, ...]:
    """Say why the whole history, told anew, differs from what was known; empty if it doesn't.

    The known days are carried over the splits and payouts that are new. What still differs is a correction.
    """
    found: list[Reason] = []
    _, old, new = np.intersect1d(known.date, whole.date, assume_unique=True, return_indices=True)
    expected, told = known.take(_mask(len(known), old)), whole.take(_mask(len(whole), new))

    ratio = _new_events(known, whole, "splits")
    found += [NewSplit(whole.date[row], float(ratio[row])) for row in np.flatnonzero(ratio)]
    split = _after(np.where(ratio > 0, ratio, 1.0))[new]

    paid = np.ones(len(whole))
    for name, word in PAYOUTS.items():
        amount = _new_events(known, whole, name)
        rows = np.flatnonzero(amount)
        found += [NewPayout(whole.date[row], float(amount[row]), word) for row in rows]
        rows = rows[rows > 0]
        paid[rows] -= amount[rows] / whole.close[rows - 1]
    kept = _after(paid)[new]

    # A known event is compared as one; a new one on a known day has been named.
    carried = {name: expected.column(name) / split for name in (*PRICES, *PAYOUTS)}
    carried |= {
        "volume": expected.volume * split,
        "adj_close": expected.adj_close / split * kept,
        "splits": expected.splits,
    }
    for name in ("splits", *PAYOUTS):
        carried[name] = np.where(_new_events(known, whole, name)[new] != 0, told.column(name), carried[name])
    cells = list(_gone_and_come(known, whole))
    total = len(cells)
    for name in COLUMNS:
        noise = PAYOUT_NOISE if name == "adj_close" and bool((kept != 1).any()) else None
        rows = np.flatnonzero(_differs(name, carried[name], told.column(name), noise))
        total += len(rows)
        before, after = expected.column(name), told.column(name)
        cells += [Cell(told.date[row], name, float(before[row]), float(after[row])) for row in rows[:MAX_CELLS]]
    if cells:
        cells.sort(key=lambda cell: (cell.day, cell.field))
        found.append(Correction(tuple(cells), total))
    return tuple(found)


def misfit(known: YahooSeries, fresh: YahooSeries) -> str | None:
    """Say why an answer can't be about the known series: another currency, another unit; None if it can."""
    for word, before, after in (("currency", known.currency, fresh.currency), ("time zone", known.zone, fresh.zone)):
        if before != after:
            return f"expected bars in the {word} {before!r} as before, found {after!r}"
    _, old, new = np.intersect1d(known.date, fresh.date, assume_unique=True, return_indices=True)
    if not len(old) or (fresh.splits[fresh.date > known.date[old[0]]] != 0).any():
        return None
    factor = float(np.median(fresh.close[new] / known.close[old]))
    if abs(max(factor, 1 / factor) / UNIT - 1) > UNIT_TOLERANCE:
        return None
    return (
        f"expected closes in the unit of before, found them {factor:.4g} times as high from {fresh.date[new[0]]} on "
        "and no split: a currency and its cent were mixed up"
    )


def _differs(name: str, before: FloatArray, after: FloatArray, noise: float | None = None) -> BoolArray:
    """Find the rows of a column that two tellings differ in; NaN is like NaN."""
    if name == "volume":
        near = np.abs(before - after) <= VOLUME_SLACK
    else:
        near = np.abs(before - after) <= (noise or NOISE[name]) * np.maximum(np.abs(before), np.abs(after))
    return ~(near | (np.isnan(before) & np.isnan(after)))


def _new_events(known: YahooSeries, whole: YahooSeries, name: str) -> FloatArray:
    """Return the events of ``whole``, by its rows, on days of which ``known`` has none; 0 elsewhere."""
    had = known.date[known.column(name) != 0]
    inside = whole.date > known.date[0]
    return np.where(inside & ~np.isin(whole.date, had), whole.column(name), 0.0)


def _after(factors: FloatArray) -> FloatArray:
    """Return, for each row, the product of the factors of later rows."""
    return np.append(np.cumprod(factors[:0:-1])[::-1], 1.0)


def _gone_and_come(known: YahooSeries, whole: YahooSeries) -> Iterator[Cell]:
    """Name days that Yahoo no longer has, and days inside the known ones that it didn't have."""
    for row in np.flatnonzero(~np.isin(known.date, whole.date)):
        yield Cell(known.date[row], "row", float(known.close[row]), None)
    inside = (whole.date >= known.date[0]) & (whole.date <= known.date[-1])
    for row in np.flatnonzero(inside & ~np.isin(whole.date, known.date)):
        yield Cell(whole.date[row], "row", None, float(whole.close[row]))


def _mask(length: int, rows: "np.ndarray[tuple[int], np.dtype[np.intp]]") -> BoolArray:
    found = np.zeros(length, dtype=np.bool_)
    found[rows] = True
    return found
