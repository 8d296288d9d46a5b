"""What knowing the symbol by name would add to a pooled model: an ablation, on symbols that were trained on and others.

Names are hashed into buckets, a column each that is 1 for the symbols of its bucket, beside the features that the model
has. Folds, heads, losses and test are those of the skill report, with refits every few years.
"""

import argparse
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from feature_mapper.feature import Feature
from feature_mapper.series import Series
from feature_mapper.typing import FloatArray, IntArray
from feature_mapper.windows import Values
from skill.audit import check_folds
from skill.judge import Comparison, Scored, compare
from skill.measures import Said, measures
from skill.schedule import MODES, Mode, Schedule
from skill.shelf import Shelf
from skill.universe import Universe, read_universe
from skill.walk import walk
from tests.figures.counts import say
from training.kit.discover import spec_of
from training.kit.panel import Panel, build
from training.kit.questions.registry import question_of
from training.kit.walk import scored_rows, with_heads

MODELS: Final = ("lightgbm_volatility", "lightgbm_return", "lightgbm_direction")
BUCKETS: Final = (20, 64, 256)
WITHOUT: Final = "without names"
SCHEDULE: Final = Schedule(years=4, unseen_years=4)


@dataclass(frozen=True, slots=True)
class Found:
    """A model with hashed names against itself without; ``collisions``: see `collisions`."""

    model: str
    mode: Mode
    buckets: int
    collisions: float
    against: Comparison


def bucket(symbol: str, buckets: int) -> int:
    """Return the bucket of a name, the same in every process."""
    return int.from_bytes(hashlib.blake2b(symbol.encode(), digest_size=8).digest()) % buckets


def collisions(symbols: Sequence[str], buckets: int) -> float:
    """Return the share of the symbols that share their bucket with another."""
    sizes = Counter(bucket(symbol, buckets) for symbol in symbols)
    return sum(size for size in sizes.values() if size > 1) / len(symbols)


def named(panel: Panel, symbols: Sequence[str], buckets: int) -> Panel:
    """Return the panel with a column for each bucket that holds a symbol."""
    of = np.array([bucket(symbol, buckets) for symbol in symbols])
    held = np.unique(of)
    columns = (of[panel.rows.symbol][:, None] == held).astype(np.float64)
    features = tuple(_feature(f"symbol_in_bucket_{number}_of_{buckets}") for number in held.tolist())
    return replace(panel, features=(*panel.features, *features), x=np.hstack((panel.x, columns)))


def _feature(name: str) -> Feature:
    return Feature(name=name, family="identity", unit="1", lookback=1, formula="of the name", kernel=_no_kernel)


def _no_kernel(_series: Series, _rows: int) -> Values:
    raise TypeError("expected columns made by `named`, found a call for bars: a name is no function of them")


def losses(
    model: str, label: str, panel: Panel, universe: Universe, mode: Mode, shelf: Shelf, processes: int
) -> tuple[IntArray, FloatArray]:
    """Return the rows that are scored, and their losses by the measure of the task."""
    spec, question = spec_of(model), question_of(model)
    folds = SCHEDULE.folds(panel.rows, universe.symbols, mode)
    check_folds(panel.rows, folds, mode, SCHEDULE.embargo)
    parts = walk(f"{model} {label}", spec, question, panel, folds, shelf, processes, lambda _: None)
    out = with_heads(panel, question, spec.level, parts)
    own = next(measures(question)).losses(Said(out.forecast, None), scored_rows(panel, out).y)
    if own is None:
        raise ValueError(f"expected a loss of {model}, found none")
    return out.at[out.scored], own


def ablation(
    model: str, panel: Panel, universe: Universe, buckets: Sequence[int], shelf: Shelf, processes: int
) -> Iterator[Found]:
    """Yield each number of buckets in both modes."""
    for mode in MODES:
        at, plain = losses(model, WITHOUT, panel, universe, mode, shelf, processes)
        rows = panel.rows.take(at)
        for count in buckets:
            wide = named(panel, universe.symbols, count)
            _, own = losses(model, f"{count} buckets", wide, universe, mode, shelf, processes)
            scored = Scored(rows.date, rows.symbol, universe.symbols, own, {WITHOUT: plain})
            yield Found(model, mode, count, collisions(universe.symbols, count), compare(scored, WITHOUT))


def main(arguments: list[str]) -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.figures identity", description=__doc__)
    parser.add_argument("--universe", type=Path, help="folder of <SYMBOL>.csv (the shipped sample)")
    parser.add_argument("--models", nargs="+", default=list(MODELS), help="(%(default)s)")
    parser.add_argument("--buckets", nargs="+", type=int, default=list(BUCKETS), help="(%(default)s)")
    parser.add_argument("--shelf", type=Path, default=Path("data/skill"), help="where fits are kept (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (%(default)s)")
    parser.add_argument("--json", type=Path, help="file that the figures are also written to")
    options = parser.parse_args(arguments)
    universe = read_universe(options.universe)
    shelf = Shelf.of(options.shelf, universe)
    found: list[Found] = []
    for model in options.models:
        spec, question = spec_of(model), question_of(model)
        panel = build(universe.series, question, spec.features_of(spec.tiers[-1]), spec.tiers[-1])
        for one in ablation(model, panel, universe, options.buckets, shelf, options.jobs):
            found.append(one)
            say(told(one))
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    return 0


def told(one: Found) -> str:
    """Return a line of the table."""
    low, high = one.against.ratio_ci95
    return (
        f"{one.model:<20} {one.mode:<8} {one.buckets:>4} buckets ({one.collisions:.0%} of symbols share one): loss "
        f"{one.against.ratio:.5f} [{low:.5f}, {high:.5f}] of that without, p {_said(one.against.p)}, "
        f"better on {one.against.better:.0%} of symbols, worst {one.against.worst[0]} {one.against.worst[1]:.3f}"
    )


def _said(p: float | None) -> str:
    return "none" if p is None else f"{p:.2g}"
