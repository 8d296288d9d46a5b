"""Targets against plain Python, and the law that a label knows its horizon and nothing beyond."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_mapper.bars import Bars
from tests.feature_mapper.generated import Market, markets
from tests.training.kit.support import market, rewritten
from training.kit.targets import (
    NEXT_RETURN,
    NEXT_UP,
    NEXT_VARIANCE,
    RISK,
    RISK_HORIZON,
    TWO_YEARS,
    Target,
    return_over,
    risk_class,
    up_over,
    variance_over,
    week_volatility,
)

TARGETS = (NEXT_RETURN, NEXT_UP, NEXT_VARIANCE, RISK, return_over(5), up_over(5), variance_over(5))
RISK_WARM_UP = RISK_HORIZON + TWO_YEARS - 1
"""Position of the first bar that has two years of weeks behind it."""

targets = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


def variance_of(bars: Bars, at: int) -> float:
    """Return the session variance of bar ``at`` by the formula, one float at a time."""
    high_low = math.log(bars.high[at] / bars.low[at])
    close_open = math.log(bars.close[at] / bars.open[at])
    gap = math.log(bars.open[at] / bars.close[at - 1])
    return 0.5 * high_low**2 - (2 * math.log(2) - 1) * close_open**2 + gap**2


def week_of(bars: Bars, at: int) -> float:
    """Return the root mean session variance of the 5 bars up to ``at``."""
    return math.sqrt(math.fsum(variance_of(bars, day) for day in range(at - 4, at + 1)) / 5)


def tercile_of(values: list[float], third: int) -> float:
    """Return the linearly interpolated quantile ``third / 3``."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * third / 3
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def risk_of(weeks: list[float], at: int, ahead: int) -> int:
    """Return the class of the week that ends ``ahead`` bars after ``at``, by sorting two years of weeks."""
    past, coming = weeks[at - TWO_YEARS + 1 : at + 1], weeks[at + ahead]
    return sum(coming > tercile_of(past, third) for third in (1, 2))


@given(market=markets, n=st.integers(2, 40))
def test_next_session_targets_equal_plain_python(market: Market, n: int) -> None:
    """Return, direction and variance of the next session, one float at a time; ties are not up."""
    bars = market.bars(n)
    for at in range(n - 1):
        assert NEXT_RETURN.values(bars)[at] == pytest.approx(math.log(bars.close[at + 1] / bars.close[at]), abs=1e-14)
        assert NEXT_UP.values(bars)[at] == (1 if bars.close[at + 1] > bars.close[at] else 0)
        assert NEXT_VARIANCE.values(bars)[at] == pytest.approx(variance_of(bars, at + 1), rel=1e-9, abs=1e-14)


@given(market=markets, n=st.integers(1, 60), horizon=st.integers(1, 21))
def test_targets_of_any_horizon_equal_plain_python(market: Market, n: int, horizon: int) -> None:
    """The return is the sum of the returns of its sessions, the variance their mean, and ties are not up."""
    bars = market.bars(n)
    returns, ups, variances = (of(horizon).values(bars) for of in (return_over, up_over, variance_over))
    for at in range(n - horizon):
        steps = [math.log(bars.close[day + 1] / bars.close[day]) for day in range(at, at + horizon)]
        assert returns[at] == pytest.approx(math.fsum(steps), abs=1e-12)
        assert ups[at] == (1 if bars.close[at + horizon] > bars.close[at] else 0)
        sessions = [variance_of(bars, day) for day in range(at + 1, at + horizon + 1)]
        assert variances[at] == pytest.approx(math.fsum(sessions) / horizon, rel=1e-9, abs=1e-13)
    for values in (returns, ups, variances):
        assert np.isnan(values[max(n - horizon, 0) :]).all()


def test_a_week_of_variance_is_that_of_the_risk_class() -> None:
    """Both speak of the same five sessions, seen from either end."""
    bars = market(40, seed=4)
    assert np.array_equal(np.sqrt(variance_over(5).values(bars)[:-5]), week_volatility(bars)[5:], equal_nan=True)


def test_risk_classes_equal_brute_force() -> None:
    """The coming week among two years of weeks, by sorting; all classes occur."""
    bars = market(RISK_WARM_UP + 900, seed=3)
    weeks = [math.nan] * RISK_HORIZON + [week_of(bars, day) for day in range(RISK_HORIZON, len(bars))]
    found, today = RISK.values(bars), risk_class(bars, ahead=0)
    rows = range(RISK_WARM_UP, len(bars) - RISK_HORIZON)
    assert np.isnan(found[:RISK_WARM_UP]).all()
    assert [risk_of(weeks, at, RISK_HORIZON) for at in rows] == found[RISK_WARM_UP:-RISK_HORIZON].tolist()
    assert [risk_of(weeks, at, 0) for at in rows] == today[RISK_WARM_UP:-RISK_HORIZON].tolist()
    assert set(found[RISK_WARM_UP:-RISK_HORIZON]) == {0, 1, 2}


def test_each_risk_class_takes_a_third_of_independent_weeks() -> None:
    """Where volatility has no memory and no trend, terciles of the past split the future evenly."""
    shares = np.zeros(3)
    for seed in range(4):
        values = RISK.values(market(3000, seed, persistence=0.0))
        shares += np.bincount(values[~np.isnan(values)].astype(np.int64), minlength=3)
    assert np.abs(shares / shares.sum() - 1 / 3).max() < 0.03


def test_week_volatility_needs_a_bar_before_the_week() -> None:
    """The first session has no night, so the first full week ends at the sixth bar."""
    bars = market(6, seed=1)
    assert np.isnan(week_volatility(bars)[:5]).all()
    assert week_volatility(bars)[5] == pytest.approx(week_of(bars, 5))


@pytest.mark.parametrize("n", [1, 2, 5, 6, RISK_WARM_UP, *range(RISK_WARM_UP + 1, RISK_WARM_UP + 8)])
@targets
def test_every_length_of_history_has_a_label_or_none(target: Target, n: int) -> None:
    """Short histories give NaN, never an error, and one label for each bar with past and future enough."""
    values = target.values(market(n, seed=2))
    warm_up = RISK_WARM_UP if target is RISK else 0
    assert len(values) == n
    assert np.count_nonzero(~np.isnan(values)) == max(n - warm_up - target.horizon, 0)


@pytest.mark.parametrize("cut", [RISK_WARM_UP, RISK_WARM_UP + 1, RISK_WARM_UP + 30])
@targets
def test_a_label_depends_on_its_horizon_only(target: Target, cut: int) -> None:
    """Rewriting the bars after t + h changes no label up to t; rewriting bar t + h changes that of t."""
    bars = market(RISK_WARM_UP + 60, seed=5)
    last = cut + target.horizon
    altered = rewritten(bars, slice(last + 1, None))
    assert np.array_equal(target.values(altered)[: cut + 1], target.values(bars)[: cut + 1], equal_nan=True)
    moved = [target.values(rewritten(bars, slice(cut + 1, last + 1), by))[cut] for by in (1 / 3, -1.0, 3.0)]
    assert len(set(moved)) > 1, "the sessions of the horizon must matter"


@targets
def test_only_terciles_look_back(target: Target) -> None:
    """Rewriting the past leaves labels of the next session alone and moves those that compare with the past."""
    bars = market(RISK_WARM_UP + 60, seed=5)
    altered = rewritten(bars, slice(0, RISK_WARM_UP - 10))
    before, after = target.values(bars)[RISK_WARM_UP:], target.values(altered)[RISK_WARM_UP:]
    assert np.array_equal(before, after, equal_nan=True) == (target is not RISK)
