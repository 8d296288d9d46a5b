"""Walk-forward evaluation of a tabular model: every score is of rows that no fit, yardstick or head had seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from feature_mapper.typing import BoolArray, FloatArray, IntArray
from models.families.base import TabularFamily
from models.tasks.base import Columns, Head
from training.kit.fitting import fit
from training.kit.panel import Panel
from training.kit.questions.base import Question, Rows
from training.kit.spec import ModelSpec
from training.kit.splits import Fold, PurgedWalkForward


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class OutOfFold:
    """Test rows of all folds, in fold order, with what was forecast for them.

    ``margin``, ``full_margin`` (of the fit on all features) and ``scale`` cover every test row. ``forecast`` and
    ``rivals`` cover the rows of ``scored``: a fold without earlier out-of-fold rows to learn a head from teaches heads
    and is not scored. ``refitted`` tells whether any fold dropped features; where none did, the full
    margin is the margin. ``heads`` are those that made the forecasts, each with the test rows that it was asked about.
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
    heads: tuple[tuple[slice, Head], ...]


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
    heads: list[tuple[slice, Head]] = []
    scored = np.zeros(len(at), dtype=np.bool_)
    begin = 0
    for part in parts:
        earlier, end = at[:begin], begin + len(part.fold.test)
        known = rows.label_end[earlier] < part.fold.first  # a label that reaches into this fold isn't known yet
        known &= ~np.isin(rows.symbol[earlier], part.fold.apart)
        if known.any():
            past, scales = rows.take(earlier[known]), scale[:begin][known]
            head, full_head = (
                question.head(margins[:begin][known], scales, past, level, part.class_weights)
                for margins in (margin, full_margin)
            )
            forecasts.append(question.task.columns(margin[begin:end], part.scale, head))
            full_forecasts.append(question.task.columns(full_margin[begin:end], part.scale, full_head))
            heads.append((slice(begin, end), head))
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
        heads=tuple(heads),
    )


def _joined(parts: list[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def scored_rows(panel: Panel, out: OutOfFold) -> Rows:
    """Return the rows that `OutOfFold.forecast` covers."""
    return panel.rows.take(out.at[out.scored])
