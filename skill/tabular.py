"""One tabular model on a universe: its losses and those of its rivals on the same rows, in both modes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from feature_mapper.typing import FloatArray
from models.manifest import Coverage
from models.tasks.bands import LEVELS, at_level
from models.tasks.base import Columns
from models.tasks.registry import task_of
from skill.audit import check_folds
from skill.judge import Scored
from skill.measures import MEDIAN, Measure, Quantile, Said, measures, student
from skill.rivals.registry import fold_rivals, symbol_rivals
from skill.schedule import MODES, Mode, Schedule
from skill.shelf import Shelf
from skill.side_by_side import Told
from skill.universe import Universe
from skill.walk import walk
from training.kit.coverage import of_band
from training.kit.discover import spec_of
from training.kit.panel import Panel, build
from training.kit.questions.base import Question
from training.kit.questions.registry import question_of
from training.kit.spec import ModelSpec
from training.kit.trading import Book, followed
from training.kit.walk import FoldForecast, OutOfFold, scored_rows, with_heads


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Result:
    """What one tier of a model did in one mode, by one measure.

    ``volatility`` is the yardstick's forecast for each row, shape (n,), by which rows are sorted into calm and wild;
    ``figures`` are the task's plain ones, ``bands`` tell what its bands held, and ``book`` what following it would have
    earned, where that makes sense. They stand with the task's own measure.
    """

    model: str
    tier: int
    mode: Mode
    metric: str
    scored: Scored
    volatility: FloatArray
    figures: dict[str, float]
    bands: Coverage | None = None
    book: Book | None = None


def results(
    model: str,
    tiers: tuple[int, ...],
    universe: Universe,
    schedule: Schedule,
    shelf: Shelf,
    processes: int,
    told: Told,
) -> list[Result]:
    """Evaluate the tiers of a model in both modes, by every measure of its task.

    Raises
    ------
    SpecError
        There is too little history.
    FoldFault
        The schedule lets something train on what it is asked about.

    """
    task = task_of(model).identity
    spec, question = spec_of(model), question_of(model)
    found: list[Result] = []
    for tier in tiers:
        panel = build(universe.series, question, spec.features_of(tier), tier)
        told(f"tier {tier}: {len(panel.rows):,} rows of {len(panel.features)} features")
        edges = schedule.edges(panel.rows, "forward")  # who looks at one symbol learns anew as often in either mode
        alone = symbol_rivals(task, universe, panel, edges, shelf, processes, told)
        for mode in MODES:
            folds = schedule.folds(panel.rows, universe.symbols, mode)
            check_folds(panel.rows, folds, mode, schedule.embargo)
            parts = walk(model, spec, question, panel, folds, shelf, processes, told)
            out = with_heads(panel, question, spec.level, parts)
            at = out.at[out.scored]
            others = alone | fold_rivals(task, panel, folds, shelf, processes, told)
            rivals = {name: {key: values[at] for key, values in other.items()} for name, other in others.items()}
            said = Said(
                out.forecast, _quantile(panel, question, parts, out) if "expected_return" in out.forecast else None
            )
            found += _judged(model, spec, question, mode, universe, panel, out, said, {**out.rivals, **rivals})
            told(f"tier {tier}, {mode}: {len(at):,} rows judged")
    return found


def _judged(
    model: str,
    spec: ModelSpec,
    question: Question,
    mode: Mode,
    universe: Universe,
    panel: Panel,
    out: OutOfFold,
    said: Said,
    rivals: dict[str, Columns],
) -> Iterator[Result]:
    rows, volatility = scored_rows(panel, out), out.scale[out.scored]
    figures = question.figures(said.columns, rows.y)
    bands = of_band(said.columns, rows.y, spec.level, rows.date, volatility)
    book = followed(said.columns, rows, universe.series, question.target.horizon)
    for measure in measures(question):
        own = measure.losses(said, rows.y)
        theirs = {name: _losses(measure, columns, rows.y) for name, columns in rivals.items()}
        answered = {name: losses for name, losses in theirs.items() if losses is not None}
        if own is not None and answered:
            scored = Scored(rows.date, rows.symbol, universe.symbols, own, answered)
            yield Result(model, panel.tier, mode, measure.name, scored, volatility, figures, bands, book)
        figures, bands, book = {}, None, None


def _losses(measure: Measure, columns: Columns, y: FloatArray) -> FloatArray | None:
    """Return the losses of a rival, NaN where it says nothing; None if it never says what is measured."""
    known = ~np.isnan(next(iter(columns.values()))).reshape(len(y), -1).any(axis=1)
    told = {name: values[known] for name, values in columns.items()}
    quantile = student(told["mean"], told["deviation"], told["freedom"]) if "freedom" in told else None
    losses = measure.losses(Said(told, quantile), y[known])
    if losses is None:
        return None
    result = np.full(len(y), np.nan)
    result[known] = losses
    return result


def _quantile(panel: Panel, question: Question, parts: Sequence[FoldForecast], out: OutOfFold) -> Quantile:
    """Return the quantiles of a model whose band is central: the ends of the bands that its heads give by level.

    Those that no answer has, of fewer than half of the outcomes, are learnt in the same way on the same rows.
    """

    @lru_cache(maxsize=1)
    def band(level: float) -> Columns:
        if level < LEVELS[0]:
            return with_heads(panel, question, level, parts).forecast
        said = [
            question.task.columns(out.margin[rows], out.scale[rows], at_level(head, level)) for rows, head in out.heads
        ]
        return {name: np.concatenate([columns[name] for columns in said]) for name in said[0]}

    def quantile(tau: float) -> FloatArray:
        if tau == MEDIAN:
            return out.forecast["expected_return"]
        return band(round(abs(1 - 2 * tau), 9))["lower" if tau < MEDIAN else "upper"]

    return quantile
