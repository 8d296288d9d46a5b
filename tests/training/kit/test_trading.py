"""What a followed forecast earns: by hand, by simulation, by a ledger in plain Python; never more by trying more."""

import io
import math
from collections.abc import Callable, Mapping
from statistics import NormalDist, fmean, pstdev

import numpy as np
import pytest

from feature_mapper.bars import Bars
from feature_mapper.catalogue import within
from feature_mapper.typing import DateArray, FloatArray, IntArray
from models.tasks.base import Columns
from tests.training.kit.support import FAST, market, markets, walk
from training.kit.panel import build, dated
from training.kit.progress import Progress
from training.kit.questions.base import Rows
from training.kit.questions.registry import QUESTIONS
from training.kit.spec import ModelSpec
from training.kit.tabular import train
from training.kit.trading import Book, book, coming_returns, deflated_sharpe, followed, judge, judge_tier, sides
from training.kit.walk import scored_rows

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
    assert (told.sharpe, told.mean_bp, told.deflated_sharpe) == (0, 0, 0.5)


SERIES = {"A": market(300, 1), "B": market(300, 2)[40:], "C": market(300, 3)[:200]}
"""Three markets, one listed late, one that ends early."""

Follow = Callable[[Columns, Rows, Mapping[str, Bars]], Book | None]
Net = Callable[[Book, float], FloatArray]


def said_of(series: Mapping[str, Bars]) -> tuple[Columns, Rows]:
    """Return forecasts without any skill about each bar but the last, and their rows."""
    counts = [len(bars) - 1 for bars in series.values()]
    date = np.concatenate([dated(bars)[:-1] for bars in series.values()])
    end = np.concatenate([dated(bars)[1:] for bars in series.values()])
    symbol = np.repeat(np.arange(len(counts)), counts)
    forecast = np.random.default_rng(4).normal(size=len(date))
    return {"expected_return": forecast}, Rows(np.zeros(len(date)), date, end, symbol, {})


def ledger(said: FloatArray, rows: Rows, series: Mapping[str, Bars]) -> list[tuple[float, float]]:
    """Return gross return and amount traded of each day, as a clerk would keep them: no arrays, closes by date."""
    closes = [dict(zip(dated(bars).tolist(), bars.close.tolist(), strict=True)) for bars in series.values()]
    following = [dict(zip(dated(bars)[:-1].tolist(), bars.close[1:].tolist(), strict=True)) for bars in series.values()]
    told: dict[object, dict[int, float]] = {}
    for day, symbol, forecast in zip(rows.date.tolist(), rows.symbol.tolist(), said.tolist(), strict=True):
        told.setdefault(day, {})[symbol] = forecast
    kept: dict[int, float] = {}
    days = []
    for day in sorted(told, key=str):
        wanted = {symbol: math.copysign(1, forecast) / len(told[day]) for symbol, forecast in told[day].items()}
        traded = sum(abs(wanted.get(symbol, 0) - kept.get(symbol, 0)) for symbol in {*wanted, *kept})
        gross = sum(weight * (following[s][day] / closes[s][day] - 1) for s, weight in wanted.items())
        days.append((gross, traded))
        kept = wanted
    return days


def agrees(follow: Follow, net: Net, cost_bp: float = 5.0) -> bool:
    """Tell whether a book and its costs are those of the ledger."""
    said, rows = said_of(SERIES)
    found, clerk = follow(said, rows, SERIES), ledger(said["expected_return"], rows, SERIES)
    assert found is not None
    left = [gross - cost_bp / 10_000 * traded for gross, traded in clerk]
    return (
        np.allclose(found.returns, [gross for gross, _ in clerk], rtol=1e-9, atol=1e-12)
        and np.allclose(found.traded, [traded for _, traded in clerk], rtol=1e-9, atol=1e-12)
        and np.allclose(net(found, cost_bp), left, rtol=1e-9, atol=1e-12)
    )


def knowing(said: Columns, rows: Rows, series: Mapping[str, Bars]) -> Book | None:
    """Follow what is yet to come."""
    return followed({name: coming_returns(series, rows) for name in said}, rows, series)


def a_day_late(said: Columns, rows: Rows, series: Mapping[str, Bars]) -> Book | None:
    """Earn the return that the forecast was made from, not the one that it is about."""
    late = np.roll(coming_returns(series, rows), 1)
    return book(np.where(said["expected_return"] >= 0, 1.0, -1.0), late, rows.date, rows.symbol)


def never_rebalanced(said: Columns, rows: Rows, series: Mapping[str, Bars]) -> Book | None:
    """Pay for the first position only."""
    found = followed(said, rows, series)
    return found and Book(found.returns, found.long, np.where(np.arange(len(found.traded)) == 0, found.traded, 0.0))


def test_the_ledger_says_the_same() -> None:
    """Of three symbols that come and go."""
    assert agrees(followed, Book.net)


