"""What a configuration is worth, fold by fold, without publishing anything.

A fold's loss is the mean of its rows. Mean and standard deviation are over folds, each counted once, so that a fold
with few rows weighs as much as one with many: the deviation tells how much a score depends on the years.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import BoolArray, DateArray, IntArray
from models.families.base import tabular_family
from models.tasks.registry import task_of
from models.typing import JsonObject
from training.kit.config import Experiment, plain
from training.kit.evaluation import losses
from training.kit.losses import TierLosses
from training.kit.panel import build
from training.kit.progress import Progress
from training.kit.questions.registry import QUESTIONS, question_of
from training.kit.ritual import trainer_of
from training.kit.splits import Fold, PurgedWalkForward
from training.kit.walk import walk_forward


class FoldScore(msgspec.Struct, frozen=True, kw_only=True):
    """One test block. ``skill`` is a gain where the metric is one (`TierLosses.relative`)."""

    fold: int
    first: str
    last: str
    n: int
    loss: float
    naive: float
    skill: float


class Spread(msgspec.Struct, frozen=True):
    """Mean over folds and sample standard deviation; None where there is one fold."""

    mean: float
    std: float | None


class TierValidation(msgspec.Struct, frozen=True, kw_only=True):
    """The folds of one tier."""

    tier: int
    metric: str
    baseline: str
    folds: tuple[FoldScore, ...]
    loss: Spread
    skill: Spread


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """A cross-validation: the configuration that was tried, and what became of it."""

    model: str
    config: JsonObject
    symbols: tuple[str, ...]
    tiers: tuple[TierValidation, ...]

    def as_json(self) -> JsonObject:
        """Return it as JSON."""
        return plain(self)

    def table(self) -> str:
        """Return it for a terminal."""
        lines = [f"{self.model} on {len(self.symbols)} series, without publishing"]
        for tier in self.tiers:
            lines.append(f"tier {tier.tier}: {tier.metric} against {tier.baseline}")
            lines += [
                f"  fold {fold.fold}  {fold.first} to {fold.last}  n {fold.n:>7,}  loss {fold.loss:.6g}"
                f"  skill {fold.skill:+.4f}"
                for fold in tier.folds
            ]
            lines.append(f"  mean over folds: loss {_shown(tier.loss, '.6g')}, skill {_shown(tier.skill, '+.4f')}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Walked:
    """Out-of-sample losses of a tier, and the fold of each row, shape (n,)."""

    losses: TierLosses
    fold: IntArray


def cross_validate(experiment: Experiment, series: Mapping[str, Bars], progress: Progress) -> Validation:
    """Walk forward with a configuration; publish nothing.

    Tabular models are fitted fold by fold; the first fold teaches heads and is not scored. Regime models and price
    forecasts walk as their trainers do, and their scored days are cut into as many blocks of equal numbers of days.

    Raises
    ------
    SpecError
        There is too little history for the folds.

    """
    walked = walk(experiment, series, progress)
    tiers = tuple(_validated(part) for part in walked)
    return Validation(model=experiment.model, config=experiment.config.as_json(), symbols=tuple(series), tiers=tiers)


def walk(experiment: Experiment, series: Mapping[str, Bars], progress: Progress) -> list[Walked]:
    """Return the out-of-sample losses of each tier, with the fold of each row."""
    spec = experiment.spec
    task = task_of(experiment.model).identity.name
    if task not in QUESTIONS:
        outcome = trainer_of(task)(experiment.model, spec, series, progress)
        return [Walked(tier, _blocks(tier.date, spec.splits.folds)) for tier in outcome.losses.tiers]
    question, family = question_of(experiment.model), tabular_family(spec.family)
    splitter = PurgedWalkForward.of(spec.splits)
    progress.total = len(spec.tiers) * splitter.folds
    result: list[Walked] = []
    for tier in spec.tiers:
        panel = build(series, question, spec.features_of(tier), tier)

        def step(fold: Fold, tier: int = tier) -> None:
            progress.step(f"tier {tier}, fold to {fold.last}")

        out = walk_forward(panel, question, spec, family, splitter, step)
        result.append(Walked(losses(panel, out, question), out.fold[out.scored]))
    return result


def _blocks(date: DateArray, folds: int) -> IntArray:
    """Return which of so many blocks of equal numbers of days a row lies in, shape (n,)."""
    days, day = np.unique(date, return_inverse=True)
    edges = np.linspace(0, len(days), folds + 1).astype(np.int64)
    return np.searchsorted(edges, day, side="right") - 1


def _validated(walked: Walked) -> TierValidation:
    tier = walked.losses
    folds = tuple(_fold(tier, number, walked.fold == number) for number in np.unique(walked.fold).tolist())
    return TierValidation(
        tier=tier.tier,
        metric=tier.metric,
        baseline=tier.baseline,
        folds=folds,
        loss=_spread([fold.loss for fold in folds]),
        skill=_spread([fold.skill for fold in folds]),
    )


def _fold(tier: TierLosses, number: int, mine: BoolArray) -> FoldScore:
    own, naive, date = float(tier.model[mine].mean()), float(tier.naive[mine].mean()), tier.date[mine]
    return FoldScore(
        fold=number,
        first=str(date.min()),
        last=str(date.max()),
        n=int(mine.sum()),
        loss=own,
        naive=naive,
        skill=1 - own / naive if tier.relative else naive - own,
    )


def _spread(values: list[float]) -> Spread:
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)


def _shown(spread: Spread, form: str) -> str:
    return f"{spread.mean:{form}}" + ("" if spread.std is None else f" (sd {spread.std:{form.lstrip('+')}})")
