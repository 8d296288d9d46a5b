"""Trials of the gate: a seeded market whose truth is known, candidates trained on it, and what the gate says of them.

A candidate is made by the parts of the kit that a verdict depends on: panel, walk forward, losses, leak checks. The
rest of a training (the fit on all rows, golden examples, pictures) the gate never looks at;
`tests.figures.test_gate` holds that a whole training gives the same candidate.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from data.sources.known_truth import NOISE, KnownTruth, Signal, generate
from feature_mapper.bars import Bars
from models.families.base import tabular_family
from models.manifest import LeakCheck, Target
from models.store import ArtifactStore
from models.tasks.registry import task_of
from tests.models.store import toys
from training.kit.checks import run_checks
from training.kit.discover import spec_of
from training.kit.evaluation import losses
from training.kit.gate import SKILLED, Candidate, judge, of_artifact
from training.kit.losses import LOSSES_NAME, Losses
from training.kit.panel import Panel, build
from training.kit.questions.registry import QUESTIONS
from training.kit.spec import ModelSpec
from training.kit.splits import PurgedWalkForward
from training.kit.walk import walk_forward

SYMBOLS: Final = ("A", "B", "C", "D")
TIERS: Final = (1, 22)
"""Tiers of the trials: the longer ones of a spec cost minutes more and add nothing to noise."""

STRENGTH: Final = 0.2
"""Correlation of the planted sign with the next return: it explains 4 % of the squared return."""

Findings = dict[str, bool]
"""What came true in one market, by the name of the figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One market, and the model whose candidates are trained on it.

    ``strength`` is that of the planted signal, 0 for noise.
    """

    model: str
    seed: int
    sessions: int
    strength: float = 0.0
    spec: ModelSpec | None = None
    """None: the model's own, its tiers cut to `TIERS`."""

    def run(self) -> Findings:
        """Train, judge, and return what came true."""
        law = KnownTruth(signal=Signal(self.strength)) if self.strength else NOISE
        bench = Bench.on(self.model, self.seed, self.sessions, law)
        spec = replace(spec_of(self.model), tiers=TIERS) if self.spec is None else self.spec
        with tempfile.TemporaryDirectory() as folder:
            return (planted if self.strength else noise)(bench, spec, Path(folder))


class Bench:
    """A market with the panels that candidates of a model are trained on."""

    def __init__(self, model: str, series: Mapping[str, Bars]) -> None:
        """Store."""
        self.model = model
        self.series = series
        self.question = QUESTIONS[task_of(model).identity.name]
        self.splitter = PurgedWalkForward()

    @classmethod
    def on(cls, model: str, seed: int, sessions: int, law: KnownTruth) -> "Bench":
        """Return a bench on a market of this law."""
        return cls(model, generate(law, seed=seed, sessions=sessions, symbols=SYMBOLS).bars)

    def panels(self, spec: ModelSpec) -> list[Panel]:
        """Return the rows of each tier."""
        return [build(self.series, self.question, spec.features_of(tier), tier) for tier in spec.tiers]

    def candidate(self, spec: ModelSpec, name: str, panels: Sequence[Panel] | None = None) -> Candidate:
        """Train a candidate out of fold."""
        panels = self.panels(spec) if panels is None else panels
        forward = partial(
            walk_forward,
            question=self.question,
            spec=spec,
            family=tabular_family(spec.family),
            splitter=self.splitter,
            step=lambda _: None,
        )
        kept = Losses(tuple(self.series), tuple(losses(panel, forward(panel), self.question) for panel in panels))
        target = self.question.target
        return Candidate(
            name,
            self._checks(spec, panels[-1]),
            Target(name=target.name, definition=target.definition, horizon=target.horizon),
            Losses.load(kept.dump()),
            panels[-1].rows.date.max().item(),
        )

    def _checks(self, spec: ModelSpec, panel: Panel) -> tuple[LeakCheck, ...]:
        features = spec.features_of(spec.tiers[-1])
        return run_checks(self.series, features, self.question.target, panel, self.splitter)


def noise(bench: Bench, spec: ModelSpec, folder: Path) -> Findings:
    """Judge a candidate that can know nothing, the same as it was published, and one of another seed."""
    panels = bench.panels(spec)
    first = bench.candidate(spec, "first", panels)
    alone = judge(first, bench.model, ArtifactStore(folder / "empty"))
    store = serving(folder / "store", bench.model, first)
    published = of_artifact(store.read(bench.model))
    if published is None:
        raise RuntimeError("expected the champion to have kept its losses, found none")
    again = judge(published, bench.model, store)
    other = judge(bench.candidate(replace(spec, seed=spec.seed + 1), "other", panels), bench.model, store)
    return {
        "noise called better than naive": alone.label == SKILLED,
        "noise refused as worse than naive": not alone.promoted,
        "identical candidate called better": any(one.verdict == "better" for one in again.comparisons[len(panels) :]),
        "identical candidate promoted": again.promoted,
        "noise called better than a champion of noise": other.reason.startswith("better than"),
        "noise called worse than a champion of noise": other.reason.startswith("worse than v"),
    }


def planted(bench: Bench, spec: ModelSpec, folder: Path) -> Findings:
    """Judge a candidate that can find a signal: by itself, and against a champion that looks at the calendar only."""
    mine = bench.candidate(spec, "mine")
    blind = bench.candidate(replace(spec, families=("calendar",)), "blind")
    alone = judge(mine, bench.model, ArtifactStore(folder / "empty"))
    against = judge(mine, bench.model, serving(folder / "store", bench.model, blind))
    return {
        "signal called better than naive": alone.promoted and alone.label == SKILLED,
        "signal promoted over a champion without": against.promoted and against.reason.startswith("better than v"),
    }


def serving(root: Path, model: str, candidate: Candidate) -> ArtifactStore:
    """Return a store in which a version with the losses of a candidate serves."""
    store = ArtifactStore(root, by="figures")
    draft = msgspec.structs.replace(
        toys.draft(model), checks=candidate.checks, target=candidate.target, last_date=candidate.last
    )
    files = toys.files("champion") | {LOSSES_NAME: candidate.losses.dump()}
    store.promote(model, store.publish(draft, files, why="figures").version, why="figures")
    return store
