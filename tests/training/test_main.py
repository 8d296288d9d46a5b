"""The command line of a `train.py`: from anywhere, and what it says and returns."""

import subprocess
import sys
from pathlib import Path

import pytest

from training.kit.discover import model_names

ROOT = Path(__file__).parents[2]


def _train(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("model", model_names())
def test_every_script_explains_itself_by_path(model: str, tmp_path: Path) -> None:
    """By file path, from another directory: `--help` names the model, its arguments and its exit codes."""
    done = _train(str(ROOT / "training" / model / "train.py"), "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    for word in (model, "--artifacts", "--data", "--symbols", "exit codes", "130"):
        assert word in done.stdout


def test_as_a_module_it_is_the_same(tmp_path: Path) -> None:
    """`-m training.<model>.train` from another directory says what the file path says."""
    path, module = str(ROOT / "training" / "hmm_regime" / "train.py"), "training.hmm_regime.train"
    assert _train("-m", module, "--help", cwd=tmp_path).stdout == _train(path, "--help", cwd=tmp_path).stdout


def test_a_failure_is_one_line(tmp_path: Path) -> None:
    """What can't be trained on is said in one line, the exit code is 1, and nothing is written."""
    script = str(ROOT / "training" / "lightgbm_return" / "train.py")
    done = _train(script, "--artifacts", str(tmp_path / "store"), "--symbols", "NOSUCH", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("lightgbm_return: expected a symbol of the store, found 'NOSUCH'")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
