"""Engines run steps side by side, and end what runs when they are interrupted."""

import os
import signal
import threading
import time

import pytest

from data.errors import ShelfBusy
from flows import engine
from flows.engine import ATTEMPTS, Plain
from models.errors import StoreBusy


def test_one_that_fails_leaves_the_others_alone() -> None:
    """What it raised stands in its place."""

    def step(item: str) -> str:
        if item == "b":
            raise ValueError("broken")
        return item.upper()

    a, b, c = Plain(lambda _: None).each("train", step, ["a", "b", "c"], 2, lambda: None)
    assert (a, str(b), c) == ("A", "broken", "C")


@pytest.mark.parametrize("busy", [ShelfBusy, StoreBusy])
def test_a_step_that_finds_another_writer_is_tried_again(
    busy: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, and gives up at the third try; what does not pass by itself is not tried twice."""
    monkeypatch.setattr(engine, "PAUSE_S", 0.0)
    said: list[str] = []
    tries: list[int] = []

    def step(error: type[Exception], failures: int) -> str:
        tries.append(1)
        if len(tries) <= failures:
            raise error("somebody is at work")
        return "done"

    assert Plain(said.append).step("promote", lambda: step(busy, ATTEMPTS - 1)) == "done"
    assert len(tries) == ATTEMPTS
    assert said == ["[promote]", *(f"[promote] try {n} of 3, again in 0 s: somebody is at work" for n in (1, 2))]
    tries.clear()
    with pytest.raises(busy):
        Plain(said.append).step("promote", lambda: step(busy, ATTEMPTS))
    assert len(tries) == ATTEMPTS
    tries.clear()
    with pytest.raises(ValueError, match="at work"):
        Plain(said.append).step("promote", lambda: step(ValueError, 1))
    assert len(tries) == 1


def test_an_interrupt_ends_what_runs_before_it_is_waited_for() -> None:
    """Without that, Ctrl-C would take as long as the longest training."""
    ended = threading.Event()

    def step(item: str) -> str:
        if item == "interrupted":
            os.kill(os.getpid(), signal.SIGINT)  # it arrives in the main thread, as that of a terminal does
        assert ended.wait(60), "it was waited for and never ended"
        return item

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        Plain(lambda _: None).each("train", step, ["interrupted", "long"], 2, ended.set)
    assert ended.is_set()
    assert time.monotonic() - began < 60
