"""The process: started in every documented way from any folder, stopped cleanly, refusing what is wrong."""

import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from app.settings import PROJECT
from tests.app.processes import environment, places, running, wait_for

KEY = "correct-horse-battery-staple"
MAIN = str(PROJECT / "app" / "main.py")


@pytest.mark.parametrize("command", [["-m", "app"], [MAIN]], ids=["module", "file"])
def test_it_starts_from_any_folder_and_ctrl_c_ends_it(command: list[str], tmp_path: Path) -> None:
    """The banner's links answer; Ctrl-C exits 130 without a traceback."""
    with running(command, tmp_path) as service:
        answer = httpx2.get(f"{service.url}/livez")
        assert answer.json() == {"status": "alive"}
        assert "server" not in answer.headers
        assert f"{service.url}/docs" in service.banner
        code, _, error = service.stop(signal.SIGINT)
    assert code == 130
    assert "Traceback" not in error


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_printed_command_works_as_it_is(tmp_path: Path) -> None:
    """Copied from the banner into a shell, with the key in the environment where there is one."""
    with running(["-m", "app"], tmp_path, BARCAST_API_KEY=KEY) as service:
        command = next(line.strip() for line in service.banner.splitlines() if line.strip().startswith("curl"))
        done = subprocess.run(
            ["/bin/sh", "-c", f"{command} -f"], env=environment(BARCAST_API_KEY=KEY), capture_output=True, check=True
        )
        assert done.stdout.startswith(b"{")
        code, _, _ = service.stop(signal.SIGTERM)
    assert code == 0


def test_uvicorn_starts_it_too(tmp_path: Path) -> None:
    """`uvicorn app.main:app` from any folder; a foreign Host is refused there as well."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port)]
    settings = environment(**places(tmp_path))
    process = subprocess.Popen(command, cwd=tmp_path, env=settings, stderr=subprocess.PIPE, text=True)
    try:
        assert wait_for(f"http://127.0.0.1:{port}/livez").status_code == 200
        assert httpx2.get(f"http://127.0.0.1:{port}/livez", headers={"Host": "evil.example"}).status_code == 403
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_half_sent_requests_do_not_keep_it_from_ending(tmp_path: Path) -> None:
    """SIGTERM ends it within the grace, with an idle, a half-sent header and a half-sent body open."""
    with running(["-m", "app"], tmp_path) as service:
        begun = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(3)]
        begun[1].sendall(b"POST /livez HTTP/1.1\r\nHost: localho")
        begun[2].sendall(b"POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
        code, seconds, error = service.stop(signal.SIGTERM)
        for connection in begun:
            connection.close()
    assert code == 0
    assert seconds < 5
    assert "Traceback" not in error


def test_an_upload_beyond_the_bound_is_stopped_early(tmp_path: Path) -> None:
    """A client that sends 64 MiB finds the 413, and no more than the bound and some buffers were taken from it."""
    bound = 1 << 20
    with running(["-m", "app"], tmp_path, BARCAST_MAX_BODY_BYTES=str(bound)) as service:
        for framing in ("Content-Length: 67108864", "Transfer-Encoding: chunked"):
            answer, sent = upload(service.port, framing)
            assert answer.startswith(b"HTTP/1.1 413" if "Length" in framing else b"HTTP/1.1 4")
            assert b"problem+json" in answer
            assert sent < 16 * bound
        assert service.stop(signal.SIGTERM)[0] == 0


def upload(port: int, framing: str) -> tuple[bytes, int]:
    """Send until the server stops taking; return its answer and how much went out."""
    block = b"x" * 65536
    piece = block if "Length" in framing else b"10000\r\n" + block + b"\r\n"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(5)
        connection.sendall(f"POST /nowhere HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n".encode())
        answer, sent = connection.recv(65536), 0
        try:
            for _ in range(1024):
                connection.sendall(piece)
                sent += len(block)
        except OSError:
            pass  # the server closed the connection, as it should
    return answer, sent


def start(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Start the service where it can't; return what it said."""
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        env=environment(**settings),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_foreign_host_without_a_key_does_not_start() -> None:
    """Exit 2, and the one line that mends it; no traceback."""
    done = start(HOST="0.0.0.0", BARCAST_STRICT="perhaps")  # noqa: S104  the point of the test
    assert done.returncode == 2
    assert "export BARCAST_API_KEY=" in done.stderr
    assert "BARCAST_STRICT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_said() -> None:
    """Exit 2 with the address and a way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = start(PORT=str(port))
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr
    assert "export PORT=" in done.stderr
    assert "Traceback" not in done.stderr


def test_arguments_are_not_passed_over() -> None:
    """Settings are in the environment: whoever gives an option learns that, and by --help which there are."""
    refused = start("--port", "80")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "with settings in the environment" in refused.stderr
    assert "unrecognized arguments: --port 80" in refused.stderr
    told = start("--help")
    assert told.returncode == 0
    assert "#BARCAST_PORT=8000" in told.stdout


def test_importing_does_nothing() -> None:
    """`import app.main` reads no settings, so that a wrong environment breaks the start only; ``app`` is made once."""
    code = "import app.main, sys; assert 'uvicorn' not in sys.modules; print('imported')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(BARCAST_PORT="wrong"),
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
    )
    assert done.stdout == "imported\n"
    import app.main

    assert app.main.app is app.main.app
