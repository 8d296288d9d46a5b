"""The benchmark measures models, or nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_rules_of_thumb_are_not_measured(tmp_path: Path) -> None:
    """Without a store a service answers by fallbacks, several times as fast: that is refused, and says what to do."""
    settings = {"BARCAST_ARTIFACTS_DIR": str(tmp_path / "none"), "BARCAST_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tests.benchmarks", "--rounds", "1", "--count", "10"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "expected a model to answer /predict/direction, found fallback; make train" in done.stderr
    assert "of the constant" not in done.stdout


@pytest.mark.long
def test_models_are_measured(trained_store: Path, tmp_path: Path) -> None:
    """Few requests tell no figure, but every route its cost."""
    settings = {"BARCAST_ARTIFACTS_DIR": str(trained_store), "BARCAST_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tests.benchmarks", "--rounds", "1", "--count", "100"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stderr
    assert "/predict/direction is " in done.stdout
    assert "/predict/regime" in done.stdout
