"""The question as it stands: which bars are known, as of which day, and what is unusual about them."""

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np

from app import problems
from app.columns import invalid, to_date
from app.errors import ProblemError
from app.problems import ProblemType
from app.queries import BarsQuery
from app.schemas.answers import Fault
from data.adjustment import Adjustment
from data.bar_store import BarStore
from data.calendars import EVERY_DAY, SHIPPED, WEEKDAYS, Calendar, calendar_for, calendar_name
from data.errors import InvalidSymbol, NoSuchDate, OutsideCalendar, UnknownSymbol
from data.quality import staleness
from data.symbols import check_symbol
from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray

MAX_JUMP: Final = 0.5
"""Largest log step from the stored tail to the bars that continue it: beyond, they are of another price scale."""

MAX_GAP: Final = 10
"""Most sessions that may be missing between the stored tail and the bars that continue it."""

SEAM_BARS: Final = 64
SEAM_DEVIATIONS: Final = 4.0
SEAM_LEAST: Final = 0.005
"""A step from the stored tail is worth a warning beyond so many root mean square steps of so many bars; a calm series
is taken to move half a percent."""

LARGE_MOVE: Final = 0.5
"""Log return of one session that is worth a warning: an unadjusted split, or a day to look at."""

LONG_GAP_DAYS: Final = 10
"""Calendar days between two bars that are worth a warning; the longest closure of XNYS since 1962 was of 7 days."""

FEW: Final = 22
"""With fewer bars than a month and one, volatility is measured by the last bar alone."""

LOOKED_AT: Final = 253
"""Bars, from the last back, that warnings are about: what models look at."""


