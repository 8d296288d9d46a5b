"""Only Yahoo is asked, or its stand-in; each `Yahoo` has a client of its own, and leaves yfinance as it was."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from curl_cffi.requests import Session

from data.sources.yahoo import Yahoo, open_session
from data.sources.yahoo.outcomes import First, NotData, Stopped, TimedOut
from data.sources.yahoo.wire import Wire
from tests.data.sources.yahoo.conftest import EVENING, Desk
from tests.data.sources.yahoo.standin import CHART, Fault, serving

NOW = datetime(2012, 12, 14, tzinfo=UTC)


class Answered(Exception):
    """A request would have been sent here."""


def sent(method: str, url: str, **options: Any) -> Any:  # noqa: ARG001  called as curl_cffi's is
    """Stop instead of sending: this is about the address alone."""
    raise Answered(url)


def first_closes(source: Yahoo, times: int) -> list[float]:
    """Ask so many times, and return the first close of each answer."""
    outcomes = [source.fetch("AAA", fresh=True) for _ in range(times)]
    return [float(one.series.close[0]) for one in outcomes if isinstance(one, First)]


def wired(base: str | None = None) -> Wire:
    """Return a wire on which an attempt has begun."""
    wire = Wire(base)
    wire.begin("AAA", 30.0, NOW)
    return wire


@pytest.mark.parametrize(
    "url",
    [
        "http://query2.finance.yahoo.com/v8/finance/chart/AAA",
        "https://yahoo.com.evil.example/v8/finance/chart/AAA",
        "https://evilyahoo.com/v8/finance/chart/AAA",
        "https://query2.finance.yahoo.com@evil.example/v8/finance/chart/AAA",
        "https://user:word@query2.finance.yahoo.com/v8/finance/chart/AAA",
        "https://query2.finance.yahoo.com:8443/v8/finance/chart/AAA",
        "https://127.0.0.1/v8/finance/chart/AAA",
        "file:///v8/finance/chart/AAA",
        "https://query2.finance.yahoo.com/v10/finance/quoteSummary/AAA",
        "https://query2.finance.yahoo.com/v1/finance/search?q=AAA",
        "https://query2.finance.yahoo.com/ws/fundamentals-timeseries/v1/finance/timeseries/AAA",
    ],
)
def test_other_addresses_are_never_asked(url: str) -> None:
    """Neither other hosts, nor other ways to Yahoo, nor what else Yahoo has."""
    with pytest.raises(Stopped) as stopped:
        wired().send(sent, "GET", url, {})
    assert isinstance(stopped.value.failure, NotData)


@pytest.mark.parametrize(
    ("symbol", "escaped"),
    [
        ("^GSPC", "%5EGSPC"),
        ("EURUSD=X", "EURUSD%3DX"),
        ("%5EGSPC", "%5EGSPC"),
        ("../x?y", "..%2Fx%3Fy"),
        ("ä", "%C3%A4"),
    ],
)
def test_a_symbol_is_one_part_of_the_path(symbol: str, escaped: str) -> None:
    """Whatever stands in it; once, and not twice."""
    for base, host in ((None, "https://query2.finance.yahoo.com"), ("http://127.0.0.1:1/", "http://127.0.0.1:1")):
        url = f"https://query2.finance.yahoo.com{CHART}" + symbol.replace("?", "%3F")
        with pytest.raises(Answered, match=f"^{host}{CHART}{escaped}$"):
            wired(base).send(sent, "GET", url, {})


def test_an_attempt_has_one_time_for_all(desk: Desk) -> None:
    """When it is over nothing more is sent."""
    wire = Wire(desk.standin.base)
    wire.begin("AAA", 0.0, NOW)

    with pytest.raises(Stopped) as stopped:
        wire.send(sent, "GET", f"https://query2.finance.yahoo.com{CHART}AAA", {})
    assert isinstance(stopped.value.failure, TimedOut)


@pytest.mark.parametrize("on", ["data", "zone"])
def test_a_redirect_within_yahoo_is_followed(desk: Desk, on: str) -> None:
    """Relative or to another of its hosts."""
    for target in (
        "{base}/v8/finance/chart/AAA?{query}",
        "https://query1.finance.yahoo.com/v8/finance/chart/AAA?{query}",
    ):
        query = "period1=0" if on == "data" else "range=1d"
        location = target.format(base=desk.standin.base, query=query)
        desk.standin.faults["AAA"] = Fault(status=302, headers={"Location": location}, body=b"", times=1, on=on)

        assert isinstance(desk.yahoo(folder=f"{on}{len(target)}").fetch("AAA"), First)


def test_a_new_cookie_is_tried_once(desk: Desk) -> None:
    """An answer 401 is what yfinance gets a new cookie for; after it the chart comes."""
    desk.standin.faults["AAA"] = Fault(status=401, body=b"{}", times=1)

    assert isinstance(desk.yahoo().fetch("AAA"), First)
    assert desk.slept == []


def test_a_page_that_asks_for_consent_is_answered(desk: Desk) -> None:
    """As yfinance answers it, where Yahoo has to ask before it gives a crumb."""
    desk.standin.wants_consent = True

    assert isinstance(desk.yahoo().fetch("AAA"), First)
    ((path, body),) = desk.standin.posted
    assert path == "/v2/collectConsent?sessionId=id"
    assert "csrfToken=token" in body
    assert desk.standin.data_questions()[0].query["crumb"] == "crumb"


def test_two_sources_do_not_share_a_client(desk: Desk) -> None:
    """One client a process is yfinance's idea: here each source asks its own server, in whatever order."""
    with serving(EVENING) as other:
        other.listings = {"AAA": desk.standin.listings["BBB"]}
        here, there = desk.yahoo("here"), desk.yahoo("there", session=open_session(other.base))

        closes = [one.fetch("AAA", fresh=True) for one in (here, there, here, there)]

    assert len(desk.standin.data_questions()) == len(other.data_questions()) == 2
    first, second, third, fourth = (one.series for one in closes if isinstance(one, First))
    assert first.identical(third)
    assert second.identical(fourth)
    assert not first.identical(second)


