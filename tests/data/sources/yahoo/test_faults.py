"""Whatever an answer has wrong with it is an outcome that says so, and no series."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.sources.yahoo import Outcome, YahooSeries, is_usable
from data.sources.yahoo.outcomes import (
    Damaged,
    Empty,
    Failing,
    First,
    NotData,
    RateLimited,
    TimedOut,
    UnknownToYahoo,
    Unreachable,
    WrongSymbol,
)
from tests.data.sources.yahoo.conftest import Desk
from tests.data.sources.yahoo.standin import Chart, Fault, dead

HTML = b"<!DOCTYPE html><html><body>Will be right back</body></html>"


def result(chart: Chart) -> Chart:
    """Return the one chart of an answer."""
    found: Chart = chart["chart"]["result"][0]
    return found


def set_cells(row: int, value: float | None, *names: str) -> Callable[[Chart], None]:
    """Return a fault that writes ``value`` into columns of a row."""

    def change(chart: Chart) -> None:
        columns = {**result(chart)["indicators"]["quote"][0], **result(chart)["indicators"]["adjclose"][0]}
        for name in names:
            columns[name][row] = value

    return change


ALL = ("open", "high", "low", "close", "adjclose", "volume")


def put(path: str, value: Any) -> Callable[[Chart], None]:
    """Return a fault that writes ``value`` at a place of the answer; the last part of the path may be new."""

    def change(chart: Chart) -> None:
        *way, last = path.split(".")
        place: Any = chart
        for part in way:
            place = place[int(part) if part.isdigit() else part]
        place[int(last) if last.isdigit() else last] = value

    return change


def swap(first: int, second: int) -> Callable[[Chart], None]:
    """Return a fault that exchanges two timestamps."""

    def change(chart: Chart) -> None:
        stamps = result(chart)["timestamp"]
        stamps[first], stamps[second] = stamps[second], stamps[first]

    return change


def shift(row: int, seconds: int) -> Callable[[Chart], None]:
    """Return a fault that moves a timestamp."""

    def change(chart: Chart) -> None:
        result(chart)["timestamp"][row] += seconds

    return change


def event(kind: str, **told: float) -> Callable[[Chart], None]:
    """Return a fault that adds an event to the last day but one."""

    def change(chart: Chart) -> None:
        stamp = result(chart)["timestamp"][-2]
        result(chart)["events"] = {kind: {str(stamp): {"date": stamp, **told}}}

    return change


def three_gaps(chart: Chart) -> None:
    """Take the prices of three old bars."""
    for row in (9, 19, 29):
        set_cells(row, None, *ALL)(chart)


def no_rows(chart: Chart) -> None:
    """Answer as Yahoo does for days without any bar."""
    del result(chart)["timestamp"]
    result(chart)["indicators"] = {"quote": [{}], "adjclose": [{}]}


def drop_column(chart: Chart) -> None:
    """Cut one column short."""
    result(chart)["indicators"]["quote"][0]["open"].pop()


FAULTS: list[tuple[str, Fault, type[object], str]] = [
    ("page", Fault(headers={"Content-Type": "text/html"}, body=HTML), NotData, "text/html that begins with '<!DOCTYPE"),
    ("page-for-zone", Fault(headers={"Content-Type": "text/html"}, body=HTML, on="any"), NotData, "text/html"),
    ("bad-json", Fault(body=b'{"chart": {"result": [{'), NotData, "application/json that begins with"),
    ("no-utf-8", Fault(body=b'{"chart": "\xff\xfe"}'), NotData, "expected a chart as JSON"),
    ("other-json", Fault(body=b'{"finance": {"result": []}}'), NotData, "required field `chart`"),
    ("a-list", Fault(body=b"[]"), NotData, "Expected `object`, got `array`"),
    ("error-200", Fault(body=b'{"chart":{"result":null,"error":{"code":"Odd"}}}'), NotData, "'Odd'"),
    ("other-zone", Fault(change=put("chart.result.0.meta.exchangeTimezoneName", "Mars/Base")), NotData, "Mars/Base"),
    ("zone-path", Fault(change=put("chart.result.0.meta.exchangeTimezoneName", "../../etc")), NotData, "etc"),
    ("zone-folder", Fault(change=put("chart.result.0.meta.exchangeTimezoneName", "America")), NotData, "'America'"),
    ("no-zone", Fault(change=put("chart.result.0.meta", {"symbol": "AAA"}), on="any"), NotData, "missing required"),
    ("elsewhere", Fault(status=302, headers={"Location": "https://evil.example/"}), NotData, "to 'evil.example'"),
    ("in-circles", Fault(status=302, headers={"Location": "/v8/finance/chart/AAA?period1=1"}), NotData, "5 redirects"),
    ("no-result", Fault(body=b'{"chart":{"result":[],"error":null}}'), Empty, "holds no chart"),
    ("null-result", Fault(body=b'{"chart":{"result":null,"error":null}}', on="any"), Empty, "holds no chart"),
    ("no-rows", Fault(change=no_rows), Empty, "the chart has no row"),
    (
        "no-range",
        Fault(status=400, body=b'{"chart":{"result":null,"error":{"code":"Bad Request","description":"no range"}}}'),
        Empty,
        "Bad Request: no range",
    ),
    ("500", Fault(status=500, body=b""), Failing, "found HTTP 500 4 times"),
    ("503-for-zone", Fault(status=503, body=HTML, on="zone"), Failing, "found HTTP 503 4 times"),
    ("403", Fault(status=403, body=b"{}"), Failing, "found HTTP 403 4 times"),
    ("401-for-zone", Fault(status=401, body=b"{}", on="any"), Failing, "found HTTP 401 4 times"),
    ("404-of-another", Fault(status=404, headers={"Content-Type": "text/html"}, body=HTML), Failing, "found HTTP 404"),
    ("cut", Fault(cut=True), Failing, "broke off"),
    ("429", Fault(status=429, body=b"Too Many Requests"), RateLimited, "HTTP 429 (too many requests) 4 times"),
    ("hang", Fault(hang_s=30), TimedOut, "expected an answer within 0.5 s, found none 4 times"),
    ("hang-for-zone", Fault(hang_s=30, on="zone"), TimedOut, "expected an answer within 0.5 s, found none 4 times"),
    ("wrong-symbol", Fault(change=put("chart.result.0.meta.symbol", "BBB")), WrongSymbol, "found those of 'BBB'"),
    ("wrong-for-zone", Fault(change=put("chart.result.0.meta.symbol", "BBB"), on="zone"), WrongSymbol, "of 'BBB'"),
    ("null-row", Fault(change=set_cells(-2, None, *ALL)), Damaged, "found no price at all on 2012-12-13"),
    ("half-row", Fault(change=set_cells(-2, None, "open")), Damaged, "found open missing"),
    ("no-adjusted", Fault(change=set_cells(-2, None, "adjclose")), Damaged, "adj_close missing"),
    ("old-nulls", Fault(change=three_gaps), Damaged, "2 more such bars"),
    ("zero", Fault(change=set_cells(-1, 0.0, "low")), Damaged, "low 0,"),
    ("negative", Fault(change=set_cells(-1, -1.0, "close")), Damaged, "close -1,"),
    ("high-low", Fault(change=set_cells(-1, 1.0, "high")), Damaged, "high 1,"),
    ("low-high", Fault(change=set_cells(-1, 1e6, "low")), Damaged, "low 1e+06,"),
    ("negative-volume", Fault(change=set_cells(-1, -5, "volume")), Damaged, "volume -5"),
    ("unsorted", Fault(change=swap(-1, -2)), Damaged, "in the order of time"),
    ("twice", Fault(change=shift(-1, -86400)), Damaged, "in the order of time"),
    ("twice-a-day", Fault(change=shift(-3, -86400 + 60)), Damaged, "several on 2012-12-11"),
    ("tomorrow", Fault(change=shift(-1, 4 * 86400)), Damaged, "expected no bar after 2012-12-14 23:00 UTC"),
    ("short-column", Fault(change=drop_column), Damaged, "expected 240 values in open"),
    ("no-moment", Fault(change=put("chart.result.0.timestamp.5", 10**30)), NotData, "timestamp"),
    ("long-ago", Fault(change=put("chart.result.0.timestamp.0", -(10**18))), NotData, "timestamp"),
    ("split-by-0", Fault(change=event("splits", numerator=2, denominator=0)), Damaged, "of 0 or more, found inf"),
    ("paid-in", Fault(change=event("dividends", amount=-1)), Damaged, "expected dividends of 0 or more, found -1"),
    ("unreadable", Fault(change=put("chart.result.0.indicators.adjclose", [])), Damaged, "that yfinance can read"),
    ("odd-event", Fault(change=put("chart.result.0.events", {"splits": {"1": {}}})), NotData, "missing required"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "kind", "words"), [one[1:] for one in FAULTS], ids=[one[0] for one in FAULTS])
def test_a_fault_is_an_outcome(desk: Desk, fault: Fault, kind: type[Outcome], words: str) -> None:
    """The kind says what it is, the sentence what was expected, what was found and what to do; nothing is kept."""
    desk.standin.faults["AAA"] = replace(fault)
    outcome = desk.yahoo(timeout_s=0.5 if fault.hang_s else 20.0).fetch("AAA")

    assert type(outcome) is kind, outcome
    assert not is_usable(outcome)
    assert words in str(outcome)
    assert str(outcome).startswith("AAA: expected ")
    desk.standin.released.set()
    desk.standin.faults.clear()
    assert isinstance(desk.yahoo().fetch("AAA"), First)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where something stands in a JSON value; of long lists the first and the last."""
    if way:
        yield way
    inner: Any = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list) and value:
        inner = {0: value[0], len(value) - 1: value[-1]}.items()
    for name, part in inner:
        yield from places(part, (*way, name))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_in_an_answer_is_an_outcome(desk: Desk, data: st.DataObject) -> None:
    """Any value anywhere in the JSON: never an exception, and a series only if it can be stored and computed with."""
    event("dividends", amount=1.0)(chart := desk.standin.chart("AAA", {}))
    way = data.draw(st.sampled_from(list(places(chart))))
    value = data.draw(JSON)

    def spoil(chart: Chart) -> None:
        event("dividends", amount=1.0)(chart)
        place: Any = chart
        for part in way[:-1]:
            place = place[part]
        place[way[-1]] = value

    desk.standin.faults["AAA"] = Fault(change=spoil)

    outcome = desk.yahoo(attempts=1).fetch("AAA", fresh=True)

    assert str(outcome)
    if is_usable(outcome):
        assert YahooSeries.load(outcome.series.dump()).identical(outcome.series)
        assert len(outcome.series.bars()[0]) == len(outcome.series)


