"""Write ``XNYS.txt``: the weekdays on which an exchange has no session, as exchange_calendars knows them.

Run ``python -m data.closures.build`` after an upgrade of the library; a test fails when the table and it disagree.
"""

import sys
import warnings
from importlib import metadata
from pathlib import Path

import numpy as np

from data.calendars import FIRST, LAST, SHIPPED
from feature_mapper.typing import DateArray


def closures_of(name: str) -> DateArray:
    """Return the weekdays from `FIRST` to `LAST` without a session.

    The library counts regular holidays from 1970 only (pandas' ``AbstractHolidayCalendar.start_date``) and calls the
    older ones sessions, so the rules themselves are asked for the years before.
    """
    import exchange_calendars
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library uses calls that pandas 3.1 deprecates
        calendar = exchange_calendars.get_calendar(name, start=str(FIRST), end=str(LAST))
        sessions = calendar.sessions.to_numpy().astype("datetime64[D]")
        span = pd.Timestamp(FIRST), calendar.regular_holidays.start_date
        early = [rule.dates(*span).to_numpy().astype("datetime64[D]") for rule in calendar.regular_holidays.rules]
    sessions = np.setdiff1d(sessions, np.concatenate(early))
    days = np.arange(FIRST, LAST + 1)
    weekdays = days[np.is_busday(days)]
    if len(extra := np.setdiff1d(sessions, weekdays)):
        message = f"expected sessions of {name} on weekdays only, found {extra[:5]}; the table can't say that yet"
        raise ValueError(message)
    return np.setdiff1d(weekdays, sessions)


def table(name: str) -> str:
    """Return the text of the table of one exchange."""
    version = metadata.version("exchange-calendars")
    head = [
        f"# {name}: weekdays from {FIRST} to {LAST} without a session.",
        f"# Written by data/closures/build.py from exchange_calendars {version} (Apache-2.0).",
    ]
    return "\n".join([*head, *map(str, closures_of(name))]) + "\n"


def main() -> None:
    """Write the table of every shipped calendar beside this file."""
    for name in SHIPPED:
        path = Path(__file__).with_name(f"{name}.txt")
        path.write_text(table(name), encoding="ascii", newline="")
        sys.stdout.write(f"wrote {path.name}\n")


if __name__ == "__main__":
    main()
