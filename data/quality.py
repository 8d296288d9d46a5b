"""What looks wrong in a run of bars, by date and in words. Nothing is repaired: improbable is not impossible.

A duplicate day can't occur in validated `Bars`; the readers report duplicates by line.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from data.adjustment import SPLIT_RATIOS
from data.calendars import Calendar
from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray

JUMP: Final = 0.4
"""Smallest absolute log move from close to close that is called a jump: +49 %, -33 %."""

SPLIT_CLOSENESS: Final = (0.03, 0.12)
"""Largest relative distances of the moves to the open and to the close from a split ratio at which a missed split is
suspected: the nearer one, the farther one. On the day of a split both are near."""

OUT_OF_SCALE: Final = 20.0
"""A factor that no market moves by in a session."""

UNIT_CLOSENESS: Final = 0.1
"""The same for a factor of 100, the mix-up of a currency with its cent."""

FLAT_RUN: Final = 5
"""Sessions in a row with open = high = low = close at one price that are worth a word."""

ZERO_VOLUME_RUN: Final = 5
"""The same for volume 0."""

GAP_DAYS: Final = 10
"""Calendar days between two bars that are worth a word where no calendar is given."""

STALE_SESSIONS: Final = 3
"""Sessions after the last bar from which a series is called stale."""

MAX_FINDINGS: Final = 20
"""How many findings of one kind are listed; the last one counts the rest."""

DAYS_LISTED: Final = 8
"""How many days a sentence lists."""


class Kind(StrEnum):
    """What a finding is about."""

    GAP = "gap"
    OFF_SESSION = "off-session"
    SPLIT = "suspected-split"
    UNIT = "suspected-unit-error"
    JUMP = "jump"
    FLAT = "flat-run"
    PLACEHOLDER = "placeholder"
    ZERO_VOLUME = "zero-volume-run"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that looks wrong: its kind, the days it spans, a sentence, and where it is.

    ``rows`` are the positions of the bars that it is about, ascending; of a hole, the bar that follows it. The finding
    that only counts the rest of its kind has none.
    """

    kind: Kind
    first: np.datetime64
    last: np.datetime64
    message: str
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on something is worth a word; the constants of this module say what each means."""

    jump: float = JUMP
    flat_run: int = FLAT_RUN
    zero_volume_run: int = ZERO_VOLUME_RUN
    gap_days: int = GAP_DAYS
    stale_sessions: int = STALE_SESSIONS


USUAL: Final = Limits()


def inspect(bars: Bars, calendar: Calendar | None = None, today: np.datetime64 | None = None) -> tuple[Finding, ...]:
    """Return what looks wrong, by kind and then by date.

    Parameters
    ----------
    bars : Bars
        With dates; without them there is nothing to say, and the answer is empty.
    calendar : Calendar or None
        Sessions against which gaps are named; without it, only holes longer than `GAP_DAYS`.
    today : numpy.datetime64 or None
        Day against which the series is called stale; needs ``calendar``.

    """
    if bars.date is None:
        return ()
    return tuple(
        _capped(
            itertools.chain(
                holes(bars.date, calendar), oddities(bars, bars.date), staleness(bars.date, calendar, today)
            )
        )
    )


def oddities(bars: Bars, date: DateArray, limits: Limits = USUAL) -> Iterator[Finding]:
    """Yield every step and every standstill of prices and volumes; ``date`` is that of ``bars``."""
    yield from _jumps(bars, date, limits)
    yield from _flat(bars, date, limits)
    yield from _placeholders(bars, date)
    yield from _zero_volume(bars, date, limits)


def _capped(findings: Iterator[Finding]) -> list[Finding]:
    """Cut each kind to `MAX_FINDINGS`, and say how many there are."""
    kept: dict[Kind, list[Finding]] = {}
    for finding in findings:
        kept.setdefault(finding.kind, []).append(finding)
    result = []
    for kind, some in kept.items():
        result += some[:MAX_FINDINGS]
        if more := some[MAX_FINDINGS:]:
            message = f"{len(more)} more of this kind ({kind.value}) from {more[0].first} to {more[-1].last}"
            result.append(Finding(kind, more[0].first, more[-1].last, message))
    return result


def holes(date: DateArray, calendar: Calendar | None, limits: Limits = USUAL) -> Iterator[Finding]:
    """Yield every hole between ascending days, and every day that is no session.

    `inspect` caps what this, `oddities` and `staleness` find. They are apart for a caller that knows days which ascend
    but prices that are no `Bars` yet.
    """
    if calendar is None:
        days = (date[1:] - date[:-1]).astype(np.int64)
        for row in np.flatnonzero(days > limits.gap_days):
            before, after = date[row], date[row + 1]
            message = f"no bar for {days[row] - 1} days between {before} and {after}"
            yield Finding(Kind.GAP, before, after, message, (int(row) + 1,))
        return
    # Days beyond the calendar can't be judged and are left alone.
    known = date[(date >= calendar.sessions[0]) & (date <= calendar.sessions[-1])]
    if not len(known):
        return
    expected = calendar.sessions_between(known[0], known[-1])
    missing = expected[~np.isin(expected, known)]
    for run in _runs(np.searchsorted(expected, missing)):
        first, last = expected[run[0]], expected[run[-1]]
        count = len(run)
        span = f"on {first}" if count == 1 else f"from {first} to {last}"
        message = f"no bar {span}: {count} {_plural('session', count)} of {calendar.name}"
        yield Finding(Kind.GAP, first, last, message, (int(np.searchsorted(date, last)),))
    extra = known[~np.isin(known, expected)]
    for day, row in zip(extra, np.searchsorted(date, extra), strict=True):
        message = f"a bar on {day}, which is no session of {calendar.name}"
        yield Finding(Kind.OFF_SESSION, day, day, message, (int(row),))


def _jumps(bars: Bars, date: DateArray, limits: Limits) -> Iterator[Finding]:
    ratio = bars.close[:-1] / bars.close[1:]
    at_open = bars.close[:-1] / bars.open[1:]
    splits = np.array(SPLIT_RATIOS, dtype=np.float64)
    for row in np.flatnonzero(np.abs(np.log(ratio)) >= limits.jump):
        day, percent = date[row + 1], 100 * (1 / ratio[row] - 1)
        move = f"close moved {percent:+.4g} % on {day}, from {bars.close[row]:g} to {bars.close[row + 1]:g}"
        size = max(ratio[row], 1 / ratio[row])
        distance = np.abs(np.array([at_open[row], ratio[row]])[:, None] / splits - 1)
        near = int(np.argmin(distance.max(axis=0)))
        nearer, farther = sorted(distance[:, near])
        at = (int(row) + 1,)
        if abs(size / 100 - 1) <= UNIT_CLOSENESS:
            yield Finding(Kind.UNIT, day, day, f"{move}: a factor of 100, as between a currency and its cent", at)
        elif nearer <= SPLIT_CLOSENESS[0] and farther <= SPLIT_CLOSENESS[1]:
            words = f"{splits[near]:.4g} for 1" if splits[near] > 1 else f"1 for {1 / splits[near]:.4g}"
            yield Finding(Kind.SPLIT, day, day, f"{move}: maybe a split ({words}) that the prices weren't freed of", at)
        elif size >= OUT_OF_SCALE:
            message = f"{move}: no market moves so, another unit, a reverse split or an error"
            yield Finding(Kind.UNIT, day, day, message, at)
        else:
            yield Finding(Kind.JUMP, day, day, f"{move}; check it against the news of the day", at)


def _flat(bars: Bars, date: DateArray, limits: Limits) -> Iterator[Finding]:
    flat = (bars.high == bars.low) & np.append(False, bars.close[1:] == bars.close[:-1])
    for run in _runs(np.flatnonzero(flat)):
        if len(run) >= limits.flat_run:
            first, last = date[run[0]], date[run[-1]]
            message = f"one price, {bars.close[run[0]]:g}, for {len(run)} bars from {first} to {last}"
            yield Finding(Kind.FLAT, first, last, message, tuple(run.tolist()))


def _placeholders(bars: Bars, date: DateArray) -> Iterator[Finding]:
    """Find bars that carry the close before them on no volume: what some vendors write on a holiday."""
    if bars.volume is None:
        return
    flat = (bars.volume == 0) & (bars.high == bars.low)
    carried = flat & (np.append(bars.close[:1], bars.close[:-1]) == bars.close)
    rows = np.flatnonzero(carried)
    if len(rows):
        first, last = date[rows[0]], date[rows[-1]]
        listed = ", ".join(str(date[row]) for row in rows[:DAYS_LISTED]) + (" ..." if len(rows) > DAYS_LISTED else "")
        message = (
            f"{len(rows)} {_plural('bar', len(rows))} with volume 0 at the price of the close before, as vendors write "
            f"for a holiday or a day without a trade: {listed}"
        )
        yield Finding(Kind.PLACEHOLDER, first, last, message, tuple(rows.tolist()))


def _zero_volume(bars: Bars, date: DateArray, limits: Limits) -> Iterator[Finding]:
    if bars.volume is None:
        return
    for run in _runs(np.flatnonzero(bars.volume == 0)):
        if len(run) >= limits.zero_volume_run:
            first, last = date[run[0]], date[run[-1]]
            message = f"volume 0 for {len(run)} bars from {first} to {last}"
            yield Finding(Kind.ZERO_VOLUME, first, last, message, tuple(run.tolist()))


def staleness(
    date: DateArray, calendar: Calendar | None, today: np.datetime64 | None, limits: Limits = USUAL
) -> Iterator[Finding]:
    """Yield one finding if the last day lies some sessions before ``today``; none without calendar or today."""
    if calendar is None or today is None or today <= date[-1]:
        return
    missed = calendar.sessions_between(date[-1] + 1, today)
    if len(missed) >= limits.stale_sessions:
        yield Finding(
            Kind.STALE,
            date[-1],
            today,
            f"last bar is of {date[-1]}, {len(missed)} sessions of {calendar.name} before {today}",
            (len(date) - 1,),
        )


def _runs(rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> list[np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Split ascending positions into runs of neighbours."""
    return [] if not len(rows) else np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
