"""The Prefect flow: the same pipeline without a server, with one, in its UI and on a schedule. Real and offline."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from flows.retraining_flow import CRON, NAME
from flows.server import ServerFailed, prefect_server
from tests.app.test_docs_page import browser  # noqa: F401  a fixture
from tests.flows.support import MODEL, SMALL, SYMBOLS, script, training, write_files

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home of Prefect that tests share: making its database takes five seconds."""
    return tmp_path_factory.mktemp("prefect")


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment whose Prefect knows nothing and nobody."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "BARCAST_"))}
    places = {"BARCAST_ARTIFACTS_DIR": str(home / "artifacts"), "BARCAST_DATA_DIR": str(home / "data")}
    return {**kept, **places, "PREFECT_HOME": str(home / "prefect"), **more}


def flow(home: Path, command: list[str], folder: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a program that runs the flow, from ``folder`` or, if None, from ``home``."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder or home,
        env=environment(home, **more),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def arguments(home: Path, python: str) -> list[str]:
    """Return arguments for a run on two files whose script is ``python``."""
    folder = write_files(home / "files")
    return ["--source", "csv", "--folder", str(folder), "--symbols", *SYMBOLS, "--only", MODEL, "--python", python]


def test_importing_the_module_loads_no_prefect() -> None:
    """Nor does its help; a mistake is told before Prefect starts."""
    program = "import sys, flows.retraining_flow as f; print(f.main(['--only', 'nobody']), 'prefect' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "2 False\n"
    assert done.stderr.startswith(f"{NAME}: expected models out of ")


@pytest.mark.long  # Prefect starts a server of its own for each
@pytest.mark.parametrize("how", ["module", "path", "import"])
def test_it_runs_without_a_server(tmp_path: Path, shared: Path, how: str) -> None:
    """By module, by path and by import: the script's failure is the run's exit code, and the table is printed."""
    python = script(tmp_path, "echo it is broken; exit 7")
    told = arguments(tmp_path, python)
    folder = str(tmp_path / "files")
    program = (
        "from flows.retraining_flow import retraining_flow\n"
        f"state = retraining_flow(source='csv', folder={folder!r}, symbols={SYMBOLS!r}, only=[{MODEL!r}], "
        f"python={python!r}, return_state=True)\n"
        "print(state.name, state.result(raise_on_failure=False)['text'])"
    )
    commands = {
        "module": ["-m", "flows.retraining_flow", *told],
        "path": [str(ROOT / "flows" / "retraining_flow.py"), *told],
        "import": ["-c", program],
    }
    done = flow(tmp_path, commands[how], PREFECT_HOME=str(shared))
    assert "failed (exit code 7): it is broken" in done.stdout, done.stderr[-2000:]
    assert "1 failed, of 1 models" in done.stdout
    assert done.returncode == (0 if how == "import" else 1)
    assert how != "import" or done.stdout.startswith("Failed ")
    assert not (tmp_path / "artifacts").exists()


BROKEN = """
import sys
import prefect.artifacts

def gone(*_, **__):
    raise ConnectionError("the server is gone")

prefect.artifacts.create_markdown_artifact = gone
from flows.retraining_flow import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.long
def test_a_server_that_is_gone_in_the_end_does_not_take_the_table_with_it(tmp_path: Path, shared: Path) -> None:
    """The summary for its UI can't be stored then; that is said below the table, and the exit code is 1."""
    python = script(tmp_path, "echo it is broken; exit 7")
    done = flow(tmp_path, ["-c", BROKEN, *arguments(tmp_path, python)], PREFECT_HOME=str(shared))
    assert "failed (exit code 7): it is broken" in done.stdout, done.stderr[-2000:]
    assert "summary for the UI: ConnectionError: the server is gone" in done.stdout
    assert done.returncode == 1


@contextlib.contextmanager
def server(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a Prefect server on a free port, with ``home`` for its home, and yield its address."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(home))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with prefect_server(port) as url:
        yield url


def posted(url: str, path: str, body: Mapping[str, Any]) -> Any:
    """Ask the server's API."""
    answer = httpx2.post(f"{url}/api{path}", json=dict(body), timeout=30)
    answer.raise_for_status()
    return answer.json()


BUSY = """
import prefect
from data.errors import ShelfBusy
from flows import engine
from flows.retraining_flow import PrefectEngine

engine.PAUSE_S = 0.1
tries = []

def step():
    tries.append(1)
    if len(tries) < engine.ATTEMPTS:
        raise ShelfBusy("somebody is at work")

@prefect.flow(name="busy", persist_result=False)
def busy():
    PrefectEngine().step("store bars", step)

busy()
"""


@pytest.mark.long
def test_a_step_that_finds_another_writer_is_tried_again(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As without Prefect, and the server counts the tries."""
    with server(shared, monkeypatch) as url:
        done = flow(tmp_path, ["-c", BUSY], PREFECT_API_URL=f"{url}/api", PREFECT_HOME=str(shared))
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
        (task,) = posted(url, "/task_runs/filter", {"flows": {"name": {"any_": ["busy"]}}})
        assert (task["state_type"], task["run_count"]) == ("COMPLETED", 3)


@pytest.mark.long
@pytest.mark.browser
def test_a_run_is_seen_in_the_ui(
    tmp_path: Path,
    shared: Path,
    browser: Any,  # noqa: F811  the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a server: the run, its tasks, their logs and the summary, by its API and in a real browser."""
    with server(shared, monkeypatch) as url:
        done = flow(
            tmp_path,
            ["-m", "flows.retraining_flow", *arguments(tmp_path, script(tmp_path, training(*SMALL)))],
            PREFECT_API_URL=f"{url}/api",
            PREFECT_HOME=str(shared),
        )
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
        run, *_ = posted(url, "/flow_runs/filter", {"sort": "EXPECTED_START_TIME_DESC"})
        assert run["state_type"] == "COMPLETED"
        tasks = posted(url, "/task_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
        names = {task["name"].rpartition("-")[0] for task in tasks}
        assert names >= {"ingest", "validate bars", "validate features", f"train {MODEL}", f"judge {MODEL}", "notify"}
        until = time.monotonic() + 20  # logs are sent in batches
        while True:
            logs = posted(url, "/logs/filter", {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 200})
            told = "\n".join(log["message"] for log in logs)
            if "fit on all rows" in told or time.monotonic() > until:
                break
            time.sleep(0.5)
        assert "[ingest] AAPL: 1400 bars" in told
        assert "fit on all rows" in told
        (artifact,) = posted(url, "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
        assert artifact["key"] == NAME
        assert f"| {MODEL} | promoted |" in artifact["data"]

        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.goto(f"{url}/runs/flow-run/{run['id']}", timeout=60_000)
        page.get_by_text(run["name"]).first.wait_for(timeout=60_000)
        page.get_by_text(f"train {MODEL}").first.wait_for(timeout=60_000)
        page.goto(f"{url}/artifacts/key/{NAME}", timeout=60_000)
        page.get_by_text("1 promoted, of 1 models").first.wait_for(timeout=60_000)
        page.screenshot(path=str(tmp_path / "ui.png"))
        page.close()


@pytest.mark.long
def test_a_server_that_can_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a port that is taken: its own last words, and no process is left."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ServerFailed, match="is the port free"),
        prefect_server(taken.getsockname()[1]),
    ):
        pass


@pytest.mark.long
def test_the_schedule_runs_the_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every minute on a real server: the run comes by itself, with the parameters that were given."""
    python = script(tmp_path, "echo it is broken; exit 7")
    with server(tmp_path / "prefect", monkeypatch) as url:
        command = ["-m", "flows.retraining_flow", *arguments(tmp_path, python), "--serve", "--cron", "* * * * *"]
        serving = subprocess.Popen(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment(tmp_path, PREFECT_API_URL=f"{url}/api"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until = time.monotonic() + 240
            failed = {"flow_runs": {"state": {"type": {"any_": ["FAILED"]}}}}
            while not (done := posted(url, "/flow_runs/filter", failed)):
                assert serving.poll() is None
                assert time.monotonic() < until, "expected a run on the schedule"
                time.sleep(1)
        finally:
            serving.terminate()
            serving.wait(30)
    assert done[0]["parameters"]["only"] == [MODEL]
    assert done[0]["state"]["message"].startswith("1 failed, of 1 models")


@pytest.mark.slow
def test_the_schedule_is_one_that_prefect_understands(tmp_path: Path) -> None:
    """A deployment with the cron of `make schedule` and the parameters asked for; no folder here hides the library."""
    program = (
        "from flows.retraining_flow import flow, CRON\n"
        "import prefect\n"
        "made = flow().to_deployment('scheduled', cron=CRON, parameters={'source': 'stored'})\n"
        "print(made.schedules[0].schedule.cron, made.parameters, made.flow_name)\n"
        "print('site-packages' in prefect.__file__)"
    )
    done = flow(tmp_path, ["-c", program], folder=ROOT)
    assert done.stdout == f"{CRON} {{'source': 'stored'}} {NAME}\nTrue\n", done.stderr[-2000:]
