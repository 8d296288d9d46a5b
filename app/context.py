"""The question as it stands: which bars are known, as of which day, and what is unusual about them."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np

from app import problems
from app.columns import invalid, to_date
from app.errors import ProblemError
from app.queries import BarsQuery
from data.bar_store import BarStore
from data.calendars import Calendar, calendar_for
from data.errors import OutsideCalendar, UnknownSymbol
from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray

MAX_JUMP: Final = 0.5
"""Largest log step from the stored tail to the bars that are to continue it: beyond, they are of another price scale."""

MAX_GAP: Final = 10
"""Most sessions that may be missing between the stored tail and the bars that continue it."""

LARGE_MOVE: Final = 0.5
"""Log return of one session that is worth a warning: an unadjusted split, or a day to look at."""

LONG_GAP_DAYS: Final = 10
"""Calendar days between two bars that are worth a warning; the longest closure of XNYS since 1962 was of 7 days."""

LOOKED_AT: Final = 253
"""Bars, from the last back, that warnings are about: what models look at."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Context:
    """Known bars up to as-of, and the calendar that they follow."""

    bars: Bars
    symbol: str | None
    calendar: Calendar
    warnings: tuple[str, ...]

    @property
    def as_of(self) -> dt.date | None:
        """Day of the last bar."""
        date = self.bars.date
        return None if date is None else to_date(date[-1])

    def target_date(self, horizon: int) -> dt.date | None:
        """Return the session ``horizon`` sessions after as-of; None without dates, or beyond the known calendar."""
        sessions = self.sessions(horizon)
        return None if sessions is None else to_date(sessions[-1])

    def sessions(self, n: int) -> DateArray | None:
        """Return the ``n`` sessions after as-of; None as `target_date`."""
        if self.bars.date is None:
            return None
        try:
            return self.calendar.next_sessions(self.bars.date[-1], n)
        except OutsideCalendar:
            return None


def resolve(query: BarsQuery, store: BarStore) -> Context:
    """Return the bars that a query means.

    Raises
    ------
    ProblemError
        Bars that do not continue the stored history of their symbol.
    DataError
        No such symbol, or no bar at or before as-of.

    """
    if query.bars is None:
        if query.symbol is None:
            raise invalid("", "expected bars or a symbol, found neither")
        as_of = None if query.as_of is None else np.datetime64(query.as_of, "D")
        return context(store.bars(query.symbol, as_of), query.symbol, store)
    if query.symbol is None:
        return context(query.bars, None, store)
    try:
        stored = store.bars(query.symbol)
    except UnknownSymbol:
        return context(query.bars, query.symbol, store)
    return _continued(stored, query.bars, query.symbol, store)


def context(bars: Bars, symbol: str | None, store: BarStore, *notes: str) -> Context:
    """Return the context of bars, with what is unusual about them."""
    calendar = calendar_of(symbol, store)
    return Context(bars, symbol, calendar, (*notes, *_warnings(bars, calendar)))


def calendar_of(symbol: str | None, store: BarStore) -> Calendar:
    """Return the calendar of a stored symbol, or the one that the form of its name points to."""
    if symbol is None:
        return calendar_for()
    try:
        return calendar_for(name=store.info(symbol).calendar)
    except UnknownSymbol:
        return calendar_for(symbol)


def _continued(stored: Bars, sent: Bars, symbol: str, store: BarStore) -> Context:
    if sent.date is None:
        raise invalid("/bars", f"expected dated bars, as {symbol} has a stored history to continue; add dates")
    if stored.date is None:
        return context(sent, symbol, store)
    tail, first = stored.date[-1], sent.date[0]
    if first <= tail:
        detail = (
            f"expected bars after {tail}, the last stored one of {symbol}, found {first} first; "
            "leave symbol out to have the bars judged by themselves"
        )
        raise ProblemError(problems.HISTORY_CONFLICT, detail)
    calendar = calendar_of(symbol, store)
    missing = len(calendar.sessions_between(tail, first)) - 2
    if missing > MAX_GAP:
        note = f"{missing} sessions lie between the stored history of {symbol} and the bars sent: it was not used"
        return context(sent, symbol, store, note)
    jump = abs(float(np.log(sent.open[0] / stored.close[-1])))
    if jump > MAX_JUMP:
        detail = (
            f"expected bars on the price scale of the stored history of {symbol} (last close {stored.close[-1]:g}), "
            f"found an open of {sent.open[0]:g}; adjust them alike, or leave symbol out"
        )
        raise ProblemError(problems.HISTORY_CONFLICT, detail)
    return context(joined(stored, sent), symbol, store)


def joined(stored: Bars, sent: Bars) -> Bars:
    """Return one run of both; unknown volumes of either are NaN, and no volume at all stays none."""
    both = {
        name: np.concatenate((getattr(stored, name), getattr(sent, name))) for name in ("open", "high", "low", "close")
    }
    volume = None
    if stored.volume is not None or sent.volume is not None:
        volume = np.concatenate(
            [np.full(len(part), np.nan) if part.volume is None else part.volume for part in (stored, sent)]
        )
    date = None
    if stored.date is not None and sent.date is not None:
        date = np.concatenate((stored.date, sent.date))
    return Bars(**both, volume=volume, date=date, symbol=stored.symbol)


def _warnings(bars: Bars, calendar: Calendar) -> list[str]:
    """Say what is possible and yet unusual. Each test is one pass over at most `LOOKED_AT` bars."""
    seen = bars.tail(LOOKED_AT)
    found: list[str] = []
    if bars.volume is None:
        found.append("no volume: volume features are unknown")
    if len(seen) > 1:
        steps = np.abs(np.log(seen.close[1:] / seen.close[:-1]))
        if steps.max() > LARGE_MOVE:
            row = int(steps.argmax()) + 1
            when = "" if seen.date is None else f" on {seen.date[row]}"
            found.append(f"a move of {steps[row - 1]:+.0%} in log terms{when}: an unadjusted split?")
    if seen.date is None:
        found.append("no dates: calendar features, as_of and target_date are unknown")
        return found
    gaps = np.diff(seen.date).astype(np.int64)
    if len(gaps) and gaps.max() > LONG_GAP_DAYS:
        row = int(gaps.argmax())
        found.append(f"no bar between {seen.date[row]} and {seen.date[row + 1]}")
    try:
        if not calendar.is_session(seen.date[-1]):
            found.append(f"{seen.date[-1]} is no session of {calendar.name}")
    except OutsideCalendar:
        found.append(f"{seen.date[-1]} is outside the known sessions of {calendar.name}: target_date is unknown")
    return found
