"""Losses against libraries and by hand, and what intervals promise, by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import log_loss as sklearn_log_loss

from feature_mapper.typing import DateArray, FloatArray
from training.kit.questions.registry import QUESTIONS
from training.kit.regime import METRIC
from training.kit.scores import (
    BLOCK,
    LITTLE,
    DailySums,
    conformal_quantile,
    conformal_quantiles,
    gain,
    log_loss,
    qlike,
    ranked_probability,
    skill,
    squared_error,
    stretch,
    verdict,
)

DAYS = 1500
SEEDS = range(60)


@given(seed=st.integers(0, 9999), n=st.integers(2, 50))
def test_log_loss_equals_that_of_scikit_learn(seed: int, n: int) -> None:
    """Mean over the rows."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n).astype(np.float64)
    p = rng.uniform(1e-6, 1 - 1e-6, n)
    assert log_loss(p, y).mean() == pytest.approx(sklearn_log_loss(y, p, labels=[0, 1]), rel=1e-12)


def test_log_loss_of_a_sure_mistake_is_finite() -> None:
    """A probability of 0 for what happened costs much and breaks nothing."""
    loss = log_loss(np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    assert np.isfinite(loss).all()
    assert (loss > 30).all()


def test_ranked_probability_by_hand() -> None:
    """``((P(0) - [code <= 0])^2 + (P(0) + P(1) - [code <= 1])^2) / 2`` for each class."""
    shares = np.array([[0.2, 0.5, 0.3]] * 3)
    expected = [(0.8**2 + 0.3**2) / 2, (0.2**2 + 0.3**2) / 2, (0.2**2 + 0.7**2) / 2]
    assert ranked_probability(shares, np.array([0.0, 1.0, 2.0])) == pytest.approx(expected)


def test_ranked_probability_knows_the_order_of_classes() -> None:
    """Sure and right costs 0, one class off 1/2, two off 1."""
    sure_of_low = np.array([[1.0, 0.0, 0.0]] * 3)
    assert ranked_probability(sure_of_low, np.array([0.0, 1.0, 2.0])).tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("truth", [1e-5, 3e-4, 0.2])
def test_qlike_is_least_at_the_true_variance(truth: float) -> None:
    """Also where the outcome is but a noisy, unbiased proxy; and 0 where forecast and outcome agree."""
    proxy = truth * np.random.default_rng(1).chisquare(1, 200_000)
    candidates = truth * np.array([0.5, 0.8, 0.95, 1.0, 1.05, 1.25, 2.0])
    losses = [qlike(np.full_like(proxy, candidate), proxy).mean() for candidate in candidates]
    assert int(np.argmin(losses)) == 3
    assert qlike(np.array([truth]), np.array([truth])).tolist() == [0.0]


def test_squared_error_is_that() -> None:
    """(1 - 4)^2."""
    assert squared_error(np.array([1.0]), np.array([4.0])).tolist() == [9.0]


@pytest.mark.parametrize(("n", "level"), [(9, 0.9), (19, 0.9), (99, 0.8), (99, 0.99)])
def test_conformal_quantile_covers_what_it_says(n: int, level: float) -> None:
    """A further error lies at or below it with a chance from ``level`` to ``level + 1 / (n + 1)``."""
    rng, trials = np.random.default_rng(n), 6000
    held = sum(rng.exponential() <= conformal_quantile(rng.exponential(size=n), level) for _ in range(trials))
    noise = 3 * math.sqrt(level * (1 - level) / trials)
    assert level - noise <= held / trials <= level + 1 / (n + 1) + noise


@given(errors=st.lists(st.floats(0, 9), min_size=1, max_size=40), level=st.sampled_from([0.05, 0.5, 0.8, 0.9, 0.99]))
def test_conformal_quantile_by_sorting(errors: list[float], level: float) -> None:
    """The ``ceil((n + 1) level)``-th smallest, or the largest if there is none such."""
    rank = min(math.ceil((len(errors) + 1) * level), len(errors))
    assert conformal_quantile(np.array(errors), level) == sorted(errors)[rank - 1]
    assert conformal_quantiles(np.array(errors), (0.5, level, 0.9))[1] == sorted(errors)[rank - 1]


def days_of(rows: int) -> DateArray:
    """Two symbols a day."""
    days: DateArray = np.repeat(np.busday_offset(np.datetime64("2010-01-04"), np.arange(rows // 2)), 2)
    return days


def clustered(rng: np.random.Generator, rows: int) -> FloatArray:
    """Losses that the symbols of a day share in part, and that remember the last days."""
    common = rng.normal(size=rows // 2)
    for day in range(1, len(common)):
        common[day] += 0.5 * common[day - 1]
    losses: FloatArray = np.repeat(common, 2) + 0.5 * rng.normal(size=rows)
    return losses


def difference(seed: int, planted: float) -> tuple[FloatArray, FloatArray, DateArray]:
    """Losses of a model and of its baseline that differ by clustered noise, less what was planted."""
    base = np.full(DAYS, 10.0)
    return base + clustered(np.random.default_rng(seed), DAYS) - planted, base, days_of(DAYS)


def test_interval_holds_zero_where_there_is_nothing() -> None:
    """In about 95 of 100 comparisons of noise; a bootstrap of blocks is a little narrow, never much."""
    held = 0
    for seed in SEEDS:
        low, high = DailySums.of(*difference(seed, 0.0)).interval(seed=7)
        held += low <= 0 <= high
    assert 0.87 <= held / len(SEEDS) <= 1.0


def test_interval_of_rows_would_be_too_narrow() -> None:
    """Why days are drawn in blocks: an interval for independent rows misses zero in a third of the comparisons."""
    held = 0
    for seed in SEEDS:
        model, base, _ = difference(seed, 0.0)
        gains = base - model
        held += abs(gains.mean()) <= 1.96 * gains.std() / math.sqrt(len(gains))
    assert held / len(SEEDS) < 0.8


def test_interval_excludes_zero_for_a_planted_gain() -> None:
    """A gain of six standard errors is seen every time, and called by its name."""
    for seed in range(10):
        model, base, date = difference(seed, 0.5)
        score = skill("skill", model, base, date, against="base")
        assert score.ci95 is not None
        assert score.ci95[0] > 0
        assert score.verdict == "better than naive"
        assert score.value == pytest.approx(1 - model.sum() / base.sum())
        assert (score.n, score.baseline) == (len(model), "base")


def test_gain_does_not_care_where_zero_is() -> None:
    """Log densities have no natural zero: adding a constant to both sides changes no gain and no interval."""
    model, base, date = difference(1, 0.2)
    here = gain("gain", model, base, date, against="base")
    there = gain("gain", model - 1000, base - 1000, date, against="base")
    assert here.value == pytest.approx(base.mean() - model.mean())
    assert there.value == pytest.approx(here.value)
    assert here.ci95 is not None
    assert there.ci95 == pytest.approx(here.ci95)


def test_interval_depends_on_days_not_on_the_order_of_rows() -> None:
    """Rows of a panel may be pooled in any order."""
    model, base, date = difference(2, 0.0)
    order = np.random.default_rng(0).permutation(len(date))
    assert DailySums.of(model[order], base[order], date[order]).interval(seed=7) == pytest.approx(
        DailySums.of(model, base, date).interval(seed=7)
    )


def test_same_seed_same_interval() -> None:
    """And another seed another one: it is a simulation, and a repeatable one."""
    sums = DailySums.of(*difference(3, 0.0))
    assert sums.interval(seed=7) == sums.interval(seed=7)
    assert sums.interval(seed=7) != sums.interval(seed=8)


@pytest.mark.parametrize(
    ("value", "interval", "said"),
    [
        (0.015, (0.01, 0.02), "better than naive"),
        (0.004, (0.001, 0.007), "weak"),
        (0.005, (0.001, 0.009), "better than naive"),
        (-0.015, (-0.02, -0.01), "no measurable skill"),
        (0.05, (-0.01, 0.11), "no measurable skill"),
        (0.05, (0.0, 0.1), "no measurable skill"),
    ],
)
def test_verdict(value: float, interval: tuple[float, float], said: str) -> None:
    """Only an interval above zero says something, and of little, that it is little."""
    assert verdict("mse_skill", value, interval) == said
    assert verdict("mse_skill_all_features", value, interval) == said


def test_every_score_knows_what_is_little() -> None:
    """No metric that a version is quoted by goes without a bound; that of direction is the sign's share of a return's.

    For a return of correlation r with its forecast, P(up) is Phi(r z / sqrt(1 - r^2)) at a forecast of z deviations.
    """
    quoted = {question.metric for question in QUESTIONS.values()} | {METRIC, "mae_skill"}
    assert set(LITTLE) == quoted
    z = np.random.default_rng(0).normal(size=400_000)
    r2 = LITTLE["mse_skill"]
    up = norm.cdf(z * math.sqrt(r2 / (1 - r2)))
    entropy = -np.mean(up * np.log(up) + (1 - up) * np.log(1 - up))
    assert 1 - entropy / math.log(2) == pytest.approx(LITTLE["log_loss_skill"], abs=3e-4)


def test_stretch_is_that_of_students_t() -> None:
    """By the tables: 2.201 for 11 degrees of freedom at 2.5 %; of many blocks hardly anything, of few a lot."""
    assert stretch(12 * BLOCK, 0.025) == pytest.approx(2.201 / 1.960 / math.sqrt(11 / 12), abs=1e-3)
    assert stretch(1000 * BLOCK, 0.025) == pytest.approx(1, abs=2e-3)
    lengths = [stretch(days, 0.0125) for days in (1, 126, 252, 720, 1500)]
    assert lengths == sorted(lengths, reverse=True)
    assert np.isfinite(lengths).all()
