"""What a death or a refusal of the disk at every single system call leaves behind."""

import errno
import os
import shutil
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from data.disk import STAGING
from models.errors import StoreWriteFailed
from models.store import ArtifactStore
from tests.models.store.operations import CHANGES, prepare
from tests.models.store.toys import MODEL, draft, files, tag_of
from tests.support.disks import FailingDisk, WatchedDisk
from tests.support.forks import Forks, forks

Seen = tuple[str | None, tuple[tuple[str, str, str], ...]]

CODES = {errno.ENOSPC: "free space", errno.EIO: "check the disk"}


@pytest.fixture(scope="module")
def mortals() -> Iterator[Forks]:
    """Return what runs an operation in a process that is to die."""
    with forks("tests.models.store.operations") as there:
        yield there


def seen(store: ArtifactStore) -> Seen:
    """Return what a reader sees: the champion, and each version's name, state and content, all of it proven."""
    served = store.promotions(MODEL)
    assert store.current(MODEL) == (served[-1].version if served else None)
    versions = store.versions(MODEL)
    told = tuple((v.version, v.state, "" if v.quarantine else tag_of(store.read(MODEL, v.version))) for v in versions)
    return store.current(MODEL), told


def before_and_after(operation: str, tmp_path: Path) -> tuple[Path, Seen, Seen, list[str]]:
    """Run an operation undisturbed; return the store it starts from, both states, and its system calls."""
    start, done = tmp_path / "start", tmp_path / "done"
    prepare(operation, start)
    before = seen(ArtifactStore(start))
    copy(start, done)
    disk = WatchedDisk()
    CHANGES[operation](ArtifactStore(done, disk=disk))
    after = seen(ArtifactStore(done))
    assert before != after
    assert len(disk.calls) >= 5
    return start, before, after, disk.calls


def copy(start: Path, to: Path) -> Path:
    """Copy a store, which may not exist yet."""
    if start.exists():
        shutil.copytree(start, to)
    return to


def leftovers(root: Path) -> list[str]:
    """Return the paths of all that is unfinished."""
    return [str(path) for path in root.rglob(f"{STAGING}*")]


def check_goes_on(root: Path, operation: str) -> None:
    """Let the next writer come: it finds a sound store, cleans it, and neither loses nor reuses a version's number."""
    store = ArtifactStore(root, lock_timeout_s=1)
    announced = {entry.version for entry in store.history(MODEL)}
    there = {info.version for info in store.versions(MODEL)}
    number = store.publish(draft(), files("next"), why="test").version
    assert number not in announced | there
    assert tag_of(store.read(MODEL, number)) == "next"
    assert not leftovers(root)
    if operation not in {"release", "quarantine"}:
        store.promote(MODEL, number, why="test")
        assert store.current(MODEL) == number
    assert seen(store)


@pytest.mark.parametrize("operation", CHANGES)
def test_nothing_is_renamed_before_it_is_on_the_medium(operation: str, tmp_path: Path) -> None:
    """Against loss of power: every write is synced at once, and every new, changed or removed name by its folder."""
    *_, calls = before_and_after(operation, tmp_path)
    followers = {"write": "sync", "rename": "sync_dir"}
    for call, after in pairwise([*calls, "end"]):
        assert after == followers.get(call, after)
    first_rename = calls.index("rename")
    assert operation == "release" or "sync" in calls[:first_rename]
    if "publish" in operation:
        # The staged folder's own names, after its last file and before the ledger's line.
        names = [call for call in calls if call in {"create", "sync_dir", "open_append"}]
        last_file = len(names) - 1 - names[::-1].index("create")
        assert names[last_file : last_file + 3] == ["create", "sync_dir", "open_append"]


