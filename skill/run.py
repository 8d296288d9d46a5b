"""The whole report: from a folder of series to figures and pages, with progress, going on where it was stopped."""

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.tasks.registry import task_of
from skill import prices, regimes, tabular
from skill.page import write_page
from skill.plots import write_plots
from skill.report import Report, report, write
from skill.schedule import Schedule
from skill.shelf import Shelf
from skill.tabular import Result
from skill.universe import read_universe
from training.kit.discover import model_names, spec_of
from training.kit.questions.registry import QUESTIONS
from training.kit.spec import SpecError

SAMPLE: Final = Path("sample")
"""In place of a folder: the series that are shipped."""

YEARLY: Final = Schedule()

QUICK: Final = Schedule(years=5, groups=2, symbols=20)
"""One refit in five years, two groups of twenty series: minutes instead of an hour, for a look while trying things."""

PROCESSES: Final = 2

SEQUENCES: Final = {"forecast": prices.results, "regime": regimes.results}
"""By task: what judges models that read bars themselves instead of features."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a report is about and where it goes.

    Attributes
    ----------
    universe : Path
        Folder of ``<SYMBOL>.csv``, or `SAMPLE`.
    out, shelf : Path
        Folders of the report, and of fits that are kept for the next one.
    models : tuple of str
        Empty: all.
    deepest : bool
        Only the longest history of each model.

    """

    universe: Path
    out: Path
    shelf: Path
    models: tuple[str, ...] = ()
    schedule: Schedule = YEARLY
    deepest: bool = False
    processes: int = PROCESSES


def evaluate(options: Options, say: Callable[[str], None]) -> Report:
    """Evaluate, and write the report.

    Raises
    ------
    UniverseError, SpecError
        There is no series, or too little history, or no such model.

    """
    begun = time.monotonic()
    models = _chosen(options.models)
    universe = read_universe(None if options.universe == SAMPLE else options.universe).some(options.schedule.symbols)
    for name, reason in universe.left_out.items():
        say(f"{name} is left out: {reason}")
    resumed = any(options.shelf.glob("*.npz"))
    shelf = Shelf.of(options.shelf, universe)
    found: list[Result] = []
    for model in models:

        def told(line: str, model: str = model) -> None:
            say(f"[{model}] {line} ({time.monotonic() - begun:.0f} s)")

        tiers = spec_of(model).tiers
        asked = tiers[-1:] if options.deepest else tiers
        found += _judge_of(model)(model, asked, universe, options.schedule, shelf, options.processes, told)
    done = report(universe, options.schedule, found, time.monotonic() - begun, _peak_mib(), resumed=resumed)
    write(options.out, done)
    write_plots(options.out, done)
    write_page(options.out, done)
    return done


def _judge_of(model: str) -> Callable[..., list[Result]]:
    task = task_of(model).identity.name
    return tabular.results if task in QUESTIONS else SEQUENCES[task]


def _chosen(named: Sequence[str]) -> tuple[str, ...]:
    able = tuple(model_names())
    if unknown := sorted(set(named) - set(able)):
        raise SpecError(f"expected models out of {', '.join(able)}, found {', '.join(unknown)}; correct the names")
    return tuple(named) or able


def _peak_mib() -> float:
    """Return the greatest resident memory of this process and of any that it waited for."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
