"""Trials of the gate: a seeded market whose truth is known, candidates trained on it, and what the gate says of them.

A candidate is made by the parts of the kit that a verdict depends on: panel, walk forward, losses, leak checks. The
rest of a training (the fit on all rows, golden examples, pictures) the gate never looks at;
`tests/figures/test_gate_rates.py` holds that a whole training gives the same candidate.
"""

import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Final

import msgspec

from data.sources.known_truth import NOISE, KnownTruth, Signal, generate
from feature_mapper.bars import Bars
from feature_mapper.feature import Feature
from models.families.base import tabular_family
from models.manifest import Comparison, GateVerdict, LeakCheck, Target
from models.store import ArtifactStore
from models.tasks.registry import task_of
from models.verdicts import SKILLED
from tests.models.store import toys
from tests.support.certificates import certified
from training.kit.checks import run_checks
from training.kit.discover import spec_of
from training.kit.evaluation import losses
from training.kit.gate import Candidate, judge, of_artifact, of_outcome
from training.kit.losses import LOSSES_NAME, Losses
from training.kit.panel import Panel, build
from training.kit.progress import Progress
from training.kit.questions.registry import QUESTIONS, question_of
from training.kit.ritual import trainer_of
from training.kit.spec import ModelSpec
from training.kit.splits import PurgedWalkForward
from training.kit.walk import walk_forward

SYMBOLS: Final = ("A", "B", "C", "D")
TIERS: Final = (1, 22)
"""Tiers of the trials: the longer ones of a spec cost minutes more and add nothing to noise."""

STRENGTH: Final = 0.25
"""Correlation of the planted sign with the next return, as in `SIGNAL`: it explains 6 % of the squared return."""

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
        return self.judged(*self.trained())

    def trained(self) -> tuple[Candidate, Candidate]:
        """Train two candidates: on noise, of two seeds; on a signal, one that can find it and one that can not."""
        spec = replace(spec_of(self.model), tiers=TIERS) if self.spec is None else self.spec
        law = KnownTruth(signal=Signal(self.strength)) if self.strength else NOISE
        series = generate(law, seed=self.seed, sessions=self.sessions, symbols=SYMBOLS).bars
        second = replace(spec, families=("calendar",)) if self.strength else replace(spec, seed=spec.seed + 1)
        if task_of(self.model).identity.name not in QUESTIONS:
            return whole(self.model, series, spec), whole(self.model, series, second)
        bench = Bench(self.model, series)
        return bench.candidate(spec, "first"), bench.candidate(second, "second")

    def judged(self, first: Candidate, second: Candidate) -> Findings:
        """Return what the gate says of them."""
        with tempfile.TemporaryDirectory() as folder:
            return (planted if self.strength else noise)(self.model, first, second, Path(folder))


def whole(model: str, series: Mapping[str, Bars], spec: ModelSpec) -> Candidate:
    """Train a model that reads bars themselves, as a whole: it has no panel that two candidates could share."""
    train = trainer_of(task_of(model).identity.name)
    outcome = train(model, spec, series, Progress(model, 0, stream=io.StringIO()))
    return replace(of_outcome(model, outcome), checks=tuple(check.brief() for check in outcome.checks))


class Bench:
    """A market with the panels that candidates of a model are trained on.

    Panels and checks are made once for all candidates of the same features: they are the same to the bit.
    """

    def __init__(self, model: str, series: Mapping[str, Bars]) -> None:
        """Store."""
        self.model = model
        self.series = series
        self.question = question_of(model)
        self.splitter = PurgedWalkForward()
        self._panel = cache(self._panel_of)
        self._checks = cache(self._checks_of)

    def candidate(self, spec: ModelSpec, name: str) -> Candidate:
        """Train a candidate out of fold."""
        forward = partial(
            walk_forward,
            question=self.question,
            spec=spec,
            family=tabular_family(spec.family),
            splitter=self.splitter,
            step=lambda _: None,
        )
        panels = [self._panel(spec.features_of(tier), tier) for tier in spec.tiers]
        kept = Losses(tuple(self.series), tuple(losses(panel, forward(panel), self.question) for panel in panels))
        target = self.question.target
        return Candidate(
            name,
            self._checks(spec.features_of(spec.tiers[-1]), spec.tiers[-1]),
            Target(name=target.name, definition=target.definition, horizon=target.horizon),
            Losses.load(kept.dump()),
            panels[-1].rows.date.max().item(),
        )

    def _panel_of(self, features: tuple[Feature, ...], tier: int) -> Panel:
        return build(self.series, self.question, features, tier)

    def _checks_of(self, features: tuple[Feature, ...], tier: int) -> tuple[LeakCheck, ...]:
        found = run_checks(self.series, features, self.question, self._panel(features, tier), self.splitter)
        return tuple(check.brief() for check in found)


def noise(model: str, first: Candidate, second: Candidate, folder: Path) -> Findings:
    """Judge what can know nothing: by itself; as it was published, against itself; and another against it."""
    alone = judge(first, model, ArtifactStore(folder / "empty"))
    store = serving(folder / "store", model, first)
    published = of_artifact(store.read(model))
    if published is None:
        raise RuntimeError("expected the champion to have kept its losses, found none")
    again, other = judge(published, model, store), judge(second, model, store)
    return {
        "noise called better than naive": alone.label in SKILLED,
        "noise refused as worse than naive": not alone.promoted,
        "identical candidate called better": any(one.verdict == "better" for one in _against(again)),
        "identical candidate promoted": again.promoted,
        "noise called better than a champion of noise": any(one.verdict == "better" for one in _against(other)),
        "noise called worse than a champion of noise": any(one.verdict == "worse" for one in _against(other)),
    }


def planted(model: str, first: Candidate, second: Candidate, folder: Path) -> Findings:
    """Judge what can find a signal: by itself, and against a champion that looks at the calendar only."""
    alone = judge(first, model, ArtifactStore(folder / "empty"))
    against = judge(first, model, serving(folder / "store", model, second))
    return {
        "signal called better than naive": alone.promoted and alone.label in SKILLED,
        "signal promoted over a champion without": against.promoted and against.reason.startswith("better than v"),
    }


def _against(verdict: GateVerdict) -> list[Comparison]:
    """Return the comparisons with the champion."""
    return [one for one in verdict.comparisons if one.rival == verdict.champion]


def serving(root: Path, model: str, candidate: Candidate) -> ArtifactStore:
    """Return a store in which a version with the losses of a candidate serves."""
    store = ArtifactStore(root, by="figures")
    draft = msgspec.structs.replace(
        toys.draft(model), checks=candidate.checks, target=candidate.target, last_date=candidate.last
    )
    files = toys.files("champion") | {LOSSES_NAME: candidate.losses.dump()}
    store.promote(model, store.publish(draft, certified(draft, files), why="figures").version, why="figures")
    return store
