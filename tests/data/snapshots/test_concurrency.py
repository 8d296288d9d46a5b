"""Writers that meet, and a reader between them."""

from pathlib import Path

import pytest

from data.bar_store import BarStore
from data.disk import Disk
from data.errors import ShelfBusy
from data.lock import locked, quiet
from data.snapshots import Snapshots
from data.verification import verify
from tests.data.snapshots.operations import NEW, OLD, SYMBOL, about, import_file
from tests.support.forks import forks

WRITERS, ROUNDS = 8, 6
OPERATIONS = ("tests.data.snapshots.operations", "pyarrow.parquet")


@pytest.mark.slow
def test_writers_that_meet_lose_and_double_nothing(tmp_path: Path) -> None:
    """Eight processes write into one new shelf at once: consecutive numbers, an unbroken chain, each payload once."""
    with forks(*OPERATIONS) as writers:
        codes = writers.run(*(("write", str(tmp_path), f"p{i}", str(ROUNDS)) for i in range(WRITERS)))
    assert codes == [0] * WRITERS

    snapshots = Snapshots(tmp_path / "raw")
    history = snapshots.history(SYMBOL, "yahoo")

    assert [one.entry.sequence for one in history] == list(range(1, WRITERS * ROUNDS + 1))
    assert sorted(map(snapshots.read, history)) == sorted(
        f"p{i}.{k}".encode() for i in range(WRITERS) for k in range(ROUNDS)
    )
    assert snapshots.verify() == ()


@pytest.mark.slow
def test_writers_with_one_payload_write_it_once(tmp_path: Path) -> None:
    """Eight processes that were told the same leave one snapshot."""
    with forks(*OPERATIONS) as writers:
        assert writers.run(*[("write", str(tmp_path), "same", "1")] * WRITERS) == [0] * WRITERS

    assert len(Snapshots(tmp_path / "raw").all()) == 1


@pytest.mark.slow
def test_imports_that_meet_leave_one_sound_series(tmp_path: Path) -> None:
    """A reader between eight importers always finds a whole series; nothing is left over, each snapshot is there."""
    import_file(tmp_path, Disk(), OLD)
    seen = set()
    with forks(*OPERATIONS) as writers:
        writers.start(*(("import", str(tmp_path), str(10 + i), str(ROUNDS)) for i in range(WRITERS)))
        while writers.running():
            bars = BarStore([tmp_path / "processed"]).bars(SYMBOL)
            seen.add((len(bars), float(bars.close[-1])))
            assert verify(tmp_path / "processed", tmp_path / "raw", tmp_path / "none").faults == ()
        assert writers.codes() == [0] * WRITERS

    assert seen <= {(2, 12.0), *((4, 10.0 + i) for i in range(WRITERS))}
    store = BarStore([tmp_path / "processed"])
    assert len(store.snapshots.all()) == 1 + WRITERS * ROUNDS
    (ref,) = store.info(SYMBOL).snapshots
    assert store.snapshots.read(store.snapshots.find(ref)).startswith(NEW)
    assert len([path for path in (tmp_path / "processed").iterdir() if path.name != ".lock"]) == 2


def test_a_writer_waits_for_the_lock_only_so_long(tmp_path: Path) -> None:
    """A held lock is an error that says so, changes nothing, and passes with its holder."""
    snapshots = Snapshots(tmp_path, lock_timeout_s=0.05)
    lock = snapshots.write("A", "yahoo", OLD, "csv", about()).path.with_name(".lock")

    with locked(lock, 0, ShelfBusy):
        with quiet(lock) as still:
            assert not still
        with pytest.raises(ShelfBusy, match="held by another writer"):
            snapshots.write("A", "yahoo", NEW, "csv", about())
        assert len(snapshots.all()) == 1
        assert snapshots.write("B", "yahoo", NEW, "csv", about()).new

    with quiet(lock) as still:
        assert still
        with pytest.raises(ShelfBusy):
            snapshots.write("A", "yahoo", NEW, "csv", about())
    assert snapshots.write("A", "yahoo", NEW, "csv", about()).entry.sequence == 2


def test_a_lock_that_is_not_there_is_held_by_nobody(tmp_path: Path) -> None:
    """Looking makes no file, and follows no link."""
    (tmp_path / "link").symlink_to(tmp_path / "target")

    for name in ("lock", "link"):
        with quiet(tmp_path / name) as still:
            assert still
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_verification_leaves_a_writer_at_work_in_peace(tmp_path: Path) -> None:
    """A payload whose entry is still to come is no fault while its writer holds the lock, and one afterwards."""
    snapshots = Snapshots(tmp_path)
    lock = snapshots.write("A", "yahoo", OLD, "csv", about()).path.with_name(".lock")
    unfinished = lock.with_name("000002.csv")
    unfinished.write_bytes(NEW)

    with locked(lock, 0, ShelfBusy):
        assert snapshots.verify() == ()
    assert [fault.path for fault in snapshots.verify()] == [unfinished]