BASIS: Final[Mapping[Adjustment, str]] = {
    Adjustment.RAW: "as traded: splits and dividends are moves in them",
    Adjustment.SPLIT: "freed of splits, not of dividends: older ones are not those that were traded",
    Adjustment.SPLIT_DIVIDEND: "freed of splits and dividends: older ones are not those that were traded",
    Adjustment.UNKNOWN: "on an unknown basis: nobody said whether they are freed of splits and dividends",
}
"""What stored prices stand for, and so what those must stand for that continue them."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Context:
    """Known bars up to as-of, and the calendar that they follow.

    ``as_of`` is the day of the last bar, None without dates. ``adjustment`` says what the prices of the stored bars
    among them are freed of; None if no stored bar is. ``stored`` tells whether nothing but a stored history was asked
    about, ``until`` the day as of which, if one was named.
    """

    bars: Bars
    as_of: dt.date | None
    symbol: str | None
    calendar: Calendar
    adjustment: Adjustment | None
    warnings: tuple[str, ...]
    stored: bool = False
    until: dt.date | None = None

    def is_stale(self, today: dt.date) -> bool:
        """Tell whether a stored history ends too long before the day that was named, or before today.

        By the rule of `data.quality`: so many sessions without a bar. A history as of an earlier day is not stale, and
        how old bars are that were sent is known to who sent them.
        """
        if not self.stored or self.as_of is None:
            return False
        return _is_behind(self.calendar, self.as_of, today if self.until is None else min(self.until, today))

    def target_date(self, horizon: int) -> dt.date | None:
        """Return the session ``horizon`` sessions after as-of; None without dates, or beyond the known calendar."""
        return None if self.as_of is None else _session_after(self.calendar, self.as_of, horizon)

    def sessions(self, n: int) -> DateArray | None:
        """Return the ``n`` sessions after as-of; None as `target_date`."""
        if self.bars.date is None:
            return None
        try:
            return self.calendar.next_sessions(self.bars.date[-1], n)
        except OutsideCalendar:
            return None


@lru_cache(maxsize=4096)
def _session_after(calendar: Calendar, day: dt.date, n: int) -> dt.date | None:
    """Look up a session. Kept, as most questions are about the same few last days."""
    try:
        return to_date(calendar.next_sessions(np.datetime64(day, "D"), n)[-1])
    except OutsideCalendar:
        return None


@lru_cache(maxsize=4096)
def _is_behind(calendar: Calendar, as_of: dt.date, day: dt.date) -> bool:
    """Tell whether a last bar is stale on a day; never beyond the known calendar."""
    try:
        return any(staleness(np.array([as_of], dtype="datetime64[D]"), calendar, np.datetime64(day, "D")))
    except OutsideCalendar:
        return False


@lru_cache(maxsize=4096)
def _unusual_day(calendar: Calendar, day: dt.date) -> str | None:
    """Say what is unusual about the day of a last bar, if anything."""
    try:
        usual = calendar.is_session(np.datetime64(day, "D"))
    except OutsideCalendar:
        return f"{day} is outside the known sessions of {calendar.name}: target_date is unknown"
    return None if usual else f"{day} is no session of {calendar.name}"


def resolve(query: BarsQuery, store: BarStore) -> Context:
    """Return the bars that a query means.

    Raises
    ------
    ProblemError
        No such symbol, no bar at or before as-of, or bars that do not continue the stored history of their symbol.
    DataError
        The stored history can't be read.

    """
    if query.bars is None:
        if query.symbol is None:
            raise invalid("", "expected bars or a symbol, found neither")
        return of_stored(query.symbol, query.as_of, store)
    if query.symbol is None:
        return of_sent(query.bars, None, store)
    symbol = named(query.symbol)
    try:
        stored = store.bars(symbol)
    except UnknownSymbol:
        return of_sent(query.bars, symbol, store)
    return _continued(stored, query.bars, symbol, store)


def of_stored(symbol: str, as_of: dt.date | None, store: BarStore) -> Context:
    """Return the context of a stored history, up to as-of; raises as `resolve`."""
    symbol = named(symbol)
    try:
        bars = store.bars(symbol, None if as_of is None else np.datetime64(as_of, "D"))
    except UnknownSymbol as error:
        raise _refused(problems.UNKNOWN_SYMBOL, "/symbol", str(error)) from None
    except NoSuchDate as error:
        raise _refused(problems.NO_SUCH_DATE, "/as_of", str(error)) from None
    return replace(_context(bars, symbol, store, store.info(symbol).adjustment), stored=True, until=as_of)


def of_sent(bars: Bars, symbol: str | None, store: BarStore, *notes: str) -> Context:
    """Return the context of bars that stand by themselves."""
    symbol = None if symbol is None else named(symbol)
    bars = bars if bars.symbol == symbol else replace(bars, symbol=symbol)
    return _context(bars, symbol, store, None, *notes)


def extended(known: Context, bar: Bars, store: BarStore, *notes: str) -> Context:
    """Return the context of the known bars and one more, which follows them."""
    return _context(joined(known.bars, bar), known.symbol, store, known.adjustment, *notes)


def named(symbol: str) -> str:
    """Return the symbol as stores write it; raises ``ProblemError`` where it can't be one."""
    try:
        return check_symbol(symbol)
    except InvalidSymbol as error:
        raise _refused(problems.INVALID_INPUT, "/symbol", str(error)) from None


def calendar_of(symbol: str | None, store: BarStore) -> Calendar:
    """Return the calendar of a stored symbol, or the one that the form of its name points to."""
    if symbol is None:
        return calendar_for()
    try:
        return calendar_for(name=store.info(symbol).calendar)
    except UnknownSymbol:
        return calendar_for(symbol)


def builds_calendar(symbol: str | None) -> bool:
    """Tell whether a question about a symbol may have to build a calendar first, which takes tenths of a second."""
    return symbol is not None and calendar_name(symbol) not in {EVERY_DAY, WEEKDAYS, *SHIPPED}


def _context(bars: Bars, symbol: str | None, store: BarStore, adjustment: Adjustment | None, *notes: str) -> Context:
    calendar = calendar_of(symbol, store)
    as_of = None if bars.date is None else to_date(bars.date[-1])
    return Context(bars, as_of, symbol, calendar, adjustment, (*notes, *_warnings(bars, as_of, calendar)))


