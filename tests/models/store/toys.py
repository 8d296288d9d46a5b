# ruff: noqa: D102  the methods are those of `Disk` and documented there
"""A toy artifact, and disks that fail or die at a chosen system call."""

import datetime as dt
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from models.manifest import NO_LINEAGE, PROTOCOL, Draft, LeakCheck, Score, Target, TierManifest, without_figures
from models.store import Artifact, ArtifactStore
from models.store.disk import Disk

T = TypeVar("T")

MODEL = "toy_direction"
WEIGHTS = "weights.txt"
Death = Literal["after", "within"]


def draft(model: str = MODEL) -> Draft:
    """Return a small, valid draft."""
    score = Score(metric="log_loss_skill", value=0.01, ci95=(-0.02, 0.04), n=50, baseline="base_rate", verdict="none")
    tier = TierManifest(tier=1, features=(), weights=WEIGHTS, parameters={"depth": 3}, head={}, scores=(score,))
    return Draft(
        protocol=PROTOCOL,
        model=model,
        task="direction",
        family="toy",
        created=dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC),
        git_commit="0" * 40,
        libraries={},
        symbols=("AAA", "BBB"),
        first_date=dt.date(2020, 1, 2),
        last_date=dt.date(2024, 4, 30),
        rows=50,
        data_fingerprint="ab" * 32,
        target=Target(name="up", definition="close[t+1] > close[t]", horizon=1),
        seed=7,
        tiers=(tier,),
        checks=(LeakCheck(name="shuffled_target", passed=True, detail=""),),
        gate=without_figures(promoted=False, reason="a toy"),
        config={"depth": 3},
        lineage=NO_LINEAGE,
    )


def files(tag: str) -> dict[str, bytes]:
    """Return the files of an artifact, each of which names the tag."""
    return {WEIGHTS: f"weights of {tag}\n".encode() * 8, "card.md": f"# {tag}\n".encode(), "golden.json": tag.encode()}


def tag_of(artifact: Artifact) -> str:
    """Return the tag that all files of an artifact name, having checked that they name the same."""
    tag = artifact.files["golden.json"].decode()
    assert dict(artifact.files) == files(tag)
    return tag


def stocked(root: Path, versions: int) -> ArtifactStore:
    """Return a store with as many versions, tagged by their numbers from 1, each of which was promoted in turn."""
    store = ArtifactStore(root)
    for number in range(1, versions + 1):
        version = store.publish(draft(), files(str(number)), why="test").version
        store.promote(MODEL, version, why="test")
    return store


class WatchedDisk(Disk):
    """A disk that numbers its calls from 1 and hands each to `_act`."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def _act(self, name: str, call: Callable[[], T]) -> T:
        self.calls.append(name)
        return call()

    def make_dir(self, path: Path) -> None:
        self._act("make_dir", lambda: Disk.make_dir(self, path))

    def create(self, path: Path, mode: int) -> int:
        return self._act("create", lambda: Disk.create(self, path, mode))

    def open_append(self, path: Path) -> int:
        return self._act("open_append", lambda: Disk.open_append(self, path))

    def write(self, descriptor: int, data: bytes) -> None:
        self._act("write", lambda: Disk.write(self, descriptor, data))

    def truncate(self, descriptor: int, size: int) -> None:
        self._act("truncate", lambda: Disk.truncate(self, descriptor, size))

    def sync(self, descriptor: int) -> None:
        self._act("sync", lambda: Disk.sync(self, descriptor))

    def sync_dir(self, path: Path) -> None:
        self._act("sync_dir", lambda: Disk.sync_dir(self, path))

    def rename(self, old: Path, new: Path) -> None:
        self._act("rename", lambda: Disk.rename(self, old, new))

    def unlink(self, path: Path) -> None:
        self._act("unlink", lambda: Disk.unlink(self, path))

    def remove_dir(self, path: Path) -> None:
        self._act("remove_dir", lambda: Disk.remove_dir(self, path))


class FailingDisk(WatchedDisk):
    """A disk whose n-th call is refused, or all calls from the n-th on."""

    def __init__(self, at: int, code: int, *, forever: bool) -> None:
        super().__init__()
        self._at, self._code, self._forever = at, code, forever

    def _act(self, name: str, call: Callable[[], T]) -> T:
        self.calls.append(name)
        number = len(self.calls)
        if number == self._at or (self._forever and number > self._at):
            raise OSError(self._code, os.strerror(self._code))
        return call()


class DeadlyDisk(WatchedDisk):
    """A disk that kills its process after the n-th call, or, if that call writes, with half of it written."""

    def __init__(self, at: int, death: Death) -> None:
        super().__init__()
        self._at, self._death = at, death

    def write(self, descriptor: int, data: bytes) -> None:
        if self._death == "within" and len(self.calls) + 1 == self._at:
            Disk.write(self, descriptor, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(descriptor, data)

    def _act(self, name: str, call: Callable[[], T]) -> T:
        result = super()._act(name, call)
        if self._death == "after" and len(self.calls) == self._at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
