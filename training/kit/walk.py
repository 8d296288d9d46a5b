"""Walk-forward evaluation of a tabular model: every score is of rows that no fit, yardstick or head had seen."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from feature_mapper.typing import BoolArray, FloatArray, IntArray
from models.families.base import TabularEstimator, TabularFamily, TrainingRows
from models.families.checkpoints import Checkpoints
from models.tasks.base import Columns
from training.kit.panel import Panel
from training.kit.questions.base import Question, Rows
from training.kit.spec import ModelSpec, SpecError
from training.kit.splits import Fold, PurgedWalkForward


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Fitted:
    """An estimator, the columns that it reads, and the class weights that it was fitted with."""

    estimator: TabularEstimator
    used: IntArray
    class_weights: FloatArray

    def margin(self, x: FloatArray) -> FloatArray:
        """Predict rows of the whole feature set."""
        return self.estimator.predict(np.ascontiguousarray(x[:, self.used]))


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class OutOfFold:
    """Test rows of all folds, in fold order, with what was forecast for them.

    ``margin``, ``full_margin`` (of the fit on all features) and ``scale`` cover every test row. ``forecast`` and
    ``rivals`` cover the rows of ``scored``: a fold without earlier out-of-fold rows to learn a head from teaches heads
    and is not scored. ``refitted`` tells whether any fold dropped features; where none did, the full
    margin is the margin.
    """

    at: IntArray
    fold: IntArray
    margin: FloatArray
    full_margin: FloatArray
    scale: FloatArray
    scored: BoolArray
    forecast: Columns
    full_forecast: Columns
    rivals: dict[str, Columns]
    refitted: bool


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

    Each of them keeps checkpoints in a folder of its own below ``checkpoints``, if that is given.

    Raises
    ------
    SpecError
        A class that the panel has is not among the rows.

    """
    y = panel.rows.y[at]
    weight, class_weights = _weights(y, panel, question, spec)
    rows = TrainingRows(panel.x[at], question.label(y, scale[at]), weight, question.objective)
    full = _fit(family, rows, spec, checkpoints, "all_features")
    everything = np.arange(panel.x.shape[1])
    yield Fitted(full, everything, class_weights)
    if spec.keep != "all":
        used = _kept(full.importance(), spec.keep)
        if 0 < len(used) < len(everything):
            kept = TrainingRows(np.ascontiguousarray(rows.x[:, used]), rows.y, weight, question.objective)
            yield Fitted(_fit(family, kept, spec, checkpoints, "kept_features"), used, class_weights)


def _fit(
    family: TabularFamily, rows: TrainingRows, spec: ModelSpec, checkpoints: Path | None, name: str
) -> TabularEstimator:
    if checkpoints is None:
        return family.fit(rows, spec.parameters, spec.seed)
    return family.fit(rows, spec.parameters, spec.seed, Checkpoints(checkpoints / name))


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


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class FoldForecast:
    """What a fold says of its test rows before any head: margins, the yardstick's volatility, and the rivals.

    ``margin``, ``full_margin`` (of the fit on all features) and ``scale`` have a row for each test row.
    """

    fold: Fold
    margin: FloatArray
    full_margin: FloatArray
    scale: FloatArray
    class_weights: FloatArray
    rivals: dict[str, Columns]
    refitted: bool


def forecast_fold(panel: Panel, fold: Fold, question: Question, spec: ModelSpec, family: TabularFamily) -> FoldForecast:
    """Fit on the training rows of a fold, and forecast its test rows."""
    rows = panel.rows
    volatility = panel.volatility(panel.scale(fold.train))
    fits = list(fit(panel, fold.train, volatility, question, spec, family))
    test, scale = panel.x[fold.test], volatility[fold.test]
    return FoldForecast(
        fold=fold,
        margin=fits[-1].margin(test),
        full_margin=fits[0].margin(test),
        scale=scale,
        class_weights=fits[0].class_weights,
        rivals=question.baselines(rows.take(fold.train), rows.take(fold.test), scale, panel.tier),
        refitted=len(fits) > 1,
    )


def walk_forward(
    panel: Panel,
    question: Question,
    spec: ModelSpec,
    family: TabularFamily,
    splitter: PurgedWalkForward,
    step: Callable[[Fold], None],
) -> OutOfFold:
    """Fit and forecast fold by fold; ``step`` is told of each fold that is done."""
    parts: list[FoldForecast] = []
    for fold in splitter.split(panel.rows.date, panel.rows.label_end):
        parts.append(forecast_fold(panel, fold, question, spec, family))
        step(fold)
    return with_heads(panel, question, spec.level, parts)


def with_heads(panel: Panel, question: Question, level: float, parts: Sequence[FoldForecast]) -> OutOfFold:
    """Turn the margins of folds, earliest first, into forecasts, by heads that are learnt on earlier folds only.

    A head knows the rows whose label had ended before its fold began, and none of the symbols that the fold keeps
    apart. A fold without any such row teaches later heads and is not scored.
    """
    rows = panel.rows
    at, margin, full_margin, scale = (
        np.concatenate(arrays)
        for arrays in zip(*((part.fold.test, part.margin, part.full_margin, part.scale) for part in parts), strict=True)
    )
    forecasts: list[Columns] = []
    full_forecasts: list[Columns] = []
    rivals: list[dict[str, Columns]] = []
    scored = np.zeros(len(at), dtype=np.bool_)
    begin = 0
    for part in parts:
        earlier, end = at[:begin], begin + len(part.fold.test)
        known = rows.label_end[earlier] < part.fold.first  # a label that reaches into this fold isn't known yet
        known &= ~np.isin(rows.symbol[earlier], part.fold.apart)
        if known.any():
            past, scales = rows.take(earlier[known]), scale[:begin][known]
            for target, margins in ((forecasts, margin), (full_forecasts, full_margin)):
                head = question.head(margins[:begin][known], scales, past, level, part.class_weights)
                target.append(question.task.columns(margins[begin:end], part.scale, head))
            rivals.append(part.rivals)
            scored[begin:end] = True
        begin = end
    return OutOfFold(
        at=at,
        fold=np.concatenate([np.full(len(part.fold.test), part.fold.number) for part in parts]),
        margin=margin,
        full_margin=full_margin,
        scale=scale,
        scored=scored,
        forecast=_joined(forecasts),
        full_forecast=_joined(full_forecasts),
        rivals={name: _joined([part[name] for part in rivals]) for name in rivals[0]},
        refitted=any(part.refitted for part in parts),
    )


def _joined(parts: list[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def scored_rows(panel: Panel, out: OutOfFold) -> Rows:
    """Return the rows that `OutOfFold.forecast` covers."""
    return panel.rows.take(out.at[out.scored])
