"""Asked seldom, one question at a time, less often when it is too often, and not at all when nobody answers."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from data.sources.yahoo import Progress, open_session, summary
from data.sources.yahoo.asking import LONGEST_WAIT_S
from data.sources.yahoo.chart import retry_after
from data.sources.yahoo.outcomes import Failing, First, NotAsked, NotData, RateLimited, TimedOut, Unreachable
from tests.data.sources.yahoo.conftest import EVENING, Desk
from tests.data.sources.yahoo.standin import Fault, Listing, dead, walk

TOO_MANY = b"Too Many Requests"


@pytest.mark.parametrize("status", [500, 502, 429])
def test_a_passing_failure_is_waited_for(desk: Desk, status: int) -> None:
    """Each wait about twice as long as the one before, with a jitter; then the answer counts."""
    desk.standin.faults["AAA"] = Fault(status=status, body=b"", times=3)

    outcome = desk.yahoo(attempts=5).fetch("AAA")

    assert isinstance(outcome, First)
    assert len(desk.standin.data_questions()) == 4
    assert len(desk.slept) == 3
    for wait, least in zip(desk.slept, (2, 4, 8), strict=True):
        assert least <= wait <= 1.5 * least


def test_attempts_are_bounded(desk: Desk) -> None:
    """Whatever happens, so many and no more; the jitter of two that began together differs."""
    desk.standin.faults["AAA"] = Fault(status=500, body=b"")

    one = desk.yahoo(attempts=3, seed=1).fetch("AAA")
    first, desk.slept[:] = list(desk.slept), []
    desk.yahoo(attempts=3, seed=2).fetch("AAA")

    assert isinstance(one, Failing)
    assert one.attempts == 3
    assert len(desk.standin.data_questions()) == 6
    assert len(first) == len(desk.slept) == 2
    assert first != desk.slept


def test_what_will_not_pass_is_not_asked_again(desk: Desk) -> None:
    """Damage and emptiness are what they are."""
    desk.standin.faults["AAA"] = Fault(body=b'{"chart":{"result":[],"error":null}}')

    desk.yahoo().fetch("AAA")

    assert len(desk.standin.data_questions()) == 1
    assert desk.slept == []


def test_retry_after_is_honoured(desk: Desk) -> None:
    """Never earlier than asked for."""
    desk.standin.faults["AAA"] = Fault(status=429, headers={"Retry-After": "17"}, body=TOO_MANY, times=1)

    outcome = desk.yahoo().fetch("AAA")

    assert isinstance(outcome, First)
    (wait,) = desk.slept
    assert 17 <= wait <= 19


def test_retry_after_may_be_a_date(desk: Desk) -> None:
    """In the form of HTTP, against our clock."""
    moment = format_datetime(EVENING + timedelta(seconds=40), usegmt=True)
    desk.standin.faults["AAA"] = Fault(status=429, headers={"Retry-After": moment}, body=TOO_MANY, times=1)

    desk.yahoo().fetch("AAA")

    (wait,) = desk.slept
    assert 40 <= wait <= 42


def test_a_long_wait_is_told_not_waited(desk: Desk) -> None:
    """The caller has other things to do for an hour."""
    desk.standin.faults["AAA"] = Fault(status=429, headers={"Retry-After": "3600"}, body=TOO_MANY)

    outcome = desk.yahoo().fetch("AAA")

    assert isinstance(outcome, RateLimited)
    assert (outcome.retry_after, outcome.attempts) == (3600, 1)
    assert LONGEST_WAIT_S < 3600
    assert desk.slept == []
    assert "ask for 3600 s" in str(outcome)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("0", 0.0),
        (" 12 ", 12.0),
        ("9" * 400, 999_999_999.0),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:01:00", 60.0),
        ("Wed, 31 Dec 1969 00:00:00 GMT", 0.0),
    ],
)
def test_forms_of_retry_after(text: str | None, seconds: float | None) -> None:
    """Seconds, a date, and whatever else a server may write."""
    assert retry_after(text, datetime(1970, 1, 1, tzinfo=UTC)) == seconds


def test_a_pause_lies_between_questions(desk: Desk) -> None:
    """None before the first one, none for what was asked today."""
    yahoo = desk.yahoo(pause_s=5.0)

    list(yahoo.fetch_many(["AAA", "BBB"]))
    assert len(desk.slept) == 1
    assert 0 < desk.slept[0] <= 5.0
    list(yahoo.fetch_many(["AAA", "BBB"]))
    assert len(desk.slept) == 1


def test_a_time_zone_is_asked_for_once(desk: Desk) -> None:
    """By another process, too."""
    desk.yahoo().fetch("AAA")
    desk.standin.asked.clear()

    desk.yahoo().fetch("AAA", fresh=True)

    assert [one.is_data for one in desk.standin.asked if one.symbol == "AAA"] == [True]


def test_half_of_the_symbols(desk: Desk) -> None:
    """Each has an outcome of its own, in order, told as it comes; a sentence counts them."""
    desk.standin.faults["BBB"] = Fault(headers={"Content-Type": "text/html"}, body=b"<html>")
    seen: list[Progress] = []

    outcomes = dict(desk.yahoo().fetch_many(["AAA", "BBB", "GONE", "aaa"], progress=seen.append))

    assert [(one.done, one.total) for one in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert {symbol: outcome.kind for symbol, outcome in outcomes.items()} == {
        "AAA": "first",
        "BBB": "not-data",
        "GONE": "unknown-to-yahoo",
    }
    assert summary(one.outcome for one in seen) == (
        "expected bars of 4 symbols, found 2: 2 first, 1 not-data (BBB), 1 unknown-to-yahoo (GONE)"
    )


def test_known_series_are_used_by_symbol(desk: Desk) -> None:
    """One is appended to, the other is new."""
    yahoo = desk.yahoo()
    first = yahoo.fetch("AAA")
    assert isinstance(first, First)
    desk.at(2012, 12, 17)

    outcomes = dict(yahoo.fetch_many(["AAA", "BBB"], {"AAA": first.series}, calendars={"AAA": "XNYS"}))

    assert [outcome.kind for outcome in outcomes.values()] == ["appended", "first"]


def test_a_rate_limit_ends_the_asking(desk: Desk) -> None:
    """The rest isn't asked, and says why."""
    desk.standin.faults["AAA"] = Fault(status=429, headers={"Retry-After": "600"}, body=TOO_MANY)

    outcomes = [outcome for _, outcome in desk.yahoo().fetch_many(["BBB", "AAA", "BBB", "CCC"], fresh=True)]

    assert [type(one) for one in outcomes] == [First, RateLimited, NotAsked, NotAsked]
    assert {one.symbol for one in desk.standin.data_questions()} == {"AAA", "BBB"}
    assert len(desk.standin.data_questions()) == 2
    assert (
        "CCC: not asked, to be polite, since the one before met with this: AAA: expected bars, found HTTP 429"
        in str(outcomes[-1])
    )


