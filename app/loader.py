"""The one thread in which what serves is loaded and changed while the service runs.

The C library gives each thread that allocates much an arena of its own, and the arena keeps what a load took at its
peak, some 2 to 4 MiB. If any thread of the server's pool may load a model, resident memory climbs by such a step
whenever another one does so for the first time. One thread pays once.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Loader:
    """Runs functions one after the other, in a thread that is made for the first."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loader")

    async def run(self, do: Callable[[], T]) -> T:
        """Return what a function returns; it sees the context of its caller."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._thread, context.run, do)

    def close(self) -> None:
        """Begin nothing more; what runs comes to its end."""
        self._thread.shutdown(wait=False, cancel_futures=True)
