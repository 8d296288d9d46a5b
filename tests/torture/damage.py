"""Ways in which a published version can go bad on disk, by chance, and the way back."""

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.manifest import Draft
from models.store import ArtifactStore

BAD = "v000002"


@dataclass(frozen=True, slots=True)
class Patient:
    """A model of which v000001 is sound and v000002, the same again, is promoted and about to be damaged."""

    store: ArtifactStore
    model: str
    sound: dict[str, bytes]
    ledger: bytes

    @property
    def folder(self) -> Path:
        """Where the files of the version are."""
        return self.store.root / self.model / BAD

    @property
    def marker(self) -> Path:
        """The file that says that the version is quarantined."""
        return self.folder.with_name(f"{BAD}.quarantined")

    @property
    def weights(self) -> list[str]:
        """Names of the files that hold the weights."""
        return [tier.weights for tier in self.store.manifest(self.model, "v000001").tiers]

    def reason(self) -> str | None:
        """Return why the version is quarantined, by the last line of the ledger; None if it is not."""
        last = self.store.history(self.model)[-1]
        return last.why if last.event == "quarantine" and last.version == BAD else None

    def heal(self) -> None:
        """Put back every byte, then take back the quarantine: whoever looks meanwhile finds one, or what is sound."""
        ledger = self.folder.with_name("ledger.jsonl")
        (aside := ledger.with_name("stray-ledger")).write_bytes(self.ledger)
        aside.replace(ledger)
        if self.folder.is_symlink():
            self.folder.unlink()
            self.folder.with_name("moved").rename(self.folder)
        for path in self.folder.iterdir():
            if path.name not in self.sound or path.is_symlink() or path.stat().st_nlink > 1:
                path.unlink()
        for name, data in self.sound.items():
            path = self.folder / name
            if not path.exists() or path.read_bytes() != data:
                path.unlink(missing_ok=True)
                path.write_bytes(data)
        for stray in self.folder.parent.glob("stray*"):
            stray.unlink()
        self.marker.unlink(missing_ok=True)


def copied(trained: Path, root: Path, model: str) -> ArtifactStore:
    """Copy one model of a store to another store."""
    shutil.copytree(trained / model, root / model)
    return ArtifactStore(root, by="torture")


def republished(store: ArtifactStore, model: str) -> Patient:
    """Publish the promoted version once more and promote that."""
    artifact = store.read(model)
    assert artifact.manifest.version == "v000001"
    draft = Draft(**{name: getattr(artifact.manifest, name) for name in Draft.__struct_fields__})
    assert store.publish(draft, artifact.files, why="to be damaged").version == BAD
    store.promote(model, BAD, why="to be damaged")
    folder = store.root / model / BAD
    sound = {path.name: path.read_bytes() for path in folder.iterdir()}
    return Patient(store, model, sound, (store.root / model / "ledger.jsonl").read_bytes())


def damage(patient: Patient, chance: random.Random) -> str:
    """Do one thing to the version, to its weights as often as not; return what."""
    inflict = chance.choice(DAMAGES)
    name = chance.choice(patient.weights if chance.random() < 0.5 else sorted(patient.sound))
    inflict(patient, name, chance)
    return f"{inflict.__name__} {name}"


def _overwrite(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def flip(patient: Patient, name: str, chance: random.Random) -> None:
    """Flip one to eight bits."""
    data = bytearray(patient.sound[name])
    for at in {chance.randrange(8 * len(data)) for _ in range(chance.choice([1, 1, 8]))}:
        data[at // 8] ^= 1 << (at % 8)
    _overwrite(patient.folder / name, bytes(data))


def truncate(patient: Patient, name: str, chance: random.Random) -> None:
    """Keep a first part, perhaps nothing."""
    data = patient.sound[name]
    _overwrite(patient.folder / name, data[: chance.choice([0, len(data) - 1, chance.randrange(len(data))])])


def swap(patient: Patient, name: str, chance: random.Random) -> None:
    """Give two files each other's bytes."""
    other = chance.choice(sorted(key for key, data in patient.sound.items() if data != patient.sound[name]))
    _overwrite(patient.folder / name, patient.sound[other])
    _overwrite(patient.folder / other, patient.sound[name])


def lose(patient: Patient, name: str, _chance: random.Random) -> None:
    """Remove a file."""
    (patient.folder / name).unlink()


def add(patient: Patient, name: str, chance: random.Random) -> None:
    """Add a file that the manifest does not know."""
    extra = chance.choice([f"{name}.bak", ".hidden", "__init__.py", "model.pkl", "weights (1).txt"])
    (patient.folder / extra).write_bytes(chance.choice([b"", patient.sound[name]]))


def link(patient: Patient, name: str, chance: random.Random) -> None:
    """Put a link, hard or soft, in the place of a file or of the whole folder; what it leads to is sound."""
    kind = chance.choice(["file", "file", "hard", "folder"])
    if kind == "folder":
        moved = patient.folder.rename(patient.folder.with_name("moved"))
        patient.folder.symlink_to(moved)
        return
    path = patient.folder / name
    stray = path.rename(patient.folder.with_name(f"stray-{name}"))
    if kind == "hard":
        os.link(stray, path)
    else:
        path.symlink_to(stray)


def grow(patient: Patient, name: str, chance: random.Random) -> None:
    """Add bytes at the end."""
    _overwrite(patient.folder / name, patient.sound[name] + chance.choice([b"\n", b"\x00", patient.sound[name]]))


DAMAGES: tuple[Callable[[Patient, str, random.Random], None], ...] = (flip, flip, truncate, swap, lose, add, link, grow)
