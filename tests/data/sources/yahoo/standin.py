"""A stand-in for the parts of Yahoo that the real yfinance asks for daily bars, with faults on request.

It keeps prices as they were traded and tells them as Yahoo does: free of the splits up to the day on which it is asked,
with an adjusted close that is free of dividends too. So history is restated by the passing of time, as it is by Yahoo.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

import numpy as np

from data.calendars import calendar_for

Chart = dict[str, Any]

OPENS, CLOSES = clock_time(9, 30), clock_time(16)
CHART = "/v8/finance/chart/"
CONSENT = b'<form><input name="csrfToken" value="token"><input name="sessionId" value="id"></form>'


@dataclass(frozen=True)
class Traded:
    """One session as it was traded: dividend and split fall due before it opens."""

    day: date
    open: float
    high: float
    low: float
    close: float
    volume: int
    dividend: float = 0.0
    split: float = 1.0


@dataclass
class Listing:
    """A symbol of the stand-in."""

    rows: list[Traded]
    currency: str = "USD"
    zone: str = "America/New_York"
    instrument: str = "EQUITY"
    early: timedelta = timedelta(0)
    """How much earlier than at 9:30 its bars are stamped."""


@dataclass
class Fault:
    """What happens to requests for one symbol, ``times`` times; None: always.

    ``on`` is ``data``, ``zone`` (yfinance's first question, for the time zone) or ``any``.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    change: Callable[[Chart], None] | None = None
    hang_s: float = 0.0
    cut: bool = False
    times: int | None = None
    on: str = "data"


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    query: dict[str, str]

    @property
    def symbol(self) -> str:
        """The symbol of a chart."""
        return unquote(self.path.removeprefix(CHART))

    @property
    def is_data(self) -> bool:
        """Whether bars were asked for, and not the time zone."""
        return self.path.startswith(CHART) and "period1" in self.query

    @property
    def first_day(self) -> date:
        """First day that was asked for."""
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(self.query["period1"]))
        return moment.astimezone(ZoneInfo("America/New_York")).date()


