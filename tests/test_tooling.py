"""Makefile, .ci/run and the workflow tell one story, and a target that is up to date does nothing."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TARGETS = {
    "help",
    "serve",
    "skill",
    "train",
    "retrain",
    "schedule",
    "test",
    "long",
    "smoke",
    "bench",
    "gate",
    "swaps",
    "docs",
    "check",
    "lint",
    "style",
    "types",
    "lock",
    "clean",
}

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def _make(*arguments: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    keep = {key: value for key, value in os.environ.items() if key not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, env=keep | environment, capture_output=True, text=True, check=False)


def _clone(folder: Path) -> Path:
    """Copy what the set-up reads, without an environment."""
    folder.mkdir(exist_ok=True)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    return folder


def test_help_lists_every_target() -> None:
    """`make` alone names each target once, with a sentence."""
    lines = _make().stdout.splitlines()

    assert {line.split()[1] for line in lines} == TARGETS
    assert all(len(line.split()) > 3 for line in lines)


def test_automation_runs_make_targets_only() -> None:
    """What the workflow and .ci/run do, a person can do by the same names."""
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    steps = re.findall(r"^\s*- run: (.+)$", workflow, flags=re.MULTILINE)
    script = re.findall(r"^make (.+)$", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE)

    assert steps == [f"make {target}" for target in ("lint", "types", "test", "long")]
    assert script == ["lint types test long"]
    assert re.search(r"^check: lint types test\b", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_actions_are_pinned_to_a_commit() -> None:
    """A tag can move; a commit cannot."""
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    used = re.findall(r"uses: (\S+)", workflow)

    assert used
    assert [name for name in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", name)] == []


def test_another_python_is_refused_with_advice(tmp_path: Path) -> None:
    """Where no Python 3.11 is found, nothing is made and the message says what to do."""
    (tmp_path / "bin").mkdir()
    for name in ("python3.11", "python3", "python"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\necho Python 3.9.2\nexit 1\n")
        (tmp_path / "bin" / name).chmod(0o755)
    folder = _clone(tmp_path)

    done = _make("serve", folder=folder, PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    assert done.returncode != 0
    assert "Expected Python 3.11 with its venv module, found: Python 3.9.2" in done.stderr
    assert "make PYTHON=" in done.stderr
    assert not (folder / ".venv").exists()


def test_a_changed_lock_is_installed_again(tmp_path: Path) -> None:
    """Set-up runs where no stamp fits, is skipped where one does, and runs again once a lock or the folder changes."""
    folder = _clone(tmp_path / "checkout")
    assert "Installing" in _make("--dry-run", "serve", folder=folder).stdout

    touched = re.findall(r"^touch (.+)", _make("--dry-run", "test", folder=folder).stdout, flags=re.MULTILINE)
    for stamp in " ".join(touched).split():
        (folder / stamp).parent.mkdir(exist_ok=True)
        (folder / stamp).touch()
    assert "Installing" not in _make("--dry-run", "serve", "test", folder=folder).stdout

    with (folder / "requirements" / "training.txt").open("a") as lock:
        lock.write("\n")
    assert "Installing" in _make("--dry-run", "serve", folder=folder).stdout
    assert "Installing" not in _make("--dry-run", "test", folder=folder).stdout

    moved = folder.rename(tmp_path / "moved")
    assert "Installing" in _make("--dry-run", "test", folder=moved).stdout


def test_rivals_get_an_environment_of_their_own(tmp_path: Path) -> None:
    """`make skill` sets it up from its own lock, and again once that changes; nothing else needs it."""
    folder = _clone(tmp_path)
    assert "requirements/rivals.txt" not in _make("--dry-run", "test", "train", folder=folder).stdout
    made = _make("--dry-run", "skill", folder=folder).stdout
    (stamp,) = re.findall(r"^touch (\.venv-rivals/\S+)$", made, flags=re.MULTILINE)

    (folder / stamp).parent.mkdir()
    for touched in (*" ".join(re.findall(r"^touch (.+)", made, flags=re.MULTILINE)).split(), stamp):
        (folder / touched).parent.mkdir(exist_ok=True)
        (folder / touched).touch()
    assert "rivals.txt" not in _make("--dry-run", "skill", folder=folder).stdout

    with (folder / "requirements" / "rivals.txt").open("a") as lock:
        lock.write("\n")
    assert "rivals.txt" in _make("--dry-run", "skill", folder=folder).stdout


def test_commit_hooks_run_the_locked_tools() -> None:
    """Hooks download nothing: each runs a program out of .venv."""
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()

    assert re.findall(r"repo: (\S+)", hooks) == ["local"]
    assert all(entry.startswith(".venv/bin/") for entry in re.findall(r"entry: (\S+)", hooks))
