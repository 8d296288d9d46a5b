"""Asking with patience: pauses between questions, longer and longer waits between attempts, and an end to both."""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from data.sources.yahoo.client import Client, Reading
from data.sources.yahoo.keeping import Zones
from data.sources.yahoo.outcomes import Failing, Failure, NotData, RateLimited, Stopped, TimedOut, Unreachable
from data.sources.yahoo.wire import YahooSession, open_session

if TYPE_CHECKING:
    from tenacity import RetryCallState

BACKOFF_S: Final = 2.0
"""Wait before the second attempt; twice as long before each further one."""

LONGEST_WAIT_S: Final = 120.0
"""Longest wait between two attempts. If Yahoo asks for more, the caller is told, and not kept waiting."""

MAY_PASS: Final = (RateLimited, TimedOut, Unreachable, Failing, NotData)
"""Failures that another attempt may not meet with."""

JITTER: Final = 1.5
"""A wait is up to so many times as long: those who were refused together don't come back together."""


class Asker:
    """Asks one question after another; the parameters are those of `Yahoo`."""

    def __init__(
        self,
        *,
        session: YahooSession | None,
        zones: Zones,
        timeout_s: float,
        attempts: int,
        pause_s: float,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
        seed: int | None,
    ) -> None:
        self.session = session
        self._zones = zones
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._pause_s = pause_s
        self._now = now
        self._sleep = sleep
        self._random = random.Random(seed)  # noqa: S311  spreads waits, guards nothing
        self._client: Client | None = None
        self._asked: float | None = None

    def close(self) -> None:
        """Close the connections."""
        if self.session is not None:
            self.session.close()

    def ask(self, symbol: str, start: date) -> Reading:
        """Ask until there is an answer, so many times at most.

        Raises
        ------
        Stopped
            There was none.

        """
        from tenacity import Retrying, retry_if_result

        if self._client is None:
            self.session = self.session or open_session()
            self._client = Client(self.session, self._zones, self._timeout_s)
        client = self._client
        if self._asked is not None and (rest := self._asked + self._pause_s - time.monotonic()) > 0:
            self._sleep(rest)
        retrying = Retrying(
            sleep=self._sleep,
            stop=self._enough,
            wait=self._wait,
            retry=retry_if_result(lambda found: isinstance(found, MAY_PASS)),
            retry_error_callback=_last_result,
        )
        found: Reading | Failure = retrying(lambda: client.ask(symbol, start, self._now()))
        self._asked = time.monotonic()
        if isinstance(found, RateLimited | TimedOut | Unreachable | Failing):
            found = replace(found, attempts=retrying.statistics["attempt_number"])
        if not isinstance(found, Reading):
            raise Stopped(found)
        return found

    def _enough(self, state: "RetryCallState") -> bool:
        found = _last_result(state)
        too_long = isinstance(found, RateLimited) and (found.retry_after or 0.0) > LONGEST_WAIT_S
        return too_long or state.attempt_number >= self._attempts

    def _wait(self, state: "RetryCallState") -> float:
        from tenacity import wait_exponential

        found = _last_result(state)
        jitter = self._random.uniform(1.0, JITTER)
        if isinstance(found, RateLimited) and found.retry_after is not None:
            return found.retry_after + jitter  # never earlier than was asked for
        return float(wait_exponential(multiplier=BACKOFF_S, max=LONGEST_WAIT_S / JITTER)(state)) * jitter


def _last_result(state: "RetryCallState") -> Reading | Failure:
    if state.outcome is None:
        raise TypeError("tenacity decides on attempts that were made")
    found: Reading | Failure = state.outcome.result()
    return found
