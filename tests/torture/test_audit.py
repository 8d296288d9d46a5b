"""What the process does while it loads artifacts and serves: nothing but read, compute and answer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.processes import environment


@pytest.mark.slow
def test_nothing_is_unpickled_executed_started_or_written(trained_store: Path, tmp_path: Path) -> None:
    """Over all artifacts, all documented questions and all that hurts; by the interpreter's own audit events."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.torture.audited", str(trained_store), str(tmp_path)]
    done = subprocess.run(
        command,
        env=environment(PYTHONDONTWRITEBYTECODE="1"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["answered"] > 60
    assert found["seen"] == {}


PLANTED = """
import pickle, subprocess, sys
from tests.torture.audited import Witness
witness = Witness()
sys.addaudithook(witness)
witness.settled = True
pickle.loads(b"cos\\nsystem\\n.")
exec("1 + 1")
subprocess.run([sys.executable, "-c", ""])
open("written", "w").close()
witness.settled = False
print("\\n".join(witness.seen))
"""


def test_the_witness_sees_what_is_planted(tmp_path: Path) -> None:
    """A class looked up for a pickle, executed text, a process and a written file are each noticed."""
    command = [sys.executable, "-c", PLANTED]
    done = subprocess.run(command, env=environment(), cwd=tmp_path, capture_output=True, text=True, check=True)
    for planted in ("pickle.find_class", "exec", "subprocess.Popen", "open for writing: written"):
        assert any(line.startswith(planted) for line in done.stdout.splitlines()), (planted, done.stdout)
