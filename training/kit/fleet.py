"""Trainings side by side, each in a process of its own: one script, or several at once.

As many `training.kit.nursery` as trainings run at once, each started when it is first needed, run one after the other.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import msgspec

from models.store import ArtifactStore
from models.tasks.registry import task_of
from training.kit.discover import FOLDER
from training.kit.main import Report
from training.kit.nursery import ENDED, Ended, Order

SLOWEST_FIRST: Final = ("forecast", "volatility", "regime", "risk", "return", "direction")
"""Tasks by how long their training takes; the longest starts first, so that none is left running alone."""

ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
"""The cores are shared by processes; a thread pool in each would have them wait for each other."""

PATIENCE_S: Final = 10.0
"""How long a training may take to end after it was told to."""

TAIL_LINES: Final = 40
"""Last lines of a script that a result keeps."""


@dataclass(frozen=True, slots=True)
class Result:
    """How the training of one model ended.

    Attributes
    ----------
    code : int
        Exit code of its script, see its ``--help``; below 0: the signal that ended it.
    seconds : float
        Its duration.
    version : str or None
        The version that it published; None: none.
    timed_out : bool
        Whether it was ended because it took too long.
    tail : tuple of str
        The last lines that it printed.
    peak_mib : float or None
        Most memory that its process held, in MiB; None where the process that it was forked from ended first.

    """

    model: str
    code: int
    seconds: float
    version: str | None = None
    timed_out: bool = False
    tail: tuple[str, ...] = ()
    peak_mib: float | None = None

    @property
    def outcome(self) -> str:
        """How it ended, in words."""
        if self.timed_out:
            return "failed (took too long and was ended)"
        known = {0: "promoted", 3: "kept as candidate"}
        return known.get(self.code, f"failed (exit code {self.code})")


class _Nursery:
    """A process of `training.kit.nursery`, and those that it forks. One thread runs and buries it, any may end it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=FOLDER.parent,  # where -m looks first: this checkout's code, wherever it was called from
            env={**os.environ, **ONE_THREAD},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,  # Ctrl-C reaches this process alone, which then ends the others and what they started
        )

    @property
    def code(self) -> int:
        """Exit code of the process itself; it has ended."""
        return self._process.wait()

    def run(self, order: Order) -> Iterator[str | Ended]:
        """Yield the lines that a script prints, then how it ended; this is missing where the nursery ended first."""
        with suppress(OSError, ValueError):  # it has ended: its output tells why
            print(msgspec.json.encode(order).decode(), file=self._process.stdin, flush=True)
        for line in self._process.stdout or ():
            words, sign, ended = line.partition(ENDED)  # the last words of a script that was killed have no line end
            if words:
                yield words.rstrip()
            if sign:
                yield msgspec.json.decode(ended, type=Ended)
                return

    def tell(self) -> None:
        """Ask a training to end, and the nursery after it."""
        with suppress(OSError, ValueError):  # it has ended, or was told before
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._signal(signal.SIGTERM)

    def end(self) -> None:
        """End it and what it started: first by asking, then, also what outlived it, by force."""
        if self._process.poll() is None:
            self.tell()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE_S)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def bury(self) -> None:
        """End it, and listen no more."""
        self.end()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # an order that it did not live to read
                if stream is not None:
                    stream.close()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


