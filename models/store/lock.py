"""One writer a model at a time."""

from contextlib import AbstractContextManager
from pathlib import Path

from data import lock
from models.errors import StoreBusy


def locked(path: Path, timeout_s: float) -> AbstractContextManager[None]:
    """Hold the exclusive lock of a file as `data.lock.locked` does; raises `StoreBusy` if another holds it too long."""
    return lock.locked(path, timeout_s, StoreBusy)
