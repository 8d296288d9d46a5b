"""Questions: heads that learn what they should, rivals that are worth beating, by hand and by simulation."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from data.sources.known_truth import KnownTruth, generate
from feature_mapper.typing import FloatArray
from models.scale import FLOOR
from models.tasks.direction import DirectionHead
from models.tasks.registry import task_of
from models.tasks.returns import ReturnHead
from models.tasks.risk import RiskHead
from models.tasks.volatility import VolatilityHead
from tests.training.kit.support import MONDAY, market
from training.kit.calibration import platt
from training.kit.questions.base import Rows
from training.kit.questions.direction import DirectionQuestion, calibration_error
from training.kit.questions.registry import QUESTIONS, question_of
from training.kit.questions.returns import ReturnQuestion
from training.kit.questions.risk import RiskQuestion
from training.kit.questions.volatility import VolatilityQuestion
from training.kit.scores import qlike
from training.kit.targets import risk_class

N = 20_000


def rows(y: FloatArray, **context: FloatArray) -> Rows:
    """Return rows of one symbol on consecutive days."""
    days = MONDAY + np.arange(len(y) + 1)
    return Rows(y, days[:-1], days[1:], np.zeros(len(y), dtype=np.int64), context)


def ones() -> FloatArray:
    """Return no class weights."""
    return np.ones(3)


def test_platt_finds_slope_and_intercept() -> None:
    """Of overconfident log odds that lean one way."""
    rng = np.random.default_rng(1)
    margin = rng.normal(0, 2, N)
    y = (rng.random(N) < 1 / (1 + np.exp(-(0.4 * margin + 0.3)))).astype(np.float64)
    head = platt(margin, y)
    assert head.slope == pytest.approx(0.4, abs=0.03)
    assert head.intercept == pytest.approx(0.3, abs=0.05)
    forecast = DirectionQuestion().task.columns(margin, np.ones(N), head)["probability_up"]
    assert calibration_error(forecast, y) < 0.02 < calibration_error(1 / (1 + np.exp(-margin)), y)


@pytest.mark.parametrize("sign", [0.0, -1.0])
def test_platt_never_turns_a_margin_upside_down(sign: float) -> None:
    """Constant or misleading margins give the base rate to everybody."""
    rng = np.random.default_rng(2)
    margin = rng.normal(size=N)
    y = (rng.random(N) < 1 / (1 + np.exp(margin - 0.5))).astype(np.float64)
    head = platt(abs(sign) * margin, y)
    assert head == DirectionHead(slope=0.0, intercept=float(np.log(y.mean() / (1 - y.mean()))), method="base_rate")


def test_direction_figures_by_libraries() -> None:
    """AUC by pairs, Brier by scikit-learn."""
    rng = np.random.default_rng(3)
    p = rng.random(300)
    y = (rng.random(300) < p).astype(np.float64)
    figures = DirectionQuestion().figures({"probability_up": p}, y)
    pairs = p[y == 1][:, None] - p[y == 0][None]
    assert figures["auc"] == pytest.approx((pairs > 0).mean())
    assert figures["brier"] == pytest.approx(brier_score_loss(y, p))
    assert figures["majority_accuracy"] >= 0.5


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_return_interval_covers_its_level(level: float) -> None:
    """On fresh rows, in calm and rough weeks alike, as it is measured in units of volatility."""
    rng = np.random.default_rng(4)
    scale = np.exp(rng.normal(-4.5, 0.7, 2 * N))
    y = scale * rng.standard_t(4, 2 * N)
    question, margin = ReturnQuestion(), np.zeros(2 * N)
    head = question.head(margin[:N], scale[:N], rows(y[:N]), level, ones())
    assert isinstance(head, ReturnHead)
    assert head.mean == pytest.approx(y[:N].mean())
    forecast = question.task.columns(margin[N:], scale[N:], head)
    held = (forecast["lower"] <= y[N:]) & (y[N:] <= forecast["upper"])
    rough = scale[N:] > np.median(scale[N:])
    assert held.mean() == pytest.approx(level, abs=0.015)
    assert held[rough].mean() == pytest.approx(held[~rough].mean(), abs=0.025)


def test_volatility_band_covers_its_level() -> None:
    """Also where the forecast is biased: the band is of what was seen out of fold."""
    rng = np.random.default_rng(5)
    scale = np.exp(rng.normal(-4.5, 0.5, 2 * N))
    y = np.square(scale) * rng.chisquare(2, 2 * N)
    question, margin = VolatilityQuestion(), np.zeros(2 * N)
    head = question.head(margin[:N], scale[:N], rows(y[:N]), 0.9, ones())
    assert isinstance(head, VolatilityHead)
    forecast = question.task.columns(margin[N:], scale[N:], head)
    figures = question.figures(forecast, y[N:])
    assert figures["coverage"] == pytest.approx(0.9, abs=0.015)
    assert figures["variance_ratio"] == pytest.approx(2.0, abs=0.1)


def test_volatility_rivals_are_unbiased_on_their_training_rows() -> None:
    """So that a rival loses by what it does not see, never by its level; no other factor has a lower QLIKE."""
    bars = market(900, 6)
    question = VolatilityQuestion()
    context, y = question.context(bars), question.target.values(bars)
    known = np.flatnonzero(~np.isnan(y) & ~np.isnan(context["ewma"]))
    train = rows(y[known], **{name: values[known] for name, values in context.items()})
    for name, rival in question.baselines(train, train, np.full(len(known), 0.01), 64).items():
        if name != "har":
            losses = [
                qlike(np.square(rival["volatility"] * by), np.maximum(train.y, FLOOR)).mean() for by in (0.97, 1, 1.03)
            ]
            assert int(np.argmin(losses)) == 1, name
    assert list(question.baselines(train, train, np.ones(len(known)), 64)) == [
        "har",
        "rolling_mean",
        "ewma",
        "long_run",
    ]
    assert list(question.baselines(train, train, np.ones(len(known)), 1)) == ["own_bar", "rolling_mean", "long_run"]


def test_volatility_context_by_hand() -> None:
    """The mean of the last 21 sessions, and weights that fall by 0.94 a session."""
    bars = market(200, 7)
    question = VolatilityQuestion()
    context = question.context(bars)
    variance = np.append(np.nan, question.target.values(bars)[:-1])
    assert context["rolling_mean"][150] == pytest.approx(variance[130:151].mean())
    assert np.isnan(context["rolling_mean"][20])
    assert np.isfinite(context["rolling_mean"][21])
    weights = 0.94 ** np.arange(126)
    assert context["ewma"][150] == pytest.approx((weights * variance[150:24:-1]).sum() / weights.sum())
    assert context["long_run"][150] == pytest.approx(variance[1:151].mean())
    assert context["long_run"][126] == pytest.approx(variance[1:127].mean())
    assert np.array_equal(np.isnan(context["long_run"]), np.isnan(context["ewma"]))


def test_volatility_is_quoted_against_its_strongest_rival() -> None:
    """Save that of one bar nothing else is known."""
    losses = {"har": 0.4, "rolling_mean": 0.5, "ewma": 0.45, "long_run": 0.39}
    question = VolatilityQuestion()
    assert question.quoted(losses, 22) == "long_run"
    assert question.quoted({**losses, "long_run": 0.6}, 253) == "har"
    assert question.quoted({"own_bar": 0.9, "rolling_mean": 0.5, "long_run": 0.4}, 1) == "own_bar"


@pytest.mark.parametrize("level", [1.0, 9.0])
def test_long_run_is_right_where_variance_never_changes(level: float) -> None:
    """For each symbol at its own level, as the truth would: nothing is left to be found beyond it."""
    bars = generate(KnownTruth(volatility=0.005 * level), seed=3, sessions=3000).bars["KNOWN"]
    context = VolatilityQuestion().context(bars)["long_run"]
    assert context[-1] == pytest.approx((0.005 * level) ** 2, rel=0.05)


def test_risk_persistence_is_the_share_of_what_followed() -> None:
    """Row by row of the table of today's class and the class that came."""
    today = np.array([0, 0, 0, 0, 1, 1, 2, 2], dtype=np.float64)
    came = np.array([0, 0, 0, 1, 1, 2, 2, 2], dtype=np.float64)
    test = rows(np.zeros(3), today=np.array([0.0, 1.0, 2.0]))
    rivals = RiskQuestion().baselines(rows(came, today=today), test, np.ones(3), 64)
    assert rivals["persistence"]["probabilities"].tolist() == [[0.75, 0.25, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]
    assert rivals["class_shares"]["probabilities"].tolist() == [[3 / 8, 2 / 8, 3 / 8]] * 3


def test_risk_head_keeps_the_weights_of_training() -> None:
    """They are taken out again: a forest of weighed rows that saw nothing answers with the true shares."""
    shares = np.array([0.6, 0.3, 0.1])
    weights = 1 / (3 * shares)
    seen = shares * weights / (shares * weights).sum()
    question = RiskQuestion()
    head = question.head(seen[None], np.ones(1), rows(np.zeros(1)), 0.9, weights)
    assert head == RiskHead(class_weights=(weights[0], weights[1], weights[2]))
    assert question.task.columns(seen[None], np.ones(1), head)["probabilities"][0] == pytest.approx(shares)


def test_risk_context_is_todays_class() -> None:
    """Of the week that just ended."""
    bars = market(700, 8)
    assert np.array_equal(RiskQuestion().context(bars)["today"], risk_class(bars, ahead=0), equal_nan=True)


@pytest.mark.parametrize("task", QUESTIONS)
def test_questions_are_found_by_their_task(task: str) -> None:
    """And agree with it on the horizon that answers state."""
    question = QUESTIONS[task]
    assert question.task.identity.name == task
    assert question.target.horizon == question.task.identity.horizon


@pytest.mark.parametrize("model", ["lightgbm_return", "lightgbm_direction", "lightgbm_volatility"])
@pytest.mark.parametrize("horizon", [2, 5, 21])
def test_questions_are_found_at_the_horizon_that_a_name_states(model: str, horizon: int) -> None:
    """The same in all but the sessions that they are about; without one it is the task's own."""
    usual, later = question_of(model), question_of(f"{model}_{horizon}")
    assert usual is QUESTIONS[usual.task.identity.name]
    assert type(later) is type(usual)
    assert later.task.identity == task_of(f"{model}_{horizon}").identity
    assert later.target.horizon == later.task.identity.horizon == horizon
    bars = market(300, 9)
    assert later.context(bars).keys() == usual.context(bars).keys()
    assert f"t+{horizon}" in later.target.definition
    assert later.target.name != usual.target.name


@pytest.mark.parametrize("horizon", [1, 5])
def test_volatility_rivals_are_unbiased_at_their_horizon(horizon: int) -> None:
    """By the outcomes of that horizon: the mean of several sessions is as large, and far steadier."""
    bars, question = market(900, 6), VolatilityQuestion(horizon)
    context, y = question.context(bars), question.target.values(bars)
    known = np.flatnonzero(~np.isnan(y) & ~np.isnan(context["ewma"]))
    train = rows(y[known], **{name: values[known] for name, values in context.items()})
    rivals = question.baselines(train, train, np.full(len(known), 0.01), 64)
    for name in ("rolling_mean", "ewma", "long_run"):
        assert np.mean(train.y / np.square(rivals[name]["volatility"])) == pytest.approx(1.0), name


@pytest.mark.parametrize("spread", [0.01, 0.03, 0.3])
def test_platt_finds_the_slope_of_narrow_margins(spread: float) -> None:
    """A cautious model has margins close together; the fit must not take them for none."""
    rng = np.random.default_rng(5)
    margin = spread * rng.standard_normal(200_000)
    y = (rng.random(len(margin)) < 1 / (1 + np.exp(-(2.0 / spread * 0.1 * margin + 0.05)))).astype(np.float64)
    head = platt(margin, y)
    assert head.slope * spread == pytest.approx(0.2, abs=0.02)
    assert head.intercept == pytest.approx(0.05, abs=0.02)
