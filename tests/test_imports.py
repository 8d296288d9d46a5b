"""Importing a module does nothing: no file, no folder, no logger, no thread, no network, no heavy library."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture import HEAVY, modules

ROOT = Path(__file__).parents[1]
AUDIT = ROOT / "tests" / "import_audit.py"

Report = dict[str, dict[str, list[str]]]


def _audit(names: list[str], folder: Path, *path: Path) -> Report:
    """Import ``names`` in a fresh interpreter that stands in ``folder`` and also searches ``path``."""
    program = f"import sys, runpy; sys.path[:0] = {[str(p) for p in path]!r}; sys.argv[1:] = {names!r}; "
    program += f"runpy.run_path({str(AUDIT)!r}, run_name='__main__')"
    command = [sys.executable, "-B", "-W", "ignore", "-c", program]  # -B: bytecode is a file that Python may write
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report: Report = json.loads(done.stdout)
    return report


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return what each module of ours does when it is imported, in the order of the architecture."""
    return _audit([module.name for module in modules(ROOT)], tmp_path_factory.mktemp("elsewhere"))


def test_importing_a_module_does_nothing(report: Report) -> None:
    """No import of ours touches the disk, reads our data, reaches out, starts a thread or sets up logging."""
    assert {name: entry["did"] for name, entry in report.items() if entry["did"]} == {}


def test_importing_a_module_loads_no_heavy_library(report: Report) -> None:
    """All modules of ours together load none of the libraries that cost a second each."""
    assert {name: loads for name, entry in report.items() if (loads := HEAVY.intersection(entry["brought"]))} == {}


@pytest.mark.parametrize(
    ("source", "did"),
    [
        ("open('made', 'w').close()", "open"),
        ("import pathlib; pathlib.Path('made').mkdir()", "os.mkdir"),
        ("import logging; logging.basicConfig()", "changed logging"),
        ("import os; os.environ['MADE'] = '1'", "changed environment"),
        ("import sys; sys.path.append('made')", "changed search path"),
        ("import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()", "changed threads"),
        (f"open({str(ROOT / 'pyproject.toml')!r}).close()", "open"),
    ],
)
def test_the_audit_sees_what_an_import_does(tmp_path: Path, source: str, did: str) -> None:
    """A planted side effect is reported; a module that has none is not."""
    (tmp_path / "planted.py").write_text(source)
    (tmp_path / "innocent.py").write_text("import json\nVALUE = 1\n")

    report = _audit(["innocent", "planted"], tmp_path, tmp_path)

    assert report["innocent"]["did"] == []
    assert report["planted"]["did"][0].startswith(did)


def test_the_audit_sees_a_heavy_library(tmp_path: Path) -> None:
    """A library that is loaded indirectly is reported under the module that loads it."""
    (tmp_path / "lightgbm.py").touch()
    (tmp_path / "indirect.py").write_text("import lightgbm")
    (tmp_path / "planted.py").write_text("import indirect")

    assert "lightgbm" in _audit(["planted"], tmp_path, tmp_path)["planted"]["brought"]
