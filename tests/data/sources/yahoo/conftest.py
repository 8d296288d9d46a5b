"""A stand-in of Yahoo a test, at an evening in New York, and a `Yahoo` that asks it with the real yfinance."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from data.sources.yahoo import Yahoo, open_session
from tests.data.sources.yahoo.standin import Listing, Standin, serving, walk

EVENING = datetime(2012, 12, 14, 23, 0, tzinfo=UTC)
"""18:00 in New York on a Friday: the session is over."""


@dataclass
class Desk:
    """What a test works with."""

    standin: Standin
    folder: Path
    stack: ExitStack
    slept: list[float] = field(default_factory=list)

    def yahoo(self, folder: str = "cache", **options: Any) -> Yahoo:
        """Return a `Yahoo` whose clock is the stand-in's, that notes its waits instead of waiting."""
        given: dict[str, Any] = {
            "cache": self.folder / folder,
            "session": open_session(self.standin.base),
            "pause_s": 0.0,
            "timeout_s": 20.0,
            "now": lambda: self.standin.now,
            "sleep": self.slept.append,
            "seed": 0,
        }
        return self.stack.enter_context(Yahoo(**{**given, **options}))

    def at(self, year: int, month: int, day: int, hour: int = 23, minute: int = 0) -> None:
        """Move the clock; the hours are of UTC."""
        self.standin.now = datetime(year, month, day, hour, minute, tzinfo=UTC)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Return a stand-in with two symbols, of 2012."""
    with serving(EVENING) as standin, ExitStack() as stack:
        standin.listings = {
            "AAA": Listing(walk("2012-01-03", "2013-03-01", seed=1)),
            "BBB": Listing(walk("2012-01-03", "2013-03-01", seed=2, price=20.0)),
        }
        yield Desk(standin, tmp_path, stack)
