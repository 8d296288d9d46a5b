"""Many processes of one program, at the price of one start: its imports are made once, then it forks.

``python -m tests.support.forks MODULE IMPORT...`` reads lines of JSON, each a list of argument lists; runs
``MODULE.main`` with each of them in a process of its own, all at once; and answers, when all have ended, with the list
of their exit codes, negative for signals. What else is to be imported before the first fork is named after the module.
"""

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Final

PATIENCE_S: Final = 120.0
"""How long what was started may take."""


class Forks:
    """The side of a test: what is asked, and what came of it."""

    def __init__(self, asks: IO[str], out: IO[str]) -> None:
        self._asks, self._out = asks, out

    def start(self, *commands: Sequence[str]) -> None:
        """Start processes, side by side; `codes` has to be asked before the next."""
        print(json.dumps(commands), file=self._asks, flush=True)

    def running(self) -> bool:
        """Tell whether any of what was started still runs."""
        return not self._answered(0)

    def codes(self) -> list[int]:
        """Wait for all that was started; return the exit codes."""
        assert self._answered(PATIENCE_S), "expected the processes to end, found some that run on"
        found: list[int] = json.loads(self._out.readline())
        return found

    def _answered(self, within_s: float) -> bool:
        return bool(select.select([self._out], [], [], within_s)[0])

    def run(self, *commands: Sequence[str]) -> list[int]:
        """Start processes and wait for them."""
        self.start(*commands)
        return self.codes()


@contextmanager
def forks(module: str, *imports: str) -> Iterator[Forks]:
    """Yield what starts ``module.main``; what the processes say of errors comes out where pytest shows it."""
    command = [sys.executable, "-m", "tests.support.forks", module, *imports]
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            process_group=0,  # so that what a failed test left running ends with it
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Forks(process.stdin, process.stdout)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            said.seek(0)
            sys.stderr.write(said.read())


def _forked(main: Callable[[list[str]], None], arguments: list[str]) -> int:
    """Start a child, which never returns; return its number."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            main(arguments)
            code = 0
        except BaseException:  # noqa: BLE001  whatever it is, it must not get back into the parent's loop
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return child


def _serve(module: str, *imports: str) -> None:
    main = importlib.import_module(module).main
    for name in imports:
        importlib.import_module(name)
    for line in sys.stdin:
        children = [_forked(main, arguments) for arguments in json.loads(line)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        sys.stdout.write(json.dumps(codes) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
