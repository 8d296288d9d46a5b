"""Records runs in a process of its own: ``record FOLDER STORE ROUNDS``; ``audited FOLDER`` also tells what it did."""

import json
import logging
import sys
import threading
import warnings
from pathlib import Path

from models.store import ArtifactStore
from tests.models.store import toys
from training.kit.tracking import record, tracker

REACHES_OUT = frozenset({"socket.connect", "socket.getaddrinfo", "socket.sendto"})


def record_rounds(folder: Path, name: str, rounds: int) -> None:
    """Publish, promote and record as many versions, one after the other."""
    store = ArtifactStore(folder / name)
    for number in range(rounds):
        version = store.publish(toys.draft(), toys.files(f"{name}.{number}"), why="test").version
        store.promote(toys.MODEL, version, why="test")
        assert record(tracker(folder), store, toys.MODEL)


def loggers() -> dict[str, logging.Logger]:
    """Return every logger by its name."""
    named = logging.root.manager.loggerDict.items()
    return {"": logging.root, **{name: one for name, one in named if isinstance(one, logging.Logger)}}


def handlers() -> dict[str, str]:
    """Return the handlers that write something, by logger."""
    quiet = {logging.NullHandler}
    return {name: str(one.handlers) for name, one in loggers().items() if set(map(type, one.handlers)) - quiet}


def levels(names: set[str]) -> dict[str, tuple[int, bool, bool]]:
    """Return how the named loggers are set."""
    return {name: (one.level, one.disabled, one.propagate) for name, one in loggers().items() if name in names}


def audited(folder: Path) -> dict[str, object]:
    """Record a run and return what else was done."""
    warnings.simplefilter("error")
    events: list[str] = []

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event in REACHES_OUT:
            events.append(event)
            return
        writes = event == "open" and set(str(arguments[1] or "")) & set("wax+")
        if writes and not str(arguments[0]).startswith(str(folder)):
            events.append(f"open {arguments[0]}")

    store = toys.stocked(folder / "store", 1)
    mirror = tracker(folder)
    lazy, before = "mlflow" not in sys.modules, levels(set(loggers()))
    sys.addaudithook(audit)
    recorded = record(mirror, store, toys.MODEL)
    return {
        "lazy": lazy,
        "recorded": recorded,
        "events": events,
        "handlers": handlers(),
        "levels": levels(set(before)) == before,
        "threads": threading.active_count(),
    }


if __name__ == "__main__":
    if sys.argv[1] == "record":
        record_rounds(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        sys.stdout.write(json.dumps(audited(Path(sys.argv[2]))))
