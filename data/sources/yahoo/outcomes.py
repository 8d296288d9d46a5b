"""What asking Yahoo for a symbol can come to: a closed union. Every outcome says itself in one sentence.

::

    Outcome
    ├── Usable               carries a series
    │   ├── Got
    │   │   ├── First        nothing was known, the whole history is here
    │   │   ├── Appended     what was known stands, new sessions follow
    │   │   ├── Current      what was known stands, nothing is new
    │   │   └── Restated     Yahoo tells the known days otherwise now; the reasons are named
    │   └── Stale            one of the four, and sessions that are over lack
    └── Failure              carries none
        ├── Empty            no bar although sessions are over
        ├── NotData          status 200, and no chart in it: a web page, JSON of another shape
        ├── WrongSymbol      the answer is about another symbol
        ├── UnknownToYahoo   404: never listed, delisted or renamed
        ├── Damaged          bars that can't be, or that can't follow what is known
        ├── RateLimited      429
        ├── TimedOut         no answer in time
        ├── Unreachable      no connection
        ├── Failing          a connection, and no answer on it: HTTP 500, or one that broke off
        └── NotAsked         not asked, because of what another symbol met with
"""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias, TypeGuard

import numpy as np

from data.sources.yahoo.series import YahooSeries

SHOWN = 5
"""How many cells, days or reasons a sentence lists; the rest is counted."""


@dataclass(frozen=True, slots=True)
class NewSplit:
    """A split that was not known: new shares per old share, from this day on."""

    day: np.datetime64
    ratio: float

    def __str__(self) -> str:
        words = f"{self.ratio:.6g} for 1" if self.ratio >= 1 else f"1 for {1 / self.ratio:.6g}"
        return f"a split of {words} on {self.day}; all earlier prices and volumes are told anew"


@dataclass(frozen=True, slots=True)
class NewPayout:
    """A dividend, or a capital gain of a fund, that was not known: ``amount`` a share, in the unit of the prices."""

    day: np.datetime64
    amount: float
    what: str

    def __str__(self) -> str:
        return f"a {self.what} of {self.amount:.6g} on {self.day}; all earlier adjusted closes are told anew"


@dataclass(frozen=True, slots=True)
class Cell:
    """One value that changed. ``field`` is ``row`` for a day that came (before: None) or went (after: None)."""

    day: np.datetime64
    field: str
    before: float | None
    after: float | None

    def __str__(self) -> str:
        if self.field == "row":
            return f"{self.day} is {'new' if self.before is None else 'gone'}"
        return f"{self.day} {self.field} {self.before!r} -> {self.after!r}"


@dataclass(frozen=True, slots=True)
class Correction:
    """Values that no split and no payout explains: the first of them, and how many there are."""

    cells: tuple[Cell, ...]
    total: int

    @property
    def of_volumes_alone(self) -> bool:
        """Whether no price and no day is among them, as far as all are listed."""
        return self.total == len(self.cells) and all(cell.field == "volume" for cell in self.cells)

    def __str__(self) -> str:
        more = f" and {self.total - SHOWN} more" if self.total > SHOWN else ""
        return f"a correction: {', '.join(map(str, self.cells[:SHOWN]))}{more}"


Reason: TypeAlias = NewSplit | NewPayout | Correction


@dataclass(frozen=True, slots=True, eq=False)  # eq=False here and below: holds a series
class First:
    """The whole history of a symbol of which nothing was known."""

    kind: ClassVar[str] = "first"
    series: YahooSeries
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        told = f"{len(self.series)} bars, {_span(self.series)}, the first that is known of it"
        return _noted(f"{self.series.symbol}: {told}", self.notes)


@dataclass(frozen=True, slots=True, eq=False)
class Appended:
    """What was known, bit for bit, and ``added`` new sessions after it."""

    kind: ClassVar[str] = "appended"
    series: YahooSeries
    added: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        days = self.series.date[-self.added :]
        told = f"{self.added} new {_bars(self.added)}, {_days(days)}; the known ones stand"
        return _noted(f"{self.series.symbol}: {told}", self.notes)


@dataclass(frozen=True, slots=True, eq=False)
class Current:
    """What was known; Yahoo says the same and nothing new."""

    kind: ClassVar[str] = "current"
    series: YahooSeries
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return _noted(f"{self.series.symbol}: nothing new, the last bar is of {self.series.date[-1]}", self.notes)


