"""Independent pieces of work on several processes, which inherit what the caller has in memory."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

Told = Callable[[str], None]
"""Takes a line of progress."""

_work: Sequence[Callable[[], object]] = ()
"""What the processes of a pool inherited; a closure over arrays is not to be sent to them."""


def side_by_side(work: Sequence[Callable[[], T]], processes: int) -> Iterator[tuple[int, T]]:
    """Do all pieces, and yield each with its position as soon as it is done.

    An exception of a piece is raised here, and ends the others. Results travel back by pickle. Linear algebra takes
    one thread a piece: processes that each start as many threads as there are cores wait for one another, and fits of
    hidden Markov models then took five times the processor time.
    """
    if processes <= 1 or len(work) <= 1:
        for at in range(len(work)):
            yield at, _alone(work[at])
        return
    global _work  # noqa: PLW0603  fork is what carries it to the processes
    _work = work
    try:
        with multiprocessing.get_context("fork").Pool(min(processes, len(work))) as pool:
            yield from pool.imap_unordered(_do, range(len(work)))
    finally:
        _work = ()


def gathered(work: Sequence[Callable[[], T]], processes: int, told: Told, what: str) -> list[T]:
    """Do all pieces, tell of each that is done, and return what they gave, in their order."""
    found: dict[int, T] = {}
    for at, result in side_by_side(work, processes):
        found[at] = result
        told(f"{what} {len(found)} of {len(work)}")
    return [found[at] for at in range(len(work))]


def _do(at: int) -> tuple[int, object]:
    return at, _alone(_work[at])


def _alone(piece: Callable[[], T]) -> T:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        return piece()
