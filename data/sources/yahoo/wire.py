"""The one door to the network: which addresses may be asked, for how long, and what an answer is taken for.

yfinance is handed a session of its own transport (curl_cffi) that sends every request through a `Wire`. An answer that
is no chart ends the attempt right there, so yfinance neither guesses from it nor asks again by another way.
"""

import functools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, unquote, urljoin, urlsplit

from data.sources.yahoo.chart import Answer, Result, judge
from data.sources.yahoo.outcomes import Empty, NotData, Stopped, TimedOut

if TYPE_CHECKING:
    from curl_cffi.requests import Response

CHART: Final = "/v8/finance/chart/"
CRUMB: Final = "/v1/test/getcrumb"

DATA_HOSTS: Final = ("query1.", "query2.")
"""Beginnings of the hosts that have charts and crumbs. The others have cookies, and the page that asks for consent."""

HELPER_SHARE: Final = 0.25
"""Share of an attempt's time that a cookie or a crumb may take: charts come without them as well."""

MAX_REDIRECTS: Final = 5

MAX_BYTES: Final = 64 * 1024 * 1024
"""Largest answer that is read. Sixty years of daily bars take two."""


class Wire:
    """Sends the requests of one attempt after another; not for several threads.

    Parameters
    ----------
    base : str or None
        Where Yahoo's addresses are sent instead, such as ``http://127.0.0.1:8123``: a stand-in.

    """

    def __init__(self, base: str | None = None) -> None:
        self._base = base.rstrip("/") if base else None
        self._symbol = ""
        self._now = datetime.now(UTC)
        self._seconds = 0.0
        self._ends = 0.0
        self._denied = False
        self.result: Result | None = None

    def begin(self, symbol: str, seconds: float, now: datetime) -> None:
        """Start an attempt, at ``now``: all of its requests together may take ``seconds``."""
        self._symbol = symbol
        self._now = now
        self._seconds = seconds
        self._ends = time.monotonic() + seconds
        self._denied = False
        self.result = None

    def send(self, send: Callable[..., "Response"], method: str, url: str, options: dict[str, Any]) -> "Response":
        """Send one request of yfinance's, follow its redirects, and judge what a chart's address answers.

        Raises
        ------
        Stopped
            The answer is no chart, or the address is none of ours.

        """
        helper = self._is_helper(url)
        bars = "period1" in (options.get("params") or {})
        for _ in range(MAX_REDIRECTS):
            # yfinance waits 10 s for a time zone whatever it is told, hence the timeout of our own. And curl would
            # follow a redirect to anywhere; here each step is looked at.
            options |= {"timeout": self._timeout(helper=helper), "allow_redirects": False}
            response = send(method, self._address(url), **options)
            target = response.headers.get("location")
            if response.status_code not in {301, 302, 303, 307, 308} or target is None:
                return response if helper else self._kept(response, bars=bars)
            following = urljoin(url, target)
            if not self._allowed(following):
                if helper:
                    return response  # no cookie, then
                raise Stopped(NotData(self._symbol, f"a redirect to {urlsplit(following).netloc[:80]!r}"))
            url, method = following, "GET"
            options = {key: value for key, value in options.items() if key not in {"params", "data", "json"}}
        raise Stopped(NotData(self._symbol, f"{MAX_REDIRECTS} redirects in a row"))

    def _kept(self, response: "Response", *, bars: bool) -> "Response":
        """Keep the chart of an answer, or stop the attempt."""
        if response.status_code in {401, 403} and not self._denied:
            self._denied = True  # yfinance gets a new cookie and asks once more
            return response
        headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
        verdict = judge(self._symbol, Answer(response.status_code, headers, response.content), self._now)
        if not isinstance(verdict, Result):
            raise Stopped(verdict)
        if bars and not verdict.timestamp:
            raise Stopped(Empty(self._symbol, "the chart has no row"))
        self.result = verdict
        return response

    def _is_helper(self, url: str) -> bool:
        """Tell cookies, consent and crumbs from charts; nothing else is asked for."""
        parts = urlsplit(url)
        if parts.path.startswith(CHART):
            return False
        if not (parts.hostname or "").startswith(DATA_HOSTS) or parts.path == CRUMB:
            return True
        # yfinance looks for a missing time zone in places that answer more than it was asked.
        raise Stopped(NotData(self._symbol, f"nothing that yfinance could use: it would ask {parts.path[:80]!r} next"))

    def _allowed(self, url: str) -> bool:
        if self._base is not None and url.startswith(self._base + "/"):
            return True
        parts = urlsplit(url)
        host = parts.hostname or ""
        return (
            parts.scheme == "https"
            and (host == "yahoo.com" or host.endswith(".yahoo.com"))
            and parts.netloc == host  # no name, password or port
        )

    def _address(self, url: str) -> str:
        """Return where a request really goes: an allowed host, the symbol escaped, a stand-in if there is one."""
        if not self._allowed(url):
            raise Stopped(NotData(self._symbol, f"an address of {urlsplit(url).netloc[:80]!r}, which is none of Yahoo"))
        if self._base is not None and url.startswith(self._base + "/"):
            return url
        parts = urlsplit(url)
        path = parts.path
        if path.startswith(CHART):
            path = CHART + quote(unquote(path.removeprefix(CHART)), safe="")
        query = f"?{parts.query}" if parts.query else ""
        return f"{self._base or f'https://{parts.netloc}'}{path}{query}"

    def _timeout(self, *, helper: bool) -> float:
        """Return how long a request may take: what is left of the attempt, and little of it for a helper."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise Stopped(TimedOut(self._symbol, self._seconds, 1))
        return min(left, HELPER_SHARE * self._seconds) if helper else left


class YahooSession(Protocol):
    """A session of curl_cffi whose requests go through a `Wire`."""

    wire: Wire

    def close(self) -> None:
        """Close the connections."""


@functools.cache
def _session_class() -> Callable[[Wire], YahooSession]:
    """Return the class of our sessions; made on first use, because curl_cffi takes a while to import."""
    from curl_cffi import CurlOpt
    from curl_cffi.requests import Session

    class WiredSession(Session[Any]):
        def __init__(self, wire: Wire) -> None:
            # A browser's handshake, as yfinance itself has it: Yahoo answers 429 to others.
            super().__init__(impersonate="chrome", curl_options={CurlOpt.MAXFILESIZE_LARGE: MAX_BYTES})
            self.wire = wire

        def request(self, method: Any, url: str, **options: Any) -> Any:  # type: ignore[override]  # its 40 parameters are passed on by name
            return self.wire.send(super().request, method, url, options)

    return WiredSession


def open_session(base: str | None = None) -> YahooSession:
    """Return a session for `Yahoo`; with ``base``, one that sends everything to a stand-in there."""
    return _session_class()(Wire(base))