def test_without_a_connection_the_rest_is_not_asked(desk: Desk) -> None:
    """One symbol tells."""
    with dead() as base:
        yahoo = desk.yahoo(session=open_session(base), attempts=1)
        outcomes = [outcome for _, outcome in yahoo.fetch_many(["AAA", "BBB"])]

    assert [type(one) for one in outcomes] == [Unreachable, NotAsked]


def test_two_silences_in_a_row_end_the_asking(desk: Desk) -> None:
    """One may be the symbol's, two are the server's."""
    desk.standin.listings["CCC"] = Listing(walk("2012-10-01", "2012-12-14"))
    desk.standin.faults = {"AAA": Fault(status=500, body=b""), "CCC": Fault(hang_s=30)}
    yahoo = desk.yahoo(attempts=1, timeout_s=1.0)

    outcomes = [outcome for _, outcome in yahoo.fetch_many(["AAA", "BBB", "AAA", "CCC", "BBB"], fresh=True)]

    assert [type(one) for one in outcomes] == [Failing, First, Failing, TimedOut, NotAsked]


def test_a_page_on_the_way_does_not_end_the_asking(desk: Desk) -> None:
    """It says nothing of the others."""
    desk.standin.faults["AAA"] = Fault(headers={"Content-Type": "text/html"}, body=b"<html>")

    outcomes = [outcome for _, outcome in desk.yahoo(attempts=1).fetch_many(["AAA", "AAA", "BBB"])]

    assert [type(one) for one in outcomes] == [NotData, NotData, First]
