"""Promote, roll back, look back and tidy up on the command line: real processes on a store of two versions."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from models.manifest import Draft
from models.store import ArtifactStore
from tests.app.two_versions import FIRST, MODEL, SECOND

Barcast = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def store(two_version_store: Path, tmp_path: Path) -> ArtifactStore:
    """Return a store of one's own."""
    return ArtifactStore(Path(shutil.copytree(two_version_store, tmp_path / "store")))


@pytest.fixture
def barcast(store: ArtifactStore, tmp_path: Path) -> Barcast:
    """Return what runs a command on that store."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "barcast", *arguments],
            cwd=tmp_path,
            env={**os.environ, "BARCAST_ARTIFACTS_DIR": str(store.root)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_person_promotes_against_the_gate_and_back(barcast: Barcast, store: ArtifactStore) -> None:
    """Only on purpose; the ledger keeps whose word it was."""
    refused = barcast("promote", MODEL, SECOND)
    assert refused.returncode == 1
    assert refused.stdout.startswith("the gate says no: expected 252 days that v000001 forecast as well")
    assert "--anyway" in refused.stderr
    assert store.current(MODEL) == FIRST
    done = barcast("promote", MODEL, SECOND, "--anyway", "--why", "a rehearsal")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"{MODEL} {SECOND} serves\n")
    assert store.promotions(MODEL)[-1].why.startswith("a rehearsal (against the gate: ")
    assert store.promotions(MODEL)[-1].by == "command line"
    other = barcast("rollback", MODEL, "--instead-of", FIRST)
    assert other.returncode == 1
    assert f"expected {FIRST} to serve, found {SECOND}" in other.stderr
    assert barcast("rollback", MODEL, "--instead-of", SECOND).stdout == f"{MODEL} {FIRST} serves again\n"
    again = barcast("rollback", MODEL)
    assert again.returncode == 1
    assert "expected a version that served before v000001, found none" in again.stderr


def test_what_is_not_there_is_refused(barcast: Barcast, store: ArtifactStore) -> None:
    """By what was expected, found, and to do; nothing changes."""
    for arguments in (
        ("promote", MODEL, "v000009", "--anyway"),
        ("promote", "nobody_direction", FIRST),
        ("promote", "../x", FIRST),
        ("rollback", "nobody_direction"),
        ("compare", MODEL, FIRST, "v000009"),
        ("compare", MODEL, FIRST, FIRST),
    ):
        done = barcast(*arguments)
        assert (done.returncode, done.stdout) == (1, ""), arguments
        assert "expected" in done.stderr
        assert "Traceback" not in done.stderr
    assert [entry.version for entry in store.promotions(MODEL)] == [FIRST]


def test_history_says_what_served_when(barcast: Barcast, store: ArtifactStore) -> None:
    """From the ledger alone, also where a writer died between its line and the change."""
    (promotion,) = store.promotions(MODEL)
    day = f"{promotion.when:%Y-%m-%d}"
    assert barcast("history", MODEL, "--at", day).stdout == f"{MODEL} {day} 23:59:59+0000  {FIRST} served\n"
    assert "nothing served" in barcast("history", "--at", "2012-01-01").stdout
    assert barcast("history", MODEL, "--at", promotion.when.isoformat()).stdout.endswith(f"{FIRST} served\n")
    current = (store.root / MODEL / "CURRENT").read_bytes()
    store.promote(MODEL, SECOND, why="about to die")
    (store.root / MODEL / "CURRENT").write_bytes(current)
    told = barcast("history", MODEL).stdout
    assert "about to die  (without effect: the writer died)" in told
    assert f"{FIRST} served" in barcast("history", MODEL, "--at", "2999-01-01").stdout


@pytest.mark.parametrize("command", ["versions", "history"])
def test_a_model_that_can_not_be_read_costs_no_other(barcast: Barcast, store: ArtifactStore, command: str) -> None:
    """It is named on stderr, without a traceback; asked for by name it is an error. So is a store that is none."""
    (store.root / "other_direction" / "ledger.jsonl").mkdir(parents=True)
    done = barcast(command)
    assert MODEL in done.stdout
    assert done.stderr.startswith("other_direction is left out: expected to read below")
    assert "Traceback" not in done.stderr
    named = barcast(command, "other_direction")
    assert (named.returncode, named.stdout) == (1, "")
    assert named.stderr.startswith("barcast: expected to read below")
    shutil.rmtree(store.root)
    store.root.write_bytes(b"")
    done = barcast(command)
    assert done.returncode == 1
    assert done.stderr.startswith("barcast: expected to read below")


@pytest.mark.parametrize("when", ["yesterday", "2026-13-01", "2026-01-01T10:00"])
def test_a_time_that_is_none_is_refused(barcast: Barcast, when: str) -> None:
    """Exit code 2, and what a time looks like."""
    done = barcast("history", "--at", when)
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected a" in done.stderr


def test_versions_are_listed_and_compared(barcast: Barcast, store: ArtifactStore) -> None:
    """The newest first, with scores and the gate's words; and side by side."""
    lines = barcast("versions", MODEL).stdout.splitlines()
    assert [line.split()[1:3] for line in lines] == [[SECOND, "candidate"], [FIRST, "champion"]]
    assert "log_loss_skill" in lines[0]
    assert "expected 252 days" in lines[0]
    compared = barcast("compare", MODEL, FIRST, SECOND).stdout
    assert compared.splitlines()[0].split() == [FIRST, SECOND]
    assert "no comparison row by row: they forecast too few days in common" in compared
    artifact = store.read(MODEL)
    draft = Draft(**{name: getattr(artifact.manifest, name) for name in Draft.__struct_fields__})
    copy = store.publish(draft, artifact.files, why="a copy").version
    compared = barcast("compare", MODEL, FIRST, copy).stdout
    same = f"{FIRST} is the same as {copy}: log_loss_skill +0.00000 [+0.00000, +0.00000]"
    assert compared.count(same) == len(draft.tiers)


def test_old_versions_go_and_what_serves_stays(barcast: Barcast, store: ArtifactStore) -> None:
    """A rehearsal removes nothing; the real thing never what serves."""
    assert f"{MODEL}: would go: {SECOND}\n" in barcast("gc", "--keep", "0", "--dry-run").stdout
    assert len(store.versions(MODEL)) == 2
    assert barcast("gc", MODEL).stdout == f"{MODEL}: removed: nothing\n"
    assert barcast("gc", MODEL, "--keep", "0").stdout == f"{MODEL}: removed: {SECOND}\n"
    assert [info.version for info in store.versions(MODEL)] == [FIRST]
    assert barcast("gc", "--keep", "-1").returncode == 2
