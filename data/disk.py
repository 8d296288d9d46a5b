"""The one place where stores change the disk: a method for each system call, and the few ways to combine them.

`Disk` is a seam. A test hands a store a disk that fails, or dies, after the n-th call, for every n; so nothing in the
store of artifacts, in that of snapshots or in that of series may create, write, rename or remove by another way.
Reading needs no seam.
"""

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path

STAGING = ".staging-"
"""Start of the name of everything unfinished. Under the folder's lock, all that bears it is a dead writer's."""

READ_ONLY = 0o444  # what is written once; its folder stays writable, so that `rm -r` works for its owner
READ_WRITE = 0o644


class Disk:
    """The system calls that change a store, one method each; all raise OSError."""

    def make_dir(self, path: Path) -> None:
        """Create a folder; its parent exists."""
        path.mkdir()

    def create(self, path: Path, mode: int) -> int:
        """Create a file that must not exist yet, and return its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)

    def open_append(self, path: Path) -> int:
        """Open a file for appending, creating it if need be, and return its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, READ_WRITE)

    def write(self, descriptor: int, data: bytes) -> None:
        """Write all of ``data``."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut a file to ``size`` bytes."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Return when the file's bytes are on the medium."""
        os.fsync(descriptor)

    def sync_dir(self, path: Path) -> None:
        """Return when the folder's names are on the medium."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file or folder its new name at once, replacing a file that bears it."""
        os.rename(old, new)  # noqa: PTH104  the system call is what this method stands for

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()

    def remove_dir(self, path: Path) -> None:
        """Remove an empty folder."""
        path.rmdir()


def make_dirs(disk: Disk, path: Path) -> None:
    """Create a folder and its missing parents, durably; one that another process creates meanwhile is welcome."""
    if path.is_dir():
        return
    make_dirs(disk, path.parent)
    with suppress(FileExistsError):
        disk.make_dir(path)
    disk.sync_dir(path.parent)


def write_new(disk: Disk, path: Path, data: bytes, mode: int) -> None:
    """Write a new file and wait for the medium."""
    descriptor = disk.create(path, mode)
    try:
        disk.write(descriptor, data)
        disk.sync(descriptor)
    finally:
        os.close(descriptor)


def replace(disk: Disk, path: Path, data: bytes) -> None:
    """Give a file new bytes: readers see all of the old ones or all of the new ones.

    If this raises, the old bytes are in place again, as far as the disk still obeys.
    """
    before = path.read_bytes() if path.exists() else None
    staged = path.with_name(f"{STAGING}{path.name}")
    renamed = False
    try:
        write_new(disk, staged, data, READ_WRITE)
        disk.rename(staged, path)
        renamed = True
        disk.sync_dir(path.parent)
    except BaseException:  # Ctrl-C too must leave the old bytes
        with suppress(OSError):
            remove_tree(disk, staged)
        with suppress(OSError):
            if renamed and before is None:
                disk.unlink(path)
            elif renamed and before is not None:
                write_new(disk, staged, before, READ_WRITE)
                disk.rename(staged, path)
        raise


def write_at_once(path: Path, data: bytes) -> None:
    """Put a file in place at once, where no lock is held: the name that it is staged under is nobody else's.

    For reports and caches. What a dead writer left stands in nobody's way.
    """
    descriptor, name = tempfile.mkstemp(prefix=STAGING, dir=path.parent)
    staged = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def remove(disk: Disk, path: Path) -> None:
    """Remove a file. If this raises, it is in place again, as far as the disk still obeys."""
    staged = path.with_name(f"{STAGING}{path.name}")
    try:
        disk.rename(path, staged)
        disk.sync_dir(path.parent)
        disk.unlink(staged)
    except BaseException:  # Ctrl-C too must leave the file
        with suppress(OSError):
            disk.rename(staged, path)
        raise


def append(disk: Disk, path: Path, line: bytes, sound_bytes: int) -> None:
    """Add a line after the first ``sound_bytes`` bytes of a file; what a dead writer left behind them goes.

    If this raises, the file ends where it ended before, as far as the disk still obeys.
    """
    fresh = not path.exists()
    descriptor = disk.open_append(path)
    try:
        if os.fstat(descriptor).st_size > sound_bytes:
            disk.truncate(descriptor, sound_bytes)
        disk.write(descriptor, line)
        disk.sync(descriptor)
        if fresh:
            disk.sync_dir(path.parent)
    except BaseException:  # Ctrl-C too must not leave half a line
        with suppress(OSError):
            disk.truncate(descriptor, sound_bytes)
        raise
    finally:
        os.close(descriptor)


def remove_tree(disk: Disk, path: Path) -> None:
    """Remove a file, a link, or a folder with what it holds; absent is fine."""
    if path.is_dir() and not path.is_symlink():
        for part in sorted(path.iterdir()):
            remove_tree(disk, part)
        disk.remove_dir(path)
    else:
        with suppress(FileNotFoundError):
            disk.unlink(path)


def sweep(disk: Disk, folder: Path) -> None:
    """Remove what dead writers left unfinished. Only under the folder's lock, or it would take a living one's work."""
    for path in sorted(folder.glob(f"{STAGING}*")):
        remove_tree(disk, path)


def advice(error: OSError) -> str:
    """Say what to do about a refusal of the operating system."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "free space there (or raise the quota) and try again"
        case errno.EROFS:
            return "remount it writable, or point the store at a folder that is"
        case errno.EACCES | errno.EPERM:
            return "give this user permission there"
        case errno.EIO:
            return "check the disk and its log before trying again"
        case errno.EMFILE | errno.ENFILE:
            return "raise the limit on open files and try again"
        case _:
            return "remove the cause and try again"
