"""What the store promises where nothing goes wrong, and what it says where the caller does."""

import datetime as dt
import errno
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_mapper.errors import FeatureMismatch
from models.errors import (
    ArtifactError,
    ArtifactMissing,
    ArtifactQuarantined,
    ChampionChanged,
    FilesMismatch,
    GoldenMismatch,
    HashMismatch,
    IncompatibleLibrary,
    LoadFailed,
    ManifestInvalid,
    StoreBusy,
    StoreUnreadable,
    VersionUnknown,
)
from models.manifest import MANIFEST_NAME, decode
from models.store import Artifact, ArtifactStore, Entry, Limits
from models.store.shelf import Shelf
from tests.models.store.toys import MODEL, WEIGHTS, draft, files, stocked, tag_of
from tests.support.certificates import certified
from tests.support.disks import FailingDisk

HOSTILE = [
    "..",
    "../x",
    "/etc",
    "a/b",
    "a\\b",
    ".hidden",
    "",
    "v1",
    "A",
    "\uff41",
    "x\n",
    "x\0",
    "%2e%2e",
    "x" * 65,
    "con ",
]


def no_proof(_model: object, _artifact: Artifact) -> None:
    """Accept the model."""


def test_published_version_is_read_back_byte_for_byte(tmp_path: Path) -> None:
    """What was published is what is read: manifest and files, by version and by CURRENT."""
    store = ArtifactStore(tmp_path / "deep" / "store")
    manifest = store.publish(draft(), files("a"), why="first")
    assert manifest == draft().published("v000001", manifest.files)
    store.promote(MODEL, manifest.version, why="better")
    for version in (None, "v000001"):
        artifact = store.read(MODEL, version)
        assert artifact.manifest == manifest == store.manifest(MODEL, version)
        assert dict(artifact.files) == files("a")
    folder = tmp_path / "deep" / "store" / MODEL / "v000001"
    assert {path.name for path in folder.iterdir()} == {*files("a"), MANIFEST_NAME}
    assert decode((folder / MANIFEST_NAME).read_bytes()) == manifest
    assert not any(path.stat().st_mode & 0o222 for path in folder.iterdir())
    assert store.models() == (MODEL,)


def test_states_of_versions(tmp_path: Path) -> None:
    """A version is a candidate until it serves, champion while CURRENT names it, archived after, or quarantined."""
    store = stocked(tmp_path, 3)
    store.publish(draft(), files("4"), why="retrained")
    store.quarantine(MODEL, "v000001", why="by hand")
    infos = store.versions(MODEL)
    assert [info.state for info in infos] == ["quarantined", "archived", "champion", "candidate"]
    assert infos[0].quarantine == "by hand"
    assert infos[3].why == "retrained"
    assert all(info.quarantine is None for info in infos[1:])


def test_promotion_of_the_champion_is_no_event(tmp_path: Path) -> None:
    """A promotion that is repeated returns the line in force, so a retry after a lost answer does no harm."""
    store = stocked(tmp_path, 1)
    lines = store.history(MODEL)
    assert store.promote(MODEL, "v000001", why="again") == lines[-1]
    assert store.history(MODEL) == lines


def test_rollback_takes_back_what_it_undid(tmp_path: Path) -> None:
    """After 1, 2, 3: back to 2, back to 1, then no further; a promotion starts from there."""
    store = stocked(tmp_path, 3)
    assert store.rollback(MODEL, why="worse").version == "v000002"
    assert store.rollback(MODEL, why="worse").version == "v000001"
    with pytest.raises(ArtifactMissing, match="none that can serve"):
        store.rollback(MODEL, why="worse")
    store.promote(MODEL, "v000003", why="fixed")
    assert store.rollback(MODEL, why="worse").version == "v000001"


def test_rollback_passes_over_the_quarantined(tmp_path: Path) -> None:
    """A version that would be refused is no way back."""
    store = stocked(tmp_path, 3)
    store.quarantine(MODEL, "v000002", why="by hand")
    assert store.rollback(MODEL, why="worse").version == "v000001"


