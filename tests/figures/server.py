"""A real server process over a store, seen from outside: where it listens, what memory and files it holds."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.app.processes import PATIENT, environment

ADMIN_KEY = "correct-horse-battery-staple"
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running uvicorn: the process itself is the worker, or the parent of several."""

    port: int
    process: subprocess.Popen[bytes]
    workers: int

    def resident_kib(self) -> float:
        """Return the resident memory of the process."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1024

    def descriptors(self) -> int:
        """Return how many files and sockets the process holds."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def owners(self) -> dict[int, int]:
        """Return, by the port of each client that is connected, the process that answers it."""
        lines = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
        client_of = {
            fields[9]: int(fields[2].rpartition(":")[2], 16)
            for fields in lines
            if int(fields[1].rpartition(":")[2], 16) == self.port
        }
        pids = _children(self.process.pid) if self.workers > 1 else [self.process.pid]
        return {client_of[inode]: pid for pid in pids for inode in _inodes(pid) & client_of.keys()}


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def _inodes(pid: int) -> set[str]:
    """Return the sockets that a process holds."""
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed in between
            found.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found


@contextlib.contextmanager
def serving(store: Path, data: Path, *, workers: int = 1) -> Iterator[Server]:
    """Serve a store on a free port of this machine until the block ends."""
    port = _free_port()
    command = ["-m", "uvicorn", "app.main:app", "--port", str(port), "--workers", str(workers), *PATIENT]
    settings = environment(
        BARCAST_ARTIFACTS_DIR=str(store), BARCAST_DATA_DIR=str(data), BARCAST_ADMIN_KEY=ADMIN_KEY, PORT=str(port)
    )
    log = data / f"server-{port}.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, *command, "--no-access-log"],
            env=settings,
            stdout=said,
            stderr=said,
            start_new_session=True,  # whatever it starts can be ended with it
        )
    try:
        _wait_until_ready(port, process, log)
        yield Server(port, process, workers)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/livez")
            ready = connection.getresponse().status == http.HTTPStatus.OK
            connection.close()
        except OSError:
            ready = False
        if ready:
            return
        time.sleep(0.05)
    raise RuntimeError(f"expected a server on port {port}, found: {log.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
