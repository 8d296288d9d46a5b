"""The choice of capacity: it takes what pays, leaves what doesn't, and looks at no row but those of the fit."""

from dataclasses import replace

import numpy as np
import pytest

from models.families.base import tabular_family
from tests.training.kit.support import FAST, pooled
from training.kit import fitting
from training.kit.fitting import chosen, fit
from training.kit.panel import Panel
from training.kit.questions.base import Question
from training.kit.questions.direction import DirectionQuestion
from training.kit.questions.returns import ReturnQuestion
from training.kit.questions.risk import RiskQuestion
from training.kit.spec import ModelSpec

ROWS = 4000


@pytest.fixture(autouse=True)
def few_rows_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the panels of these tests, which fit in seconds, count as large."""
    monkeypatch.setattr(fitting, "LEAST", ROWS // 4)


STUMPS = {**FAST, "num_leaves": 2, "rounds": 40, "learning_rate": 0.2}
TREES = {"num_leaves": 8}
NOISE_SEEDS = range(20)


def panel(seed: int, signal: float) -> Panel:
    """Return a return that needs two features at once: no sum of stumps can tell it."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, 4))
    return pooled(x, 0.01 * (signal * np.sign(x[:, 0] * x[:, 1]) + rng.normal(size=ROWS)))


def choice(of: Panel, at: object = None, question: Question | None = None, **changes: object) -> dict[str, object]:
    """Return what a fit on the rows ``at``, all by default, chooses between stumps and trees."""
    spec = replace(ModelSpec(family="lightgbm", parameters=STUMPS, alternatives=(TREES,)), **changes)  # type: ignore[arg-type]  # fields of several types
    rows = np.arange(len(of.rows)) if at is None else np.asarray(at)
    scale = np.full(len(of.rows), 0.01)
    return dict(chosen(of, rows, scale, question or ReturnQuestion(), spec, tabular_family("lightgbm")))


def test_what_pays_is_taken() -> None:
    """Trees tell what stumps can't; everything else of the declaration stays."""
    assert choice(panel(1, 0.7)) == {**STUMPS, **TREES}


def test_few_rows_choose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One fewer than asked for."""
    monkeypatch.setattr(fitting, "LEAST", ROWS)
    assert choice(panel(1, 0.7)) == {**STUMPS, **TREES}
    assert choice(panel(1, 0.7), np.arange(ROWS - 1)) == STUMPS


def test_of_noise_the_declared_stays() -> None:
    """But for one seed or two of twenty, by chance."""
    assert sum(choice(panel(seed, 0.0)) == STUMPS for seed in NOISE_SEEDS) >= len(NOISE_SEEDS) - 2


def test_the_best_of_several_is_taken() -> None:
    """Not the first that is better."""
    found = choice(panel(1, 0.7), alternatives=({"num_leaves": 2, "rounds": 41}, {"num_leaves": 3, "rounds": 4}, TREES))
    assert found == {**STUMPS, **TREES}


def test_rows_outside_of_the_fit_take_no_part() -> None:
    """Whatever happened to them: other outcomes there, or none of them at all, give the same choice."""
    of = panel(1, 0.7)
    at = np.flatnonzero(of.rows.date < np.quantile(of.rows.date.astype(np.int64), 0.6).astype("datetime64[D]"))
    y = np.full(ROWS, np.nan)
    y[at] = of.rows.y[at]
    assert choice(replace(of, rows=replace(of.rows, y=y)), at) == choice(of, at) == {**STUMPS, **TREES}


def test_the_last_days_judge_and_train_nobody() -> None:
    """A signal that the early days have and the late ones lost pays nothing there."""
    of = panel(1, 0.7)
    late = of.rows.date >= np.quantile(of.rows.date.astype(np.int64), 0.79).astype("datetime64[D]")
    y = np.where(late, panel(1, -0.7).rows.y, of.rows.y)
    assert choice(replace(of, rows=replace(of.rows, y=y))) == STUMPS


def test_labels_that_reach_into_the_last_days_do_not_train_candidates() -> None:
    """Planted: labels that all end on the last day leave nobody to train on, and nothing to choose by."""
    of = panel(1, 0.7)
    assert choice(replace(of, rows=replace(of.rows, label_end=np.full(ROWS, of.rows.date.max())))) == STUMPS


@pytest.mark.parametrize(("question", "classes"), [(DirectionQuestion(), 2), (RiskQuestion(), 3)])
def test_classes_are_chosen_for_too(question: Question, classes: int) -> None:
    """By their own loss; where the early days lack a class, the declared stays."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, 4))
    latent = 1.6 * np.sign(x[:, 0] * x[:, 1]) + rng.logistic(size=ROWS)
    y = np.digitize(latent, np.quantile(latent, np.arange(1, classes) / classes)).astype(np.float64)
    of = pooled(x, y)
    assert choice(of, question=question) == {**STUMPS, **TREES}
    early = of.rows.date < np.quantile(of.rows.date.astype(np.int64), 0.8).astype("datetime64[D]")
    assert choice(pooled(x, np.where(early, np.minimum(y, classes - 2), y)), question=question) == STUMPS


def test_the_fit_and_its_refit_use_what_was_chosen() -> None:
    """And say so, for the manifest."""
    of = panel(1, 0.7)
    spec = ModelSpec(family="lightgbm", parameters=STUMPS, alternatives=(TREES,), keep=2)
    plain = replace(spec, parameters={**STUMPS, **TREES}, alternatives=())
    rows, scale, family = np.arange(ROWS), np.full(ROWS, 0.01), tabular_family("lightgbm")
    for found, expected in zip(
        fit(of, rows, scale, ReturnQuestion(), spec, family),
        fit(of, rows, scale, ReturnQuestion(), plain, family),
        strict=True,
    ):
        assert found.parameters == plain.parameters
        assert found.estimator.dump() == expected.estimator.dump()
