"""The stored histories that serve: read before anybody asks, and again once another process stored others.

A request takes the store once and answers from it, so an import in the middle never mixes two histories.
"""

import logging
from collections.abc import Hashable
from pathlib import Path

from app.context import calendar_of
from data.bar_store import BarStore, sample_store
from data.errors import DataError

log = logging.getLogger(__name__)


class Histories:
    """Holds the store of bars that requests answer from. ``store`` may be taken by any thread; one thread renews it."""

    def __init__(self, processed: Path) -> None:
        """Open the store; `renew` reads it."""
        self.store: BarStore = sample_store(processed)
        self._seen: Hashable = None
        self._told: dict[str, str] = {}

    def changed(self) -> Hashable:
        """Return the stamp of what is stored, if it is another than that of what serves; None if it is the same."""
        stamp = self.store.stamp()
        return None if stamp == self._seen else stamp

    def renew(self) -> None:
        """Read what is stored, with the calendars, and let it serve at once; what can't be read goes on as it was.

        Where something can't be read, `changed` goes on saying so: a disk may come back without any import.
        """
        stamp, self._seen = self.store.stamp(), None  # before the reading, so that an import during it is seen after it
        fresh = self.store.renewed()
        broken = fresh.broken()
        self._tell({**_without_calendar(fresh), **broken})
        self.store = fresh
        if not broken:
            self._seen = stamp

    def _tell(self, faults: dict[str, DataError]) -> None:
        """Log each fault once, until it is gone."""
        told = {name: str(fault) for name, fault in faults.items()}
        for name, said in told.items():
            if said != self._told.get(name):
                log.error("what is stored of %s can't be used as it is: %s", name, said)
        self._told = told


def _without_calendar(store: BarStore) -> dict[str, DataError]:
    """Build the calendar of each stored symbol before anybody waits for it; return what refuses."""
    faults: dict[str, DataError] = {}
    for info in store.symbols():
        try:
            calendar_of(info.symbol, store)
        except DataError as error:
            faults[info.symbol] = error
    return faults
