"""Panels, and the fit of the yardstick."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from feature_mapper.bars import Bars
from feature_mapper.catalogue import within
from feature_mapper.mapper import compute
from feature_mapper.typing import FloatArray
from models.scale import FLOOR
from tests.training.kit.support import MONDAY, market, markets
from training.kit.panel import Panel, build, dated, fit_scale, har_widths
from training.kit.questions.registry import QUESTIONS, question_of
from training.kit.scores import qlike
from training.kit.spec import SpecError
from training.kit.targets import variance_over

TIERS = (1, 22, 64, 253, 509)
TRUTH = (0.3, 0.4, 0.3)
WIDTHS = (1, 5, 21)


def levels(n: int, seed: int) -> FloatArray:
    """Return logs of session variance over three widths, rough ones over short widths."""
    rng = np.random.default_rng(seed)
    slow = -9 + 2 * np.sin(np.arange(n) / 150) + rng.normal(0, 0.2, n)
    return np.column_stack([slow + rng.normal(0, 0.8, n), slow + rng.normal(0, 0.4, n), slow])


def outcomes(logs: FloatArray, seed: int) -> FloatArray:
    """Return the variances that follow: the weighted logs, times 1.5, times noise of mean 1."""
    noise = np.random.default_rng(seed).chisquare(3, len(logs)) / 3
    variance: FloatArray = 1.5 * np.exp(logs @ np.array(TRUTH)) * noise
    return variance


@pytest.mark.parametrize("task", [*QUESTIONS, "return_5", "direction_5", "volatility_5"])
@pytest.mark.parametrize("tier", [1, 22, 64])
def test_rows_are_those_of_the_mapper_and_the_target(task: str, tier: int) -> None:
    """Each row: the features of its bar to the bit, its label, its days, its symbol; none without a label."""
    question, series, features = question_of(f"some_{task}"), markets(620), within(tier)
    panel = build(series, question, features, tier)
    assert not np.isnan(panel.rows.y).any()
    assert not any(np.isnan(values).any() for values in panel.rows.context.values())
    assert np.isfinite(panel.logs).all()
    for number, bars in enumerate(series.values()):
        assert bars.date is not None
        mine = panel.rows.symbol == number
        at = np.searchsorted(bars.date, panel.rows.date[mine])
        assert at.min() >= tier - 1
        assert np.array_equal(bars.date[at], panel.rows.date[mine])
        assert np.array_equal(panel.x[mine], compute(bars, features)[at], equal_nan=True)
        assert np.array_equal(panel.rows.y[mine], question.target.values(bars)[at])
        assert np.array_equal(panel.rows.label_end[mine], bars.date[at + question.target.horizon])
        assert np.array_equal(panel.variance_ahead[mine], variance_over(question.target.horizon).values(bars)[at])


@pytest.mark.parametrize("tier", TIERS)
def test_yardstick_of_the_panel_is_that_of_the_bars(tier: int) -> None:
    """What training scales by is, to the bit, what serving computes from the window of the tier."""
    series, question = markets(700), QUESTIONS["return"]
    panel = build(series, question, (), tier)
    scale = panel.scale(np.arange(len(panel.rows)))
    offline = panel.volatility(scale)
    for number, bars in enumerate(series.values()):
        assert bars.date is not None
        for row in np.flatnonzero(panel.rows.symbol == number)[::37]:
            at = int(np.searchsorted(bars.date, panel.rows.date[row]))
            assert scale.volatility(bars[at + 1 - tier : at + 1], 1)[0] == offline[row]


def test_the_yardstick_of_a_week_is_of_the_week() -> None:
    """Unbiased for the mean of the sessions asked about, and less moved by the last session than that of one day."""
    series = markets(3000)
    day, week = (build(series, question_of(f"some_return{name}"), (), 64) for name in ("", "_5"))
    scales = [panel.scale(np.arange(len(panel.rows))) for panel in (day, week)]
    forecast = np.square(week.volatility(scales[1]))
    assert np.mean(variance_of_week(series, week) / forecast) == pytest.approx(1.0, abs=1e-6)
    assert scales[1].weights[0] < scales[0].weights[0]


def variance_of_week(series: Mapping[str, Bars], panel: Panel) -> FloatArray:
    """Return the mean session variance of the five sessions after each row."""
    result = np.full(len(panel.rows), np.nan)
    for number, bars in enumerate(series.values()):
        mine = panel.rows.symbol == number
        result[mine] = variance_over(5).values(bars)[np.searchsorted(dated(bars), panel.rows.date[mine])]
    return result


def test_widths_fit_into_their_tier() -> None:
    """The longest width and the bar before it."""
    assert [har_widths(tier) for tier in TIERS] == [(1,), (1, 5, 21), *[(1, 5, 21, 63)] * 3]


def test_symbols_without_dates_and_short_ones_are_refused() -> None:
    """By name, with what to do."""
    bars = market(600, 1, "AAA")
    with pytest.raises(SpecError, match="dated bars of AAA"):
        build({"AAA": replace(bars, date=None)}, QUESTIONS["return"], (), 1)
    with pytest.raises(SpecError, match="at most 40 bars; add data"):
        build({"AAA": bars[:40]}, QUESTIONS["return"], (), 64)


def flattened(n: int, flat: int) -> Bars:
    """Return a market whose first bars are closes alone, as old series of indices are."""
    bars = market(n, 3)
    prices = [column.copy() for column in (bars.open, bars.high, bars.low)]
    for column in prices:
        column[:flat] = bars.close[:flat]
    return Bars.validated(open=prices[0], high=prices[1], low=prices[2], close=bars.close, date=bars.date)


@pytest.mark.parametrize("task", QUESTIONS)
def test_rows_without_a_level_teach_nothing_that_is_measured_in_it(task: str) -> None:
    """A bar of a single price is no row of the tier of one bar, unless the task does without the yardstick."""
    question = QUESTIONS[task]
    panel = build({"A": flattened(1300, 700)}, question, within(1), 1)
    flat = panel.logs[:, -1] <= np.log(FLOOR)
    assert flat.any() == (not question.task.scaled)
    assert np.abs(panel.volatility(panel.scale(np.arange(len(panel.rows))))[~flat]).min() > 1e-4


def test_closes_alone_can_be_measured_by_their_moves() -> None:
    """Over a month they have a level, and are rows of the longer tiers."""
    panel = build({"A": flattened(900, 300)}, QUESTIONS["volatility"], (), 22)
    assert panel.rows.date.min() < np.busday_offset(MONDAY, 300)


def test_a_yardstick_is_not_fitted_on_rows_without_a_level() -> None:
    """Three of a thousand would take it ten thousandfold from the others."""
    logs = levels(1000, 1)
    variance = outcomes(logs, 2)
    honest = fit_scale(WIDTHS, logs, variance)
    flat = np.full((3, 3), np.log(FLOOR))
    assert fit_scale(WIDTHS, np.concatenate([logs, flat]), np.concatenate([variance, np.full(3, 1e-2)])) == honest


def test_closes_alone_are_measured_by_their_mean_where_nothing_else_is_known() -> None:
    """The floor is the level of every row then: the forecast of one bar is the mean variance, and all are kept."""
    panel = build({"A": flattened(900, 900)}, QUESTIONS["volatility"], (), 1)
    scale = panel.scale(np.arange(len(panel.rows)))
    assert np.square(panel.volatility(scale)) == pytest.approx(np.maximum(panel.variance_ahead, FLOOR).mean())


def test_fit_finds_planted_weights() -> None:
    """Weights, intercept, and that weights add up to 1."""
    logs = levels(40_000, 1)
    scale = fit_scale(WIDTHS, logs, outcomes(logs, 2))
    assert scale.weights == pytest.approx(TRUTH, abs=0.02)
    assert sum(scale.weights) == pytest.approx(1.0, abs=1e-12)
    assert scale.intercept == pytest.approx(np.log(1.5), abs=0.03)


@pytest.mark.parametrize("seed", range(4))
def test_fit_minimises_qlike(seed: int) -> None:
    """No worse than a simplex search over weights and intercept, on outcomes with sessions that did not move."""
    logs = levels(400, seed)
    variance = outcomes(logs, seed + 10)
    variance[::50] = 0.0
    realised = np.maximum(variance, FLOOR)

    def loss(p: FloatArray) -> float:
        weights = np.array([p[1], p[2], 1 - p[1] - p[2]])
        return float(qlike(np.exp(p[0] + logs @ weights), realised).mean())

    scale = fit_scale(WIDTHS, logs, variance)
    found = loss(np.array([scale.intercept, *scale.weights[:2]]))
    best = minimize(loss, np.array([0.0, 0.3, 0.3]), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13})
    assert found <= best.fun + 1e-10


def test_fit_is_unbiased_and_knows_no_level() -> None:
    """Outcome over forecast averages 1; all variances times 9 change nothing but the forecasts, which are times 9."""
    logs = levels(2000, 5)
    variance = outcomes(logs, 6)
    scale, wilder = fit_scale(WIDTHS, logs, variance), fit_scale(WIDTHS, logs + np.log(9), 9 * variance)
    forecast = np.square(scale.from_logs(list(logs.T)))
    assert np.mean(variance / forecast) == pytest.approx(1.0, abs=1e-6)
    assert wilder.weights == pytest.approx(scale.weights, abs=1e-7)
    assert np.square(wilder.from_logs(list((logs + np.log(9)).T))) == pytest.approx(9 * forecast, rel=1e-7)


@pytest.mark.parametrize("widths", [(1,), WIDTHS])
def test_fit_survives_a_market_that_stands_still(widths: tuple[int, ...]) -> None:
    """Equal levels leave the weights open and the forecast certain."""
    logs = np.full((50, len(widths)), np.log(4e-4))
    scale = fit_scale(widths, logs, np.full(50, 4e-4))
    assert scale.from_logs(list(logs.T)) == pytest.approx(0.02)