class Fleet:
    """Runs training scripts; safe for threads. To be used inside `stopping`, which ends what waits for more.

    Parameters
    ----------
    arguments : sequence of str
        What every script is given.
    python : str
        Interpreter that runs them.
    timeout_s : float or None
        How long one may take.
    say : callable
        Takes each line that a training prints, as it comes.

    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        python: str = sys.executable,
        timeout_s: float | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self._arguments = tuple(arguments)
        self._python = python
        self._timeout_s = timeout_s
        self._say = say
        self._lock = threading.Lock()
        self._idle: list[_Nursery] = []
        self._running: set[_Nursery] = set()
        self._over = False

    def train(self, model: str) -> Result:
        """Run the script of one model to its end."""
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="barcast-") as folder:
            report = Path(folder) / "report.json"
            nursery = self._nursery()
            if nursery is None:
                return Result(model, -signal.SIGTERM, 0.0)
            tail: deque[str] = deque(maxlen=TAIL_LINES)
            late = threading.Event()
            timer = threading.Timer(self._timeout_s or threading.TIMEOUT_MAX, self._too_late, (nursery, late))
            timer.daemon = True
            timer.start()
            ended: Ended | None = None
            try:
                for heard in nursery.run(Order(model, ("--report", str(report)))):
                    if isinstance(heard, Ended):
                        ended = heard
                    else:
                        tail.append(heard)
                        self._say(heard)
            finally:
                timer.cancel()
                self._back(nursery, sound=ended is not None and not late.is_set())
            code, peak = (nursery.code, None) if ended is None else (ended.code, ended.peak_mib)
            version = msgspec.json.decode(report.read_bytes(), type=Report).version if report.exists() else None
        return Result(model, code, time.monotonic() - started, version, late.is_set(), tuple(tail), peak)

    def end(self) -> None:
        """End everything that runs, and start nothing any more."""
        with self._lock:
            self._over = True
            running, idle = tuple(self._running), tuple(self._idle)
            self._idle.clear()
        for nursery in (*running, *idle):
            nursery.tell()
        for nursery in running:
            nursery.end()
        for nursery in idle:
            nursery.bury()

    def _nursery(self) -> _Nursery | None:
        """Return one that waits for orders, None where everything is to end."""
        command = [self._python, "-m", "training.kit.nursery", *self._arguments]
        with self._lock:  # or `end` could miss a process that is just being started
            if self._over:
                return None
            nursery = self._idle.pop() if self._idle else _Nursery(command)
            self._running.add(nursery)
        return nursery

    def _back(self, nursery: _Nursery, *, sound: bool) -> None:
        with self._lock:
            self._running.discard(nursery)
            if sound and not self._over:
                self._idle.append(nursery)
                return
        nursery.bury()

    def _too_late(self, nursery: _Nursery, late: threading.Event) -> None:
        late.set()
        nursery.end()


def script_arguments(artifacts: Path, data: Path, symbols: Sequence[str] = (), *, candidate: bool = False) -> list[str]:
    """Return what a script is given: where to publish, where imported series are, which symbols to train on."""
    arguments = ["--artifacts", str(artifacts.resolve()), "--data", str(data.resolve())]
    if symbols:
        arguments += ["--symbols", *symbols]
    return [*arguments, *(["--candidate"] if candidate else [])]


def train_all(
    models: Sequence[str],
    *,
    artifacts: Path,
    data: Path,
    symbols: Sequence[str] = (),
    jobs: int | None = None,
    say: Callable[[str], None] = print,
) -> tuple[Result, ...]:
    """Train models, as many at once as there are cores; return their results in the order of ``models``.

    The failure of one stops no other. An interrupted training publishes nothing, and so leaves the store as it was.

    Parameters
    ----------
    models : sequence of str
        Names of model folders.
    artifacts, data : Path
        Where to publish, and where imported series are.
    symbols : sequence of str
        Stored symbols to train on; all if empty.
    jobs : int or None
        Trainings at once; the number of usable cores if None.
    say : callable
        Takes each line that a training prints, as it comes.

    Raises
    ------
    KeyboardInterrupt
        By Ctrl-C or SIGTERM, once every training has ended.

    """
    fleet = Fleet(script_arguments(artifacts, data, symbols), say=say)
    with ThreadPoolExecutor(jobs or cores()) as pool, stopping(fleet):
        futures = {model: pool.submit(fleet.train, model) for model in slowest_first(models)}
        return tuple(futures[model].result() for model in models)


@contextmanager
def stopping(fleet: Fleet) -> Iterator[None]:
    """End a fleet after use: also where this process is told to stop, by Ctrl-C or SIGTERM, or anything goes wrong."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _interrupt) if main else None
    try:
        yield
    finally:
        fleet.end()
        if main:
            signal.signal(signal.SIGTERM, before)


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def cores() -> int:
    """Return the number of cores that this process may use, or of all where the system can't tell (macOS)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def slowest_first(models: Sequence[str]) -> list[str]:
    """Return models in the order in which to start them."""
    return sorted(models, key=lambda model: SLOWEST_FIRST.index(task_of(model).identity.name))


def summary(results: Sequence[Result], store: ArtifactStore) -> str:
    """Return a table: model, duration, how it ended, what serves now."""
    width = max((len(result.model) for result in results), default=0)
    return "\n".join(f"  {result.model:<{width}}  {_ending(result, store.current(result.model))}" for result in results)


def _ending(result: Result, version: str | None) -> str:
    serves = "nothing serves" if version is None else f"{version} serves"
    return f"{result.seconds:6.1f} s  {result.outcome}; {serves}"


def exit_code(results: Sequence[Result]) -> int:
    """Return 1 if a training failed, else 3 if one was kept as a candidate, else 0."""
    codes = {result.code for result in results}
    return 1 if codes - {0, 3} else max(codes, default=0)
