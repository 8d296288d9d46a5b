"""Walk-forward evaluation: it finds what was planted, finds nothing in noise, and knows nothing of later folds."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from feature_mapper.catalogue import within
from feature_mapper.typing import BoolArray, FloatArray
from models.families.base import tabular_family
from models.tasks.base import Columns
from tests.training.kit.support import FAST, markets, pooled, walk
from training.kit.evaluation import scores
from training.kit.fitting import fit
from training.kit.panel import Panel, build
from training.kit.questions.base import Question
from training.kit.questions.direction import DirectionQuestion
from training.kit.questions.registry import QUESTIONS, question_of
from training.kit.questions.returns import ReturnQuestion
from training.kit.spec import ModelSpec, SpecError
from training.kit.splits import Fold, PurgedWalkForward
from training.kit.walk import OutOfFold

ROWS = 1600
NOISE_SEEDS = range(24)
SPEC = ModelSpec(family="lightgbm", parameters=FAST)
THRIFTY = ModelSpec(family="lightgbm", parameters={**FAST, "num_leaves": 2, "min_gain_to_split": 8.0}, keep="used")


def direction_panel(seed: int, signal: float) -> Panel:
    """Return six features, the third of which moves the log odds of the next session by ``signal``."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, 6))
    chance = 1 / (1 + np.exp(-signal * x[:, 2]))
    return pooled(x, (rng.random(ROWS) < chance).astype(np.float64))


