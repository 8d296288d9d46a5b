"""Clients that are slow on purpose: others are answered meanwhile, and the server still ends when it is told to."""

import contextlib
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from app.server import GRACE_SECONDS
from tests.app.processes import Running, running
from tests.support.over_http import ask
from tests.torture.damage import copied

SLOW = 200
BODY_SECONDS = 2
NORMAL_S = 1.0
"""How long a client that behaves may wait; alone it waits a few milliseconds."""

HALF_A_HEADER = b"POST /predict/direction HTTP/1.1\r\nHost: localhost\r\nX-Slo"
HALF_A_BODY = (
    b"POST /predict/direction HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 1000\r\n\r\n{"open":'
)


@pytest.fixture
def server(trained_store: Path, tmp_path: Path) -> Iterator[Running]:
    """A server of the one model that is asked, which waits two seconds for a body."""
    store = copied(trained_store, tmp_path / "store", "lightgbm_direction")
    settings = {"BARCAST_ARTIFACTS_DIR": str(store.root), "BARCAST_DATA_DIR": str(tmp_path)}
    with running(["-m", "app"], tmp_path, **settings, BARCAST_BODY_TIMEOUT_SECONDS=str(BODY_SECONDS)) as it:
        yield it


@pytest.fixture
def slow(server: Running) -> Iterator[list[socket.socket]]:
    """Two hundred connections: half a header on every other one, half a body on the rest."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _ in range(SLOW)]
        for number, connection in enumerate(sockets):
            connection.sendall(HALF_A_BODY if number % 2 else HALF_A_HEADER)
        yield sockets


@pytest.mark.slow
def test_slow_clients_keep_no_other_waiting(server: Running, slow: list[socket.socket]) -> None:
    """200 of them drip; every normal question is answered at once; half-sent bodies end with a 408 in time."""
    until = time.monotonic() + BODY_SECONDS + 1
    waits: list[float] = []
    while time.monotonic() < until:
        for connection in slow[::20]:
            connection.sendall(b"w")
        begun = time.monotonic()
        assert ask(server.url, "POST", "/predict/direction", msgspec.json.encode({"symbol": "AAPL"})).status == 200
        assert ask(server.url, "GET", "/livez").status == 200
        waits.append(time.monotonic() - begun)
        time.sleep(0.05)
    assert max(waits) < NORMAL_S, sorted(waits)[-5:]
    for connection in slow[1::2]:
        connection.settimeout(BODY_SECONDS)
        answer = connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"application/problem+json" in answer
    code, seconds, error = server.stop(signal.SIGTERM)
    assert code == 0
    assert seconds < GRACE_SECONDS + 1
    assert "Traceback" not in error


@pytest.mark.slow
@pytest.mark.usefixtures("slow")
def test_half_sent_bodies_do_not_keep_it_from_ending(server: Running) -> None:
    """SIGTERM at once, with 200 requests begun: the grace and a second, exit code 0, no traceback."""
    code, seconds, error = server.stop(signal.SIGTERM)
    assert code == 0
    assert seconds < GRACE_SECONDS + 1
    assert "Traceback" not in error
