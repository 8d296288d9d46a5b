"""`barcast audit`: real processes, on a published version and on a folder; what it prints, what it leaves alone."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from models.certificate import REQUIRED
from models.store import ArtifactStore
from tests.app.broken import uncertify

Barcast = Callable[..., subprocess.CompletedProcess[str]]
MODEL = "lightgbm_direction"


@pytest.fixture
def store(trained_store: Path, tmp_path: Path) -> ArtifactStore:
    """Return a store of one model that may be written."""
    shutil.copytree(trained_store / MODEL, tmp_path / "store" / MODEL)
    return ArtifactStore(tmp_path / "store", by="a test")


@pytest.fixture
def barcast(store: ArtifactStore, tmp_path: Path) -> Barcast:
    """Return what runs a command on that store."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        places = {"BARCAST_ARTIFACTS_DIR": str(store.root), "BARCAST_DATA_DIR": str(tmp_path / "data")}
        return subprocess.run(
            [sys.executable, "-m", "barcast", *arguments],
            cwd=tmp_path,
            env={**os.environ, **places},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def everything(store: ArtifactStore) -> dict[str, bytes]:
    """Return every byte of a store."""
    return {str(path): path.read_bytes() for path in sorted(store.root.rglob("*")) if path.is_file()}


def test_a_version_is_audited_and_left_alone(barcast: Barcast, store: ArtifactStore) -> None:
    """What passed, what could not be looked at, exit code 0; progress goes elsewhere."""
    before = everything(store)
    done = barcast("audit", MODEL, "--version", "v000001")
    assert done.returncode == 0, done.stderr
    first, *lines, last = done.stdout.splitlines()
    assert first.startswith(f"{MODEL} (v000001), data ")
    assert last.endswith("; every check passed")
    states = {line.split()[-1 if line.startswith(" ") else 0] for line in lines if not line.startswith(" ")}
    assert states == {"passed", "not"}
    assert "not checked shuffled_target" in done.stdout
    assert f"[{MODEL}] 4/4 audit: planted leaks" in done.stderr
    assert everything(store) == before


def test_a_version_without_a_certificate_fails(barcast: Barcast, store: ArtifactStore) -> None:
    """By name, with exit code 1; its answers are sound all the same, and it is not quarantined."""
    uncertify(store, MODEL)
    done = barcast("audit", MODEL, "--version", "v000002", "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["model"], told["version"], told["passed"]) == (MODEL, "v000002", False)
    assert [check["name"] for check in told["checks"] if not check["passed"]] == ["certificate"]
    assert "found none: an earlier release published it" in told["checks"][0]["detail"]
    assert store.may_serve(MODEL, "v000002")


def test_a_folder_is_trained_and_nothing_is_published(barcast: Barcast, store: ArtifactStore) -> None:
    """Every required check with what it looked at; the store is the same to the byte."""
    before = everything(store)
    done = barcast("audit", MODEL, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["version"], told["form"], told["passed"], told["not_checked"]) == (None, "quick", True, {})
    checks = {check["name"]: check for check in told["checks"]}
    assert {*REQUIRED} <= {*checks}
    assert all(check["counts"] for check in checks.values())
    assert checks["shuffled_target"]["figures"]["false_alarm_rate"] == 1e-4
    assert everything(store) == before


@pytest.mark.parametrize(
    "arguments", [("nobody_direction",), (MODEL, "--version", "v000009"), (MODEL, "--version", "x")]
)
def test_what_is_not_there_is_refused(barcast: Barcast, arguments: tuple[str, ...]) -> None:
    """By what was expected; exit code 1, and nothing on stdout."""
    done = barcast("audit", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.match(r"barcast: (\S+: )?expected ", done.stderr)
