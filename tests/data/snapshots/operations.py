"""Changes that the folder of market data can undergo, by name; run as a program, one of them in a process of its own.

``python -m tests.data.snapshots.operations die ROOT OPERATION CALL DEATH``
``python -m tests.data.snapshots.operations write ROOT TAG COUNT``
``python -m tests.data.snapshots.operations import ROOT TAG COUNT``
"""

import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data.bar_store import BarStore
from data.disk import Disk
from data.snapshots import About, Snapshots
from tests.support.disks import DeadlyDisk

SYMBOL = "BRK/B"
OLD = b"date,open,high,low,close,volume\n2024-01-02,10,12,9,11,100\n2024-01-03,11,13,10,12,200\n"
NEW = OLD + b"2024-01-04,12,14,11,13,300\n"


def clock() -> dt.datetime:
    """Return one instant."""
    return dt.datetime(2024, 1, 5, 12, tzinfo=dt.UTC)


def about(why: str = "first") -> About:
    """Return what is known of a payload."""
    first, last = np.datetime64("2024-01-02"), np.datetime64("2024-01-03")
    request = {"interval": "1d", "start": None, "auto_adjust": False, "retries": 3, "wait": 0.5}
    return About(request=request, adjustment="split", rows=2, first=first, last=last, why=why)


def write(root: Path, disk: Disk, payload: bytes = NEW) -> None:
    """Write one snapshot."""
    Snapshots(root / "raw", clock=clock, disk=disk).write(SYMBOL, "yahoo", payload, "csv", about())


def import_file(root: Path, disk: Disk, payload: bytes = NEW) -> None:
    """Import one file: a snapshot and a series."""
    BarStore([root / "processed"], clock=clock, disk=disk).import_csv(payload, SYMBOL)


CHANGES: dict[str, Callable[[Path, Disk], None]] = {
    "first snapshot": write,
    "second snapshot": write,
    "first import": import_file,
    "second import": import_file,
}


def prepare(operation: str, root: Path) -> None:
    """Make the folder that the operation changes."""
    match operation:
        case "second snapshot":
            write(root, Disk(), OLD)
        case "second import":
            import_file(root, Disk(), OLD)


def main(arguments: list[str]) -> None:
    """Run one change, or a series of them."""
    match arguments:
        case ["die", root, operation, call, ("after" | "within") as death]:
            CHANGES[operation](Path(root), DeadlyDisk(int(call), death))
        case ["write", root, tag, count]:
            for i in range(int(count)):
                write(Path(root), Disk(), f"{tag}.{i}".encode())
        case ["import", root, tag, count]:
            for i in range(int(count)):
                import_file(Path(root), Disk(), NEW + f"2024-01-05,{tag},{tag},{tag},{tag},{i}\n".encode())
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
