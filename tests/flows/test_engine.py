"""Engines run steps side by side, and end what runs when they are interrupted."""

import os
import signal
import threading
import time

import pytest

from flows.engine import Plain


def test_one_that_fails_leaves_the_others_alone() -> None:
    """What it raised stands in its place."""

    def step(item: str) -> str:
        if item == "b":
            raise ValueError("broken")
        return item.upper()

    a, b, c = Plain(lambda _: None).each("train", step, ["a", "b", "c"], 2, lambda: None)
    assert (a, str(b), c) == ("A", "broken", "C")


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
