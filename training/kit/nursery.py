"""A process that trains by fork: what trainings import alike, a third of the time of a short one, is imported once.

Run as ``python -m training.kit.nursery ARGUMENTS``. It reads an `Order` a line; for each, a fork of it becomes the
script of that model with ARGUMENTS and those of the order, and prints what scripts print. When the fork has ended, a
line of `ENDED` and an `Ended` follows. It ends with its input. To be told to stop (SIGTERM) is for the scripts of its
process group; it waits for them.
"""

import importlib
import os
import runpy
import signal
import sys
from typing import Final

import msgspec

SHARED: Final = ("matplotlib.backends.backend_agg", "matplotlib.figure", "pandas", "scipy.stats", "sklearn.ensemble")
"""What nearly all trainings import. None of them starts a thread, which a fork would not have."""

ENDED: Final = "\0ended "
"""What the line begins with that tells how a script ended; no script prints such a line."""


class Order(msgspec.Struct, frozen=True):
    """Which script to run, and what it is told beside the arguments of all."""

    model: str
    arguments: tuple[str, ...]


class Ended(msgspec.Struct, frozen=True):
    """The exit code of a script, below 0 the signal that ended it, and the most memory that it held, in MiB."""

    code: int
    peak_mib: float


def main() -> None:
    """Serve orders to their end; return in a fork once its script has, too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform.startswith("linux"):  # macOS forbids a fork to use some of what was loaded before it
        for name in SHARED:
            importlib.import_module(name)
    while line := sys.stdin.readline():
        order = msgspec.json.decode(line, type=Order)
        sys.stdout.flush()  # or a fork would print it once more
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until it is told what to do with it
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            _become(order)
            return
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        _, status, usage = os.wait4(child, 0)
        per_mib = 1024 if sys.platform.startswith("linux") else 1024 * 1024
        ended = Ended(os.waitstatus_to_exitcode(status), usage.ru_maxrss / per_mib)
        sys.stdout.write(f"{ENDED}{msgspec.json.encode(ended).decode()}\n")
        sys.stdout.flush()


def _become(order: Order) -> None:
    """Run a script as ``python -m`` would, in this process."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    script = f"training.{order.model}.train"
    sys.argv = [script, *sys.argv[1:], *order.arguments]
    runpy.run_module(script, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
