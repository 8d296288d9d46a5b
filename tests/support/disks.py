# ruff: noqa: D102  the methods are those of `Disk` and documented there
"""Disks that count their system calls, and fail or die at a chosen one."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from data.disk import Disk

T = TypeVar("T")

Death = Literal["after", "within"]


class WatchedDisk(Disk):
    """A disk that numbers its calls from 1 and hands each to `_act`."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def _act(self, name: str, call: Callable[[], T]) -> T:
        self.calls.append(name)
        return call()

    def make_dir(self, path: Path) -> None:
        self._act("make_dir", lambda: Disk.make_dir(self, path))

    def create(self, path: Path, mode: int) -> int:
        return self._act("create", lambda: Disk.create(self, path, mode))

    def open_append(self, path: Path) -> int:
        return self._act("open_append", lambda: Disk.open_append(self, path))

    def write(self, descriptor: int, data: bytes) -> None:
        self._act("write", lambda: Disk.write(self, descriptor, data))

    def truncate(self, descriptor: int, size: int) -> None:
        self._act("truncate", lambda: Disk.truncate(self, descriptor, size))

    def sync(self, descriptor: int) -> None:
        self._act("sync", lambda: Disk.sync(self, descriptor))

    def sync_dir(self, path: Path) -> None:
        self._act("sync_dir", lambda: Disk.sync_dir(self, path))

    def rename(self, old: Path, new: Path) -> None:
        self._act("rename", lambda: Disk.rename(self, old, new))

    def unlink(self, path: Path) -> None:
        self._act("unlink", lambda: Disk.unlink(self, path))

    def remove_dir(self, path: Path) -> None:
        self._act("remove_dir", lambda: Disk.remove_dir(self, path))


class FailingDisk(WatchedDisk):
    """A disk whose n-th call is refused, or all calls from the n-th on."""

    def __init__(self, at: int, code: int, *, forever: bool) -> None:
        super().__init__()
        self._at, self._code, self._forever = at, code, forever

    def _act(self, name: str, call: Callable[[], T]) -> T:
        self.calls.append(name)
        number = len(self.calls)
        if number == self._at or (self._forever and number > self._at):
            raise OSError(self._code, os.strerror(self._code))
        return call()


class DeadlyDisk(WatchedDisk):
    """A disk that kills its process after the n-th call, or, if that call writes, with half of it written."""

    def __init__(self, at: int, death: Death) -> None:
        super().__init__()
        self._at, self._death = at, death

    def write(self, descriptor: int, data: bytes) -> None:
        if self._death == "within" and len(self.calls) + 1 == self._at:
            Disk.write(self, descriptor, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(descriptor, data)

    def _act(self, name: str, call: Callable[[], T]) -> T:
        result = super()._act(name, call)
        if self._death == "after" and len(self.calls) == self._at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
