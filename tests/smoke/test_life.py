"""A server's life: it starts, answers, ends at a signal, starts again, and says the same as before, in any process."""

import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.app.processes import PATIENT, Running, environment, running, wait_for
from tests.support.contract import Contract
from tests.support.over_http import ask
from tests.support.questions import questions

ASKERS = 8
_COUNT = re.compile(r'barcast_requests_total\{.*method="POST".*route="(?P<path>[^"]+)".*\}')
PATIENCE_S = 5.0
"""How long an end may take."""

LIBRARIES = ("fastapi", "lightgbm", "skops.io", "sklearn.ensemble", "uvicorn")
TIMES_IMPORTS = 2.0
"""How many times the CPU of importing these a start may take."""


def answers(url: str, asked: tuple[tuple[str, bytes], ...]) -> list[bytes]:
    """Ask all questions; none may be refused."""
    with ThreadPoolExecutor(ASKERS) as pool:  # asked one by one, one of two workers may take all
        said = list(pool.map(lambda question: ask(url, "POST", *question), asked))
    assert {answer.status for answer in said} == {200}
    return [answer.body for answer in said]


@pytest.mark.parametrize("calls", [10, pytest.param(100, marks=pytest.mark.long)])
def test_the_same_question_has_the_same_bytes(calls: int, server: Running, contract: Contract) -> None:
    """Every form of every route, the forecast included: one answer, however often, with any request id."""
    for path, body in questions(contract):
        said = Counter(ask(server.url, "POST", path, body).body for _ in range(calls))
        assert len(said) == 1, f"{path} {body[:80]!r}: {list(said)[:2]}"


def test_it_ends_at_ctrl_c_and_says_the_same_after_a_restart(
    server: Running, contract: Contract, trained_store: Path, tmp_path: Path
) -> None:
    """Ctrl-C ends it within five seconds, without a traceback; what one start says the other says."""
    asked = questions(contract)
    with running(["-m", "app"], tmp_path, **_settings(trained_store, tmp_path)) as another:
        assert ask(another.url, "GET", "/readyz").status == 200
        assert answers(another.url, asked) == answers(server.url, asked)
        _ends(another, signal.SIGINT, 130)


@pytest.mark.long
def test_a_start_takes_little(trained_store: Path, tmp_path: Path) -> None:
    """All models loaded and proven, then ended by SIGTERM: in CPU, little more than the import of what they need."""
    imports, starts = list[float](), list[float]()
    for _ in range(3):
        before = _cpu_of_ended_children()
        subprocess.run([sys.executable, "-c", f"import {', '.join(LIBRARIES)}"], check=True, cwd=tmp_path)
        imported = _cpu_of_ended_children()
        with running(["-m", "app"], tmp_path, **_settings(trained_store, tmp_path)) as another:
            assert ask(another.url, "GET", "/readyz").status == 200
            _ends(another, signal.SIGTERM, 0)
        imports.append(imported - before)
        starts.append(_cpu_of_ended_children() - imported)
        if min(starts) < TIMES_IMPORTS * min(imports):
            return
    raise AssertionError(f"expected a start within {TIMES_IMPORTS:g} times the imports, {imports}, found {starts}")


def test_two_workers_say_the_same(server: Running, contract: Contract, trained_store: Path, tmp_path: Path) -> None:
    """Two processes behind one port; their own counters prove that both were asked."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port), "--workers", "2", *PATIENT]
    settings = environment(**_settings(trained_store, tmp_path))
    workers = subprocess.Popen(
        command, cwd=tmp_path, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(f"{url}/readyz")
        asked = questions(contract)
        expected = answers(server.url, asked)
        paths = frozenset(path for path, _ in asked)
        until = time.monotonic() + 60
        while len({frozenset(served.items()) for served in _each_workers_counts(url) if served.keys() == paths}) < 2:
            assert time.monotonic() < until, "expected two workers that answered on every route"
            assert answers(url, asked) == expected
    finally:
        workers.terminate()
        workers.wait(timeout=10)


def _settings(artifacts: Path, data: Path) -> dict[str, str]:
    return {"BARCAST_ARTIFACTS_DIR": str(artifacts), "BARCAST_DATA_DIR": str(data)}


def _ends(service: Running, number: signal.Signals, expected: int) -> None:
    code, seconds, error = service.stop(number)
    assert code == expected
    assert seconds < PATIENCE_S
    assert "Traceback" not in error


def _cpu_of_ended_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _each_workers_counts(url: str, looks: int = 20) -> Iterator[dict[str, float]]:
    """Yield how many POSTs by path a worker has served; which one is asked is chance, so look often."""
    with ThreadPoolExecutor(ASKERS) as pool:
        said = list(pool.map(lambda _: ask(url, "GET", "/metrics"), range(looks)))
    for answer in said:
        counts = ((_COUNT.match(line), line) for line in answer.body.decode().splitlines())
        yield {match["path"]: float(line.rpartition(" ")[2]) for match, line in counts if match}
