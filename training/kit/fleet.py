"""Train several models side by side, each in a process of its own."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from feature_mapper.errors import FeatureMismatch
from feature_mapper.manifest import resolve
from models.errors import ArtifactError, StoreError
from models.features import to_entries
from models.manifest import Manifest
from models.served import load_model, prove
from models.store import ArtifactStore
from models.store.loading import changed_libraries
from models.tasks.registry import task_of
from training.kit.discover import FOLDER, model_names

SLOWEST_FIRST: Final = ("forecast", "volatility", "regime", "risk", "return", "direction")
"""Tasks by how long their training takes; the longest starts first, so that none is left running alone."""

ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
"""The cores are shared by processes; a thread pool in each would have them wait for each other."""

PATIENCE_S: Final = 10.0
"""How long a training may take to end after it was told to."""


@dataclass(frozen=True, slots=True)
class Result:
    """How the training of one model ended: the exit code of its script (see its ``--help``) and its duration."""

    model: str
    code: int
    seconds: float

    @property
    def outcome(self) -> str:
        """The exit code in words."""
        known = {0: "promoted", 3: "kept as candidate"}
        return known.get(self.code, f"failed (exit code {self.code})")


def missing(store: ArtifactStore) -> tuple[str, ...]:
    """Return the models of ``training`` without a sound champion: none, a quarantined one, one whose bytes changed.

    A champion that other code or other libraries made is loaded and proven, and quarantined if it fails: better now,
    when it can be trained again, than in the service.

    Raises
    ------
    StoreError
        The store can't be read, so nobody knows.

    """
    return tuple(model for model in model_names() if not _sound(model, store))


def _sound(model: str, store: ArtifactStore) -> bool:
    try:
        if not _made_by_this_code(store.read(model).manifest):
            store.load(model, None, load_model, prove)
    except StoreError:
        raise
    except ArtifactError:
        return False
    return True


def _made_by_this_code(manifest: Manifest) -> bool:
    try:
        for tier in manifest.tiers:
            resolve(to_entries(tier.features))
    except FeatureMismatch:
        return False
    return not changed_libraries(manifest)


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
    arguments = ["--artifacts", str(artifacts.resolve()), "--data", str(data.resolve())]
    if symbols:
        arguments += ["--symbols", *symbols]
    return asyncio.run(_train_all(models, arguments, jobs or _cores(), say))


def _cores() -> int:
    """Return the number of cores that this process may use, or of all where the system can't tell (macOS)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


async def _train_all(
    models: Sequence[str], arguments: Sequence[str], at_once: int, say: Callable[[str], None]
) -> tuple[Result, ...]:
    slots = asyncio.Semaphore(at_once)
    loop = asyncio.get_running_loop()
    tasks = {
        model: asyncio.create_task(_train(model, arguments, slots, say)) for model in sorted(models, key=_duration)
    }
    everything = asyncio.gather(*tasks.values())
    loop.add_signal_handler(signal.SIGTERM, everything.cancel)
    try:
        await everything
    except asyncio.CancelledError:
        await asyncio.wait(tasks.values())  # each ends its process first
        raise KeyboardInterrupt from None
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
    return tuple(tasks[model].result() for model in models)


def _duration(model: str) -> int:
    return SLOWEST_FIRST.index(task_of(model).identity.name)


async def _train(model: str, arguments: Sequence[str], slots: asyncio.Semaphore, say: Callable[[str], None]) -> Result:
    async with slots:
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"training.{model}.train",
            *arguments,
            cwd=FOLDER.parent,  # where -m looks first: this checkout's code, wherever it was called from
            env={**os.environ, **ONE_THREAD},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,  # Ctrl-C reaches this process alone, which then ends the others and what they started
        )
        try:
            if process.stdout is not None:
                async for line in process.stdout:
                    say(line.decode(errors="replace").rstrip())
            code = await process.wait()
        finally:
            await _end(process)
    return Result(model, code, time.monotonic() - started)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process and what it started, if it still runs: first by asking, then by force."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), PATIENCE_S)


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
