"""A version that is not byte for byte what was published never reaches a parser."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import (
    ArtifactError,
    ArtifactQuarantined,
    ArtifactUnsound,
    FilesMismatch,
    HashMismatch,
    LedgerInvalid,
    VersionUnknown,
)
from models.manifest import MANIFEST_NAME
from models.store import Artifact, ArtifactStore
from models.store.reading import digest
from tests.models.store.toys import MODEL, WEIGHTS, draft, files, stocked, tag_of

BAD, GOOD = "v000001", "v000002"
NAMES = (WEIGHTS, "card.md", "golden.json", MANIFEST_NAME)

Corruption = Callable[[Path], object]


class Recorder:
    """A parser and a proof that note that they were called."""

    def __init__(self) -> None:
        self.built: list[str] = []
        self.proven: list[str] = []

    def build(self, artifact: Artifact) -> str:
        """Return the artifact's tag."""
        self.built.append(artifact.manifest.version)
        return tag_of(artifact)

    def prove(self, model: str, artifact: Artifact) -> None:
        """Note the call."""
        self.proven.append(f"{model} {artifact.manifest.version}")


def overwrite(path: Path, data: bytes) -> None:
    """Give a read-only file other bytes."""
    path.chmod(0o644)
    path.write_bytes(data)


def flip(name: str, bit: int) -> Corruption:
    """Flip one bit; its number is taken modulo the file's length."""

    def corrupt(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        at = bit % (8 * len(data))
        data[at // 8] ^= 1 << (at % 8)
        overwrite(folder / name, bytes(data))

    return corrupt


def cut(name: str, share: float) -> Corruption:
    """Keep the first part of a file only."""

    def corrupt(folder: Path) -> None:
        data = (folder / name).read_bytes()
        overwrite(folder / name, data[: int(share * len(data))])

    return corrupt


def changed(name: str, change: Callable[[bytes], bytes]) -> Corruption:
    """Give a file bytes made from its own."""
    return lambda folder: overwrite(folder / name, change((folder / name).read_bytes()))


def swap(one: str, other: str) -> Corruption:
    """Let two files change names."""

    def corrupt(folder: Path) -> None:
        (folder / one).rename(folder / "between")
        (folder / other).rename(folder / one)
        (folder / "between").rename(folder / other)

    return corrupt


def linked(name: str, link: Callable[[Path, Path], None]) -> Corruption:
    """Move a file out of the folder and link it back: the same bytes, under the control of someone else."""

    def corrupt(folder: Path) -> None:
        outside = folder.parent / "outside"
        (folder / name).rename(outside)
        link(folder / name, outside)

    return corrupt


def instead(name: str, make: Callable[[Path], object]) -> Corruption:
    """Put something else in the place of a file."""

    def corrupt(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return corrupt


def edited(edit: Callable[[dict[str, object]], object]) -> Corruption:
    """Change the manifest as a person or a faulty program might, leaving it well-formed."""

    def change(data: bytes) -> bytes:
        manifest = json.loads(data)
        edit(manifest)
        return json.dumps(manifest).encode()

    return changed(MANIFEST_NAME, change)


def reforged(folder: Path) -> None:
    """Change the weights and make the manifest agree with them."""
    data = (folder / WEIGHTS).read_bytes().replace(b"weights", b"weighty")
    old = digest((folder / WEIGHTS).read_bytes())
    overwrite(folder / WEIGHTS, data)
    manifest = (folder / MANIFEST_NAME).read_bytes()
    overwrite(folder / MANIFEST_NAME, manifest.replace(old.encode(), digest(data).encode()))


def other_version(folder: Path) -> None:
    """Put a whole, sound version in the place of this one."""
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name(GOOD), folder)


def folder_linked(folder: Path) -> None:
    """Let a link stand for the folder."""
    folder.rename(folder.with_name("outside"))
    folder.symlink_to(folder.with_name("outside"), target_is_directory=True)


def corruptions() -> Iterator[tuple[str, Corruption, type[ArtifactUnsound]]]:
    """Yield name, corruption and the error that it must give."""
    size, hashed = FilesMismatch, HashMismatch
    for name in NAMES:
        short = hashed if name == MANIFEST_NAME else size
        yield from ((f"cut {name} {k}/16", cut(name, k / 16), short) for k in range(16))
        yield f"longer {name}", changed(name, lambda data: data + b"\n"), short
        yield f"zeros {name}", changed(name, lambda data: bytes(len(data))), hashed
        yield f"symlink {name}", linked(name, lambda path, to: path.symlink_to(to)), size
        yield f"hard link {name}", linked(name, lambda path, to: path.hardlink_to(to)), size
        yield f"pipe {name}", instead(name, os.mkfifo), size
        yield f"folder {name}", instead(name, os.mkdir), size
        yield f"dangling {name}", instead(name, lambda path: path.symlink_to("/nowhere/at/all")), size
        if name != MANIFEST_NAME:
            yield f"missing {name}", instead(name, lambda _: None), size
            yield f"case of {name}", lambda f, n=name: (f / n).rename(f / n.swapcase()), size  # type: ignore[misc]  # the default binds the loop's name
    yield "swapped", swap(WEIGHTS, "card.md"), size
    yield "swapped manifest", swap(WEIGHTS, MANIFEST_NAME), hashed
    yield "extra", lambda folder: (folder / "extra.txt").write_text("x"), size
    yield "extra hidden", lambda folder: (folder / ".x").write_text("x"), size
    yield "extra folder", lambda folder: (folder / "plots").mkdir(), size
    yield "extra undecodable", lambda folder: Path(os.fsdecode(bytes(folder) + b"/\xff")).write_text("x"), size
    yield "twin", lambda folder: (folder / "CARD.md").write_text("x"), size
    yield "reforged", reforged, hashed
    yield "other version", other_version, hashed
    yield "folder linked", folder_linked, size
    yield "edited verdict", edited(lambda m: m.update(gate={"promoted": True, "reason": ""})), hashed
    yield "edited version", edited(lambda m: m.update(version=GOOD)), hashed
    yield "edited path", edited(lambda m: m["files"][0].update(path="../../x")), hashed  # type: ignore[index]  # JSON
    yield "edited to nonsense", changed(MANIFEST_NAME, lambda _: b"{"), hashed


CASES = list(corruptions())


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with two promoted versions that no test may change."""
    root = tmp_path_factory.mktemp("sound") / "store"
    stocked(root, 2)
    return root


def check_refused(sound: Path, root: Path, corrupt: Corruption, error: type[ArtifactError]) -> None:
    """Corrupt a copy of the store: no parser runs, the version is quarantined with its reason, the other serves."""
    shutil.copytree(sound, root)
    corrupt(root / MODEL / BAD)
    store, recorder = ArtifactStore(root), Recorder()
    with pytest.raises(error) as caught:
        store.load(MODEL, BAD, recorder.build, recorder.prove)
    assert type(caught.value) is error
    assert "expected" in str(caught.value)
    assert not recorder.built
    bad, good = store.versions(MODEL)
    assert bad.state == "quarantined"
    assert bad.quarantine is not None
    assert bad.quarantine.startswith(error.slug)
    assert good.state == "champion"
    with pytest.raises(ArtifactQuarantined):
        ArtifactStore(root).load(MODEL, BAD, recorder.build, recorder.prove)
    with pytest.raises(ArtifactQuarantined):
        store.promote(MODEL, BAD, why="test")
    assert store.load(MODEL, None, recorder.build, recorder.prove).model == "2"
    assert recorder.built == [GOOD]
    shutil.rmtree(root)


@pytest.mark.parametrize(("corrupt", "error"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_corrupt_version_is_refused_before_any_parser(
    corrupt: Corruption, error: type[ArtifactUnsound], sound: Path, tmp_path: Path
) -> None:
    """Every kind of corruption gives its own reason and a quarantine."""
    check_refused(sound, tmp_path / "store", corrupt, error)


@given(name=st.sampled_from(NAMES), bit=st.integers(0, 1 << 16))
@settings(max_examples=50, deadline=None)
def test_any_flipped_bit_is_refused(name: str, bit: int, sound: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """One bit anywhere, in the manifest too."""
    check_refused(sound, tmp_path_factory.mktemp("flip") / "store", flip(name, bit), HashMismatch)


@given(bit=st.integers(0, 1 << 16))
@settings(max_examples=50, deadline=None)
def test_flipped_bit_of_current_is_the_stores_fault(
    bit: int, sound: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A damaged CURRENT names no version wrongly and quarantines none; a named version is read as before."""
    root = tmp_path_factory.mktemp("flip") / "store"
    shutil.copytree(sound, root)
    data = bytearray((root / MODEL / "CURRENT").read_bytes())
    at = bit % (8 * (len(data) - 1))
    data[at // 8] ^= 1 << (at % 8)
    (root / MODEL / "CURRENT").write_bytes(data)
    store = ArtifactStore(root)
    with pytest.raises(LedgerInvalid, match="put back"):
        store.read(MODEL)
    assert tag_of(store.read(MODEL, GOOD)) == "2"
    assert not list((root / MODEL).glob("*.quarantined"))
    # The remedy that the message names.
    line = [
        line for line in (root / MODEL / "ledger.jsonl").read_text().splitlines(keepends=True) if '"promote"' in line
    ][-1]
    (root / MODEL / "CURRENT").write_text(line)
    assert tag_of(store.read(MODEL)) == "2"


@given(bit=st.integers(0, 1 << 16))
@settings(max_examples=50, deadline=None)
def test_flipped_bit_of_the_ledger_is_the_stores_fault(
    bit: int, sound: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A damaged ledger is named, quarantines nothing, and the champion is read without it."""
    root = tmp_path_factory.mktemp("flip") / "store"
    shutil.copytree(sound, root)
    data = bytearray((root / MODEL / "ledger.jsonl").read_bytes())
    at = bit % (8 * data.rindex(b"\n"))
    data[at // 8] ^= 1 << (at % 8)
    (root / MODEL / "ledger.jsonl").write_bytes(data)
    store = ArtifactStore(root)
    with pytest.raises(LedgerInvalid, match="expected line"):
        store.history(MODEL)
    with pytest.raises(LedgerInvalid):
        store.publish(draft(), files("new"), why="test")
    assert tag_of(store.read(MODEL)) == "2"
    assert not list((root / MODEL).glob("*.quarantined"))


@pytest.mark.parametrize("version", [None, GOOD])
def test_version_that_lost_its_manifest_is_quarantined(sound: Path, tmp_path: Path, version: str | None) -> None:
    """A folder gets its name when whole: one without a manifest is damaged. Restored and released it loads."""
    root = tmp_path / "store"
    shutil.copytree(sound, root)
    manifest = root / MODEL / GOOD / MANIFEST_NAME
    manifest.rename(tmp_path / "later")
    store, recorder = ArtifactStore(root), Recorder()
    with pytest.raises(FilesMismatch, match="restore the folder as a whole"):
        store.load(MODEL, version, recorder.build, recorder.prove)
    assert (root / MODEL / f"{GOOD}.quarantined").exists()
    assert store.history(MODEL)[-1].why.startswith("files-mismatch: expected")
    (tmp_path / "later").rename(manifest)
    store.release(MODEL, GOOD, why="restored")
    assert store.load(MODEL, version, recorder.build, recorder.prove).version == GOOD


@pytest.mark.parametrize("version", [None, GOOD])
def test_version_whose_folder_is_gone_is_not_there(sound: Path, tmp_path: Path, version: str | None) -> None:
    """There is nothing to quarantine; once the folder is back it is read."""
    root = tmp_path / "store"
    shutil.copytree(sound, root)
    (root / MODEL / GOOD).rename(tmp_path / "later")
    store, recorder = ArtifactStore(root), Recorder()
    with pytest.raises(VersionUnknown):
        store.load(MODEL, version, recorder.build, recorder.prove)
    (tmp_path / "later").rename(root / MODEL / GOOD)
    assert store.load(MODEL, version, recorder.build, recorder.prove).version == GOOD


def test_folder_that_no_ledger_announces_is_not_a_version(sound: Path, tmp_path: Path) -> None:
    """A folder copied in by hand, whole or half, is neither served nor quarantined, and its number is not reused."""
    root = tmp_path / "store"
    shutil.copytree(sound, root)
    shutil.copytree(root / MODEL / GOOD, root / MODEL / "v000007")
    store = ArtifactStore(root)
    with pytest.raises(VersionUnknown, match="does not announce"):
        store.read(MODEL, "v000007")
    assert [info.version for info in store.versions(MODEL)] == [BAD, GOOD]
    assert store.publish(draft(), files("new"), why="test").version == "v000008"