def test_a_symbol_that_yahoo_does_not_list(desk: Desk) -> None:
    """Asked once: a name that is unknown stays so."""
    outcome = desk.yahoo().fetch("GONE")

    assert isinstance(outcome, UnknownToYahoo)
    assert "found 'Not Found: No data found, symbol may be delisted'" in str(outcome)
    assert len([one for one in desk.standin.asked if one.symbol == "GONE"]) == 1
    assert desk.slept == []


def test_nobody_there(desk: Desk) -> None:
    """No connection, four times."""
    from data.sources.yahoo import open_session

    with dead() as base:
        outcome = desk.yahoo(session=open_session(base)).fetch("AAA")

    assert isinstance(outcome, Unreachable)
    assert outcome.attempts == 4
    assert "look at network, name service and proxy" in str(outcome)


def test_cookie_and_crumb_are_no_condition(desk: Desk) -> None:
    """Charts come without them: helpers that fail, hang or lead elsewhere are passed over."""
    for fault in (
        Fault(status=429, body=b"Too Many Requests"),
        Fault(status=500),
        Fault(hang_s=30),
        Fault(status=302, headers={"Location": "https://evil.example/"}),
    ):
        desk.standin.helper_fault = fault
        assert isinstance(desk.yahoo(timeout_s=2.0).fetch("AAA", fresh=True), First), fault


