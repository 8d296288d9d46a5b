"""The changes that a store can undergo, by name; run as a program, one of them in a process of its own.

``python -m tests.models.store.operations die ROOT OPERATION CALL DEATH``
``python -m tests.models.store.operations publish ROOT TAG COUNT``
``python -m tests.models.store.operations swap ROOT COUNT``
"""

import sys
from collections.abc import Callable
from pathlib import Path

from models.store import ArtifactStore
from tests.models.store.toys import MODEL, draft, files, stocked
from tests.support.disks import DeadlyDisk

CHANGES: dict[str, Callable[[ArtifactStore], object]] = {
    "first publish": lambda store: store.publish(draft(), files("new"), why="test"),
    "publish": lambda store: store.publish(draft(), files("new"), why="test"),
    "first promote": lambda store: store.promote(MODEL, "v000001", why="test"),
    "promote": lambda store: store.promote(MODEL, "v000001", why="test"),
    "rollback": lambda store: store.rollback(MODEL, why="test"),
    "quarantine": lambda store: store.quarantine(MODEL, "v000001", why="test"),
    "collect": lambda store: store.collect(MODEL, keep=0, why="test"),
    "release": lambda store: store.release(MODEL, "v000001", why="test"),
}


def prepare(operation: str, root: Path) -> None:
    """Make the store that the operation changes."""
    match operation:
        case "first publish":
            return
        case "first promote":
            ArtifactStore(root).publish(draft(), files("1"), why="test")
        case "release":
            stocked(root, 2).quarantine(MODEL, "v000001", why="test")
        case "collect":
            stocked(root, 3)
        case _:
            stocked(root, 2)


def main(arguments: list[str]) -> None:
    """Run one change, or a series of them."""
    match arguments:
        case ["die", root, operation, call, ("after" | "within") as death]:
            CHANGES[operation](ArtifactStore(Path(root), disk=DeadlyDisk(int(call), death)))
        case ["publish", root, tag, count]:
            for i in range(int(count)):
                ArtifactStore(Path(root)).publish(draft(), files(f"{tag}.{i}"), why=tag)
        case ["swap", root, count]:
            store = ArtifactStore(Path(root))
            for i in range(int(count)):
                store.promote(MODEL, f"v{1 + i % 2:06d}", why="test")
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
