"""Which sessions are over, and with them which bars are whole and which are due."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

import numpy as np

from data.calendars import DEFAULT, EVERY_DAY, WEEKDAYS, Calendar, calendar_for, calendar_name
from data.sources.yahoo.chart import Result

SETTLE: Final = timedelta(minutes=30)
"""How long after its close a session counts as running: Yahoo is up to 20 minutes late on some exchanges."""

_BY_INSTRUMENT: Final = {"CRYPTOCURRENCY": EVERY_DAY, "CURRENCY": WEEKDAYS}
_BY_ZONE: Final = {
    "America/New_York": "XNYS",
    "America/Toronto": "XTSE",
    "Asia/Hong_Kong": "XHKG",
    "Asia/Tokyo": "XTKS",
    "Australia/Sydney": "XASX",
    "Europe/Amsterdam": "XAMS",
    "Europe/Berlin": "XETR",
    "Europe/London": "XLON",
    "Europe/Madrid": "XMAD",
    "Europe/Paris": "XPAR",
    "Europe/Rome": "XMIL",
    "Europe/Zurich": "XSWX",
}


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions of one symbol at one moment.

    Attributes
    ----------
    calendar : Calendar or None
        None: no calendar of ours is known to be its exchange's, so no bar can be called due.
    whole : numpy.datetime64
        The last day whose bar is whole: today once the session is over, else yesterday, in the exchange's time zone.
        A bar of a later day is left out. It would look like a correction tomorrow, and a forecast made from it
        would rest on half a session.
    until : datetime
        When that changes at the earliest.

    """

    calendar: Calendar | None
    whole: np.datetime64
    until: datetime

    @classmethod
    def at(cls, now: datetime, result: Result, calendar: str | None) -> "Sessions":
        """Tell the sessions of a chart at ``now``; ``calendar`` names its exchange if the caller knows it.

        Raises
        ------
        UnknownCalendar
            No calendar of that name.

        """
        zone = result.zone
        today = now.astimezone(zone).date()
        until = datetime.combine(today + timedelta(days=1), time(), zone).astimezone(UTC)
        over = False
        period = result.meta.current_trading_period
        # Without a period, or with that of another day, nothing says that today's session is over.
        if period is not None:
            end = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=period.regular.end) + SETTLE
            if (end - SETTLE).astimezone(zone).date() == today:
                over = now >= end
                until = until if over else min(until, end)
        whole = np.datetime64(today, "D") - (0 if over else 1)
        return cls(_calendar(result, calendar), whole, until)

    def is_session(self, day: np.datetime64) -> bool:
        """Tell whether a bar belongs on ``day``; so it does on any day that the calendar says nothing of."""
        if self.calendar is None or not self.calendar.sessions[0] <= day <= self.calendar.sessions[-1]:
            return True
        return self.calendar.is_session(day)

    def missing(self, last: np.datetime64) -> tuple[np.datetime64, int]:
        """Return the last session that is over, and how many there were after ``last``: none if no calendar tells."""
        if self.calendar is None or self.whole <= last:
            return last, 0
        sessions = self.calendar.sessions
        after = sessions[
            np.searchsorted(sessions, last, side="right") : np.searchsorted(sessions, self.whole, side="right")
        ]
        return (after[-1], len(after)) if len(after) else (last, 0)


def _calendar(result: Result, name: str | None) -> Calendar | None:
    symbol = result.meta.symbol.upper()
    by_form = calendar_name(symbol)
    found = (
        name
        or _BY_INSTRUMENT.get(result.meta.instrument_type)
        # New York is also what is said of a name that says nothing; the time zone knows better.
        or (by_form if by_form != DEFAULT else _BY_ZONE.get(result.meta.exchange_timezone_name))
    )
    return None if found is None else calendar_for(symbol, found)