def test_rollback_to_a_corrupt_version_keeps_the_champion(tmp_path: Path) -> None:
    """The earlier version is proven first; once it is quarantined the next rollback goes further back."""
    store = stocked(tmp_path, 3)
    (tmp_path / MODEL / "v000002" / "card.md").unlink()
    with pytest.raises(FilesMismatch):
        store.rollback(MODEL, why="worse")
    assert store.current(MODEL) == "v000003"
    assert store.rollback(MODEL, why="worse").version == "v000001"


def test_rollback_to_a_version_that_is_not_proven_changes_nothing(tmp_path: Path) -> None:
    """Whoever rolls back has it loaded before it serves; what that raises is the outcome."""
    store = stocked(tmp_path, 3)
    lines = store.promotions(MODEL)

    def proven(version: str) -> None:
        assert version == "v000002"
        assert store.current(MODEL) == "v000003"
        raise GoldenMismatch("golden case 0: expected 1, found 2")

    with pytest.raises(GoldenMismatch):
        store.rollback(MODEL, why="worse", proven=proven)
    assert store.promotions(MODEL) == lines
    with pytest.raises(ChampionChanged, match="expected v000002 to serve, found v000003"):
        store.rollback(MODEL, why="worse", instead_of="v000002")
    assert store.promotions(MODEL) == lines
    assert store.rollback(MODEL, why="worse", instead_of="v000003").version == "v000002"


@given(
    steps=st.lists(st.tuples(st.sampled_from(["1", "2", "3", "back"]), st.integers(1, 3)), max_size=12),
    share=st.floats(0, 0.999),
)
@settings(max_examples=25, deadline=None)
def test_served_at_answers_what_served_when(
    steps: list[tuple[str, int]], share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """For any run of promotions and rollbacks, at any second: what CURRENT named then."""
    now = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    store = ArtifactStore(tmp_path_factory.mktemp("served"), clock=lambda: now)
    for number in range(1, 4):
        store.publish(draft(), files(str(number)), why="test")
    named: list[str | None] = []  # by second
    for step, seconds in steps:
        try:
            if step == "back":
                store.rollback(MODEL, why="test")
            else:
                store.promote(MODEL, f"v00000{step}", why="test")
        except ArtifactMissing:
            assert step == "back"
        named += [store.current(MODEL)] * seconds
        now += dt.timedelta(seconds=seconds)
    second = int(share * len(named))
    when = dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=second)
    assert store.served_at(MODEL, when) == (named[second] if named else None)
    assert store.served_at(MODEL, dt.datetime(2023, 12, 31, tzinfo=dt.UTC)) is None


def test_served_at_needs_a_time_zone(tmp_path: Path) -> None:
    """A time without zone is no point in time."""
    with pytest.raises(ValueError, match="time zone"):
        stocked(tmp_path, 1).served_at(MODEL, dt.datetime(2024, 1, 1))  # noqa: DTZ001  the mistake under test


class Interrupted(ArtifactStore):
    """A store in which another writer acts between the proof of a version and the lock."""

    meanwhile: Callable[[], object]

    def _sound(self, place: Shelf, version: str) -> Entry:
        publication = super()._sound(place, version)
        self.meanwhile()
        return publication


def test_rollback_that_was_overtaken_does_nothing(tmp_path: Path) -> None:
    """If another version is promoted after the way back was chosen, the rollback says so and leaves that one."""
    stocked(tmp_path, 3)
    store = Interrupted(tmp_path)
    store.meanwhile = lambda: ArtifactStore(tmp_path).promote(MODEL, "v000001", why="meanwhile")
    with pytest.raises(StoreBusy, match="promoted meanwhile"):
        store.rollback(MODEL, why="test")
    assert store.current(MODEL) == "v000001"


def test_version_quarantined_meanwhile_is_not_promoted(tmp_path: Path) -> None:
    """A quarantine that comes between the proof and the promotion wins."""
    stocked(tmp_path, 2)
    store = Interrupted(tmp_path)
    store.meanwhile = lambda: ArtifactStore(tmp_path).quarantine(MODEL, "v000001", why="meanwhile")
    with pytest.raises(ArtifactQuarantined, match="meanwhile"):
        store.promote(MODEL, "v000001", why="test")
    assert store.current(MODEL) == "v000002"


