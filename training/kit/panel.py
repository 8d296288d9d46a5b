"""Panels: pooled feature rows of every symbol, for one tier."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.feature import Feature
from feature_mapper.mapper import compute
from feature_mapper.typing import FloatArray, IntArray
from models.scale import FLOOR, HarScale, log_levels
from training.kit.questions.base import Question, Rows
from training.kit.spec import SpecError
from training.kit.targets import NEXT_VARIANCE

HAR_WIDTHS: Final = {1: (1,), 22: (1, 5, 21), 64: (1, 5, 21, 63), 253: (1, 5, 21, 63)}
"""Widths of the yardstick that a tier's history fills."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Panel:
    """Feature rows with what belongs to them.

    ``x`` has shape (n, k); ``logs`` has shape (n, widths) and ``next_variance`` shape (n,): what `HarScale` is fitted on.
    """

    tier: int
    features: tuple[Feature, ...]
    x: FloatArray
    rows: Rows
    logs: FloatArray
    next_variance: FloatArray

    def scale(self, train: IntArray) -> HarScale:
        """Fit the yardstick on the rows at ``train``."""
        return fit_scale(HAR_WIDTHS[self.tier], self.logs[train], self.next_variance[train])

    def volatility(self, scale: HarScale) -> FloatArray:
        """Return the yardstick's forecast for every row, shape (n,), from the levels that the panel holds."""
        return scale.from_logs([self.logs[:, column] for column in range(self.logs.shape[1])])


def build(series: Mapping[str, Bars], question: Question, features: tuple[Feature, ...], tier: int) -> Panel:
    """Pool the rows that have ``tier`` bars of history, a label and the context of the baselines.

    Raises
    ------
    SpecError
        No row qualifies: the histories are too short for this tier and target.

    """
    parts = [_part(bars, question, features, tier, number) for number, bars in enumerate(series.values())]
    x = np.concatenate([part.x for part in parts])
    if len(x) == 0:
        longest = max((len(bars) for bars in series.values()), default=0)
        message = f"expected histories that fill tier {tier} and the target, found at most {longest} bars; add data"
        raise SpecError(message)
    rows = Rows(
        y=np.concatenate([part.rows.y for part in parts]),
        date=np.concatenate([part.rows.date for part in parts]),
        label_end=np.concatenate([part.rows.label_end for part in parts]),
        symbol=np.concatenate([part.rows.symbol for part in parts]),
        context={name: np.concatenate([part.rows.context[name] for part in parts]) for name in parts[0].rows.context},
    )
    logs = np.concatenate([part.logs for part in parts])
    return Panel(tier, features, x, rows, logs, np.concatenate([part.next_variance for part in parts]))


def _part(bars: Bars, question: Question, features: tuple[Feature, ...], tier: int, number: int) -> Panel:
    n, horizon = len(bars), question.target.horizon
    if bars.date is None:
        message = f"expected dated bars of {bars.symbol}, found none; splits by date need them"
        raise SpecError(message)
    y, context, variance = question.target.values(bars), question.context(bars), NEXT_VARIANCE.values(bars)
    known = ~np.isnan(y) & ~np.isnan(variance)
    for values in context.values():
        known &= ~np.isnan(values)
    known[: tier - 1] = False
    at = np.flatnonzero(known)
    widths = HAR_WIDTHS[tier]
    logs = np.full((n, len(widths)), np.nan)
    if n >= tier:
        logs[tier - 1 :] = np.stack(log_levels(bars, widths, n - tier + 1), axis=1)
    rows = Rows(
        y=y[at],
        date=bars.date[at],
        label_end=bars.date[np.minimum(at + horizon, n - 1)],
        symbol=np.full(len(at), number),
        context={name: values[at] for name, values in context.items()},
    )
    return Panel(tier, features, compute(bars, features)[at], rows, logs[at], variance[at])


def fit_scale(widths: tuple[int, ...], logs: FloatArray, next_variance: FloatArray) -> HarScale:
    """Fit `HarScale` by least squares on logs, then shift it so that forecast and outcome agree in mean variance."""
    outcome = np.log(np.maximum(next_variance, FLOOR))
    base = logs[:, -1]
    relative = logs[:, :-1] - base[:, None]
    design = np.column_stack([np.ones(len(base)), relative])
    solution, *_ = np.linalg.lstsq(design, outcome - base, rcond=None)
    weights = (*(float(weight) for weight in solution[1:]), float(1 - solution[1:].sum()))
    draft = HarScale(widths=widths, weights=weights, intercept=float(solution[0]))
    forecast = np.square(draft.from_logs([logs[:, column] for column in range(logs.shape[1])]))
    shift = float(np.log(np.mean(next_variance / forecast)))
    return HarScale(widths=widths, weights=weights, intercept=draft.intercept + shift)