@dataclass(frozen=True, slots=True, eq=False)
class Restated:
    """The whole history, told anew: it differs from what was known before the last known day."""

    kind: ClassVar[str] = "restated"
    series: YahooSeries
    reasons: tuple[Reason, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        listed = "; ".join(map(str, self.reasons[:SHOWN]))
        more = f"; {len(self.reasons) - SHOWN} more reasons" if len(self.reasons) > SHOWN else ""
        told = f"expected the known days as they were, found {listed}{more}; keep it as a new snapshot"
        return _noted(f"{self.series.symbol}: {told} ({len(self.series)} bars, {_span(self.series)})", self.notes)


Got: TypeAlias = First | Appended | Current | Restated


@dataclass(frozen=True, slots=True, eq=False)
class Stale:
    """A sound answer that ends too early: ``missing`` sessions are over, the last of them is ``due``."""

    kind: ClassVar[str] = "stale"
    got: Got
    due: np.datetime64
    missing: int

    @property
    def series(self) -> YahooSeries:
        """What there is."""
        return self.got.series

    def __str__(self) -> str:
        last = self.series.date[-1]
        return (
            f"{self.series.symbol}: expected bars up to {self.due}, the last session that is over, found them up to "
            f"{last}: {self.missing} {'session lacks' if self.missing == 1 else 'sessions lack'}; usable as of {last}, "
            f"ask again later ({self.got})"
        )


@dataclass(frozen=True, slots=True)
class Empty:
    """No bar, although sessions are over."""

    kind: ClassVar[str] = "empty"
    symbol: str
    cause: str

    def __str__(self) -> str:
        return f"{self.symbol}: expected bars, found none ({self.cause}); ask again later, or look whether it trades"


@dataclass(frozen=True, slots=True)
class NotData:
    """Status 200, and no chart in it."""

    kind: ClassVar[str] = "not-data"
    symbol: str
    cause: str

    def __str__(self) -> str:
        return (
            f"{self.symbol}: expected a chart as JSON, found {self.cause}; Yahoo or something on the way answers with "
            "something else, ask again later"
        )


@dataclass(frozen=True, slots=True)
class WrongSymbol:
    """The answer is about ``found``."""

    kind: ClassVar[str] = "wrong-symbol"
    symbol: str
    found: str

    def __str__(self) -> str:
        return (
            f"{self.symbol}: expected bars of {self.symbol}, found those of {self.found[:40]!r}; look whether it was "
            "renamed, and ask for the name that is meant"
        )


@dataclass(frozen=True, slots=True)
class UnknownToYahoo:
    """Yahoo has no such symbol."""

    kind: ClassVar[str] = "unknown-to-yahoo"
    symbol: str
    cause: str

    def __str__(self) -> str:
        return (
            f"{self.symbol}: expected a symbol that Yahoo lists, found {self.cause!r}; look whether it was delisted or "
            "renamed, and take it off the list or give its new name"
        )


@dataclass(frozen=True, slots=True)
class Damaged:
    """Bars that can't be, or can't follow what is known. ``cause`` holds what was expected and what was found."""

    kind: ClassVar[str] = "damaged"
    symbol: str
    cause: str
    remedy: str = "nothing was kept, ask again later"

    def __str__(self) -> str:
        return f"{self.symbol}: {self.cause}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class RateLimited:
    """Too many requests. ``retry_after`` is what Yahoo asks for, in seconds; None if it names no time."""

    kind: ClassVar[str] = "rate-limited"
    symbol: str
    retry_after: float | None
    attempts: int

    def __str__(self) -> str:
        wait = "name no time" if self.retry_after is None else f"ask for {self.retry_after:g} s"
        return (
            f"{self.symbol}: expected bars, found HTTP 429 (too many requests) {_times(self.attempts)}, which {wait}; "
            "wait, then ask less often"
        )


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No answer within ``seconds``."""

    kind: ClassVar[str] = "timed-out"
    symbol: str
    seconds: float
    attempts: int

    def __str__(self) -> str:
        return (
            f"{self.symbol}: expected an answer within {self.seconds:g} s, found none {_times(self.attempts)}; look at "
            "the connection, ask again later"
        )


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No connection."""

    kind: ClassVar[str] = "unreachable"
    symbol: str
    cause: str
    attempts: int

    def __str__(self) -> str:
        return (
            f"{self.symbol}: expected a connection to Yahoo, found none {_times(self.attempts)} ({self.cause}); look "
            "at network, name service and proxy"
        )


@dataclass(frozen=True, slots=True)
class Failing:
    """A connection, and no answer on it."""

    kind: ClassVar[str] = "failing"
    symbol: str
    cause: str
    attempts: int

    def __str__(self) -> str:
        return f"{self.symbol}: expected an answer, found {self.cause} {_times(self.attempts)}; ask again later"


@dataclass(frozen=True, slots=True)
class NotAsked:
    """Not asked, because of ``cause``."""

    kind: ClassVar[str] = "not-asked"
    symbol: str
    cause: str

    def __str__(self) -> str:
        return f"{self.symbol}: not asked, to be polite, since the one before met with this: {self.cause}"


Usable: TypeAlias = Got | Stale
Failure: TypeAlias = (
    Empty | NotData | WrongSymbol | UnknownToYahoo | Damaged | RateLimited | TimedOut | Unreachable | Failing | NotAsked
)
Outcome: TypeAlias = Usable | Failure


class Stopped(Exception):
    """A question ended with a failure. Never leaves this package: `Yahoo` answers with the failure."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(str(failure))


def is_usable(outcome: Outcome) -> TypeGuard[Usable]:
    """Tell whether an outcome carries a series."""
    return isinstance(outcome, First | Appended | Current | Restated | Stale)


def symbol_of(outcome: Outcome) -> str:
    """Return the symbol that an outcome is about."""
    if isinstance(outcome, First | Appended | Current | Restated | Stale):
        return outcome.series.symbol
    return outcome.symbol


def _bars(count: int) -> str:
    return "bar" if count == 1 else "bars"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _days(days: np.ndarray[tuple[int], np.dtype[np.datetime64]]) -> str:
    return str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _span(series: YahooSeries) -> str:
    return _days(series.date)


def _noted(sentence: str, notes: tuple[str, ...]) -> str:
    return "; ".join((sentence, *notes))