def test_damaged_marker_still_refuses(tmp_path: Path) -> None:
    """A quarantine marker counts by being there, whatever became of its content."""
    store = stocked(tmp_path, 1)
    (tmp_path / MODEL / "v000001.quarantined").write_bytes(b"\xff")
    with pytest.raises(ArtifactQuarantined, match="marker is damaged"):
        store.read(MODEL)
    store.release(MODEL, "v000001", why="looked at")
    assert tag_of(store.read(MODEL)) == "1"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_never_become_paths(name: str, tmp_path: Path) -> None:
    """Names outside the alphabet are unknown, in every method, before the disk is asked."""
    store = stocked(tmp_path / "store", 1)
    for call in (store.read, store.manifest, store.versions, store.current, store.history, store.promotions):
        if name == "v1" and call in (store.versions, store.current, store.history, store.promotions):
            continue  # a fine name of a model that isn't there
        with pytest.raises(ArtifactMissing):
            call(name)
    with pytest.raises(VersionUnknown):
        store.read(MODEL, name)
    with pytest.raises(VersionUnknown):
        store.promote(MODEL, name, why="test")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_missing_is_said_and_not_quarantined(tmp_path: Path) -> None:
    """No store, no champion, no version: each says so, and leaves nothing behind."""
    empty = ArtifactStore(tmp_path / "none")
    assert (empty.models(), empty.versions(MODEL), empty.current(MODEL)) == ((), (), None)
    with pytest.raises(ArtifactMissing, match="train it"):
        empty.load(MODEL, None, tag_of, no_proof)
    assert not (tmp_path / "none").exists()
    store = ArtifactStore(tmp_path / "some")
    store.publish(draft(), files("1"), why="test")
    with pytest.raises(ArtifactMissing, match="promote a candidate"):
        store.load(MODEL, None, tag_of, no_proof)
    with pytest.raises(VersionUnknown, match="v000009"):
        store.load(MODEL, "v000009", tag_of, no_proof)
    assert [entry.event for entry in store.history(MODEL)] == ["publish"]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({MANIFEST_NAME: b""}, "rename yours"),
        ({"CARD.MD": b""}, "more than case"),
        ({"big.bin": bytes(2000)}, "at most 1000 bytes"),
        ({f"{i}.bin": bytes(900) for i in range(5)}, "in all"),
        ({f"{i}.txt": b"" for i in range(9)}, "at most 8 files"),
    ],
)
def test_files_that_break_a_rule_are_not_published(extra: dict[str, bytes], message: str, tmp_path: Path) -> None:
    """Reserved names, case twins and sizes beyond the limits are refused before anything is written."""
    store = ArtifactStore(tmp_path / "store", limits=Limits(file_bytes=1000, total_bytes=4000, files=8))
    with pytest.raises(FilesMismatch, match=message):
        store.publish(draft(), files("1") | extra, why="test")
    with pytest.raises(FilesMismatch, match=WEIGHTS):
        store.publish(draft(), {"card.md": b""}, why="test")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", ["../x", "/x", ".x", "a/b", "", "ä.txt", "x" * 97])
def test_file_names_outside_the_alphabet_are_not_published(name: str, tmp_path: Path) -> None:
    """An artifact is flat and its names are plain."""
    store = ArtifactStore(tmp_path)
    with pytest.raises(ManifestInvalid, match=r"files\[\d\]\.path"):
        store.publish(draft(), certified(draft(), files("1") | {name: b""}), why="test")
    assert store.models() == ()


