"""Variance of one session: the estimators against a market whose variance is known."""

import numpy as np
import pytest

from feature_mapper.bars import Bars
from feature_mapper.catalogue import select
from feature_mapper.mapper import compute
from feature_mapper.volatility import garman_klass_variance, overnight_gap, session_variance
from tests.feature_mapper.generated import Market, of_closes

STEPS, NIGHT = 2_000, 0.004


@pytest.fixture(scope="module")
def simulated() -> Bars:
    """A random walk of 0.02 a session in many small steps, and nights of 0.004."""
    rng = np.random.default_rng(11)
    sessions = 2_000
    steps = rng.normal(0.0, 0.02 / np.sqrt(STEPS), (sessions, STEPS)).cumsum(axis=1)
    nights = rng.normal(0.0, NIGHT, sessions)
    opens = np.concatenate([[0.0], (steps[:, -1] + nights).cumsum()[:-1]]) + nights
    high, low = np.maximum(steps.max(axis=1), 0.0), np.minimum(steps.min(axis=1), 0.0)
    price = 50.0 * np.exp(np.stack([opens, opens + high, opens + low, opens + steps[:, -1]]))
    return Bars.validated(open=price[0], high=price[1], low=price[2], close=price[3])


def test_estimators_find_the_true_variance(simulated: Bars) -> None:
    """Range estimators come within 5 % of the session's volatility, those that see the night of both together."""
    day = ["parkinson_1", "garman_klass_1", "rogers_satchell_1"]
    both = ["session_volatility_1", "yang_zhang_21"]
    values = compute(simulated, select([*day, *both]))[21:]
    found = np.sqrt((values * values).mean(axis=0))
    np.testing.assert_allclose(found[:3], 0.02, rtol=0.05)
    np.testing.assert_allclose(found[3:], np.hypot(0.02, NIGHT), rtol=0.05)


def test_garman_klass_is_several_times_as_exact_as_the_squared_return(simulated: Bars) -> None:
    """The reason to use it: its spread on the same sessions is a fraction (Garman and Klass: efficiency 7.4)."""
    squared = np.log(simulated.close / simulated.open) ** 2
    assert squared.var() / garman_klass_variance(simulated).var() > 5.0


def test_garman_klass_by_hand() -> None:
    """From 10 to 11 by way of 9 and 12."""
    bars = Bars.validated(open=np.array([10.0]), high=np.array([12.0]), low=np.array([9.0]), close=np.array([11.0]))
    expected = 0.5 * np.log(12 / 9) ** 2 - (2 * np.log(2) - 1) * np.log(11 / 10) ** 2
    assert garman_klass_variance(bars) == pytest.approx([expected], rel=1e-14)


def test_the_first_bar_has_no_night() -> None:
    """Without a close before it, gap and session variance are unknown, Garman-Klass is not."""
    bars = of_closes([10.0, 20.0])
    np.testing.assert_array_equal(overnight_gap(bars), [np.nan, np.log(2.0)])
    np.testing.assert_array_equal(session_variance(bars), [np.nan, np.log(2.0) ** 2])
    np.testing.assert_array_equal(garman_klass_variance(bars), [0.0, 0.0])


def test_never_negative() -> None:
    """A valid bar has no negative variance, even where open and close are its ends."""
    rng = np.random.default_rng(3)
    ends = np.sort(rng.lognormal(0.0, 1.0, (500, 2)), axis=1)
    bars = Bars.validated(open=ends[:, 0], high=ends[:, 1], low=ends[:, 0], close=ends[:, 1])
    assert (garman_klass_variance(bars) >= 0.0).all()
    assert (compute(bars, select(["rogers_satchell_1"])) == 0.0).all()


def test_features_and_targets_share_the_variance() -> None:
    """The feature is the root of what targets are made from, bit for bit."""
    market = Market(seed=9, volatility=0.02, price=30.0, tick=0.01, gappy=True, frozen=0.1, silent=0.0, halted=False)
    bars = market.bars(400)
    np.testing.assert_array_equal(
        compute(bars, select(["session_volatility_1"]))[:, 0], np.sqrt(session_variance(bars))
    )
