"""How steps are run: by whom is left to an engine, so that one pipeline serves the command line and Prefect alike."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar

from data.errors import ShelfBusy
from models.errors import StoreBusy

R = TypeVar("R")

ATTEMPTS: Final = 3
"""How often a step is tried that finds somebody else at work."""

PAUSE_S: Final = 10.0
"""Time between two tries."""


def passes(error: object) -> bool:
    """Tell whether what stopped a step passes by itself: another writer holds a lock. Steps may be done twice."""
    return isinstance(error, ShelfBusy | StoreBusy)


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` where the block is left by anything but its end."""
    try:
        yield
    except BaseException:
        stop()
        raise


class Engine(Protocol):
    """Runs the steps of a pipeline and passes on what they say."""

    def say(self, line: str) -> None:
        """Pass on a line of progress; called from any thread."""
        ...

    def step(self, name: str, do: Callable[[], R]) -> R:
        """Run one step and return its result; raises what it raises, at the third try where it `passes`."""
        ...

    def each(
        self, name: str, do: Callable[[str], R], items: Sequence[str], at_once: int, stop: Callable[[], None]
    ) -> list[R | Exception]:
        """Run a step for each item, so many at once; return results, or what was raised, in order of the items.

        ``stop`` ends all that runs; it is called where this is interrupted, before anything is waited for.
        """
        ...


class Plain:
    """Runs steps in this process, and says so on stdout."""

    def __init__(self, say: Callable[[str], None] = print) -> None:
        """Store."""
        self.say = say

    def step(self, name: str, do: Callable[[], R]) -> R:
        """Run one step."""
        self.say(f"[{name}]")
        for attempt in range(1, ATTEMPTS):
            try:
                return do()
            except Exception as error:
                if not passes(error):
                    raise
                self.say(f"[{name}] try {attempt} of {ATTEMPTS}, again in {PAUSE_S:g} s: {error}")
            time.sleep(PAUSE_S)
        return do()

    def each(
        self, name: str, do: Callable[[str], R], items: Sequence[str], at_once: int, stop: Callable[[], None]
    ) -> list[R | Exception]:
        """Run a step for each item, in threads."""
        self.say(f"[{name}] {', '.join(items)}")
        with ThreadPoolExecutor(max(1, at_once)) as pool, interruptible(stop):
            futures = [pool.submit(do, item) for item in items]
            return [future.exception() or future.result() for future in futures]  # type: ignore[misc]  # a base exception is raised by `result`