def test_threads_take_turns(desk: Desk) -> None:
    """There is one yfinance in a process: sources in several threads each get what their own server says."""
    with serving(EVENING) as other, ThreadPoolExecutor(2) as pool:
        other.listings = {"AAA": desk.standin.listings["BBB"]}
        sources = [desk.yahoo("here"), desk.yahoo("there", session=open_session(other.base))]
        turns = [pool.submit(first_closes, source, 4) for source in sources]
        here, there = (turn.result() for turn in turns)

    assert here == [desk.standin.listings["AAA"].rows[0].close] * 4
    assert there == [desk.standin.listings["BBB"].rows[0].close] * 4


@pytest.mark.parametrize("fault", [None, Fault(status=500, body=b"")])
def test_yfinance_is_left_as_it_was(desk: Desk, fault: Fault | None) -> None:
    """Its client, settings and caches, whether it went well or not; and nothing is kept where it keeps things."""
    import yfinance as yf  # type: ignore[import-untyped]  # ships no types
    from yfinance import cache
    from yfinance.data import SingletonMeta, YfData  # type: ignore[import-untyped]  # ships no types

    def state() -> tuple[object, ...]:
        held = SingletonMeta._instances.get(YfData)
        settings = (yf.config.debug.hide_exceptions, yf.config.network.retries)
        return held, held._session, *settings, cache._TzCacheManager._tz_cache, cache._CookieCacheManager._Cookie_cache

    with Session[Any]() as session:
        YfData(session=session)
        yf.config.debug.hide_exceptions, yf.config.network.retries = True, 3
        try:
            before = state()
            if fault is not None:
                desk.standin.faults["AAA"] = fault
            desk.yahoo(attempts=1).fetch("AAA")
            assert state() == before
        finally:
            yf.config.network.retries = 0
            SingletonMeta._instances.pop(YfData)
    assert {path.name for path in (desk.folder / "cache").iterdir()} <= {"AAA.answer", "zones.json"}


def test_an_answer_is_not_remembered_by_yfinance(desk: Desk) -> None:
    """It keeps answers in memory, of status 500 as well; a second attempt would be given the same."""
    desk.standin.faults["AAA"] = Fault(status=500, body=b"", times=1, on="zone")

    assert isinstance(desk.yahoo().fetch("AAA"), First)
    assert [one.is_data for one in desk.standin.asked if one.symbol == "AAA"] == [False, False, True]


def test_a_session_is_opened_when_it_is_needed(desk: Desk) -> None:
    """A source that only gives back what was asked today opens none."""
    desk.yahoo().fetch("AAA")
    later = desk.yahoo(session=None)

    assert isinstance(later.fetch("AAA"), First)
    assert later._asker.session is None
