"""First step: ask for what is missing, and say of each symbol what came of it."""

import datetime as dt
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from data.bar_store import BarStore
from data.paths import raw_beside
from data.sources.sample import sample_root
from flows.plan import Plan
from flows.sources import READERS, Ingested, Status

Say = Callable[[str], None]

NAMED: Final = 10
"""Symbols that a verdict names; a table names all."""


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
    def marked(self) -> tuple[Ingested, ...]:
        """Symbols of which a person should know more than a count: failed, restated, stale."""
        return tuple(one for one in self.symbols if one.mark)

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
        failed = f" ({_named(self.failed)})" if self.failed else ""
        restated = [one for one in self.symbols if one.restated]
        stale = [one for one in self.symbols if one.stale]
        named = [f"{word} {_named(some)}" for word, some in (("restated", restated), ("stale", stale)) if some]
        return "; ".join([f"{self.source}: {told}{failed}", *named])


def _named(symbols: Sequence[Ingested]) -> str:
    return ", ".join(one.symbol for one in symbols[:NAMED]) + (" ..." if len(symbols) > NAMED else "")


_ORDER: tuple[Status, ...] = ("new", "updated", "unchanged", "stored", "failed")


def now() -> dt.datetime:
    """Return the time, with its zone."""
    return dt.datetime.now(dt.UTC)


def held_store(plan: Plan, held: Path) -> BarStore:
    """Return the stored series with those of a run over them, which are held in a folder until they are judged."""
    processed = plan.data / "processed"
    return BarStore((sample_root(), processed, held), raw=raw_beside(processed))


def ingest(plan: Plan, held: Path, say: Say = print, now: Callable[[], dt.datetime] = now) -> Ingestion:
    """Ask for what is missing of a plan's series, keep what was said as raw snapshots, and hold the series in a folder.

    A symbol that fails is said to have, and keeps the series that it had.

    Raises
    ------
    PlanError
        There is nothing to ingest.

    """
    # What an earlier try of this step held would be taken for what was known before.
    shutil.rmtree(held, ignore_errors=True)
    store = held_store(plan, held)
    done: list[Ingested] = []
    for one in READERS[plan.source](plan, store, now):
        say(f"[ingest] {one.symbol}: {one.said}")
        done.append(one)
    return Ingestion(source=plan.source, symbols=tuple(done), allowed=plan.missing)
