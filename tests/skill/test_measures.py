"""Measures: by other libraries, by closed forms, and by what a better forecast must do to them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import balanced_accuracy_score, mean_pinball_loss

from feature_mapper.typing import FloatArray
from skill.bands import bands_of
from skill.measures import TAUS, Quantile, balanced_error, crps, interval, measures, student
from training.kit.questions.registry import QUESTIONS

ROWS = 4000


def outcomes() -> FloatArray:
    """Return draws from a standard normal."""
    return np.random.default_rng(8).standard_normal(ROWS)


def normal(mean: float, deviation: float) -> Quantile:
    """Return the quantiles of a normal distribution, the same for every row."""
    return lambda tau: np.full(ROWS, mean + deviation * norm.ppf(tau))


def test_the_pinball_losses_are_those_of_scikit_learn() -> None:
    """The score is twice their mean over the quantiles, the median once."""
    y, quantile = outcomes(), normal(0.3, 1.4)
    expected = 2 * np.mean([mean_pinball_loss(y, quantile(tau), alpha=tau) for tau in TAUS])
    assert crps(quantile, y).mean() == pytest.approx(expected, rel=1e-12)


def test_it_is_near_the_closed_form_of_a_normal_forecast() -> None:
    """Of Gneiting & Raftery (2007), to the share that the far tails have."""
    y, z = outcomes(), (outcomes() - 0.3) / 1.4
    exact = 1.4 * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    assert crps(normal(0.3, 1.4), y).mean() == pytest.approx(exact.mean(), rel=0.02)


@pytest.mark.parametrize("score", [crps, interval])
def test_the_truth_scores_best(score: object) -> None:
    """A proper score: neither a shifted, nor a wider, nor a narrower forecast does better."""
    assert callable(score)
    y = outcomes()
    truth = score(normal(0, 1), y).mean()
    for other in (normal(0.3, 1), normal(-0.3, 1), normal(0, 1.3), normal(0, 0.75)):
        assert score(other, y).mean() > truth


def test_the_interval_score_is_what_it_says() -> None:
    """Width inside; outside, 20 times the distance on top, where a tenth may lie outside."""
    y = np.array([0.0, 3.0, -2.5])
    said = interval(lambda tau: np.full(3, -2.0 if tau < 0.5 else 2.0), y)
    assert said == pytest.approx([4, 24, 14])


@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
def test_balanced_errors_average_to_the_balanced_accuracy(seed: int, classes: int) -> None:
    """That of scikit-learn, whatever the shares of classes, one of them absent included."""
    rng = np.random.default_rng(seed)
    y = rng.choice(classes, 60, p=rng.dirichlet(np.ones(classes))).astype(np.float64)
    shares = rng.dirichlet(np.ones(classes), 60)
    called = np.argmax(shares, axis=1)
    with np.errstate(all="ignore"):
        truth = np.mean([np.mean(called[y == code] == code) for code in np.unique(y)])
    assert 1 - balanced_error(shares, y).mean() == pytest.approx(truth)
    if set(called) <= set(y.astype(int)):
        assert truth == pytest.approx(balanced_accuracy_score(y, called))


def test_students_quantiles_have_the_deviation_that_is_asked_for() -> None:
    """Each row with its own degrees of freedom."""
    freedom = np.tile([5.0, 30.0], ROWS // 2)
    grid = (np.arange(20_000) + 0.5) / 20_000
    draws = np.array([student(np.full(2, 1.0), np.full(2, 3.0), freedom[:2])(float(tau)) for tau in grid])
    assert draws.mean(axis=0) == pytest.approx([1, 1], abs=1e-6)
    assert draws.std(axis=0) == pytest.approx([3, 3], rel=0.01)
    assert draws[-200, 0] > draws[-200, 1]  # fewer degrees, longer tails


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("return", ["mse", "interval_score", "crps"]),
        ("direction", ["log_loss"]),
        ("volatility", ["qlike"]),
        ("risk", ["rps", "balanced_error"]),
    ],
)
def test_each_task_has_its_own_measure_first(task: str, names: list[str]) -> None:
    """And what its targets ask for beside it."""
    assert [measure.name for measure in measures(QUESTIONS[task])] == names


def test_bands_are_counted_by_year_and_by_third() -> None:
    """An outcome on an end is inside; a band of volatility is held against the root of the variance."""
    date = np.array(["2019-12-30", "2019-12-31", "2020-01-02", "2020-01-03"], dtype="datetime64[D]")
    said = {"lower": np.full(4, 1.0), "upper": np.full(4, 2.0)}
    found = bands_of("return", said, 0.9, np.array([1.0, 2.1, 1.5, 2.0]), date, np.array([1.0, 2.0, 3.0, 4.0]))
    assert found is not None
    assert (found.level, found.held, found.by_year) == (0.9, 0.75, {"2019": 0.5, "2020": 1.0})
    assert sum(found.by_tercile.values()) == pytest.approx(2.5)
    squared = bands_of("volatility", said, 0.9, np.array([1.0, 4.1, 2.0, 4.0]), date, np.arange(4.0))
    assert squared is not None
    assert squared.held == 0.75
    assert bands_of("direction", {"probability_up": np.zeros(4)}, 0.9, np.zeros(4), date, np.zeros(4)) is None