def test_load_builds_from_the_proven_bytes_and_proves_the_model(tmp_path: Path) -> None:
    """``build`` sees the artifact, ``prove`` sees the model, and the result carries the manifest."""
    store = stocked(tmp_path, 1)
    calls: list[tuple[str, str]] = []
    loaded = store.load(MODEL, None, tag_of, lambda model, artifact: calls.append((model, artifact.name)))
    assert (loaded.model, loaded.version, loaded.manifest) == ("1", "v000001", store.manifest(MODEL))
    assert calls == [("1", f"{MODEL} v000001")]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (GoldenMismatch("case 3"), GoldenMismatch),
        (FeatureMismatch("rsi_14"), LoadFailed),
        (RuntimeError("bad tree \udc80"), LoadFailed),
        (RecursionError("too deep"), LoadFailed),
    ],
)
@pytest.mark.parametrize("in_build", [True, False])
def test_whatever_a_load_raises_quarantines_with_its_reason(
    fault: Exception, expected: type[ArtifactError], *, in_build: bool, tmp_path: Path
) -> None:
    """A failure to build or prove ends as one of our errors and keeps the version out, in other processes too."""
    store = stocked(tmp_path, 2)

    def build(artifact: Artifact) -> str:
        if in_build:
            raise fault
        return tag_of(artifact)

    def prove(_model: str, _artifact: Artifact) -> None:
        raise fault

    with pytest.raises(expected) as caught:
        store.load(MODEL, None, build, prove)
    assert type(caught.value) is expected
    entry = store.history(MODEL)[-1]
    assert (entry.event, entry.version) == ("quarantine", "v000002")
    assert entry.why.startswith(f"{expected.slug}: ")
    with pytest.raises(ArtifactQuarantined, match=expected.slug):
        ArtifactStore(tmp_path).load(MODEL, None, tag_of, no_proof)
    assert store.current(MODEL) == "v000002"
    store.release(MODEL, "v000002", why="the cause is gone")
    assert store.load(MODEL, None, tag_of, no_proof).model == "2"


@pytest.mark.parametrize("fault", [MemoryError(), OSError(errno.EMFILE, "too many"), ModuleNotFoundError("prophet")])
def test_faults_of_the_machine_do_not_quarantine(fault: Exception, tmp_path: Path) -> None:
    """Out of memory, out of files, a library that is not installed: the version is as good as before."""
    store = stocked(tmp_path, 1)

    def fail(_: Artifact) -> str:
        raise fault

    with pytest.raises(StoreUnreadable, match="not quarantined"):
        store.load(MODEL, None, fail, no_proof)
    assert store.load(MODEL, None, tag_of, no_proof).model == "1"


def test_other_library_versions_are_named_when_a_load_fails(tmp_path: Path) -> None:
    """A model that answers otherwise under another library than its own says both versions; if it agrees, it serves."""
    store = ArtifactStore(tmp_path)
    fields = {name: getattr(draft(), name) for name in draft().__struct_fields__}
    made = {"msgspec": "0.0.1", "not-installed-here": "1.0"}
    store.publish(type(draft())(**fields | {"libraries": made}), files("1"), why="test")
    assert store.load(MODEL, "v000001", tag_of, no_proof).model == "1"

    def fail(*_: object) -> None:
        raise GoldenMismatch("golden case 0, up: expected 1.0, found 2.0")

    with pytest.raises(IncompatibleLibrary, match=r"msgspec 0\.0\.1.*found msgspec .*none.*golden case 0"):
        store.load(MODEL, "v000001", tag_of, fail)
    assert store.versions(MODEL)[0].state == "quarantined"


def test_unreadable_store_is_not_the_versions_fault(tmp_path: Path) -> None:
    """A file in the place of the model's folder is an error of the store."""
    store = stocked(tmp_path, 1)
    (tmp_path / "other").write_text("")
    with pytest.raises(StoreUnreadable, match="expected to read"):
        store.read("other")
    (tmp_path / MODEL).rename(tmp_path / "aside")
    (tmp_path / MODEL).symlink_to(tmp_path / MODEL)  # a loop
    with pytest.raises(StoreUnreadable, match="expected to read"):
        store.read(MODEL)
    with pytest.raises(StoreUnreadable, match="expected to read"):
        store.renew(MODEL)


def test_link_in_the_place_of_the_models_folder_is_not_the_versions_fault(tmp_path: Path) -> None:
    """The way to a version is never a link; that quarantines nothing."""
    store = stocked(tmp_path, 1)
    (tmp_path / MODEL).rename(tmp_path / "aside")
    (tmp_path / MODEL).symlink_to(tmp_path / "aside")
    with pytest.raises(StoreUnreadable, match="expected to read"):
        store.load(MODEL, None, tag_of, no_proof)
    assert not list((tmp_path / "aside").glob("*.quarantined"))


