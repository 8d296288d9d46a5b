"""yfinance, asked so that a failure is seen: with our session, without its caches, one question at a time.

yfinance keeps one client in a process, with the session, cookie and crumb of whoever came last. Here each `Client` has
its own, put in place for the length of a question and taken out again, so that others in the process are left alone.
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from data.sources.yahoo.chart import Result
from data.sources.yahoo.keeping import Zones
from data.sources.yahoo.outcomes import Damaged, Failing, Failure, NotData, Stopped, TimedOut, Unreachable
from data.sources.yahoo.wire import YahooSession

if TYPE_CHECKING:
    import pandas as pd

_ONE_AT_A_TIME: Final = threading.Lock()
"""Held while yfinance's one client, its settings and the warning filters are ours."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One chart, as Yahoo sent it and as yfinance read it."""

    result: Result
    frame: "pd.DataFrame"


class Client:
    """Asks one question at a time, once."""

    def __init__(self, session: YahooSession, zones: Zones, timeout_s: float) -> None:
        self._session = session
        self._zones = zones
        self._timeout_s = timeout_s
        self._yf_data: Any = None

    def ask(self, symbol: str, start: date, now: datetime) -> Reading | Failure:
        """Ask for the daily bars from ``start`` on. Whatever goes wrong is a failure, not an exception."""
        with _ONE_AT_A_TIME, warnings.catch_warnings():
            import yfinance  # type: ignore[import-untyped]  # noqa: F401  ships no types; adds filters of its own

            # It calls what pandas is about to drop.
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"yfinance\b")
            wire = self._session.wire
            wire.begin(symbol, self._timeout_s, now)
            try:
                frame = self._history(symbol, start)
            except Exception as error:  # noqa: BLE001  yfinance raises whatever its parsing met with
                return self._failure(symbol, error)
            return NotData(symbol, "no answer of a chart") if wire.result is None else Reading(wire.result, frame)

    def _failure(self, symbol: str, error: Exception) -> Failure:
        """Return what an exception means; curl's tree is narrower than its names."""
        from curl_cffi.requests import exceptions

        match error:
            case Stopped():
                return error.failure
            case exceptions.Timeout():
                return TimedOut(symbol, self._timeout_s, 1)
            case exceptions.ConnectionError() | exceptions.ProxyError():
                return Unreachable(symbol, _words(error), 1)
            case exceptions.RequestException():
                return Failing(symbol, f"an answer that broke off ({_words(error)})", 1)
            case _:
                return Damaged(symbol, f"expected a chart that yfinance can read, found that it can't ({error!r})")

    def _history(self, symbol: str, start: date) -> "pd.DataFrame":
        import yfinance as yf

        with self._lent():
            ticker = yf.Ticker(symbol, session=self._session)
            frame: pd.DataFrame = ticker.history(start=start, auto_adjust=False, actions=True, timeout=self._timeout_s)
            # yfinance forgets that it has a cookie, and would ask for one before each request.
            ticker._data._cookie = True  # noqa: SLF001  as below
        return frame

    @contextmanager
    def _lent(self) -> Iterator[None]:
        """Put our client, our settings and our cache of time zones in the places where yfinance looks for its own."""
        from yfinance import cache, config
        from yfinance.data import SingletonMeta, YfData  # type: ignore[import-untyped]  # ships no types

        clients = SingletonMeta._instances  # noqa: SLF001  there is no other way to a client of one's own
        debug, network = config.debug, config.network
        before = clients.pop(YfData, None), debug.hide_exceptions, network.retries
        caches = cache._TzCacheManager._tz_cache, cache._CookieCacheManager._Cookie_cache  # noqa: SLF001  as above
        if self._yf_data is not None:
            clients[YfData] = self._yf_data
        debug.hide_exceptions, network.retries = False, 0
        cache._TzCacheManager._tz_cache = self._zones  # noqa: SLF001  as above
        # The cache of cookies unpickles what it finds in a file. Without it a run asks for a cookie: two requests.
        cache._CookieCacheManager._Cookie_cache = cache._CookieCacheDummy()  # noqa: SLF001  as above
        try:
            yield
        finally:
            self._yf_data = clients.pop(YfData, None)
            if before[0] is not None:
                clients[YfData] = before[0]
            debug.hide_exceptions, network.retries = before[1:]
            cache._TzCacheManager._tz_cache, cache._CookieCacheManager._Cookie_cache = caches  # noqa: SLF001  as above
            # It remembers answers for the life of a process, those of status 500 as well.
            YfData.cache_get.cache_clear()


def _words(error: Exception) -> str:
    return " ".join(str(error).partition(" See http")[0].split())[:160].removesuffix(".")
