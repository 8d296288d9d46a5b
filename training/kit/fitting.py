"""One fit of a tabular model: how much it may learn, on which features, and with which weights."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from feature_mapper.typing import DateArray, FloatArray, IntArray
from models.families.base import Parameters, TabularEstimator, TabularFamily, TrainingRows
from models.families.checkpoints import Checkpoints
from training.kit.panel import Panel
from training.kit.questions.base import Question
from training.kit.spec import ModelSpec, SpecError

STRETCH: Final = 0.2
"""Share of the days, the last ones, on which alternatives are judged."""

SURELY: Final = 2.0
"""Standard errors by which an alternative has to be better: where both are as good, one in forty is."""

LEAST: Final = 20_000
"""Rows below which the declared parameters stay: the late fifth of fewer tells nothing apart, and trying costs more
than the fit."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Fitted:
    """An estimator, the columns that it reads, and the parameters and class weights that it was fitted with."""

    estimator: TabularEstimator
    used: IntArray
    parameters: Parameters
    class_weights: FloatArray

    def margin(self, x: FloatArray) -> FloatArray:
        """Predict rows of the whole feature set."""
        return self.estimator.predict(np.ascontiguousarray(x[:, self.used]))


def fit(
    panel: Panel,
    at: IntArray,
    scale: FloatArray,
    question: Question,
    spec: ModelSpec,
    family: TabularFamily,
    checkpoints: Path | None = None,
) -> Iterator[Fitted]:
    """Fit on the rows ``at``; yield the fit on all features and, if the spec keeps fewer, the refit on those.

    The parameters are those of `chosen`.

    Each of them keeps checkpoints in a folder of its own below ``checkpoints``, if that is given.

    Raises
    ------
    SpecError
        A class that the panel has is not among the rows.

    """
    y = panel.rows.y[at]
    weight, class_weights = _weights(y, panel, question, spec)
    rows = TrainingRows(panel.x[at], question.label(y, scale[at]), weight, question.objective)
    parameters = chosen(panel, at, scale, question, spec, family)
    full = _fit(family, rows, parameters, spec.seed, checkpoints, "all_features")
    everything = np.arange(panel.x.shape[1])
    yield Fitted(full, everything, parameters, class_weights)
    if spec.keep != "all":
        used = _kept(full.importance(), spec.keep)
        if 0 < len(used) < len(everything):
            kept = TrainingRows(np.ascontiguousarray(rows.x[:, used]), rows.y, weight, question.objective)
            refit = _fit(family, kept, parameters, spec.seed, checkpoints, "kept_features")
            yield Fitted(refit, used, parameters, class_weights)


def chosen(
    panel: Panel, at: IntArray, scale: FloatArray, question: Question, spec: ModelSpec, family: TabularFamily
) -> Parameters:
    """Return the declared parameters, or the best of the alternatives that is surely better on late rows of ``at``.

    What pays with 200,000 rows overfits 8,000, so that no folder can know it beforehand. With `LEAST` rows or more,
    each candidate is fitted on the rows whose labels end before the last `STRETCH` of the days, less the embargo, and
    judged on those days. No row but those of the fit takes part: a fold's choice knows no more than the fold does.
    """
    if not spec.alternatives or len(at) < LEAST:
        return spec.parameters
    rows = panel.rows.take(at)
    days = np.unique(rows.date)
    start = int(len(days) * (1 - STRETCH))
    train = at[rows.label_end < days[max(start - spec.splits.embargo, 0)]]
    test = at[rows.date >= days[start]]
    if len(train) == 0:
        return spec.parameters
    y = panel.rows.y[train]
    try:
        weight, class_weights = _weights(y, panel, question, spec)
    except SpecError:  # the early days lack a class: too few rows to choose by
        return spec.parameters
    early = TrainingRows(panel.x[train], question.label(y, scale[train]), weight, question.objective)
    late = panel.rows.take(test)

    def losses(parameters: Parameters) -> FloatArray:
        margin = family.fit(early, parameters, spec.seed).predict(panel.x[test])
        head = question.head(margin, scale[test], late, spec.level, class_weights)
        return question.loss(question.task.columns(margin, scale[test], head), late.y)

    declared = losses(spec.parameters)
    best, gained = spec.parameters, 0.0
    for alternative in spec.alternatives:
        candidate = {**spec.parameters, **alternative}
        gain = declared - losses(candidate)
        if gain.mean() > gained and _surely(gain, late.date):
            best, gained = candidate, float(gain.mean())
    return best


def _surely(gain: FloatArray, date: DateArray) -> bool:
    """Tell whether gains, added up by day, are above 0 by more than chance would have it."""
    _, day = np.unique(date, return_inverse=True)
    sums = np.bincount(day, gain)
    return bool(sums.sum() > SURELY * math.sqrt(len(sums)) * sums.std())


def _fit(
    family: TabularFamily,
    rows: TrainingRows,
    parameters: Parameters,
    seed: int,
    checkpoints: Path | None,
    name: str,
) -> TabularEstimator:
    if checkpoints is None:
        return family.fit(rows, parameters, seed)
    return family.fit(rows, parameters, seed, Checkpoints(checkpoints / name))


def _kept(gain: FloatArray, keep: Literal["used"] | int) -> IntArray:
    """Return the columns to keep, in their order: those that are used, the foremost by gain if a number is given."""
    used = np.flatnonzero(gain > 0)
    if keep == "used":
        return used
    return np.sort(used[np.argsort(-gain[used], kind="stable")][:keep])


def _weights(y: FloatArray, panel: Panel, question: Question, spec: ModelSpec) -> tuple[FloatArray | None, FloatArray]:
    if question.objective not in ("binary", "multiclass"):
        return None, np.ones(1)
    counts = np.bincount(y.astype(np.int64), minlength=int(panel.rows.y.max()) + 1)
    if not counts.all():
        absent = np.flatnonzero(counts == 0).tolist()
        raise SpecError(f"expected rows of every class to train on, found none of class {absent}; add history")
    if spec.class_weight is None:
        return None, np.ones(len(counts))
    class_weights = len(y) / (len(counts) * counts)
    return class_weights[y.astype(np.int64)], class_weights
