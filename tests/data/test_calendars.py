"""Sessions: the shipped table against the library, and the questions that are asked of a calendar."""

import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.calendars import FIRST, LAST, Calendar, calendar_for, calendar_name, closures
from data.closures.build import closures_of
from data.errors import OutsideCalendar, UnknownCalendar


def day(text: str) -> np.datetime64:
    """Return a day."""
    return np.datetime64(text, "D")


def test_shipped_table_is_what_the_library_says() -> None:
    """After an upgrade of exchange_calendars this fails until the table is written again."""
    np.testing.assert_array_equal(closures("XNYS"), closures_of("XNYS"))


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2013-03-01", "2013-03-04"),  # over a weekend
        ("2012-10-26", "2012-10-31"),  # Hurricane Sandy
        ("2001-09-10", "2001-09-17"),  # the week of September 11
        ("2024-03-28", "2024-04-01"),  # Good Friday
        ("2023-12-29", "2024-01-02"),  # New Year
        ("1968-06-11", "1968-06-13"),  # the paperwork Wednesdays
        ("1962-12-24", "1962-12-26"),  # before 1970, where the library alone knows no holidays
        ("2013-03-03", "2013-03-04"),  # from a Sunday
    ],
)
def test_next_session_of_new_york(after: str, expected: str) -> None:
    """Known closures, from the history of the exchange."""
    assert calendar_for("AAPL").next_session(day(after)) == day(expected)


CALENDARS = ["XNYS", "24/7", "24/5"]


@pytest.mark.parametrize("name", CALENDARS)
@given(start=st.integers(1, 20_000), n=st.integers(0, 60))
def test_next_sessions_are_the_first_n_later_ones(name: str, start: int, n: int) -> None:
    """They ascend, are sessions, and none between them is left out; asked one by one they are the same."""
    calendar = calendar_for(name=name)
    after = FIRST + start

    found = calendar.next_sessions(after, n)

    assert len(found) == n
    expected: list[np.datetime64] = []
    candidate = after
    while len(expected) < n:
        candidate = candidate + 1
        if calendar.is_session(candidate):
            expected.append(candidate)
    assert found.tolist() == np.array(expected, dtype="datetime64[D]").tolist()
    if n:
        np.testing.assert_array_equal(calendar.sessions_between(after + 1, found[-1]), found)


def test_every_day_and_every_weekday() -> None:
    """Crypto trades every day, currencies on weekdays."""
    assert calendar_for(name="24/7").next_session(day("2024-12-24")) == day("2024-12-25")
    assert calendar_for(name="24/5").next_session(day("2024-12-27")) == day("2024-12-30")
    assert len(calendar_for(name="24/7").sessions) == (LAST - FIRST).astype(int) + 1


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        (None, "XNYS"),
        ("AAPL", "XNYS"),
        ("BRK.B", "XNYS"),
        ("BTC-USD", "24/7"),
        ("btcusdt", "24/7"),
        ("ETH/EUR", "24/7"),
        ("EURUSD=X", "24/5"),
        ("7203.T", "XTKS"),
        ("VOD.L", "XLON"),
        ("T", "XNYS"),
    ],
)
def test_the_form_of_a_symbol_points_to_its_calendar(symbol: str | None, name: str) -> None:
    """A name given outright wins over the form."""
    assert calendar_name(symbol) == name
    assert calendar_for(symbol, "24/7").name == "24/7"


def test_other_exchanges_come_from_the_library() -> None:
    """Tokyo was closed from 2024-12-31 to 2025-01-05."""
    assert calendar_for("7203.T").next_session(day("2024-12-30")) == day("2025-01-06")


@pytest.mark.parametrize("name", ["", "NYSE-ISH", "../XNYS", "x" * 1000])
def test_an_unknown_calendar_is_refused_by_name(name: str) -> None:
    """No path is made of it."""
    with pytest.raises(UnknownCalendar, match="expected"):
        calendar_for(name=name)


def test_sessions_are_never_made_up() -> None:
    """Beyond the known sessions the error names the last one."""
    calendar = calendar_for("AAPL")
    last = calendar.sessions[-1]

    assert calendar.next_session(last - 10) <= last
    for ask in (lambda: calendar.next_sessions(last, 1), lambda: calendar.is_session(last + 1)):
        with pytest.raises(OutsideCalendar, match=str(last)):
            ask()
    with pytest.raises(OutsideCalendar, match="1962"):
        calendar.next_sessions(day("1950-01-03"), 1)
    with pytest.raises(OutsideCalendar):
        calendar.sessions_between(day("1950-01-03"), last)


def test_a_negative_count_is_a_mistake_of_the_program() -> None:
    """It is no expected error."""
    with pytest.raises(ValueError, match="found -1"):
        calendar_for().next_sessions(day("2024-01-02"), -1)


def test_sessions_can_not_be_written_to() -> None:
    """They are shared by everybody who asks."""
    calendar = calendar_for()

    assert calendar is calendar_for("MSFT")
    assert isinstance(calendar, Calendar)
    with pytest.raises(ValueError, match="read-only"):
        calendar.sessions[0] = day("2024-01-01")


def test_new_york_needs_no_pandas_and_little_time() -> None:
    """The first use in a fresh process brings neither pandas nor the library, and stays far below half a second."""
    code = (
        "import sys, time, data.calendars as c\n"
        "start = time.perf_counter()\n"
        "c.calendar_for('AAPL')\n"
        "print(time.perf_counter() - start, 'pandas' in sys.modules, 'exchange_calendars' in sys.modules)\n"
    )
    start = time.perf_counter()
    spent, *heavy = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert heavy == ["False", "False"]
    assert float(spent) < 0.5
    assert time.perf_counter() - start < 30
