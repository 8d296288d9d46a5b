"""First step: bring the stored series up to date, and say of each symbol what came of it."""

import datetime as dt
from collections.abc import Callable

import msgspec

from data.bar_store import sample_store
from flows.plan import Plan
from flows.sources import READERS, Ingested, Status

Say = Callable[[str], None]


class Ingestion(msgspec.Struct, frozen=True, kw_only=True):
    """What came of all symbols.

    Attributes
    ----------
    source : str
        Where they were asked for.
    symbols : tuple of Ingested
        In the order of asking.
    allowed : float
        Share that may fail.

    """

    source: str
    symbols: tuple[Ingested, ...]
    allowed: float

    @property
    def failed(self) -> tuple[Ingested, ...]:
        """Symbols that could not be brought up to date."""
        return tuple(one for one in self.symbols if one.status == "failed")

    @property
    def usable(self) -> tuple[str, ...]:
        """Symbols to train on."""
        return tuple(one.symbol for one in self.symbols if one.status != "failed")

    @property
    def halts(self) -> bool:
        """Whether nothing may be trained: more symbols failed than are allowed to, or all of them."""
        return not self.usable or len(self.failed) > self.allowed * len(self.symbols)

    def verdict(self) -> str:
        """Say how it went in one sentence."""
        counted = [(status, [one for one in self.symbols if one.status == status]) for status in _ORDER]
        told = ", ".join(f"{len(some)} {status}" for status, some in counted if some) or "no symbol"
        names = ", ".join(one.symbol for one in self.failed[:10]) + (" ..." if len(self.failed) > 10 else "")
        return f"{self.source}: {told}{f' ({names})' if names else ''}"


_ORDER: tuple[Status, ...] = ("new", "updated", "unchanged", "stored", "failed")


def now() -> dt.datetime:
    """Return the time, with its zone."""
    return dt.datetime.now(dt.UTC)


def ingest(plan: Plan, say: Say = print, now: Callable[[], dt.datetime] = now) -> Ingestion:
    """Bring the stored series of a plan up to date.

    A symbol that fails is said to have, and keeps the series that it had.

    Raises
    ------
    PlanError
        There is nothing to ingest.

    """
    store = sample_store(plan.data / "processed")
    done: list[Ingested] = []
    for one in READERS[plan.source](plan, store, now):
        say(f"[ingest] {one.symbol}: {one.said}")
        done.append(one)
    return Ingestion(source=plan.source, symbols=tuple(done), allowed=plan.missing)