def _continued(stored: Bars, sent: Bars, symbol: str, store: BarStore) -> Context:
    if stored.date is None:
        raise AssertionError(symbol)  # the store refuses a series without dates
    if sent.date is None:
        detail = f"expected dated bars, as {symbol} has a stored history to continue; add dates, or leave symbol out"
        raise invalid("/symbol", detail)
    tail, first = stored.date[-1], sent.date[0]
    if first <= tail:
        detail = (
            f"expected bars after {tail}, the last stored one of {symbol}, found {first} first; "
            "leave symbol out to have the bars judged by themselves"
        )
        raise _refused(problems.HISTORY_CONFLICT, "/symbol", detail)
    missing = _sessions_between(tail, first, calendar_of(symbol, store))
    if missing is None or missing > MAX_GAP:
        count = "more sessions than are known" if missing is None else f"{missing} sessions"
        note = f"{count} lie between the stored history of {symbol} and the bars sent: it was not used"
        return of_sent(sent, symbol, store, note)
    jump = abs(float(np.log(sent.open[0]) - np.log(stored.close[-1])))
    if jump > MAX_JUMP:
        detail = (
            f"expected bars on the price scale of the stored history of {symbol} (last close {stored.close[-1]:g}), "
            f"found an open of {sent.open[0]:g}; adjust them alike, or leave symbol out"
        )
        raise _refused(problems.HISTORY_CONFLICT, "/symbol", detail)
    adjustment = store.info(symbol).adjustment
    note = basis(symbol, adjustment)
    return _context(joined(stored, sent), symbol, store, adjustment, note, *_seam(stored, sent))


def basis(symbol: str | None, adjustment: Adjustment) -> str:
    """Say what the stored prices of a symbol stand for."""
    return f"stored prices of {symbol} are {BASIS[adjustment]}"


def _seam(stored: Bars, sent: Bars) -> list[str]:
    """Say so if the step from the stored bars to those sent is far beyond the steps before it: another price basis?"""
    logs = np.log(stored.tail(SEAM_BARS).close)
    usual = float(np.sqrt(np.mean(np.square(logs[1:] - logs[:-1])))) if len(logs) > 1 else 0.0
    step = float(np.log(sent.open[0]) - logs[-1])
    if abs(step) <= SEAM_DEVIATIONS * max(usual, SEAM_LEAST):
        return []
    return [f"a log step of {step:+.2f} from the stored history to the bars sent: are both on one price basis?"]


def _sessions_between(last: np.datetime64, first: np.datetime64, calendar: Calendar) -> int | None:
    """Count the sessions that lie between two days, neither of them included; None beyond the known calendar."""
    day = np.timedelta64(1, "D")
    try:
        return len(calendar.sessions_between(last + day, first - day)) if first - last > day else 0
    except OutsideCalendar:
        return None


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


def _refused(kind: ProblemType, place: str, detail: str) -> ProblemError:
    return ProblemError(kind, detail, [Fault(pointer=place, detail=detail)])


def _warnings(bars: Bars, as_of: dt.date | None, calendar: Calendar) -> list[str]:
    """Say what is possible and yet unusual. Each test is one pass over at most `LOOKED_AT` bars."""
    volume, date = bars.volume, bars.date
    found: list[str] = []
    if volume is None or (math.isnan(volume[-1]) and np.isnan(volume[-LOOKED_AT:]).all()):
        found.append("no volume: volume features are unknown")
    if len(bars) < FEW and bars.high[-1] == bars.low[-1]:
        found.append("the last bar has a single price: of so few bars, there is no range to measure volatility by")
    if len(bars) > 1:
        logs = np.log(bars.close[-LOOKED_AT:])  # not the log of quotients, which may leave the floats
        steps = logs[1:] - logs[:-1]
        if np.maximum.reduce(steps) > LARGE_MOVE or np.minimum.reduce(steps) < -LARGE_MOVE:
            row = int(np.abs(steps).argmax())
            when = "" if date is None else f" on {date[-LOOKED_AT:][row + 1]}"
            found.append(f"a log return of {steps[row]:+.2f}{when}: an unadjusted split?")
    if date is None or as_of is None:
        found.append("no dates: calendar features, as_of and target_date are unknown")
        return found
    date = date[-LOOKED_AT:]
    days = date.view(np.int64)
    gaps = days[1:] - days[:-1]
    if len(gaps) and np.maximum.reduce(gaps) > LONG_GAP_DAYS:
        row = int(gaps.argmax())
        found.append(f"no bar between {date[row]} and {date[row + 1]}")
    if unusual := _unusual_day(calendar, as_of):
        found.append(unusual)
    return found