def return_panel(seed: int, signal: float) -> Panel:
    """Return the same for a return in units of its volatility, which is 1 % here."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, 6))
    return pooled(x, 0.01 * (signal * x[:, 2] + rng.normal(size=ROWS)))


PLANTED: dict[str, tuple[Question, Callable[[int, float], Panel], float]] = {
    "direction": (DirectionQuestion(), direction_panel, 0.8),
    "return": (ReturnQuestion(), return_panel, 0.4),
}
planted = pytest.mark.parametrize("name", PLANTED)


@planted
def test_planted_signal_beats_the_baseline(name: str) -> None:
    """Its skill is positive with an interval that leaves zero out."""
    question, panel_of, signal = PLANTED[name]
    panel = panel_of(1, signal)
    (naive, *_) = scores(panel, walk(panel, question, SPEC), question)
    assert naive.ci95 is not None
    assert naive.ci95[0] > 0
    assert naive.verdict == "better than naive"


@planted
def test_noise_is_not_sold_as_skill(name: str) -> None:
    """Over many seeds of the same panels with shuffled outcomes, at most one verdict in ten is a false positive."""
    question, panel_of, signal = PLANTED[name]
    better = 0
    for seed in NOISE_SEEDS:
        panel = panel_of(seed, signal)
        shuffled = np.random.default_rng(seed + 1000).permutation(panel.rows.y)
        panel = replace(panel, rows=replace(panel.rows, y=shuffled))
        better += scores(panel, walk(panel, question, SPEC), question)[0].verdict == "better than naive"
    assert better / len(NOISE_SEEDS) <= 0.1


@planted
def test_features_of_pure_noise_are_dropped(name: str) -> None:
    """No split uses them: they get importance 0, and the refit reads the planted feature alone."""
    question, panel_of, signal = PLANTED[name]
    panel = panel_of(2, 3 * signal)
    everything = np.arange(ROWS)
    full, kept = fit(panel, everything, np.full(ROWS, 0.01), question, THRIFTY, tabular_family("lightgbm"))
    assert np.flatnonzero(full.estimator.importance()).tolist() == [2]
    assert kept.used.tolist() == [2]
    assert np.array_equal(kept.margin(panel.x), full.margin(panel.x))
    altered = np.where(np.arange(6) == 2, panel.x, 7.0)
    assert np.array_equal(kept.margin(altered), kept.margin(panel.x))


@planted
@pytest.mark.parametrize("keep", ["all", "used", 2])
def test_scores_of_both_fits_are_recorded(name: str, keep: Literal["all", "used"] | int) -> None:
    """Where features are dropped, the score of all of them stands last, against the naive baseline."""
    question, panel_of, signal = PLANTED[name]
    panel = panel_of(2, signal)
    spec = replace(THRIFTY, keep=keep, parameters={**THRIFTY.parameters, "feature_fraction": 0.5})
    found = scores(panel, walk(panel, question, spec), question)
    metrics = [score.metric for score in found]
    assert metrics[0] == question.metric
    assert metrics.count(f"{question.metric}_all_features") == (keep != "all")
    if keep != "all":
        assert (metrics[-1], found[-1].baseline) == (f"{question.metric}_all_features", found[0].baseline)
        assert found[-1].value != found[0].value


def test_a_fold_without_a_class_is_refused() -> None:
    """Nobody can learn what never happened, nor weigh it: history is too short."""
    panel = direction_panel(1, 0.5)
    early = panel.rows.date < panel.rows.date[ROWS // 3]
    with pytest.raises(SpecError, match=r"found none of class \[1\]; add history"):
        walk(replace(panel, rows=replace(panel.rows, y=np.where(early, 0.0, panel.rows.y))), DirectionQuestion(), SPEC)


@functools.cache
def panel_of_markets(name: str) -> Panel:
    """Return a real panel of two generated markets, short histories, all features that they fill."""
    return build(markets(1000), question_of(f"some_{name}"), within(22), 22)


def spec_of(question: Question) -> ModelSpec:
    """Return settings that make every part learn: weights, yardstick, head and choice of features."""
    weight: Literal["balanced"] | None = "balanced" if question.objective == "multiclass" else None
    return ModelSpec(family="lightgbm", parameters=FAST, class_weight=weight, keep=4)


@functools.cache
def truth_of_markets(name: str) -> OutOfFold:
    """Return the walk over that panel, which altered ones are held to."""
    return walk(panel_of_markets(name), question_of(f"some_{name}"), spec_of(question_of(f"some_{name}")))


def falsified(panel: Panel, question: Question, rows: BoolArray) -> Panel:
    """Return the panel with other outcomes on some rows: of the target, and of what the yardstick is fitted on."""
    y = panel.rows.y.copy()
    if question.objective == "multiclass":
        y[rows] = (y[rows] + 1) % 3
    elif question.objective == "binary":
        y[rows] = 1 - y[rows]
    else:
        y[rows] = 7 * y[rows] + 1e-5
    variance = np.where(rows, 50 * panel.variance_ahead, panel.variance_ahead)
    return replace(panel, rows=replace(panel.rows, y=y), variance_ahead=variance)


def folds_of(panel: Panel) -> list[Fold]:
    """Return the folds that `walk` walks."""
    return list(PurgedWalkForward().split(panel.rows.date, panel.rows.label_end))


def until(values: Columns | dict[str, Columns], count: int) -> list[FloatArray]:
    """Return the first rows of each column, also of nested ones."""
    columns: list[FloatArray] = []
    for part in values.values():
        columns += until(part, count) if isinstance(part, dict) else [part[:count]]
    return columns


questions = pytest.mark.parametrize("name", [*QUESTIONS, "return_5", "volatility_5"])


@questions
@pytest.mark.parametrize("number", [1, 3])
def test_later_outcomes_change_no_earlier_forecast(name: str, number: int) -> None:
    """Whatever happens from a fold on: margins, yardsticks, heads and rivals up to that fold are the same bits.

    Fits, class weights, the choice of features, calibration and conformal widths would all give themselves away.
    """
    question, panel = question_of(f"some_{name}"), panel_of_markets(name)
    fold = folds_of(panel)[number]
    truth = truth_of_markets(name)
    other = walk(falsified(panel, question, panel.rows.label_end >= fold.first), question, spec_of(question))
    tested = int(np.count_nonzero(truth.fold <= number))
    scored = int(np.count_nonzero(truth.fold[truth.scored] <= number))
    assert scored > 0
    for part in ("margin", "full_margin", "scale"):
        assert np.array_equal(getattr(other, part)[:tested], getattr(truth, part)[:tested]), part
    for part in ("forecast", "full_forecast", "rivals"):
        pairs = zip(until(getattr(other, part), scored), until(getattr(truth, part), scored), strict=True)
        assert all(np.array_equal(one, same) for one, same in pairs), part


@questions
def test_earlier_outcomes_do_change_later_forecasts(name: str) -> None:
    """The law above has teeth: what the first fold taught is in the forecasts of all later ones."""
    question, panel = question_of(f"some_{name}"), panel_of_markets(name)
    first, _, third, *_ = folds_of(panel)
    truth = truth_of_markets(name)
    taught = (panel.rows.date >= first.first) & (panel.rows.date <= first.last)
    other = walk(falsified(panel, question, taught), question, spec_of(question))
    second = truth.fold[truth.scored] == third.number
    one, same = ([part[second] for part in until(out.forecast, len(second))] for out in (other, truth))
    assert not all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))


@questions
def test_forecasts_of_a_fold_do_not_depend_on_its_own_features_of_later_days(name: str) -> None:
    """Rows of the last fold altered: nothing before moves, and in that fold only the altered rows."""
    question, panel = question_of(f"some_{name}"), panel_of_markets(name)
    last = folds_of(panel)[-1]
    late = panel.rows.date >= last.first + (last.last - last.first) // 2
    other = walk(replace(panel, x=np.where(late[:, None], 0.5, panel.x)), question, spec_of(question))
    truth = truth_of_markets(name)
    early = ~late[truth.at]
    assert np.array_equal(other.margin[early], truth.margin[early])
    assert not np.array_equal(other.margin[~early], truth.margin[~early])
