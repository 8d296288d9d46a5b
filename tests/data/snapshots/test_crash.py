"""What a death or a refusal of the disk at every single system call leaves behind, in raw and in processed."""

import errno
import os
import shutil
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from data.bar_store import BarStore
from data.disk import STAGING, Disk
from data.errors import UnknownSymbol, WriteRefused
from data.integrity import tree_digest
from data.snapshots import Snapshots
from data.verification import verify
from tests.data.snapshots.operations import CHANGES, NEW, OLD, SYMBOL, prepare
from tests.support.disks import FailingDisk, WatchedDisk
from tests.support.forks import Forks, forks

Seen = tuple[tuple[bytes, ...], int]
"""All payloads, oldest first, each proven; number of bars that are stored."""

CODES = {errno.ENOSPC: "free space", errno.EIO: "check the disk"}


@pytest.fixture(scope="module")
def mortals() -> Iterator[Forks]:
    """Return what runs an operation in a process that is to die."""
    with forks("tests.data.snapshots.operations", "pyarrow.parquet") as there:
        yield there


def seen(root: Path) -> Seen:
    """Return what readers see."""
    snapshots = Snapshots(root / "raw")
    try:
        bars = len(BarStore([root / "processed"]).bars(SYMBOL))
    except UnknownSymbol:
        bars = 0
    return tuple(map(snapshots.read, snapshots.all())), bars


def faults(root: Path) -> tuple[str, ...]:
    """Return what verification says of the two folders."""
    return tuple(map(str, verify(root / "processed", root / "raw", root / "no sample").faults))


def run(operation: str, tmp_path: Path) -> tuple[Path, Seen, Seen, list[str]]:
    """Run an operation undisturbed; return the folder it starts from, both states, and its system calls."""
    start, done = tmp_path / "start", tmp_path / "done"
    start.mkdir()
    prepare(operation, start)
    shutil.copytree(start, done)
    disk = WatchedDisk()
    CHANGES[operation](done, disk)
    assert faults(done) == ()
    assert not list(done.rglob(f"{STAGING}*"))
    return start, seen(start), seen(done), disk.calls


def check_goes_on(root: Path, operation: str, after: Seen) -> None:
    """Let the next writer come with the same payload: all is as if nothing had happened, and nothing is doubled."""
    CHANGES[operation](root, Disk())
    assert seen(root) == after
    assert faults(root) == ()
    assert not list(root.rglob(f"{STAGING}*"))


def allowed(before: Seen, after: Seen) -> set[Seen]:
    """Return the states that a death may leave: old, new, and the new snapshot with the old series."""
    return {before, after, (after[0], before[1])}


@pytest.mark.parametrize("operation", CHANGES)
def test_payload_first_then_entry_by_one_rename(operation: str, tmp_path: Path) -> None:
    """Every write is synced at once, every rename by its folder, and the payload's name before the entry's."""
    _, before, after, calls = run(operation, tmp_path)
    assert before != after
    followers = {"write": "sync", "rename": "sync_dir"}
    for call, following in pairwise([*calls, "end"]):
        assert following == followers.get(call, following)
    made = [call for call in calls if call != "make_dir"]
    first = made.index("create")
    snapshot = ["create", "write", "sync", "create", "write", "sync", "sync_dir", "rename", "sync_dir"]
    assert made[first : first + len(snapshot)] == snapshot


@pytest.mark.slow
@pytest.mark.parametrize("operation", CHANGES)
def test_death_after_or_within_any_system_call_leaves_old_or_new(
    operation: str, mortals: Forks, tmp_path: Path
) -> None:
    """A kill -9 at every step: at most a snapshot without its series, and what verification calls cut off."""
    start, before, after, calls = run(operation, tmp_path)
    states = []
    deaths = [(n, "after") for n in range(1, len(calls) + 1)]
    deaths += [(n, "within") for n, name in enumerate(calls, start=1) if name == "write"]
    for n, death in deaths:
        root = tmp_path / f"{n}{death}"
        shutil.copytree(start, root)
        assert mortals.run(("die", str(root), operation, str(n), death)) == [-signal.SIGKILL], calls[n - 1]
        state = seen(root)
        assert state in allowed(before, after), (n, death, calls[n - 1])
        assert all("that was cut off" in fault for fault in faults(root)), (n, death, faults(root))
        states.append(state)
        check_goes_on(root, operation, after)
        shutil.rmtree(root)
    order = [before, (after[0], before[1]), after]
    assert [order.index(state) for state in states[: len(calls)]] == sorted(map(order.index, states[: len(calls)]))
    assert states[0] == before
    assert states[len(calls) - 1] == after


@pytest.mark.parametrize("forever", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
@pytest.mark.parametrize("operation", CHANGES)
def test_refusal_of_any_system_call_is_told_and_harms_nothing(
    operation: str,
    code: int,
    forever: bool,  # noqa: FBT001  a parameter of the test
    tmp_path: Path,
) -> None:
    """A full or broken disk at every step: an error with advice, or a success if only tidying up was refused."""
    start, before, after, calls = run(operation, tmp_path)
    for n in range(1, len(calls) + 1):
        root = tmp_path / str(n)
        shutil.copytree(start, root)
        disk = FailingDisk(n, code, forever=forever)
        if (calls[n - 1], operation) == ("unlink", "second import"):
            CHANGES[operation](root, disk)  # only what the new series replaced could not be removed
            assert seen(root) == after
        else:
            with pytest.raises(WriteRefused, match=CODES[code]) as caught:
                CHANGES[operation](root, disk)
            assert os.strerror(code) in str(caught.value)
            assert seen(root) in (allowed(before, after) if forever else {before, (after[0], before[1])}), calls[n - 1]
            assert forever or faults(root) == ()
        check_goes_on(root, operation, after)
        shutil.rmtree(root)


def test_a_dead_import_changes_no_earlier_snapshot(tmp_path: Path) -> None:
    """Whatever dies, the bytes that were there before it are there after it."""
    prepare("second import", tmp_path)
    shelf = tmp_path / "raw" / "csv" / "BRK%2FB"
    first = {path.name: path.read_bytes() for path in shelf.iterdir()}
    before = tree_digest(tmp_path / "raw")
    with pytest.raises(WriteRefused):
        CHANGES["second import"](tmp_path, FailingDisk(2, errno.EIO, forever=False))
    assert tree_digest(tmp_path / "raw") == before
    CHANGES["second import"](tmp_path, Disk())
    assert {name: (shelf / name).read_bytes() for name in first} == first
    assert seen(tmp_path) == ((OLD, NEW), 3)
