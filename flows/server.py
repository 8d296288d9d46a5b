"""A Prefect server for as long as a schedule runs, where none is configured."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Final

from feature_mapper.errors import BarcastError

PORT: Final = 4200
"""Where Prefect's server listens by custom."""

START_S: Final = 180.0
"""How long its first start may take: it makes a database."""

PATIENCE_S: Final = 15.0

QUIET: Final = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # the default of 20 is too short on a busy machine
}
"""Settings that Prefect reads on import: nothing is reported to anybody, and a slow start is no failure."""


class ServerFailed(BarcastError):
    """Prefect's server did not start."""


@contextlib.contextmanager
def prefect_server(port: int = PORT) -> Iterator[str]:
    """Run a server on this machine and yield its address; it ends with the block.

    Raises
    ------
    ServerFailed
        It ended, or did not answer in time; with its last words.

    """
    import httpx

    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, **QUIET, "PREFECT_SERVER_UI_API_URL": f"{url}/api"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with tempfile.TemporaryFile("w+") as log, httpx.Client(timeout=5) as client:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
        )
        try:
            until = time.monotonic() + START_S
            while True:
                with contextlib.suppress(httpx.TransportError):  # it does not listen yet
                    if client.get(f"{url}/api/health").status_code == httpx.codes.OK:
                        break
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    told = " / ".join(log.read().split("\n")[-8:])[-800:]
                    raise ServerFailed(f"expected a Prefect server at {url}, found none: {told}; is the port free?")
                time.sleep(0.2)
            yield url
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended in between
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):  # the next signal is the stronger one
                process.wait(PATIENCE_S)
