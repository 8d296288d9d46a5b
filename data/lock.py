"""One writer a folder at a time."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feature_mapper.errors import BarcastError

POLL_S = 0.01


@contextmanager
def locked(path: Path, timeout_s: float, busy: type[BarcastError]) -> Iterator[None]:
    """Hold the exclusive lock of a file, which is created if need be and never removed.

    It is the kernel's lock on an open file: it is free the moment its holder dies, however that happens, so no lock is
    ever stale. It also excludes threads of one process from each other.

    Raises
    ------
    busy
        Another holder keeps it for longer than ``timeout_s`` seconds.
    OSError
        The file can't be created, or is a link.

    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                    raise
                if time.monotonic() >= deadline:
                    message = (
                        f"expected the lock {path} within {timeout_s:g} s, found it held by another writer; "
                        "wait for that one to end and try again"
                    )
                    raise busy(message) from error
            time.sleep(POLL_S)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def quiet(path: Path) -> Iterator[bool]:
    """Keep writers out for a moment, if none is at work, and yield whether none is. Changes nothing, waits for nobody.

    For a reader that looks at what only a writer at work may leave unfinished. Nobody is at work under a lock that
    doesn't exist or can't be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield True
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
