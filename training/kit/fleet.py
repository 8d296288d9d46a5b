"""Trainings side by side, each in a process of its own: one script, or several at once."""

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
        Most memory that its process held, in MiB; None where the system did not tell.

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


class Fleet:
    """Runs training scripts; safe for threads.

    Parameters
    ----------
    arguments : sequence of str
        What every script is given.
    python : str
        Interpreter that runs them.
    timeout_s : float or None
        How long one may take.
    say : callable
        Takes each line that a training prints, as it comes, and the model that it is of.

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
        self._running: set[subprocess.Popen[str]] = set()
        self._over = False

    def train(self, model: str) -> Result:
        """Run the script of one model to its end."""
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="barcast-") as folder:
            report = Path(folder) / "report.json"
            process = self._start(model, report)
            if process is None:
                return Result(model, -signal.SIGTERM, 0.0)
            tail: deque[str] = deque(maxlen=TAIL_LINES)
            late = threading.Event()
            timer = threading.Timer(self._timeout_s or threading.TIMEOUT_MAX, self._too_late, (process, late))
            timer.daemon = True
            timer.start()
            with process:
                try:
                    for line in process.stdout or ():
                        tail.append(line.rstrip())
                        self._say(line.rstrip())
                    code, peak = _waited(process)
                finally:
                    timer.cancel()
                    _end(process)
                    with self._lock:
                        self._running.discard(process)
            version = msgspec.json.decode(report.read_bytes(), type=Report).version if report.exists() else None
        return Result(model, code, time.monotonic() - started, version, late.is_set(), tuple(tail), peak)

    def end(self) -> None:
        """End everything that runs, and start nothing any more."""
        with self._lock:
            self._over = True
            running = tuple(self._running)
        for process in running:
            _signal(process, signal.SIGTERM)
        for process in running:
            _end(process)

    def _start(self, model: str, report: Path) -> subprocess.Popen[str] | None:
        command = [self._python, "-m", f"training.{model}.train", *self._arguments, "--report", str(report)]
        with self._lock:  # or `end` could miss a process that is just being started
            if self._over:
                return None
            process = subprocess.Popen(
                command,
                cwd=FOLDER.parent,  # where -m looks first: this checkout's code, wherever it was called from
                env={**os.environ, **ONE_THREAD},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                process_group=0,  # Ctrl-C reaches this process alone, which then ends the others and what they started
            )
            self._running.add(process)
        return process

    def _too_late(self, process: subprocess.Popen[str], late: threading.Event) -> None:
        late.set()
        _end(process)


def _waited(process: subprocess.Popen[str]) -> tuple[int, float | None]:
    """Wait for a process to end; return its exit code and the most memory that it held, in MiB."""
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except ChildProcessError:  # whoever ended it has waited for it
        return process.wait(), None
    code = os.waitstatus_to_exitcode(status)
    process.returncode = code
    per_mib = 1024 if sys.platform.startswith("linux") else 1024 * 1024
    return code, usage.ru_maxrss / per_mib


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and what it started: first by asking, then, also what outlived it, by force."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)
    _signal(process, signal.SIGKILL)
    process.wait()


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
    """End a fleet where this process is told to stop, by Ctrl-C or SIGTERM, or where anything else goes wrong."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _interrupt) if main else None
    try:
        yield
    except BaseException:
        fleet.end()
        raise
    finally:
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
