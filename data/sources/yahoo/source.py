"""`Yahoo`: asks for what is missing, once, politely, and says what came of it."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from data.calendars import calendar_for
from data.errors import InvalidSymbol
from data.sources.yahoo.asking import Asker
from data.sources.yahoo.comparison import misfit, reasons, stands
from data.sources.yahoo.keeping import Answers, Zones
from data.sources.yahoo.outcomes import (
    Appended,
    Current,
    Damaged,
    Empty,
    Failing,
    First,
    Got,
    NotAsked,
    Outcome,
    RateLimited,
    Reason,
    Restated,
    Stale,
    Stopped,
    TimedOut,
    Unreachable,
    Usable,
    is_usable,
    symbol_of,
)
from data.sources.yahoo.reading import OVERLAP, read, suspicious
from data.sources.yahoo.series import YahooSeries
from data.sources.yahoo.sessions import Sessions
from data.sources.yahoo.wire import YahooSession
from data.symbols import check_symbol

SINCE: Final = date(1990, 1, 1)
"""First day of a whole history: most calendars begin there, and older prices of Yahoo lack opens."""

FEWEST_COMMON: Final = 0.99
"""Share of the known days that a whole history has to have, to be taken for one."""

_ISIN: Final = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Progress:
    """What `Yahoo.fetch_many` has done: ``done`` of ``total`` symbols, the last of them with ``outcome``."""

    done: int
    total: int
    outcome: Outcome


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds a series
class _Told:
    """What Yahoo said today, now or earlier; ``sessions`` is None if it was kept, which only what is not stale is."""

    series: YahooSeries
    notes: tuple[str, ...]
    sessions: Sessions | None


class Yahoo:
    """Daily bars of Yahoo Finance.

    Parameters
    ----------
    cache : Path
        Folder for today's answers and for time zones; made when needed. It may be removed at any time.
    session : YahooSession or None
        Carries the requests; `open_session` makes one. ``open_session(base)`` goes to a stand-in.
    timeout_s : float
        Longest time of one attempt, with all of its requests.
    attempts : int
        Most attempts at one question. A fetch asks two at most: for what is new and, if history was restated, for all.
    pause_s : float
        Least time between two questions.
    since : date
        First day of a whole history.
    now : callable
        The time, with its zone. Which session is over depends on it.
    sleep : callable
        Waits so many seconds.
    seed : int or None
        Of the jitter of waits.

    """

    def __init__(
        self,
        *,
        cache: Path,
        session: YahooSession | None = None,
        timeout_s: float = 30.0,
        attempts: int = 4,
        pause_s: float = 1.0,
        since: date = SINCE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        seed: int | None = None,
    ) -> None:
        self._asker = Asker(
            session=session,
            zones=Zones(cache),
            timeout_s=timeout_s,
            attempts=attempts,
            pause_s=pause_s,
            now=now,
            sleep=sleep,
            seed=seed,
        )
        self._answers = Answers(cache)
        self._since = np.datetime64(since, "D")
        self._now = now

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._asker.close()

    def fetch(
        self,
        symbol: str,
        known: YahooSeries | None = None,
        *,
        calendar: str | None = None,
        whole: bool = False,
        fresh: bool = False,
    ) -> Outcome:
        """Ask for the bars of a symbol, and say what came of it.

        Only what follows the known days is asked for, with `OVERLAP` known sessions before it. If these are told as
        they were, the new rows are appended to the known ones. If not, the whole history is asked for.

        Parameters
        ----------
        symbol : str
            Yahoo's name: ``AAPL``, ``BRK-B``, ``^GSPC``, ``EURUSD=X``, ``BTC-USD``.
        known : YahooSeries or None
            What was fetched before.
        calendar : str or None
            Name of the exchange's calendar; by instrument, form of the symbol and time zone if not given.
        whole : bool
            Ask for the whole history in any case: finds corrections older than the overlap.
        fresh : bool
            Ask even if the same was asked today.

        Raises
        ------
        InvalidSymbol, UnknownCalendar
            Before anything is asked. Whatever happens later is an outcome.

        """
        symbol = _checked(symbol)
        if known is not None and known.symbol.upper() != symbol:
            raise ValueError(f"expected what is known of {symbol}, found a series of {known.symbol}")
        if calendar is not None:
            calendar_for(symbol, calendar)
        beginning = self._since if known is None else min(self._since, known.date[0])
        start = beginning if known is None or whole else known.date[-min(OVERLAP, len(known))]
        try:
            return self._fetch(symbol, known, start, beginning, calendar, fresh=fresh)
        except Stopped as stopped:
            return stopped.failure

    def fetch_many(
        self,
        symbols: Sequence[str],
        known: Mapping[str, YahooSeries] | None = None,
        *,
        calendars: Mapping[str, str] | None = None,
        fresh: bool = False,
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> Iterator[tuple[str, Outcome]]:
        """Ask for several symbols, one after the other, and yield the outcome of each as it comes.

        The rest is not asked after a rate limit or without a connection, nor after two symbols in a row that got no
        answer.

        Parameters
        ----------
        symbols : sequence of str
            As in `fetch`.
        known : mapping
            What was fetched before, by symbol.
        calendars : mapping
            Names of calendars, by symbol.
        fresh : bool
            As in `fetch`.
        progress : callable
            Told after each symbol.

        Raises
        ------
        InvalidSymbol
            At once, before the first is asked.

        """
        return self._each([_checked(symbol) for symbol in symbols], known or {}, calendars or {}, fresh, progress)

    def _each(
        self,
        symbols: list[str],
        known: Mapping[str, YahooSeries],
        calendars: Mapping[str, str],
        fresh: bool,  # noqa: FBT001  by position, from one place
        progress: Callable[[Progress], None],
    ) -> Iterator[tuple[str, Outcome]]:
        silent = 0
        cause = ""
        for done, symbol in enumerate(symbols, 1):
            outcome: Outcome
            if cause:
                outcome = NotAsked(symbol, cause)
            else:
                outcome = self.fetch(symbol, known.get(symbol), calendar=calendars.get(symbol), fresh=fresh)
                silent = silent + 1 if isinstance(outcome, TimedOut | Failing) else 0
                if silent > 1 or isinstance(outcome, RateLimited | Unreachable):
                    cause = str(outcome)
            progress(Progress(done, len(symbols), outcome))
            yield symbol, outcome

    def _fetch(
        self,
        symbol: str,
        known: YahooSeries | None,
        start: np.datetime64,
        beginning: np.datetime64,
        calendar: str | None,
        *,
        fresh: bool,
    ) -> Usable:
        told = self._told(symbol, start, calendar, fresh=fresh)
        got: Got
        if known is None:
            got = First(told.series, told.notes)
        else:
            _check_fit(known, told.series)
            whole = bool(start <= beginning)
            if not whole and not stands(known, told.series, start):
                start, whole = beginning, True
                told = self._told(symbol, start, calendar, fresh=fresh)
            why = _why_restated(known, told.series) if whole else ()
            got = Restated(told.series, why, told.notes) if why else _continued(known, told)
        if told.sessions is None:
            return got
        # Kept only now: an answer that can't follow what is known must not be given all day.
        if not told.sessions.missing(told.series.date[-1])[1]:
            self._answers.keep(symbol, start, (self._now(), told.sessions.until), told.series, told.notes)
        due, missing = told.sessions.missing(got.series.date[-1])
        return Stale(got, due, missing) if missing else got

    def _told(self, symbol: str, start: np.datetime64, calendar: str | None, *, fresh: bool) -> _Told:
        """Return what Yahoo says from ``start`` on: as it said today, or asked now."""
        if not fresh and (kept := self._answers.find(symbol, start, self._now())) is not None:
            return _Told(*kept, sessions=None)
        # A day earlier, since Yahoo's midnights can be an hour early; what is too much is cut off again.
        reading = self._asker.ask(symbol, (start - 1).astype(date))
        answer = read(symbol, reading, self._now(), calendar)
        series = answer.series.take(answer.series.date >= start)
        if not len(series):
            raise Stopped(Empty(symbol, f"no bar from {start} on"))
        return _Told(series, answer.notes, answer.sessions)


def summary(outcomes: Iterable[Outcome]) -> str:
    """Return one sentence on many symbols: how many have bars, and which haven't, by kind."""
    found = list(outcomes)
    usable = Counter(one.kind for one in found if is_usable(one))
    failed: dict[str, list[str]] = {}
    for one in found:
        if not is_usable(one):
            failed.setdefault(one.kind, []).append(symbol_of(one))
    parts = [f"expected bars of {len(found)} {'symbol' if len(found) == 1 else 'symbols'}, found {usable.total()}"]
    parts += [f"{count} {kind}" for kind, count in usable.items()]
    parts += [f"{len(names)} {kind} ({', '.join(names)})" for kind, names in failed.items()]
    return ": ".join((parts[0], ", ".join(parts[1:]))) if parts[1:] else parts[0]


