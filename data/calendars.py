"""Exchange sessions by calendar name, as `datetime64[D]` arrays.

`XNYS` comes from a small table in this repository (``closures/XNYS.txt``: the weekdays without a session, written from
exchange_calendars by ``closures/build.py`` and compared with it by a test), because the library needs pandas and about
two seconds of a cold start for an answer that fits in 6 KB. Other exchanges ask the library on first use.
"""

import re
import threading
import warnings
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final

import numpy as np

from data.errors import OutsideCalendar, UnknownCalendar
from feature_mapper.typing import DateArray

DEFAULT: Final = "XNYS"
"""Calendar of a symbol that no rule below names."""

EVERY_DAY: Final = "24/7"
WEEKDAYS: Final = "24/5"

SHIPPED: Final = ("XNYS",)
"""Calendars with a table in ``closures/``."""

FIRST: Final = np.datetime64("1962-01-01", "D")
LAST: Final = np.datetime64("2040-12-31", "D")
"""Span of the calendars that follow a rule and of the shipped ones. Later closures of XNYS are those known today."""

_CRYPTO = re.compile(r"(?:BTC|ETH|SOL|XRP|ADA|DOGE|LTC|BCH|BNB|DOT|AVAX|LINK)[-/]?(?:USD|USDT|USDC|EUR|GBP|BTC)")
_BY_SUFFIX: Final = {
    "=X": WEEKDAYS,
    ".AS": "XAMS",
    ".AX": "XASX",
    ".DE": "XETR",
    ".HK": "XHKG",
    ".L": "XLON",
    ".MC": "XMAD",
    ".MI": "XMIL",
    ".PA": "XPAR",
    ".SW": "XSWX",
    ".T": "XTKS",
    ".TO": "XTSE",
}
"""Endings of Yahoo's symbols and the exchange that they mean."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds an array
class Calendar:
    """The sessions of one exchange, ascending.

    Attributes
    ----------
    name : str
        ISO 10383 code (``XNYS``), ``24/7`` or ``24/5``.
    sessions : DateArray of shape (n,)
        Every session day that is known. Read-only.

    """

    name: str
    sessions: DateArray

    def is_session(self, day: np.datetime64) -> bool:
        """Tell whether the exchange trades on ``day``; raises `OutsideCalendar` beyond the known sessions."""
        self._check(day)
        return bool(self.sessions[np.searchsorted(self.sessions, day)] == day)

    def next_session(self, day: np.datetime64) -> np.datetime64:
        """Return the first session after ``day``."""
        following: np.datetime64 = self.next_sessions(day, 1)[0]
        return following

    def next_sessions(self, day: np.datetime64, n: int) -> DateArray:
        """Return the ``n`` sessions after ``day``, a view.

        Raises
        ------
        OutsideCalendar
            ``day`` lies before the first known session, or fewer than ``n`` sessions are known after it. Sessions are
            never made up: an exchange announces its closures a few years ahead.

        """
        if n < 0:
            message = f"expected a number of sessions of 0 or more, found {n}"
            raise ValueError(message)
        if day < self.sessions[0]:
            self._check(day)
        start = int(np.searchsorted(self.sessions, day, side="right"))
        if start + n > len(self.sessions):
            message = (
                f"expected {n} sessions of {self.name} after {day}, found {len(self.sessions) - start}: "
                f"the last known session is {self.sessions[-1]}; ask for fewer"
            )
            raise OutsideCalendar(message)
        return self.sessions[start : start + n]

    def sessions_between(self, first: np.datetime64, last: np.datetime64) -> DateArray:
        """Return the sessions from ``first`` to ``last``, both ends included, a view; empty if there are none."""
        self._check(first)
        self._check(last)
        return self.sessions[np.searchsorted(self.sessions, first) : np.searchsorted(self.sessions, last, side="right")]

    def _check(self, day: np.datetime64) -> None:
        if not self.sessions[0] <= day <= self.sessions[-1]:
            message = (
                f"expected a day from {self.sessions[0]} to {self.sessions[-1]}, the known sessions of {self.name}, "
                f"found {day}"
            )
            raise OutsideCalendar(message)


def calendar_for(symbol: str | None = None, name: str | None = None) -> Calendar:
    """Return the calendar called ``name``, or the one that the form of ``symbol`` points to.

    Without a name: a crypto pair (``BTC-USD``) trades every day, ``EURUSD=X`` on weekdays, ``7203.T`` in Tokyo; any
    other symbol, and none at all, in New York.

    Raises
    ------
    UnknownCalendar
        No calendar of that name.

    """
    return _calendar(calendar_name(symbol) if name is None else name)


def calendar_name(symbol: str | None) -> str:
    """Return the name of the calendar that the form of a symbol points to."""
    if symbol is None:
        return DEFAULT
    if _CRYPTO.fullmatch(symbol.upper()):
        return EVERY_DAY
    for suffix, name in _BY_SUFFIX.items():
        if symbol.upper().endswith(suffix):
            return name
    return DEFAULT


@lru_cache(maxsize=32)
def _calendar(name: str) -> Calendar:
    if name == EVERY_DAY:
        sessions = np.arange(FIRST, LAST + 1)
    elif name in {WEEKDAYS, *SHIPPED}:
        days = np.arange(FIRST, LAST + 1)
        closed = closures(name) if name in SHIPPED else np.array([], dtype="datetime64[D]")
        sessions = days[np.is_busday(days, holidays=closed)]
    else:
        sessions = sessions_from_library(name)
    sessions.flags.writeable = False
    return Calendar(name, sessions)


def closures(name: str) -> DateArray:
    """Return the weekdays without a session that the shipped table of ``name`` lists."""
    text = resources.files("data").joinpath("closures", f"{name}.txt").read_text(encoding="ascii")
    return np.array([line for line in text.split("\n") if line and not line.startswith("#")], dtype="datetime64[D]")


_FILTERS_LOCK = threading.Lock()


def sessions_from_library(name: str) -> DateArray:
    """Return the sessions of an exchange from 1990 on, or from where exchange_calendars knows them.

    Raises
    ------
    UnknownCalendar
        The library has no calendar of that name, or isn't installed.

    """
    try:
        import exchange_calendars
    except ModuleNotFoundError as error:
        message = (
            f"expected one of {(*SHIPPED, EVERY_DAY, WEEKDAYS)}, found {name!r}; install exchange-calendars for more"
        )
        raise UnknownCalendar(message) from error
    # The library uses calls that pandas 3.1 deprecates; the filter list is global, hence the lock.
    with _FILTERS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = exchange_calendars.get_calendar(name)
            bound = found.bound_min()  # Tokyo is known from 1997 only
            first = "1990-01-01" if bound is None else max("1990-01-01", f"{bound:%Y-%m-%d}")
            found = exchange_calendars.get_calendar(name, start=first)
        except exchange_calendars.errors.InvalidCalendarName as error:
            message = f"expected an exchange code such as 'XNYS' or 'XLON', '24/7' or '24/5', found {name!r}"
            raise UnknownCalendar(message) from error
        days: DateArray = found.sessions.to_numpy().astype("datetime64[D]")
    return days
