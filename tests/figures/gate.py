"""Error rates of the gate, on markets whose truth is known: what it lets through of noise, and what it finds.

Each market is trained on and judged in one of a few processes. Exit code 1: a rate is out of its bound.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from tests.figures.counts import Bound, Count, counted, rows, say, table
from tests.figures.trials import STRENGTH, SYMBOLS, TIERS, Findings, Trial
from training.kit.discover import model_names
from training.kit.fleet import ONE_THREAD

SIGNALLED: Final = ("lightgbm_direction", "lightgbm_return")
"""Models that are also tried on markets with a signal in the sign of the next return; all are on noise."""

MARKETS: Final = 200
SESSIONS: Final = 1800
"""Of each market: origins of prices need 1,715."""

BOUNDS: Final = {
    "noise called better than naive": Bound(most=0.05),
    "noise refused as worse than naive": Bound(),
    "identical candidate called better": Bound(most=0.0),
    "identical candidate promoted": Bound(most=0.0),
    "noise called better than a champion of noise": Bound(most=0.05),
    "noise called worse than a champion of noise": Bound(),
    "signal called better than naive": Bound(least=0.95),
    "signal promoted over a champion without": Bound(least=0.95),
}

FIRST_NOISE: Final = 1
FIRST_SIGNAL: Final = 10_001
"""Seeds of the first market of each kind: no market is of both."""

EACH: Final = 20
"""Markets between two lines of progress."""


def trials(model: str, markets: int, signals: int, sessions: int, strength: float) -> list[Trial]:
    """Return the markets of one model."""
    noises = [Trial(model=model, seed=FIRST_NOISE + i, sessions=sessions) for i in range(markets)]
    planted = [Trial(model=model, seed=FIRST_SIGNAL + i, sessions=sessions, strength=strength) for i in range(signals)]
    return noises + planted


def measured(model: str, found: Iterable[Findings]) -> list[Count]:
    """Count what came true in markets of noise and in those with a signal."""
    found = list(found)
    names = list(dict.fromkeys(tuple(one) for one in found))
    return [count for kind in names for count in counted(model, [one for one in found if tuple(one) == kind], BOUNDS)]


def broken(counts: Iterable[Count]) -> list[Count]:
    """Return what is out of its bound."""
    return [count for count in counts if not count.kept]


def spread(plan: Sequence[Trial], jobs: int, told: Callable[[str], None]) -> list[Findings]:
    """Run trials in as many processes; say every few how far it is."""
    os.environ.update(ONE_THREAD)  # what is started inherits it
    begun = time.monotonic()
    found: list[Findings] = []
    # Spawned: a fork of a process that has started threads may hang.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for one in pool.map(Trial.run, plan):
            found.append(one)
            if len(found) % EACH == 0 or len(found) == len(plan):
                told(f"{plan[0].model}: {len(found)} of {len(plan)} markets, {time.monotonic() - begun:.0f} s")
    return found


def main(arguments: list[str]) -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.figures gate", description=__doc__)
    parser.add_argument("--markets", type=int, default=MARKETS, help="markets of noise (%(default)s)")
    parser.add_argument("--signals", type=int, help="markets with a planted signal (as many)")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="of each market (%(default)s)")
    parser.add_argument("--strength", type=float, default=STRENGTH, help="correlation of the signal (%(default)s)")
    parser.add_argument("--models", nargs="+", default=list(model_names()), help="(all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (%(default)s)")
    parser.add_argument("--json", type=Path, help="file that the figures are also written to")
    options = parser.parse_args(arguments)
    signals = options.markets if options.signals is None else options.signals
    counts: list[Count] = []
    for model in options.models:
        planted = signals if model in SIGNALLED else 0
        plan = trials(model, options.markets, planted, options.sessions, options.strength)
        counts += measured(model, spread(plan, options.jobs, say))
    say(
        f"\n{len(SYMBOLS)} symbols of {options.sessions} sessions a market; each model's own spec, tiers cut to "
        f"{TIERS}; noise of constant variance, signal of correlation {options.strength:g}"
    )
    say(table(counts))
    if options.json is not None:
        figures = {"sessions": options.sessions, "strength": options.strength, "tiers": TIERS, "counts": rows(counts)}
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 1 if broken(counts) else 0
