"""The service as a real process on a free port."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

START_SECONDS = 120
PATIENT = ("--timeout-worker-healthcheck", str(START_SECONDS))
"""What has uvicorn's parent wait for its workers: after five seconds of silence, which a start on a busy machine may
take, it would kill and start them again, for ever."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that listens."""

    process: subprocess.Popen[str]
    port: int
    banner: str

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self, number: signal.Signals, patience: float = 10) -> tuple[int, float, str]:
        """Send a signal; return exit code, seconds until the end, and what stood on stderr."""
        begun = time.monotonic()
        self.process.send_signal(number)
        _, error = self.process.communicate(timeout=patience)
        return self.process.returncode, time.monotonic() - begun, error


def environment(**changed: str) -> Mapping[str, str]:
    """Return this process' environment without settings of the service but these."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("BARCAST_") and k not in {"HOST", "PORT"}}
    return {**inherited, **changed}


def places(folder: Path) -> dict[str, str]:
    """Return the settings that keep models and bars below a folder."""
    return {"BARCAST_ARTIFACTS_DIR": str(folder / "artifacts"), "BARCAST_DATA_DIR": str(folder / "data")}


@contextlib.contextmanager
def running(command: Sequence[str], folder: Path, **settings: str) -> Iterator[Running]:
    """Run a command of this interpreter from a folder until it has printed its banner; end it if the test did not.

    Unless settings name others, its models and bars are below that folder: what lies in a checkout says nothing here.
    """
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=environment(PORT="0", **{**places(folder), **settings}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield _started(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _started(process: subprocess.Popen[str]) -> Running:
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            banner = "".join(lines)
            port = int(banner.partition("listens on 127.0.0.1:")[2].split()[0])
            return Running(process, port, banner)
    raise AssertionError(f"the process ended: {process.communicate()[1]}")


def wait_for(url: str) -> httpx2.Response:
    """Ask until something answers."""
    until = time.monotonic() + START_SECONDS
    address = urlsplit(url)
    while True:
        try:
            with socket.create_connection((address.hostname, address.port)):  # a client of HTTP costs a lot to make
                return httpx2.get(url)
        except (OSError, httpx2.TransportError):
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
