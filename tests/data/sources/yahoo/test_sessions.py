"""Which calendar a symbol follows, when its session is over, and what is due then."""

from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

from data.sources.yahoo.chart import Result, days_of
from data.sources.yahoo.sessions import SETTLE, Sessions


def chart(symbol: str, instrument: str, zone: str, end: datetime | None = None, stamps: tuple[int, ...] = ()) -> Result:
    """Return a chart that says no more than it has to."""
    period = {} if end is None else {"currentTradingPeriod": {"regular": {"start": 0, "end": int(end.timestamp())}}}
    meta = {"symbol": symbol, "instrumentType": instrument, "exchangeTimezoneName": zone, "currency": None}
    told = {"meta": meta | period, "indicators": {"quote": [{}]}, "timestamp": list(stamps)}
    return msgspec.convert(told, Result)


def utc(day: int, hour: int, minute: int = 0) -> datetime:
    """Return a moment of December 2012."""
    return datetime(2012, 12, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("symbol", "instrument", "zone", "name", "calendar"),
    [
        ("AAPL", "EQUITY", "America/New_York", None, "XNYS"),
        ("^GSPC", "INDEX", "America/New_York", None, "XNYS"),
        ("^N225", "INDEX", "Asia/Tokyo", None, "XTKS"),
        ("BP.L", "EQUITY", "Europe/London", None, "XLON"),
        ("EURUSD=X", "CURRENCY", "Europe/London", None, "24/5"),
        ("NEWCOIN-USD", "CRYPTOCURRENCY", "UTC", None, "24/7"),
        ("^BVSP", "INDEX", "America/Sao_Paulo", None, None),
        ("^BVSP", "INDEX", "America/Sao_Paulo", "BVMF", "BVMF"),
    ],
)
def test_the_calendar_is_told_by_what_is_known(
    symbol: str, instrument: str, zone: str, name: str | None, calendar: str | None
) -> None:
    """By name, by instrument, by form, by time zone; New York is not what is said where nothing is known."""
    found = Sessions.at(utc(14, 12), chart(symbol, instrument, zone), name).calendar

    assert (found and found.name) == calendar


def test_a_session_is_over_half_an_hour_after_its_close() -> None:
    """By the clock and the trading period; what was known until then is not given after it."""
    close = utc(14, 21)
    result = chart("AAPL", "EQUITY", "America/New_York", close)

    before = Sessions.at(close + SETTLE - SETTLE / 30, result, None)
    after = Sessions.at(close + SETTLE, result, None)

    assert (str(before.whole), before.until) == ("2012-12-13", utc(14, 21, 30))
    assert (str(after.whole), after.until) == ("2012-12-14", utc(15, 5))


@pytest.mark.parametrize("end", [None, utc(13, 21), utc(17, 21)])
def test_a_period_of_another_day_ends_no_session(end: datetime | None) -> None:
    """Nor does none."""
    sessions = Sessions.at(utc(14, 23), chart("AAPL", "EQUITY", "America/New_York", end), None)

    assert (str(sessions.whole), sessions.until) == ("2012-12-13", utc(15, 5))


def test_the_day_is_that_of_the_exchange() -> None:
    """It is Saturday in Tokyo when New York has its Friday evening."""
    assert str(Sessions.at(utc(14, 23), chart("^N225", "INDEX", "Asia/Tokyo"), None).whole) == "2012-12-14"
    assert str(Sessions.at(utc(14, 23), chart("AAPL", "EQUITY", "America/New_York"), None).whole) == "2012-12-13"


def test_what_is_due_is_counted_in_sessions() -> None:
    """Over a weekend and Christmas; nothing without a calendar, or beyond it."""
    sessions = Sessions.at(utc(27, 12), chart("AAPL", "EQUITY", "America/New_York"), None)
    unknown = Sessions.at(utc(27, 12), chart("^BVSP", "INDEX", "America/Sao_Paulo"), None)
    last = np.datetime64("2012-12-20", "D")

    assert (str(sessions.missing(last)[0]), sessions.missing(last)[1]) == ("2012-12-26", 3)
    assert sessions.missing(sessions.whole) == (sessions.whole, 0)
    assert unknown.missing(last) == (last, 0)
    assert unknown.is_session(np.datetime64("2012-12-25", "D"))
    assert not sessions.is_session(np.datetime64("2012-12-25", "D"))
    assert sessions.is_session(np.datetime64("2099-12-25", "D"))


def test_a_midnight_that_is_early_belongs_to_the_day_after() -> None:
    """Yahoo's are an hour or two early where summer time moved; instants before 1970 are instants, too."""
    eleven = int(utc(14, 23).timestamp())
    stamps = (-1325583000, eleven - 60, eleven, eleven + 60)

    assert days_of(chart("EURUSD=X", "CURRENCY", "UTC", stamps=stamps)) == [
        "1927-12-30",
        "2012-12-14",
        "2012-12-15",
        "2012-12-14",
    ]
