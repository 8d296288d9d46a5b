"""Whether a service is believed to serve what was promoted: all of its workers, in time, whatever it answers."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flows.confirmation import AGREEING, confirm
from flows.plan import Plan, plan
from tests.flows.support import MODEL

PROMOTED = {MODEL: "v000002"}
Worker = Callable[[], str | None]


@contextmanager
def serving(*workers: Worker) -> Iterator[tuple[str, list[int]]]:
    """Serve health by workers that take connections by turns and keep them; yield the address and who answered."""
    turns, answered = itertools.cycle(enumerate(workers)), list[int]()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self.number, self.worker = next(turns)

        def do_GET(self) -> None:
            answered.append(self.number)
            body = json.dumps({"models": [{"model": MODEL, "version": self.worker()}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", answered
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def asking(service: str) -> Plan:
    """Return a plan that asks a service."""
    return plan(only=(MODEL,), service=service)


def new() -> str:
    """Answer as a worker that has taken the promotion up."""
    return "v000002"


def old() -> str:
    """Answer as one that has not."""
    return "v000001"


def test_a_worker_that_lags_behind_is_not_passed_over() -> None:
    """A connection that is kept would ask the other one for ever."""
    with serving(new, old) as (url, _):
        begun = time.monotonic()
        (one,) = confirm(asking(url), PROMOTED, patience_s=1.5)
    assert not one.served
    assert "serves v000001" in one.said
    assert time.monotonic() - begun < 2.5


def test_all_workers_are_asked_and_so_often_in_a_row() -> None:
    """What a worker said before it took the promotion up is forgotten then."""
    at = time.monotonic() + 0.5
    with serving(new, lambda: new() if time.monotonic() > at else old()) as (url, answered):
        (one,) = confirm(asking(url), PROMOTED)
    assert (one.served, one.said) == (True, "serves v000002")
    assert len(answered) > AGREEING
    assert set(answered[-AGREEING:]) == {0, 1}


def test_too_few_answers_are_no_confirmation() -> None:
    """They are counted."""
    with serving(new) as (url, _):
        (one,) = confirm(asking(url), PROMOTED, patience_s=0.3)
    assert not one.served
    assert f"expected {AGREEING} answers in a row that name it within 0.3 s, found " in one.said


@pytest.mark.parametrize("service", ["http://127.0.0.1:1", "http://host:80x0"])
def test_a_service_that_can_not_be_asked_confirms_nothing(service: str) -> None:
    """Nothing is raised, whatever the address; why is said."""
    asked = replace(asking("http://127.0.0.1:1"), service=service)
    (one,) = confirm(asked, PROMOTED, patience_s=0.3)
    assert not one.served
    assert one.said.startswith(("ConnectError: ", "InvalidURL: "))


def test_nobody_is_asked_about_nothing(tmp_path: Path) -> None:
    """Without an address, or without a promotion."""
    assert confirm(plan(data=tmp_path), PROMOTED) == ()
    assert confirm(asking("http://127.0.0.1:1"), {}) == ()
