"""A retraining whose disk fills up at any step: what served serves, nothing is lost, and the next run goes on."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.summary import EXIT_DONE, EXIT_FAILED, EXIT_HALTED

ROOT = Path(__file__).parents[2]


WAYS = (["unshare", "-rm"], ["sudo", "-n", "unshare", "-m"])
"""To run a command that may mount something which nobody else sees; some systems keep the first from users."""


def way_to_mount() -> list[str] | None:
    """Return the way that this system allows."""
    for way in WAYS:
        command = [*way, "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
        if shutil.which(way[0]) and subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return way
    return None


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return what came of a first run, of runs that had ever more room but never enough, and of one that had enough."""
    way = way_to_mount()
    if way is None:
        pytest.skip("expected to mount a small tmpfs in a namespace of one's own, found that this system refuses")
    folder = tmp_path_factory.mktemp("full_disk")
    command = [*way, sys.executable, "-m", "tests.flows.full_disk", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.long
def test_what_served_serves_and_the_reason_says_what_to_do(runs: Any) -> None:
    """The champion is whole, its answer to "what to do" names the disk, and the exit code is that of a failure."""
    assert runs["first"]["exit_code"] == EXIT_DONE
    for run in runs["full"]:
        assert run["exit_code"] in {EXIT_HALTED, EXIT_FAILED}
        assert run["serves"] == "v000001"
        told = json.dumps([run["halted"], run["models"], run["said"]])
        assert "free space" in told, told
    assert {run["exit_code"] for run in runs["full"]} == {EXIT_HALTED, EXIT_FAILED}


@pytest.mark.long
def test_no_snapshot_is_lost_and_none_doubled(runs: Any) -> None:
    """Each file of the raw snapshots stays what it was, run after run; the newer files become one snapshot each."""
    known = runs["first"]["raw"]
    for run in [*runs["full"], runs["last"]]:
        assert known.items() <= run["raw"].items()
        known = {name: value for name, value in run["raw"].items() if name.endswith((".json", ".csv"))}
    assert len([name for name in runs["last"]["raw"] if name.endswith(".json")]) == 4


@pytest.mark.long
def test_with_room_again_the_next_run_goes_on(runs: Any) -> None:
    """It trains a candidate with a number of its own, judges it, and leaves nothing half done."""
    last = runs["last"]
    (state, reason, _) = last["models"][0]
    assert state in {"promoted", "candidate"}, reason
    assert len(last["versions"]) == 2
    assert last["unfinished"] == []
