"""What a regime model sees: returns in units of the session, sizes relative to the symbol, windows and nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from feature_mapper.volatility import garman_klass_variance, session_variance
from models.sessions import LEAST, Habit, observations, observed, windows, windows_of
from models.states import in_spreads
from tests.models.trained import STRANGER
from tests.training.kit.support import closes_alone, market

LARGEST_RATIO = np.sqrt(1.0 + 1.0 / (1.5 - 2.0 * np.log(2.0)))
"""Of a return to its volatility: 3.13."""

HABIT = Habit(usual=-4.4, variety=0.5, weight=30.0, night=0.1)


def drawn(seed: int, shape: tuple[int, ...], missing: float = 0.0) -> FloatArray:
    """Return log volatilities of a symbol."""
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.normal(-4.4, 0.5), 0.5, shape)
    values[rng.random(shape) < missing] = np.nan
    return values


def test_an_observation_by_hand() -> None:
    """The return over the root of Garman-Klass plus squared gap, and the log of that root; the first bar has none."""
    seen = observations(STRANGER)
    volatility = np.sqrt(session_variance(STRANGER))[1:]
    assert np.isnan(seen[0]).all()
    assert seen[1:, 0] == pytest.approx(np.diff(np.log(STRANGER.close)) / volatility, rel=1e-12)
    assert seen[1:, 1] == pytest.approx(np.log(volatility), rel=1e-12)
    returns = np.diff(np.log(STRANGER.close))
    assert observed(returns, volatility) == pytest.approx(seen[1:], rel=1e-12)
    assert observed(np.array([0.001]), np.array([1e-12])).tolist() == [[0.001 / LEAST, np.log(LEAST)]]


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_a_return_is_a_few_of_its_sessions_volatility(seed: int) -> None:
    """Whatever the market did: what is wild is in the volatility alone."""
    returns = observations(market(120, seed))[1:, 0]
    assert (np.abs(returns) <= LARGEST_RATIO + 1e-9).all()


def test_a_bar_without_a_range_tells_nothing() -> None:
    """Neither of its two numbers; the bars beside it stay as they are."""
    seen = observations(closes_alone(STRANGER, slice(50, 52)))
    assert np.isnan(seen[50:52]).all()
    assert np.array_equal(seen[1:50], observations(STRANGER)[1:50])
    assert np.isfinite(seen[53:]).all()


@given(n=st.integers(1, 60), tier=st.integers(1, 40), rows=st.integers(1, 60))
@settings(max_examples=60)
def test_a_window_reads_its_bars_alone(n: int, tier: int, rows: int) -> None:
    """Row by row what the bars of the window alone give, bit for bit; NaN where there are none."""
    bars, rows = STRANGER[:n], min(rows, n)
    found = windows(bars, tier, rows)
    assert found.shape == (rows, max(tier - 1, 1), 2)
    for row, stop in zip(found, range(n - rows + 1, n + 1), strict=True):
        mine = bars[max(stop - tier, 0) : stop]
        if tier == 1:
            assert np.isnan(row[0, 0])
            assert row[0, 1] == 0.5 * np.log(garman_klass_variance(mine)[0])
            continue
        known = observations(mine)[1:] if len(mine) == tier else observations(mine)
        assert row[len(row) - len(known) :].tobytes() == known.tobytes()
        assert np.isnan(row[: len(row) - len(known)]).all()


def test_the_largest_ratio_is_reached() -> None:
    """A night and a session without wicks, one way: no other bar has more return for its volatility."""
    night, day = 0.02, 0.02 / (1.5 - 2 * np.log(2))
    opened, close = 100.0 * np.exp(night), 100.0 * np.exp(night + day)
    first, then = np.array([100.0, opened]), np.array([100.0, close])
    bars = Bars(open=first, high=then, low=first, close=then)
    assert observations(bars)[1, 0] == pytest.approx(LARGEST_RATIO, rel=1e-9)


def test_windows_of_values_by_hand() -> None:
    """The last rows, what lies before the first is NaN."""
    found = windows_of(np.arange(4.0), 3, 3)
    assert found[1:].tolist() == [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]]
    assert np.isnan(found[0, 0])
    assert found[0, 1:].tolist() == [0.0, 1.0]
    assert np.isnan(windows_of(np.arange(2.0), 2, 3)[0]).all()


def test_a_habit_by_hand() -> None:
    """Mean and root mean square about it, with the weight as so many sessions of the usual."""
    values = np.array([-5.0, np.nan, -4.0, -3.0])
    level, spread = HABIT.of(values)
    by_hand = (-12.0 - 30 * 4.4) / 33
    assert level == pytest.approx(by_hand)
    assert spread == pytest.approx(np.sqrt((np.nansum((values - by_hand) ** 2) + 30 * 0.25) / 33))


@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40), width=st.integers(1, 300), missing=st.sampled_from([0, 0.3])
)
@settings(max_examples=40)
def test_habits_of_many_windows_are_those_of_each(seed: int, n: int, width: int, missing: float) -> None:
    """Bit for bit, of whole windows and before each of their sessions."""
    values = drawn(seed, (n, width), missing)
    for habit in (HABIT.of, HABIT.before):
        level, spread = habit(values)
        for row, one, other in zip(values, level, spread, strict=True):
            alone = habit(row[None])
            assert alone[0][0].tobytes() == one.tobytes()
            assert alone[1][0].tobytes() == other.tobytes()


@given(seed=st.integers(0, 2**32 - 1), width=st.integers(1, 60), missing=st.sampled_from([0, 0.3]))
@settings(max_examples=40)
def test_the_habit_before_a_session_is_that_of_the_sessions_before(seed: int, width: int, missing: float) -> None:
    """And of nothing later: what the window up to there alone has."""
    values = drawn(seed, (width,), missing)
    level, spread = HABIT.before(values)
    for at in range(width):
        assert (level[at], spread[at]) == pytest.approx(HABIT.of(values[:at]), rel=1e-9)
    changed = values.copy()
    changed[-1] += 1.0
    assert np.array_equal(HABIT.before(changed)[0], level)


def test_sessions_that_are_unknown_leave_what_is_usual() -> None:
    """No session, or none with a range: the level and the spread of all symbols."""
    level, spread = HABIT.of(np.full((1, 252), np.nan))
    assert level[0] == pytest.approx(HABIT.usual)
    assert spread[0] == pytest.approx(HABIT.variety)


@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-3, 3), stretch=st.floats(0.2, 5))
def test_relative_sessions_know_no_symbol(seed: int, shift: float, stretch: float) -> None:
    """A symbol that is wilder, or more changeable, is the same relative to itself where others count for nothing."""
    nothing = Habit(usual=0.0, variety=1.0, weight=1e-9, night=0.0)
    seen = np.stack([drawn(seed, (252,)), drawn(seed + 1, (252,))], axis=1)
    other = np.stack([seen[:, 0], stretch * seen[:, 1] + shift], axis=1)
    one, two = (in_spreads(values, *nothing.before(values[:, 1])) for values in (seen, other))
    assert one[5:] == pytest.approx(two[5:], rel=1e-4, abs=1e-4)  # the first ones have hardly anything before them


def test_more_rows_than_bars_are_refused() -> None:
    """In every tier, with how many there are."""
    for tier in (1, 3):
        with pytest.raises(ValueError, match="expected at most 5 rows, as many as bars, found 9; ask for fewer"):
            windows(STRANGER[:5], tier, 9)
