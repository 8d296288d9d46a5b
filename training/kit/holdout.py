"""The days that a search never sees, what it sees instead, and the one look at them when it is over."""

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, IntArray
from models.families.base import tabular_family
from models.tasks.registry import task_of
from training.kit.config import Experiment
from training.kit.evaluation import losses
from training.kit.losses import TierLosses
from training.kit.panel import Panel, build, dated
from training.kit.progress import Progress
from training.kit.questions.base import Question
from training.kit.questions.registry import QUESTIONS, question_of
from training.kit.ritual import trainer_of
from training.kit.spec import ModelSpec, SpecError
from training.kit.splits import Fold, PurgedWalkForward
from training.kit.walk import walk_forward

NEVER: Final = np.datetime64("NaT", "D")
"""Before no day and after none."""

LEAST_DAYS: Final = 126
"""Half a year: fewer days of holdout tell luck from skill even less."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Cut:
    """Series without their last days, and the first and last of the days that were cut off."""

    known: Mapping[str, Bars]
    first: np.datetime64
    last: np.datetime64


class HoldoutScore(msgspec.Struct, frozen=True, kw_only=True):
    """Losses on the holdout, by the metric of the search. ``skill`` is a gain where the metric is one."""

    loss: float
    naive: float
    skill: float
    n: int

    def __str__(self) -> str:
        """Say the figures."""
        return f"loss {self.loss:.6g}, naive {self.naive:.6g}, skill {self.skill:+.4f}, n {self.n:,}"


def cut(series: Mapping[str, Bars], experiment: Experiment) -> Cut:
    """Cut the last share of all days off every series.

    Raises
    ------
    SpecError
        Nothing would be left to search on.

    """
    days = np.unique(np.concatenate([dated(bars) for bars in series.values()]))
    count = max(math.ceil(experiment.config.tuning.holdout * len(days)), LEAST_DAYS)
    if count >= len(days):
        raise SpecError(f"expected more days than the {count} of the holdout, found {len(days)}; add history")
    first = days[-count]
    known = {symbol: bars[: int(np.searchsorted(dated(bars), first))] for symbol, bars in series.items()}
    return Cut({symbol: bars for symbol, bars in known.items() if len(bars)}, first, days[-1])


@dataclass(slots=True)
class Objective:
    """The loss of a configuration on the days before the holdout. Holds no other day.

    Panels depend on tiers and features, which few searches change, so they are kept.
    """

    experiment: Experiment
    parts: Cut
    _panels: dict[tuple[int, tuple[str, ...]], Panel] = field(default_factory=dict)

    def __call__(self, experiment: Experiment) -> float:
        """Return the mean loss of all scored rows, of the deepest tier or as mean over tiers.

        Raises
        ------
        SpecError
            It is not finite.

        """
        spec = experiment.spec
        task = task_of(experiment.model).identity.name
        tiers = _tiers(experiment)
        if task in QUESTIONS:
            splitter, question = PurgedWalkForward.of(spec.splits), question_of(experiment.model)
            parts = [_walked(self._panel(question, spec, tier), question, spec, splitter) for tier in tiers]
            values = [float(part.losses.model.mean()) for part in parts]
        else:
            outcome = trainer_of(task)(experiment.model, spec, self.parts.known, _silent(experiment.model))
            values = [float(part.model.mean()) for part in outcome.losses.tiers if part.tier in tiers]
        loss = float(np.mean(values))
        if not math.isfinite(loss):
            raise SpecError(f"expected a finite loss, found {loss}; narrow the space")
        return loss

    def _panel(self, question: Question, spec: ModelSpec, tier: int) -> Panel:
        features = spec.features_of(tier)
        key = (tier, tuple(feature.name for feature in features))
        if key not in self._panels:
            self._panels[key] = build(self.parts.known, question, features, tier)
        return self._panels[key]


@dataclass(frozen=True, slots=True)
class _WithHoldout(PurgedWalkForward):
    """The folds of the search, on the days before ``cutoff`` alone, and the holdout as one fold more."""

    cutoff: np.datetime64 = NEVER

    def split(self, date: DateArray, label_end: DateArray) -> Iterator[Fold]:
        """Yield the folds; rows whose label reaches into the holdout belong to none of the search's."""
        before = np.flatnonzero(label_end < self.cutoff)
        # Two-argument super: dataclasses with slots are made anew, and the short form would look for the old class.
        for fold in super(_WithHoldout, self).split(date[before], label_end[before]):
            yield Fold(fold.number, before[fold.train], before[fold.test], fold.first, fold.last)
        days = np.unique(date)
        start = int(np.searchsorted(days, self.cutoff))
        test = np.flatnonzero(date >= self.cutoff)
        train = np.flatnonzero(label_end < days[max(start - self.embargo, 0)])
        if len(test) == 0 or len(train) == 0:
            raise SpecError(f"expected rows before and after {self.cutoff}, found none on one side; add history")
        yield Fold(self.folds, train, test, days[start], days[-1])


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class _Walked:
    losses: TierLosses
    fold: IntArray


def on_holdout(experiment: Experiment, series: Mapping[str, Bars], parts: Cut) -> HoldoutScore:
    """Return what a configuration is worth on the holdout.

    A tabular model is fitted once on all rows whose labels end before the holdout and its embargo, with a head learnt
    on the folds of the search. Regime models and forecasts walk over all days as their trainers do, so they are fitted
    anew inside the holdout, always on earlier days.
    """
    spec = experiment.spec
    task = task_of(experiment.model).identity.name
    tiers = _tiers(experiment)
    if task in QUESTIONS:
        declared = spec.splits
        splitter = _WithHoldout(declared.folds, declared.warm_up, declared.embargo, parts.first)
        question = question_of(experiment.model)
        found = []
        for tier in tiers:
            walked = _walked(build(series, question, spec.features_of(tier), tier), question, spec, splitter)
            found.append((walked.losses, walked.fold == declared.folds))
    else:
        outcome = trainer_of(task)(experiment.model, spec, series, _silent(experiment.model))
        found = [(tier, tier.date >= parts.first) for tier in outcome.losses.tiers if tier.tier in tiers]
    own = float(np.mean([tier.model[mine].mean() for tier, mine in found]))
    naive = float(np.mean([tier.naive[mine].mean() for tier, mine in found]))
    relative = found[-1][0].relative
    return HoldoutScore(
        loss=own, naive=naive, skill=1 - own / naive if relative else naive - own, n=int(found[-1][1].sum())
    )


def _walked(panel: Panel, question: Question, spec: ModelSpec, splitter: PurgedWalkForward) -> _Walked:
    out = walk_forward(panel, question, spec, tabular_family(spec.family), splitter, lambda _: None)
    return _Walked(losses(panel, out, question), out.fold[out.scored])


def _silent(model: str) -> Progress:
    return Progress(model, 0, stream=io.StringIO())


def _tiers(experiment: Experiment) -> tuple[int, ...]:
    tiers = experiment.spec.tiers
    return tiers[-1:] if experiment.config.tuning.metric == "deepest" else tiers
