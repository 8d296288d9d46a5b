"""Levels that follow: they move where something broke, stand still where nothing did, and know nothing that comes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_mapper.typing import DateArray, FloatArray
from training.kit.adaptive import DAYS, MOST, RATES, adapted, central_rank

FIRST = np.datetime64("2010-01-04")
LEVELS = (0.5, 0.8, 0.9, 0.95)
SYMBOLS = 3


def dates(n: int, horizon: int = 1) -> tuple[DateArray, DateArray]:
    """Return as-of days of ``SYMBOLS`` rows each, and the days on which their labels end."""
    day = np.repeat(np.arange(n), SYMBOLS)
    return FIRST + day, FIRST + day + horizon


def errors(scales: FloatArray, seed: int) -> FloatArray:
    """Return sizes of normal errors, `SYMBOLS` a day."""
    return np.abs(np.random.default_rng(seed).normal(size=len(scales) * SYMBOLS)) * np.repeat(scales, SYMBOLS)


@pytest.mark.parametrize("seed", range(6))
def test_where_nothing_breaks_nothing_moves(seed: int) -> None:
    """The levels are those that are asked for, to the bit."""
    found = errors(np.ones(1000), seed)
    rate, states = adapted(central_rank(found), *dates(1000), LEVELS, 0.9)
    assert rate == 0.0
    assert states.tolist() == list(LEVELS)


@pytest.mark.parametrize("later", [0.5, 2.0])
def test_after_a_break_the_band_holds_what_it_says(later: float) -> None:
    """Errors have another size for a year; the next month's are held as often as was asked, and not without moving."""
    known, horizon = np.concatenate([np.ones(1500), np.full(250, later)]), 1
    found, ahead = errors(known, 1), errors(np.full(400, later), 2)
    rate, states = adapted(central_rank(found), *dates(len(known), horizon), LEVELS, 0.9)
    assert rate in RATES
    held = [(ahead <= np.quantile(found, level)).mean() for level in (0.9, states[LEVELS.index(0.9)])]
    assert abs(held[1] - 0.9) < 0.04 < abs(held[0] - 0.9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), horizon=st.integers(1, 5), size=st.floats(1.5, 4))
def test_states_are_those_of_the_formula(seed: int, horizon: int, size: float) -> None:
    """Row by row in plain Python; a row is missed by the state of its own day, and counted when it is known."""
    n, level = 260, 0.8
    found = errors(np.where(np.arange(n) < 130, 1.0, size), seed)
    here = np.random.default_rng(seed + 1).random(len(found)) < 0.7  # some days have no row, some all
    rank, (date, known) = central_rank(found[here]), (days[here] for days in dates(n, horizon))
    rate, states = adapted(rank, date, known, (level,), level)
    days, on, by_day = np.unique(known).tolist(), date.tolist(), dict[object, list[int]]()
    for row, day in enumerate(known.tolist()):
        if on[row] >= days[0]:
            by_day.setdefault(day, []).append(row)
    typical = np.mean([len(rows) for rows in by_day.values()])
    state, of_day = level, dict[object, float]()
    for day in days:
        rows = by_day.get(day, [])
        missed = [rank[row] > of_day[[before for before in days if before <= on[row]][-1]] for row in rows]
        state = min(max(state + rate * (sum(missed) - (1 - level) * len(rows)) / typical, 0.0), MOST)
        of_day[day] = state
    assert states[0] == pytest.approx(state, abs=1e-12)


def test_a_weekend_of_one_wild_symbol_moves_no_weekday() -> None:
    """Fifty symbols trade on five days, one of them on two more, four times as wildly; a year ago errors doubled."""
    day = np.arange(1400)
    weekend = day % 7 >= 5
    count = np.where(weekend, 1, 50)
    date = FIRST + np.repeat(day, count)
    size = np.where(day < 1100, 1.0, 2.0) * np.where(weekend, 4.0, 1.0)
    found = np.abs(np.random.default_rng(8).normal(size=len(date))) * np.repeat(size, count)
    rate, states = adapted(central_rank(found), date, date + 1, LEVELS, 0.9)
    assert rate in RATES
    ahead = errors(np.full(4000, 2.0), 9)
    assert (ahead <= np.quantile(found, states[LEVELS.index(0.9)])).mean() == pytest.approx(0.9, abs=0.04)


def test_rows_may_come_in_any_order() -> None:
    """As those of several symbols do."""
    found = errors(np.concatenate([np.ones(500), np.full(200, 3.0)]), 3)
    rank, (date, known) = central_rank(found), dates(700, 5)
    order = np.random.default_rng(4).permutation(len(rank))
    straight = adapted(rank, date, known, LEVELS, 0.9)
    mixed = adapted(rank[order], date[order], known[order], LEVELS, 0.9)
    assert straight[0] == mixed[0] > 0
    assert straight[1] == pytest.approx(mixed[1], abs=1e-12)


def test_what_is_long_ago_moves_nothing() -> None:
    """Beyond `DAYS`, only the sizes of errors count, not when they were."""
    found = errors(np.concatenate([np.full(300, 3.0), np.ones(DAYS)]), 5)
    rank, (date, known) = central_rank(found), dates(DAYS + 300)
    other = rank.copy()
    other[: 200 * SYMBOLS] = other[: 200 * SYMBOLS][::-1]
    one, two = (adapted(each, date, known, LEVELS, 0.9) for each in (rank, other))
    assert one[0] == two[0]
    assert np.array_equal(one[1], two[1])


def test_states_ascend_with_the_levels() -> None:
    """A wider band is asked for, a wider one is given."""
    found = errors(np.concatenate([np.ones(600), np.full(150, 5.0)]), 6)
    rate, states = adapted(central_rank(found), *dates(750), tuple(np.arange(50, 100) / 100), 0.9)
    assert rate > 0
    assert (np.diff(states) >= 0).all()
    assert states[-1] <= MOST


@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_few_rows_are_no_reason_to_move(n: int) -> None:
    """And no reason to fail."""
    found = errors(np.ones(n), 7)
    assert adapted(central_rank(found), *dates(n), LEVELS, 0.9)[0] == 0.0


def test_ranks_are_shares_of_smaller_errors() -> None:
    """Half of an error itself counted, so that none is 0 or 1."""
    assert central_rank(np.array([3.0, 1.0, 2.0, 9.0])).tolist() == [0.625, 0.125, 0.375, 0.875]
