"""Which map of probabilities is taken: the one that did best on rows it had not seen, and none that knows them."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_mapper.typing import FloatArray
from models.tasks.direction import Direction, DirectionHead, certainty
from models.tasks.risk import Risk, RiskHead
from training.kit.calibration import LEAST, STRETCHES, base_rate, beta, of_direction, of_risk, platt
from training.kit.questions.base import Rows

N = 8000
PER_DAY = 4
ONES = np.ones(N)


def rows(y: FloatArray, horizon: int = 1) -> Rows:
    """Return rows of four symbols a day whose labels end ``horizon`` days later."""
    days = np.datetime64("2001-01-01") + np.repeat(np.arange(-(-len(y) // PER_DAY)), PER_DAY)[: len(y)]
    return Rows(y, days, days + np.timedelta64(horizon, "D"), np.arange(len(y)) % PER_DAY, {})


def drawn(log_odds: FloatArray, seed: int) -> FloatArray:
    """Draw outcomes of these log odds."""
    return (np.random.default_rng(seed).random(len(log_odds)) < 1 / (1 + np.exp(-log_odds))).astype(np.float64)


MAPS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "base_rate": lambda margin: np.full(len(margin), 0.2),
    "none": lambda margin: margin,
    "platt": lambda margin: 0.4 * margin + 0.3,
    "beta": lambda margin: 0.9 * margin + 0.8 * certainty(margin) + 1.0,
}
"""By the name of the map that undoes it: what margins really mean."""


@pytest.mark.parametrize("method", MAPS)
def test_the_map_that_margins_ask_for_is_taken(method: str) -> None:
    """Or one that comes to the same: richer maps hold the plainer ones, and chance may prefer them by a hair."""
    margin = np.random.default_rng(3).normal(0, 2, N)
    truth = MAPS[method](margin)
    head = of_direction(margin, rows(drawn(truth, 4)))
    said = Direction().columns(margin, ONES, head)["probability_up"]
    assert np.abs(said - 1 / (1 + np.exp(-truth))).mean() < 0.015
    if method in ("base_rate", "beta"):  # no other map says the same
        assert head.method == method


def test_margins_that_know_nothing_give_the_base_rate() -> None:
    """Or hardly more than that: nobody takes noise for a call."""
    margin = np.random.default_rng(5).normal(0, 1, N)
    head = of_direction(margin, rows(drawn(np.full(N, 0.2), 8)))
    assert np.abs(Direction().columns(margin, ONES, head)["probability_up"] - 0.55).mean() < 0.01


def test_what_comes_later_does_not_choose() -> None:
    """Rows whose label ends in a stretch do not teach for it: known outcomes there would make any map look right."""
    rng = np.random.default_rng(6)
    margin = rng.normal(0, 1, N)
    noise = rows(drawn(np.zeros(N), 7), horizon=N)  # nothing has ended before anything begins
    assert of_direction(margin, noise) == platt(margin, noise.y)  # so there is nothing to choose by


@pytest.mark.parametrize("n", [1, 2, 3 * PER_DAY, STRETCHES * LEAST - 1])
def test_few_rows_leave_no_choice(n: int) -> None:
    """Then it is the plain map."""
    rng = np.random.default_rng(8)
    shares = rng.dirichlet((2, 2, 2), n)
    assert of_risk(shares, rows(rng.integers(0, 3, n).astype(np.float64)), (1.0, 1.0, 1.0)) == RiskHead(
        class_weights=(1.0, 1.0, 1.0)
    )


@settings(max_examples=60)
@given(
    margin=st.lists(st.floats(-40, 40), min_size=2, max_size=40),
    slope=st.floats(0.01, 3),
    intercept=st.floats(-3, 3),
    part=st.floats(-1, 1),
)
def test_calibrated_odds_are_probabilities_in_the_order_of_the_margins(
    margin: list[float], slope: float, intercept: float, part: float
) -> None:
    """However asymmetric the map is, as long as the slope is not less than the asymmetry."""
    head = DirectionHead(slope=slope, intercept=intercept, asymmetry=part * slope)
    ordered = np.sort(np.array(margin))
    said = Direction().columns(ordered, np.ones(len(ordered)), head)["probability_up"]
    assert ((said >= 0) & (said <= 1)).all()
    assert (np.diff(said) >= -1e-12).all()


@settings(max_examples=40)
@given(margin=st.floats(-20, 20), a=st.floats(0, 3), b=st.floats(0, 3), c=st.floats(-3, 3))
def test_the_asymmetric_map_is_beta_calibration(margin: float, a: float, b: float, c: float) -> None:
    """As its authors write it."""
    head = DirectionHead(slope=(a + b) / 2, intercept=c, asymmetry=(a - b) / 2)
    p, q = (1 / (1 + np.exp(-sign * margin)) for sign in (1, -1))
    odds = a * np.log(p) - b * np.log(q) + c
    said = Direction().columns(np.array([margin]), np.ones(1), head)["probability_up"][0]
    assert said == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-12)


@pytest.mark.parametrize("fit", [platt, beta])
def test_no_map_turns_margins_upside_down(fit: Callable[[FloatArray, FloatArray], DirectionHead]) -> None:
    """Misleading ones give the base rate."""
    margin = np.random.default_rng(9).normal(0, 1, N)
    y = drawn(-margin, 10)
    assert fit(margin, y) == base_rate(margin, y)


@pytest.mark.parametrize("values", [(0.1, 0.3), (0.2, 0.2), (-0.4, 0.1)])
def test_two_margins_leave_no_bend_to_find(values: tuple[float, float]) -> None:
    """Trees of one split say no more: the line gives both their frequencies, and nothing is ill-conditioned."""
    margin = np.random.default_rng(13).choice(values, N)
    y = drawn(3 * margin, 14)
    head = beta(margin, y)
    assert head == platt(margin, y)
    said = Direction().columns(margin, ONES, head)["probability_up"]
    for value in set(values):
        assert said[margin == value].mean() == pytest.approx(y[margin == value].mean(), abs=1e-4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_temperature_is_found(temperature: float) -> None:
    """Of shares that are too flat, right, or too sharp; weights of training are taken out first."""
    rng = np.random.default_rng(11)
    said = rng.dirichlet((1, 1, 1), N)
    weights = np.array([0.5, 1.0, 2.0])
    true = said ** (1 / temperature)
    true /= true.sum(axis=1, keepdims=True)
    y = (rng.random(N)[:, None] > np.cumsum(true, axis=1)[:, :2]).sum(axis=1).astype(np.float64)
    head = of_risk(said * weights, rows(y), (0.5, 1.0, 2.0))
    assert head.temperature == pytest.approx(temperature, rel=0.06)
    found = Risk().columns(said * weights, ONES, head)["probabilities"]
    assert found == pytest.approx(true, abs=0.02)


def test_a_class_that_was_given_no_chance_is_no_infinity() -> None:
    """A forest says 0 of what it never saw in a leaf."""
    rng = np.random.default_rng(12)
    shares = np.tile([0.5, 0.5, 0.0], (N, 1))
    head = of_risk(shares, rows(rng.integers(0, 3, N).astype(np.float64)), (1.0, 1.0, 1.0))
    assert np.isfinite(head.temperature)