@pytest.mark.parametrize("operation", CHANGES)
def test_death_after_or_within_any_system_call_leaves_old_or_new(
    operation: str, mortals: Forks, tmp_path: Path
) -> None:
    """A kill -9 at every step: readers see the old state or the new one, and the next writer goes on."""
    start, before, after, calls = before_and_after(operation, tmp_path)
    states = []
    deaths = [(n, "after") for n in range(1, len(calls) + 1)]
    deaths += [(n, "within") for n, name in enumerate(calls, start=1) if name == "write"]
    for n, death in deaths:
        root = copy(start, tmp_path / f"{n}{death}")
        assert mortals.run(("die", str(root), operation, str(n), death)) == [-signal.SIGKILL], calls[n - 1]
        state = seen(ArtifactStore(root))
        assert state in (before, after), (n, death, calls[n - 1])
        states.append(state)
        check_goes_on(root, operation)
        shutil.rmtree(root)
    in_order = states[: len(calls)]
    # One call makes the change real: all states before it are old, all from it on are new.
    assert in_order == sorted(in_order, key=lambda state: state == after)
    assert in_order[0] == before
    assert in_order[-1] == after


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
@pytest.mark.parametrize("operation", sorted(set(CHANGES) - {"quarantine", "collect"}))
def test_refusal_of_any_system_call_changes_nothing_and_says_what_to_do(
    operation: str, code: int, tmp_path: Path
) -> None:
    """A full or broken disk at every step: an error with advice, the old state, nothing left behind."""
    start, before, _, calls = before_and_after(operation, tmp_path)
    for n in range(1, len(calls) + 1):
        root = copy(start, tmp_path / str(n))
        with pytest.raises(StoreWriteFailed, match=CODES[code]) as caught:
            CHANGES[operation](ArtifactStore(root, disk=FailingDisk(n, code, forever=False)))
        assert os.strerror(code) in str(caught.value)
        state = seen(ArtifactStore(root))
        assert state == before, (n, calls[n - 1])
        assert not leftovers(root), (n, calls[n - 1])
        check_goes_on(root, operation)
        shutil.rmtree(root)


@pytest.mark.parametrize("operation", sorted(set(CHANGES) - {"quarantine", "collect"}))
def test_disk_that_fails_for_good_leaves_old_or_new(operation: str, tmp_path: Path) -> None:
    """Even if cleaning up is refused too, readers see old or new, and the next writer on a sound disk goes on."""
    start, before, after, calls = before_and_after(operation, tmp_path)
    for n in range(1, len(calls) + 1):
        root = copy(start, tmp_path / str(n))
        with pytest.raises(StoreWriteFailed):
            CHANGES[operation](ArtifactStore(root, disk=FailingDisk(n, errno.EIO, forever=True)))
        assert seen(ArtifactStore(root)) in (before, after), (n, calls[n - 1])
        check_goes_on(root, operation)
        shutil.rmtree(root)


@pytest.mark.parametrize("forever", [False, True])
def test_a_version_is_removed_or_it_is_not(tmp_path: Path, forever: bool) -> None:  # noqa: FBT001  a parameter of the test
    """A refusal before its folder is gone is an error and removes nothing; after that, the next writer sweeps."""
    start, before, after, calls = before_and_after("collect", tmp_path)
    removed: list[bool] = []
    for n in range(1, len(calls) + 1):
        root = copy(start, tmp_path / str(n))
        store = ArtifactStore(root, disk=FailingDisk(n, errno.ENOSPC, forever=forever))
        try:
            CHANGES["collect"](store)
            removed.append(True)
        except StoreWriteFailed:
            removed.append(False)
        expected = {after} if removed[-1] else {before, after} if forever else {before}
        assert seen(ArtifactStore(root)) in expected, (n, calls[n - 1])
        check_goes_on(root, "collect")
        shutil.rmtree(root)
    assert removed == sorted(removed)
    assert set(removed) == ({False} if forever else {False, True})  # a broken disk also fails the next look at it


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "writable"),
        (errno.EACCES, "permission"),
        (errno.EMFILE, "open files"),
        (errno.ENAMETOOLONG, "remove the cause"),
    ],
)
def test_every_refusal_has_its_remedy(code: int, remedy: str, tmp_path: Path) -> None:
    """The message names what the system said and what to do about that."""
    with pytest.raises(StoreWriteFailed, match=remedy) as caught:
        ArtifactStore(tmp_path / "x", disk=FailingDisk(1, code, forever=True)).publish(draft(), files("1"), why="test")
    assert os.strerror(code) in str(caught.value)