def loop(path: Path) -> None:
    """Put a link to itself in the place of a file or folder, which refuses root too."""
    path.symlink_to(path)


def test_a_model_that_can_not_be_read_costs_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder, a ledger, a quarantine marker: that model is left out aloud, and loading it is the store's fault."""
    store = stocked(tmp_path, 1)
    loop(tmp_path / "folder_direction")
    (tmp_path / "ledger_direction" / "v000001").mkdir(parents=True)
    loop(tmp_path / "ledger_direction" / "ledger.jsonl")
    (tmp_path / "a-file").write_bytes(b"")
    assert store.models() == (MODEL,)
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert all("is left out: expected to read below" in record.getMessage() for record in caplog.records)
    loop(tmp_path / MODEL / "v000001.quarantined")
    with pytest.raises(StoreUnreadable):
        store.load(MODEL, None, tag_of, no_proof)
    with pytest.raises(StoreUnreadable):
        store.versions(MODEL)


def test_a_store_that_can_not_be_listed_is_told_from_an_empty_one(tmp_path: Path) -> None:
    """None is empty; a file in its place is a fault."""
    assert ArtifactStore(tmp_path / "none").models() == ()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnreadable, match="Not a directory"):
        ArtifactStore(tmp_path / "file").models()


def test_read_only_store_keeps_a_quarantine_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where the marker can't be written the version is refused by this object all the same, and the log says so."""
    stocked(tmp_path, 2)
    store = ArtifactStore(tmp_path, disk=FailingDisk(1, errno.EROFS, forever=True))

    def fail(_: Artifact) -> str:
        raise ValueError("no")

    with caplog.at_level(logging.WARNING), pytest.raises(LoadFailed):
        store.load(MODEL, None, fail, no_proof)
    assert "in memory only" in caplog.text
    with pytest.raises(ArtifactQuarantined):
        store.load(MODEL, None, tag_of, no_proof)
    assert store.versions(MODEL)[1].state == "quarantined"
    store.release(MODEL, "v000002", why="test")
    assert store.load(MODEL, None, tag_of, no_proof).model == "2"
    assert ArtifactStore(tmp_path).load(MODEL, None, tag_of, no_proof).model == "2"


def test_a_quarantine_in_memory_ends_with_its_release_elsewhere(tmp_path: Path) -> None:
    """Another object released the version: once this one is to forget, the load proves it anew, and refuses it anew."""
    stocked(tmp_path, 1)
    reader = ArtifactStore(tmp_path, disk=FailingDisk(1, errno.EROFS, forever=True))
    weights = tmp_path / MODEL / "v000001" / WEIGHTS
    sound = weights.read_bytes()
    weights.chmod(0o644)
    for _ in range(2):
        weights.write_bytes(sound[:-1] + b"?")
        reader.forget(MODEL)
        with pytest.raises(HashMismatch):
            reader.load(MODEL, None, tag_of, no_proof)
        weights.write_bytes(sound)
        ArtifactStore(tmp_path).release(MODEL, "v000001", why="restored")
        reader.forget("another_direction")
        with pytest.raises(ArtifactQuarantined):
            reader.load(MODEL, None, tag_of, no_proof)
    reader.forget(MODEL)
    assert reader.load(MODEL, None, tag_of, no_proof).model == "1"


@pytest.mark.parametrize("n", range(1, 10))
def test_quarantine_holds_though_the_disk_refuses_it(n: int, tmp_path: Path) -> None:
    """Whichever system call of a quarantine fails, this object refuses the version."""
    stocked(tmp_path, 2)
    disk = FailingDisk(n, errno.ENOSPC, forever=False)
    store = ArtifactStore(tmp_path, disk=disk)
    store.quarantine(MODEL, "v000001", why="by hand")
    with pytest.raises(ArtifactQuarantined, match="by hand"):
        store.read(MODEL, "v000001")
