"""Writers that meet, and a reader between them."""

from itertools import pairwise
from pathlib import Path

import pytest

from models.errors import StoreBusy
from models.store import ArtifactStore
from models.store.lock import locked
from tests.models.store.toys import MODEL, draft, files, stocked, tag_of
from tests.support.forks import forks

OPERATIONS = "tests.models.store.operations"


def test_publishers_that_meet_lose_and_double_nothing(tmp_path: Path) -> None:
    """Eight processes publish into one new store at once: consecutive numbers, each artifact whole and there once."""
    publishers, rounds = 8, 6
    with forks(OPERATIONS) as writers:
        codes = writers.run(*(("publish", str(tmp_path / "store"), f"p{i}", str(rounds)) for i in range(publishers)))
    assert codes == [0] * publishers
    store = ArtifactStore(tmp_path / "store")
    versions = [info.version for info in store.versions(MODEL)]
    assert versions == [f"v{number:06d}" for number in range(1, publishers * rounds + 1)]
    tags = [tag_of(store.read(MODEL, version)) for version in versions]
    assert sorted(tags) == sorted(f"p{i}.{k}" for i in range(publishers) for k in range(rounds))
    assert [entry.version for entry in store.history(MODEL)] == versions


def test_reader_never_sees_a_mixture_while_current_swaps(tmp_path: Path) -> None:
    """While another process swaps CURRENT 200 times, each read is of one version, whole."""
    swaps = 200
    store = stocked(tmp_path, 2)
    seen = []
    with forks(OPERATIONS) as writers:
        writers.start(("swap", str(tmp_path), str(swaps)))
        while writers.running():
            artifact = store.read(MODEL)
            assert tag_of(artifact) == str(int(artifact.manifest.version[1:]))
            seen.append(artifact.manifest.version)
        assert writers.codes() == [0]
    assert len(store.promotions(MODEL)) == 2 + swaps
    assert set(seen) == {"v000001", "v000002"}
    assert sum(one != other for one, other in pairwise(seen)) >= 10


def test_writer_waits_for_the_lock_only_so_long(tmp_path: Path) -> None:
    """A held lock is an error that says so, changes nothing, and passes with its holder."""
    stocked(tmp_path, 1)
    store = ArtifactStore(tmp_path, lock_timeout_s=0.05)
    with locked(tmp_path / MODEL / ".lock", 0), pytest.raises(StoreBusy, match="held by another writer"):
        store.publish(draft(), files("2"), why="test")
    assert [info.version for info in store.versions(MODEL)] == ["v000001"]
    assert store.publish(draft(), files("2"), why="test").version == "v000002"


def test_lock_is_not_followed_through_a_link(tmp_path: Path) -> None:
    """A link in the lock's place is refused, and what it points to is left alone."""
    stocked(tmp_path, 1)
    lock = tmp_path / MODEL / ".lock"
    lock.unlink()
    lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), locked(lock, 0):
        pass
    assert not (tmp_path / "elsewhere").exists()