class Standin:
    """The state of the server: what is listed, what time it is, what goes wrong, what was asked."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.listings: dict[str, Listing] = {}
        self.faults: dict[str, Fault] = {}
        self.helper_fault: Fault | None = None
        self.wants_consent = False
        self.asked: list[Asked] = []
        self.posted: list[tuple[str, str]] = []
        self.base = ""
        self.released = threading.Event()

    def data_questions(self, symbol: str | None = None) -> list[Asked]:
        """Return the requests for bars, of one symbol or of all."""
        return [one for one in self.asked if one.is_data and symbol in {None, one.symbol}]

    def chart(self, symbol: str, query: dict[str, str]) -> Chart:
        """Return the chart of a symbol as of now."""
        listing = self.listings[symbol]
        zone = ZoneInfo(listing.zone)
        rows = [row for row in listing.rows if _moment(row.day, OPENS, zone) <= self.now]
        first = int(query.get("period1", -(10**12)))
        if "range" in query:
            rows = rows[-1:]
        told = _told(rows, listing.rows, zone)
        for one in told:
            one["stamp"] -= int(listing.early.total_seconds())
        shown = [one for one in told if one["stamp"] >= first]
        today = self.now.astimezone(zone).date()
        if shown and shown[-1]["day"] == today and self.now < _moment(today, CLOSES, zone):
            shown[-1] |= {"close": shown[-1]["low"], "adj": shown[-1]["low"], "volume": shown[-1]["volume"] // 2}
        return {"chart": {"result": [_result(symbol, listing, shown, today, zone)], "error": None}}


def _moment(day: date, at: clock_time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)


def _told(rows: list[Traded], everything: list[Traded], zone: ZoneInfo) -> list[dict[str, Any]]:
    """Tell traded rows as Yahoo does on the last of their days."""
    whole = everything[: everything.index(rows[-1]) + 1] if rows else []
    split, kept, told = 1.0, 1.0, []
    for row, before in zip(reversed(whole), [*reversed(whole[:-1]), None], strict=True):
        told.append(
            {
                "day": row.day,
                "stamp": int(_moment(row.day, OPENS, zone).timestamp()),
                **{name: getattr(row, name) / split for name in ("open", "high", "low", "close")},
                "adj": row.close / split * kept,
                "volume": round(row.volume * split),
                "dividend": row.dividend / split,
                "split": row.split,
            }
        )
        split *= row.split
        if row.dividend and before is not None:
            kept *= 1 - row.dividend * row.split / before.close
    told.reverse()
    return told[len(told) - len(rows) :]


def _result(symbol: str, listing: Listing, shown: list[dict[str, Any]], today: date, zone: ZoneInfo) -> Chart:
    periods = {
        name: {
            "start": int(_moment(today, start, zone).timestamp()),
            "end": int(_moment(today, end, zone).timestamp()),
            "gmtoffset": -18000,
            "timezone": "EST",
        }
        for name, start, end in (
            ("pre", clock_time(4), OPENS),
            ("regular", OPENS, CLOSES),
            ("post", CLOSES, clock_time(20)),
        )
    }
    result: Chart = {
        "meta": {
            "currency": listing.currency,
            "symbol": symbol,
            "instrumentType": listing.instrument,
            "exchangeTimezoneName": listing.zone,
            "regularMarketTime": shown[-1]["stamp"] if shown else 0,
            "currentTradingPeriod": periods,
            "dataGranularity": "1d",
            "validRanges": ["1d", "5d", "max"],
        }
    }
    if not shown:
        return result | {"indicators": {"quote": [{}], "adjclose": [{}]}}
    events: Chart = {"dividends": {}, "splits": {}}
    for one in shown:
        if one["dividend"]:
            events["dividends"][str(one["stamp"])] = {"amount": round(one["dividend"], 6), "date": one["stamp"]}
        if one["split"] != 1:
            part = {"date": one["stamp"], "numerator": one["split"], "denominator": 1.0}
            events["splits"][str(one["stamp"])] = part | {"splitRatio": f"{one['split']:g}:1"}
    return result | {
        "timestamp": [one["stamp"] for one in shown],
        "events": {name: found for name, found in events.items() if found},
        "indicators": {
            "quote": [{name: [one[name] for one in shown] for name in ("open", "high", "low", "close", "volume")}],
            "adjclose": [{"adjclose": [one["adj"] for one in shown]}],
        },
    }


def walk(first: str, last: str, seed: int = 0, price: float = 100.0) -> list[Traded]:
    """Return a random walk on the sessions of New York."""
    random = np.random.default_rng(seed)
    rows = []
    for day in calendar_for(None, "XNYS").sessions_between(np.datetime64(first, "D"), np.datetime64(last, "D")):
        close = float(np.float32(price * np.exp(random.normal(0, 0.01))))
        high = float(np.float32(max(price, close) * (1 + abs(random.normal(0, 0.003)))))
        low = float(np.float32(min(price, close) * (1 - abs(random.normal(0, 0.003)))))
        rows.append(Traded(day.astype(date), price, high, low, close, int(random.integers(10**5, 10**6))))
        price = close
    return rows


def _handler(state: Standin) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: two would wait for each other
        disable_nagle_algorithm = True  # nor is the last packet of a long answer kept back

        def do_GET(self) -> None:
            self._body()  # yfinance sends one with a GET, too
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            asked = Asked(parts.path, query)
            state.asked.append(asked)
            if parts.path.startswith(CHART):
                self._chart(asked)
            else:
                self._helper(parts.path)

        def do_POST(self) -> None:
            state.posted.append((self.path, self._body()))
            self._helper(self.path)

        def _body(self) -> str:
            return self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()

        def _helper(self, path: str) -> None:
            if state.helper_fault is not None:
                self._faulty(state.helper_fault, b"")
            elif path.endswith("/getcrumb"):
                consented = state.posted or not state.wants_consent
                self._answer(200, {"Content-Type": "text/plain"}, b"crumb" if consented else b"<html>consent</html>")
            else:
                self._answer(200, {"Content-Type": "text/html", "Set-Cookie": "A3=standin; Path=/"}, CONSENT)

        def _chart(self, asked: Asked) -> None:
            fault = state.faults.get(asked.symbol, state.faults.get("*"))
            if fault is not None and fault.on in {"any", "data" if asked.is_data else "zone"} and fault.times != 0:
                if fault.times is not None:
                    fault.times -= 1
            else:
                fault = None
            if asked.symbol not in state.listings:
                missing = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
                body = json.dumps({"chart": {"result": None, "error": missing}}).encode()
                self._answer(404, {"Content-Type": "application/json"}, body)
                return
            chart = state.chart(asked.symbol, asked.query)
            if fault is not None and fault.change is not None:
                fault.change(chart)
            body = json.dumps(chart).encode()
            if fault is None:
                self._answer(200, {"Content-Type": "application/json"}, body)
            else:
                self._faulty(fault, body)

        def _faulty(self, fault: Fault, body: bytes) -> None:
            if fault.hang_s:
                state.released.wait(fault.hang_s)
            headers = {"Content-Type": "application/json", **fault.headers}
            self._answer(fault.status, headers, body if fault.body is None else fault.body, cut=fault.cut)

        def _answer(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name in the standard library
            """Say nothing."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that hung up, as one does that waited long enough."""


@contextmanager
def serving(now: datetime) -> Iterator[Standin]:
    """Serve a stand-in on a port of this machine."""
    state = Standin(now)
    server = _Server(("127.0.0.1", 0), _handler(state))
    state.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def dead() -> Iterator[str]:
    """Yield an address at which nobody listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port
    yield f"http://127.0.0.1:{port}"
    time.sleep(0)
