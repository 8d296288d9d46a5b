"""What a followed forecast earns: by hand, by simulation, and never more by having tried more."""

import numpy as np
import pytest

from feature_mapper.typing import DateArray, FloatArray, IntArray
from skill.trading import book, deflated_sharpe, judge, sides

DAYS: DateArray = np.array(["2020-01-02", "2020-01-03", "2020-01-06"], dtype="datetime64[D]")


def by_hand() -> tuple[FloatArray, FloatArray, DateArray, IntArray]:
    """Return sides and log returns of two symbols on three days, the second of them absent on the last."""
    side = np.array([1.0, -1.0, -1.0, -1.0, 1.0])
    simple = np.array([0.02, 0.01, -0.01, 0.03, 0.05])
    return side, np.log1p(simple), DAYS[[0, 0, 1, 1, 2]], np.array([0, 1, 0, 1, 0])


def test_a_book_by_hand() -> None:
    """Equal weights; the first day is bought, a side that turns is traded twice, a symbol that goes is closed."""
    found = book(*by_hand())
    assert found.returns == pytest.approx([(0.02 - 0.01) / 2, (0.01 - 0.03) / 2, 0.05])
    assert found.long == pytest.approx([0.015, 0.01, 0.05])
    # bought: 1/2 + 1/2; turned: 1; from short 1/2 to long 1, and the other closed: 1.5 + 0.5
    assert found.turnover == pytest.approx((1 + 1 + 2) / 3)
    told = judge(found, 1)
    assert told.mean_bp == pytest.approx(1e4 * np.mean([0.005, -0.01, 0.05]))
    assert told.break_even_bp == pytest.approx(told.mean_bp / told.turnover)


def test_a_forecast_of_several_sessions_is_followed_for_all_of_them() -> None:
    """A half of the position on each of two days, by the side of each; the book fills in as many days."""
    side, returns = np.array([1.0, 1.0, -1.0, -1.0]), np.log1p(np.array([0.01, 0.02, 0.03, 0.04]))
    date = np.arange(4).astype("datetime64[D]")
    found = book(side, returns, date, np.zeros(4, np.int64), horizon=2)
    assert found.returns == pytest.approx([0.005, 0.02, 0.0, -0.04])
    assert found.turnover == pytest.approx((0.5 + 0.5 + 1 + 1) / 4)
    assert found.long == pytest.approx([0.01, 0.02, 0.03, 0.04])


@pytest.mark.parametrize("horizon", [1, 2, 5])
def test_symbols_are_followed_each_by_its_own_sides(horizon: int) -> None:
    """Whatever stands beside it, and in whatever order: a symbol's part of the book is its book alone, halved."""
    rng = np.random.default_rng(8)
    n = 40
    side, returns = np.where(rng.random(2 * n) < 0.5, 1.0, -1.0), rng.normal(0, 0.01, 2 * n)
    date, symbol = np.tile(np.arange(n).astype("datetime64[D]"), 2), np.repeat([0, 1], n)
    order = rng.permutation(2 * n)
    both = book(side[order], returns[order], date[order], symbol[order], horizon)
    alone = [book(side[at], returns[at], date[at], np.zeros(n, np.int64), horizon) for at in (slice(n), slice(n, None))]
    assert both.returns == pytest.approx((alone[0].returns + alone[1].returns) / 2)
    assert both.turnover == pytest.approx((alone[0].turnover + alone[1].turnover) / 2)


def test_costs_of_the_break_even_leave_nothing() -> None:
    """Taken off every trade."""
    found = book(*by_hand())
    cost = judge(found, 1).break_even_bp / 1e4
    assert np.mean(found.returns) - cost * found.turnover == pytest.approx(0, abs=1e-15)


def test_rows_may_come_in_any_order() -> None:
    """The same book."""
    order = np.array([3, 0, 4, 2, 1])
    shuffled = book(*(values[order] for values in by_hand()))
    assert shuffled.returns == pytest.approx(book(*by_hand()).returns)
    assert shuffled.turnover == pytest.approx(book(*by_hand()).turnover)


@pytest.mark.parametrize("trials", [1, 20])
def test_the_best_of_books_without_skill_is_not_called_skilled(trials: int) -> None:
    """Its deflated ratio is above 95 % about one time in twenty; that of one trial, unadjusted, far more often."""
    rng = np.random.default_rng(6)
    best = []
    for _ in range(400):
        books = 0.01 * rng.standard_t(5, (trials, 500))
        best.append(books[np.argmax(books.mean(axis=1) / books.std(axis=1))])
    rate = np.mean([deflated_sharpe(one, trials) > 0.95 for one in best])
    assert rate < 0.09
    if trials > 1:
        assert np.mean([deflated_sharpe(one, 1) > 0.95 for one in best]) > 0.4


def test_more_trials_never_help() -> None:
    """And plain skill is seen through all of them."""
    returns = 0.002 + 0.01 * np.random.default_rng(1).standard_normal(2000)
    chances = [deflated_sharpe(returns, trials) for trials in (1, 2, 10, 1000)]
    assert chances == sorted(chances, reverse=True)
    assert chances[-1] > 0.99
    assert deflated_sharpe(-returns, 10) < 0.01


def test_sides_follow_the_sign() -> None:
    """An even chance is up, as the answer has it; a forecast without direction has none."""
    assert sides({"probability_up": np.array([0.5, 0.49, 0.9])}) == pytest.approx([1, -1, 1])
    assert sides({"expected_return": np.array([0.0, -1e-9, 2.0])}) == pytest.approx([1, -1, 1])
    assert sides({"volatility": np.ones(2)}) is None


def test_a_flat_book_has_no_ratio() -> None:
    """Nothing varies: 0, and no division by it."""
    told = judge(book(np.ones(4), np.zeros(4), np.arange(4).astype("datetime64[D]"), np.zeros(4, np.int64)), 1)
    assert (told.sharpe, told.mean_bp) == (0, 0)
