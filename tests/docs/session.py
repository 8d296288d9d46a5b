"""Commands of the documents, run as they stand against a real server process."""

import contextlib
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.app.processes import Running, environment, running

ROOT: Final = Path(__file__).parents[2]
ADDRESS: Final = "127.0.0.1:8000"
"""Where the documents say that the service listens."""

PROGRAM: Final = ".venv/bin/barcast"
"""How the documents call the command line."""


@dataclass(frozen=True, slots=True)
class Session:
    """A service that runs, with artifacts of its own and a data folder of its own."""

    server: Running
    artifacts: Path
    data: Path

    @property
    def banner(self) -> str:
        """What the server printed, as the documents show it."""
        return self.server.banner.replace(f"127.0.0.1:{self.server.port}", ADDRESS).strip("\n")

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of a document from the checkout."""
        program, *arguments = shlex.split(command.replace(ADDRESS, f"127.0.0.1:{self.server.port}"), comments=True)
        if program == PROGRAM:
            head = [sys.executable, "-m", "barcast"]
        elif program == "curl":
            head = ["curl", "--max-time", "60"]
        else:
            message = f"expected {PROGRAM} or curl, found {program}; run it by a test of its own and exempt it"
            raise ValueError(message)
        return subprocess.run(
            [*head, *arguments],
            cwd=ROOT,
            env=environment(**_places(self.artifacts, self.data)),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def output(self, command: str) -> str:
        """Return what a command prints; raises ``CalledProcessError`` if it fails."""
        done = self.run(command)
        done.check_returncode()
        return done.stdout


@contextlib.contextmanager
def session(artifacts: Path, data: Path) -> Iterator[Session]:
    """Serve ``artifacts`` and the shipped sample; ``data`` is an empty folder that imports go to."""
    with running(["-m", "app"], ROOT, **_places(artifacts, data)) as server:
        yield Session(server, artifacts, data)


def _places(artifacts: Path, data: Path) -> dict[str, str]:
    return {"BARCAST_ARTIFACTS_DIR": str(artifacts), "BARCAST_DATA_DIR": str(data)}
