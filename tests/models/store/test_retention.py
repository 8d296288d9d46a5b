"""What a collection removes, and what it must never remove."""

from pathlib import Path

import pytest

from models.errors import VersionUnknown
from models.store import ArtifactStore
from tests.models.store.toys import MODEL, draft, files, stocked


@pytest.mark.parametrize(
    ("served", "published", "keep", "gone"),
    [
        ("123", 5, 0, "145"),
        ("123", 5, 2, "1"),
        ("121", 4, 0, "34"),
        ("1", 3, 0, "23"),
        ("", 3, 1, "12"),
        ("12", 2, 0, ""),
        ("123r", 3, 0, "3"),
    ],
)
def test_what_serves_or_served_last_is_never_removed(
    tmp_path: Path, served: str, published: int, keep: int, gone: str
) -> None:
    """Whatever else goes, a rollback still finds the version before; the ledger keeps every line."""
    store = ArtifactStore(tmp_path)
    for number in range(1, published + 1):
        store.publish(draft(), files(str(number)), why="test")
    for step in served:
        if step == "r":
            store.rollback(MODEL, why="test")
        else:
            store.promote(MODEL, f"v00000{step}", why="test")
    expected = tuple(f"v00000{number}" for number in gone)
    promotions = store.promotions(MODEL)
    assert store.removable(MODEL, keep) == expected
    assert store.collect(MODEL, keep, why="space") == expected
    assert [entry.version for entry in store.history(MODEL) if entry.event == "remove"] == list(expected)
    assert store.promotions(MODEL) == promotions
    assert store.removable(MODEL, keep) == ()
    for version in expected:
        with pytest.raises(VersionUnknown):
            store.read(MODEL, version)
    if promotions:
        assert store.read(MODEL).manifest.version == promotions[-1].version


def test_a_sound_version_to_roll_back_to_is_never_removed(tmp_path: Path) -> None:
    """Where those that served last are quarantined, the one before them stays too."""
    store = stocked(tmp_path, 4)
    store.quarantine(MODEL, "v000003", why="test")
    assert store.collect(MODEL, 0, why="space") == ("v000001",)
    assert store.rollback(MODEL, why="test").version == "v000002"


def test_removed_version_takes_its_quarantine_along_and_its_number_stays_taken(tmp_path: Path) -> None:
    """Nothing of it is left but its lines."""
    store = stocked(tmp_path, 3)
    store.quarantine(MODEL, "v000001", why="test")
    assert store.collect(MODEL, 0, why="space") == ("v000001",)
    assert not list((tmp_path / MODEL).glob("v000001*"))
    assert store.publish(draft(), files("4"), why="test").version == "v000004"
