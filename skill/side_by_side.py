"""Independent pieces of work on several processes, which inherit what the caller has in memory."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

_work: Sequence[Callable[[], object]] = ()
"""What the processes of a pool inherited; a closure over arrays is not to be sent to them."""


def side_by_side(work: Sequence[Callable[[], T]], processes: int) -> Iterator[tuple[int, T]]:
    """Do all pieces, and yield each with its position as soon as it is done.

    An exception of a piece is raised here, and ends the others. Results travel back by pickle.
    """
    if processes <= 1 or len(work) <= 1:
        for at, piece in enumerate(work):
            yield at, piece()
        return
    global _work  # noqa: PLW0603  fork is what carries it to the processes
    _work = work
    try:
        with multiprocessing.get_context("fork").Pool(min(processes, len(work))) as pool:
            yield from pool.imap_unordered(_do, range(len(work)))
    finally:
        _work = ()


def _do(at: int) -> tuple[int, object]:
    return at, _work[at]()
