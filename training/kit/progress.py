"""Progress of long work, one line a step."""

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO


@dataclass(slots=True)
class Progress:
    """Says which of the known steps of a model is done and how long it took.

    Lines rather than a bar: several models train side by side and share a terminal, and logs keep lines.
    """

    model: str
    total: int
    done: int = 0
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    started: float = field(default_factory=time.monotonic)

    def step(self, what: str) -> None:
        """Count one step as done and say so."""
        self.done += 1
        elapsed = time.monotonic() - self.started
        print(f"[{self.model}] {self.done}/{self.total} {what} ({elapsed:.1f} s)", file=self.stream, flush=True)