def _check_fit(known: YahooSeries, told: YahooSeries) -> None:
    if cause := misfit(known, told):
        remedy = "nothing was kept; if it is right, fetch it as a symbol of which nothing is known"
        raise Stopped(Damaged(known.symbol, cause, remedy))


def _why_restated(known: YahooSeries, whole: YahooSeries) -> tuple[Reason, ...]:
    _check_fit(known, whole)
    # An answer that ends earlier than what is known is late; no day of it is gone for that.
    before = known.take(known.date <= whole.date[-1])
    common = int(np.isin(before.date, whole.date).sum())
    if whole.date[0] > known.date[0] or common < FEWEST_COMMON * len(before):
        cause = f"expected the {len(before)} known days from {known.date[0]} on, found {common} from {whole.date[0]} on"
        raise Stopped(Damaged(known.symbol, cause))
    return reasons(before, whole)


def _continued(known: YahooSeries, told: _Told) -> Appended | Current:
    """Return the known series with what is new."""
    new = told.series.take(told.series.date > known.date[-1])
    if not len(new):
        return Current(known, told.notes)
    both = known.followed_by(new)
    if jump := suspicious(both, len(new)):
        raise Stopped(Damaged(known.symbol, jump))
    return Appended(both, len(new), told.notes)


def _checked(text: str) -> str:
    """Return a symbol that Yahoo may have."""
    symbol = check_symbol(text)
    if "/" in symbol:
        raise InvalidSymbol(f"expected a symbol of Yahoo, which has no '/', such as 'BTC-USD', found {symbol!r}")
    if _ISIN.fullmatch(symbol):
        # yfinance would search the web for its name and ask for whatever it finds.
        raise InvalidSymbol(f"expected a symbol of Yahoo, found an ISIN, {symbol!r}; give the name that it trades by")
    return symbol
