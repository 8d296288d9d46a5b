"""Models are loaded in one thread, whoever asks for it: each thread more would keep megabytes for good."""

import asyncio
import contextvars
import threading

import pytest

from app.loader import Loader


def test_it_is_one_thread_that_knows_the_callers_context() -> None:
    """What many tasks ask for at once runs one after the other, in the same thread, and its answer comes back."""
    asked = contextvars.ContextVar("asked", default=0)
    inside: list[int] = []

    def do() -> tuple[int, int]:
        inside.append(1)
        assert len(inside) == 1
        inside.clear()
        return asked.get(), threading.get_ident()

    async def task(loader: Loader, number: int) -> tuple[int, int]:
        asked.set(number)
        return await loader.run(do)

    async def crowd() -> list[tuple[int, int]]:
        loader = Loader()
        try:
            return await asyncio.gather(*(task(loader, number) for number in range(50)))
        finally:
            loader.close()

    said = asyncio.run(crowd())
    assert [number for number, _ in said] == list(range(50))
    assert len({thread for _, thread in said}) == 1
    assert said[0][1] != threading.get_ident()


def test_what_fails_in_it_fails_for_the_caller() -> None:
    """And the thread goes on."""

    async def twice() -> int:
        loader = Loader()
        try:
            with pytest.raises(ZeroDivisionError):
                await loader.run(lambda: 1 // 0)
            return await loader.run(lambda: 7)
        finally:
            loader.close()

    assert asyncio.run(twice()) == 7