def test_old_bars_that_cannot_be_are_left_out_aloud(desk: Desk) -> None:
    """One bar of 1962 without an open is no reason to have no bars of today."""

    def spoil(chart: Chart) -> None:
        set_cells(10, None, *ALL)(chart)
        set_cells(20, 0.0, "open")(chart)

    desk.standin.faults["AAA"] = Fault(change=spoil)

    outcome = desk.yahoo().fetch("AAA")

    assert isinstance(outcome, First)
    assert len(outcome.series) == 238
    assert "1 bar without prices left out: 2012-01-18" in str(outcome)
    assert "1 bar that can't be left out: 2012-02-01" in str(outcome)
    assert len(outcome.series.bars()[0]) == 238


def test_a_row_without_prices_on_a_holiday_is_none(desk: Desk) -> None:
    """Some exchanges' charts have one."""

    def holiday(chart: Chart) -> None:
        one = result(chart)
        at = 224  # 22 November 2012, Thanksgiving, falls between these rows
        one["timestamp"].insert(at, one["timestamp"][at - 1] + 86400)
        for column in (*one["indicators"]["quote"][0].values(), one["indicators"]["adjclose"][0]["adjclose"]):
            column.insert(at, None)

    desk.standin.now = desk.standin.now.replace(month=11, day=26)
    desk.standin.faults["AAA"] = Fault(change=holiday)

    outcome = desk.yahoo().fetch("AAA")

    assert isinstance(outcome, First), outcome
    assert "1 bar without prices left out: 2012-11-22" in str(outcome)


def test_an_unknown_volume_stays_unknown(desk: Desk) -> None:
    """It isn't 0, which yfinance makes of it."""
    desk.standin.faults["AAA"] = Fault(change=set_cells(-1, None, "volume"))

    outcome = desk.yahoo().fetch("AAA")

    assert isinstance(outcome, First)
    assert str(outcome.series.volume[-1]) == "nan"


def test_without_adjusted_closes_the_policy_changes_aloud(desk: Desk) -> None:
    """Where Yahoo sends none at all."""
    desk.standin.faults["AAA"] = Fault(change=lambda chart: result(chart)["indicators"].pop("adjclose"))

    outcome = desk.yahoo().fetch("AAA")

    assert isinstance(outcome, First), outcome
    assert outcome.series.adjustment.value == "split"


def test_a_dividend_that_the_adjusted_close_lacks_is_said(desk: Desk) -> None:
    """Believed, with a word."""
    desk.standin.faults["AAA"] = Fault(change=event("dividends", amount=3.0))

    assert "dividend of 3 on 2012-12-13 should move the adjusted close" in str(desk.yahoo().fetch("AAA"))