@pytest.mark.parametrize("follow", [knowing, a_day_late, never_rebalanced])
def test_a_planted_book_is_caught(follow: Follow) -> None:
    """The ledger tells one that knows the coming return, one that is a day late, and one that trades once."""
    assert not agrees(follow, Book.net)


def test_a_cost_that_is_counted_once_is_caught() -> None:
    """Once a day, or once for all, whatever was traded."""
    assert not agrees(followed, lambda found, cost: found.returns - cost / 10_000)
    assert not agrees(followed, lambda found, cost: found.returns - cost / 10_000 / len(found.returns))


def test_positions_know_nothing_that_comes() -> None:
    """Other coming returns change what is earned and nothing that is traded; of the planted book they change both."""
    said, rows = said_of(SERIES)
    other = {"A": market(300, 11), "B": market(300, 12)[40:], "C": market(300, 13)[:200]}
    for follow, same in ((followed, True), (knowing, False)):
        one, two = follow(said, rows, SERIES), follow(said, rows, other)
        assert one is not None
        assert two is not None
        assert np.array_equal(one.traded, two.traded) is same
        assert not np.array_equal(one.returns, two.returns)


def test_a_knowing_book_is_too_good_to_be_true() -> None:
    """Where a book without skill has a deflated ratio like any other number, one that knows has 1."""
    said, rows = said_of(SERIES)
    honest, planted = followed(said, rows, SERIES), knowing(said, rows, SERIES)
    assert honest is not None
    assert planted is not None
    assert judge(honest, 5).deflated_sharpe < 0.95
    assert judge(planted, 5).deflated_sharpe > 0.9999


@pytest.mark.parametrize(("task", "column"), [("return", "expected_return"), ("direction", "probability_up")])
def test_a_training_follows_its_own_forecasts(task: str, column: str) -> None:
    """The books of a training are the ledger of what a walk forward says out of fold, in every tier."""
    series, question = markets(700), QUESTIONS[task]
    spec = ModelSpec(family="lightgbm", parameters=FAST, tiers=(1, 22))
    books = train(f"lightgbm_{task}", spec, series, Progress("test", 0, stream=io.StringIO())).books
    assert list(books) == [1, 22]
    for tier, found in books.items():
        panel = build(series, question, within(tier), tier)
        out = walk(panel, question, spec)
        even = 0.5 if task == "direction" else 0.0
        clerk = ledger(out.forecast[column] - even, scored_rows(panel, out), series)
        assert found.returns == pytest.approx([gross for gross, _ in clerk], rel=1e-9, abs=1e-12)
        assert found.traded == pytest.approx([traded for _, traded in clerk], rel=1e-9, abs=1e-12)


def test_figures_after_costs() -> None:
    """By plain Python: mean, turnover, break-even, ratios, before costs and after."""
    said, rows = said_of(SERIES)
    found, clerk = followed(said, rows, SERIES), ledger(said["expected_return"], rows, SERIES)
    assert found is not None
    told = judge_tier(found, 22, 4, cost_bp=7.0)
    gross, traded = [day[0] for day in clerk], fmean(day[1] for day in clerk)
    net = [earned - 7e-4 * amount for earned, amount in clerk]
    assert (told.tier, told.trials, told.cost_bp, told.days) == (22, 4, 7.0, len(clerk))
    assert told.mean_bp == pytest.approx(1e4 * fmean(gross))
    assert told.net_bp == pytest.approx(1e4 * fmean(net))
    assert told.turnover == pytest.approx(traded)
    assert told.break_even_bp == pytest.approx(1e4 * fmean(gross) / traded)
    assert told.sharpe == pytest.approx(fmean(gross) / pstdev(gross) * 252**0.5)
    assert told.net_sharpe == pytest.approx(fmean(net) / pstdev(net) * 252**0.5)
    assert told.deflated_sharpe == pytest.approx(deflated_by_hand(gross, 4))
    assert told.net_deflated_sharpe == pytest.approx(deflated_by_hand(net, 4))
    assert told.net_deflated_sharpe < told.deflated_sharpe < deflated_by_hand(gross, 1)


def deflated_by_hand(returns: list[float], trials: int) -> float:
    """Return the formulas of Bailey & Lopez de Prado (2014), term by term."""
    normal, n = NormalDist(), len(returns)
    mean, deviation = fmean(returns), pstdev(returns)
    skew = fmean(((r - mean) / deviation) ** 3 for r in returns)
    kurtosis = fmean(((r - mean) / deviation) ** 4 for r in returns)
    ratio, euler = mean / deviation, 0.57721566490153286
    best = 0.0
    if trials > 1:
        best = (1 - euler) * normal.inv_cdf(1 - 1 / trials) + euler * normal.inv_cdf(1 - 1 / (trials * math.e))
        best *= math.sqrt(1 / (n - 1))
    spread = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    return normal.cdf((ratio - best) * math.sqrt(n - 1) / math.sqrt(spread))
