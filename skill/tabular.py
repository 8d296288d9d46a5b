"""One tabular model on a universe: its losses and those of its rivals on the same rows, in both modes."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from feature_mapper.typing import FloatArray
from models.tasks.base import Columns
from models.tasks.registry import task_of
from skill.audit import check_folds
from skill.judge import Scored
from skill.rivals.registry import rivals_of
from skill.schedule import MODES, Mode, Schedule
from skill.shelf import Shelf
from skill.universe import Universe
from skill.walk import walk
from training.kit.discover import spec_of
from training.kit.panel import build
from training.kit.questions.base import Question
from training.kit.questions.registry import QUESTIONS
from training.kit.walk import scored_rows


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Result:
    """What one tier of a model did in one mode.

    ``volatility`` is the yardstick's forecast for each row, shape (n,), by which rows are sorted into calm and wild;
    ``figures`` are the task's plain ones, ``yearly`` those that it has by year.
    """

    model: str
    tier: int
    mode: Mode
    metric: str
    scored: Scored
    volatility: FloatArray
    figures: dict[str, float]
    yearly: dict[str, dict[str, float]] = field(default_factory=dict)


def results(
    model: str,
    tiers: tuple[int, ...],
    universe: Universe,
    schedule: Schedule,
    shelf: Shelf,
    processes: int,
    told: Callable[[str], None],
) -> list[Result]:
    """Evaluate the tiers of a model in both modes.

    Raises
    ------
    SpecError
        There is too little history.
    FoldFault
        The schedule lets something train on what it is asked about.

    """
    task = task_of(model).identity.name
    spec, question = spec_of(model), QUESTIONS[task]
    found: list[Result] = []
    for tier in tiers:
        panel = build(universe.series, question, spec.features_of(tier), tier)
        told(f"tier {tier}: {len(panel.rows):,} rows of {len(panel.features)} features")
        for mode in MODES:
            folds = schedule.folds(panel.rows, universe.symbols, mode)
            check_folds(panel.rows, folds, mode, schedule.embargo)
            out = walk(model, spec, question, panel, folds, shelf, processes, told)
            rows = scored_rows(panel, out)
            at = out.at[out.scored]
            said = dict(out.rivals)
            others = rivals_of(task, universe, panel, folds, shelf, processes, told)
            said.update({name: {key: values[at] for key, values in other.items()} for name, other in others.items()})
            scored = Scored(
                date=rows.date,
                symbol=rows.symbol,
                symbols=universe.symbols,
                own=question.loss(out.forecast, rows.y),
                rivals={name: _losses(question, columns, rows.y) for name, columns in said.items()},
            )
            found.append(
                Result(
                    model=model,
                    tier=tier,
                    mode=mode,
                    metric=question.metric,
                    scored=scored,
                    volatility=out.scale[out.scored],
                    figures=question.figures(out.forecast, rows.y),
                )
            )
    return found


def _losses(question: Question, said: Columns, y: FloatArray) -> FloatArray:
    """Return the losses of a rival, NaN where it says nothing."""
    known = ~np.isnan(next(iter(said.values()))).reshape(len(y), -1).any(axis=1)
    result = np.full(len(y), np.nan)
    result[known] = question.loss({name: values[known] for name, values in said.items()}, y[known])
    return result
