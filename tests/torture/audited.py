"""Load every artifact and serve what hurts, under an audit hook; print what was done that a service has no need of.

Run as ``python -m tests.torture.audited ARTIFACTS SCRATCH``. A hook can't be taken out again, so this is a process of
its own. Everything is done twice: the first time imports modules and makes classes, which executes code; the second
time nothing may.
"""

import json
import logging
import os
import sys
from collections import Counter
from pathlib import Path

import msgspec

from tests.support.contract import Contract
from tests.support.in_process import InProcess
from tests.support.questions import questions
from tests.torture.test_hostile import BODIES, FILES, HEAD

NEVER = (
    "pickle.find_class", "marshal.loads", "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty",
    "os.posix_spawn", "os.spawn", "socket.connect", "socket.getaddrinfo", "ctypes.dlopen", "urllib.Request",
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.chmod", "os.truncate",
    "shutil.rmtree",
)  # fmt: skip
CODE = ("exec", "import")  # to compile is not to execute: numpy reads the header of an array that way
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Witness:
    """Counts what happens that should not."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.settled = False

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Judge one audit event."""
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & WRITING:
                self.seen[f"open for writing: {path}"] += 1
        elif event == "pickle.find_class" or (self.settled and (event.startswith(NEVER) or event in CODE)):
            self.seen[f"{event} {arguments!r:.120}"] += 1


def serve(artifacts: Path, scratch: Path) -> int:
    """Start, answer everything that is asked and everything that hurts, and stop; return how many were answered."""
    with InProcess(artifacts, scratch) as service:
        contract = Contract(msgspec.json.decode(service.get("/openapi.json").body))
        asked = [*questions(contract), *((p.path, body) for p in contract.promises("POST") for body in BODIES.values())]
        said = [service.post(path, body).status for path, body in asked]
        files = (*FILES.values(), HEAD + b"2013-01-02,1,1,1,1,1\n")
        said += [service.post("/predict/batch", file, {"content-type": "text/csv"}).status for file in files]
        said += [service.get(promise.example_path()).status for promise in contract.promises("GET")]
        assert max(said) < 500
        return said.count(200)


def main() -> None:
    """Print a JSON object: how many requests were answered with success, and what was seen."""
    logging.disable()
    artifacts, scratch = (Path(argument) for argument in sys.argv[1:])
    witness = Witness()
    sys.addaudithook(witness)
    serve(artifacts, scratch)
    witness.settled = True
    answered = serve(artifacts, scratch)
    witness.settled = False
    sys.stdout.write(json.dumps({"answered": answered, "seen": witness.seen}))


if __name__ == "__main__":
    main()
