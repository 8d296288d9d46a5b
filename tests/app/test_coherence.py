"""Contradictions, planted one at a time into answers that have none."""

import math
from statistics import NormalDist
from typing import Any

import pytest

from app.coherence import CODES, flags

CLOSE = 100.0
SIGMA = 0.02
HALF = SIGMA * NormalDist().inv_cdf(0.95)
"""Half width of the central 90 % interval of a normal return of volatility `SIGMA`."""

Answers = dict[str, dict[str, Any]]


def interval(centre: float = 0.001, half: float = HALF) -> dict[str, float]:
    """Return a 90 % interval."""
    return {"level": 0.9, "lower": centre - half, "upper": centre + half}


def sound() -> Answers:
    """Return answers that agree with each other."""
    said: Answers = {
        "lightgbm_return": {"expected_return": 0.001, "interval": interval()},
        "random_forest_return": {"expected_return": 0.0005, "interval": interval()},
        "lightgbm_direction": {"direction": "up", "probability_up": 0.53},
        "lightgbm_volatility": {"volatility": SIGMA},
        "random_forest_risk": {"risk": "MEDIUM"},
        "hmm_regime": {"regime": "bull"},
        "prophet_forecast": {"forecast": [{"yhat": CLOSE * math.exp(0.001)}]},
    }
    return {model: {**fields, "source": "model"} for model, fields in said.items()}


def codes(answers: Answers) -> list[str]:
    """Return the codes of the flags."""
    return [flag["code"] for flag in flags(answers, CLOSE)]


PLANTED: dict[str, tuple[str, dict[str, dict[str, Any]], list[str]]] = {
    "down against both returns": (
        "direction-against-return",
        {"lightgbm_direction": {"direction": "down", "probability_up": 0.4}},
        ["lightgbm_return", "random_forest_return"],
    ),
    "returns of two signs": (
        "returns-disagree",
        {"random_forest_return": {"expected_return": -0.001}, "lightgbm_direction": {"source": "fallback"}},
        ["both"],
    ),
    "a wide interval": (
        "interval-against-volatility",
        {"lightgbm_return": {"interval": interval(half=HALF * 2.01)}},
        ["lightgbm_return"],
    ),
    "a narrow interval": (
        "interval-against-volatility",
        {"random_forest_return": {"interval": interval(half=HALF / 2.01)}},
        ["random_forest_return"],
    ),
    "a path that leaves both intervals": (
        "path-outside-interval",
        {"prophet_forecast": {"forecast": [{"yhat": CLOSE * math.exp(0.001 + HALF * 1.01)}]}},
        ["lightgbm_return", "random_forest_return"],
    ),
    "a calm bear": (
        "risk-against-regime",
        {"random_forest_risk": {"risk": "LOW"}, "hmm_regime": {"regime": "bear"}},
        ["pair"],
    ),
    "a dangerous bull": ("risk-against-regime", {"random_forest_risk": {"risk": "HIGH"}}, ["pair"]),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_contradiction_is_flagged(name: str) -> None:
    """That flag, once for each pair it concerns, and no other; with what the code means and which models said what."""
    code, changed, about = PLANTED[name]
    answers = sound()
    for model, fields in changed.items():
        answers[model] |= fields
    assert codes(answers) == [code] * len(about)
    for flag in flags(answers, CLOSE):
        assert flag["meaning"] == CODES[code]
        assert any(model in flag["detail"] for model in changed)


def test_every_flag_can_be_raised() -> None:
    """Each code that is documented has a planted case above."""
    assert {code for code, _, _ in PLANTED.values()} == set(CODES)


def test_answers_that_agree_raise_no_flag() -> None:
    """Nothing is flagged where nothing contradicts."""
    assert codes(sound()) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"lightgbm_return": {"interval": interval(half=HALF * 1.99)}},
        {"lightgbm_return": {"interval": interval(half=HALF / 1.99)}},
        {"prophet_forecast": {"forecast": [{"yhat": CLOSE * math.exp(0.001 + HALF * 0.99)}]}},
        {"lightgbm_return": {"expected_return": 0.0}},
        {"lightgbm_volatility": {"volatility": 0.0}},
        {"random_forest_risk": {"risk": "LOW"}},
        {"hmm_regime": {"regime": "bear"}},
    ],
)
def test_within_the_bounds_nothing_is_flagged(changed: dict[str, dict[str, Any]]) -> None:
    """A factor just below 2, a step just inside, an expected return of 0, a volatility of 0: no contradiction."""
    answers = sound()
    for model, fields in changed.items():
        answers[model] |= fields
    assert codes(answers) == []


def test_a_step_is_compared_as_a_log_return() -> None:
    """A fall of 4.9 % is a log return of -0.0502: outside a band that ends at -0.05, though -4.9 % seems inside."""
    answers = {model: sound()[model] for model in ("lightgbm_return", "prophet_forecast")}
    answers["lightgbm_return"]["interval"] = {"level": 0.9, "lower": -0.05, "upper": 0.05}
    answers["prophet_forecast"]["forecast"] = [{"yhat": CLOSE * 0.951}]
    assert codes(answers) == ["path-outside-interval"]


@pytest.mark.parametrize(("factor", "flagged"), [(1 / 2.01, True), (1 / 1.99, False), (1.99, False), (2.01, True)])
def test_five_sessions_are_compared_by_the_volatility_of_one(factor: float, *, flagged: bool) -> None:
    """An interval of five sessions is root five times as wide as its volatility of a session says of one."""
    half = HALF * math.sqrt(5) * factor
    answers: Answers = {
        "lightgbm_return_5": {"expected_return": 0.001, "interval": interval(half=half), "source": "model"},
        "lightgbm_volatility_5": {"volatility": SIGMA, "source": "model"},
    }
    assert codes(answers) == (["interval-against-volatility"] if flagged else [])


def test_horizons_do_not_contradict_each_other() -> None:
    """Up tomorrow and down by next week is no contradiction, but at one horizon it is."""
    down: dict[str, Any] = {"expected_return": -0.01, "interval": interval(-0.01), "source": "model"}
    assert codes(sound() | {"lightgbm_return_5": down}) == []
    up = {"direction": "up", "probability_up": 0.6, "source": "model"}
    assert codes(sound() | {"lightgbm_return_5": down, "lightgbm_direction_5": up}) == ["direction-against-return"]


@pytest.mark.parametrize("sessions", [4, 5])
def test_a_path_is_compared_where_the_interval_ends(sessions: int) -> None:
    """With the fifth step for five sessions; a path that does not go as far says nothing."""
    path = [{"yhat": CLOSE * math.exp(step)} for step in (0.0, 0.9, 0.9, 0.9, 0.5)[:sessions]]
    answers: Answers = {
        "lightgbm_return_5": {"expected_return": 0.0, "interval": interval(0.0, 0.4), "source": "model"},
        "prophet_forecast": {"forecast": path, "source": "model"},
    }
    assert codes(answers) == (["path-outside-interval"] if sessions == 5 else [])


@pytest.mark.parametrize("name", PLANTED)
def test_a_fallback_contradicts_nobody(name: str) -> None:
    """A rule of thumb has no say: planted contradictions go with the models that they are between."""
    _, changed, _ = PLANTED[name]
    answers = sound()
    for model, fields in changed.items():
        answers[model] |= fields | {"source": "fallback"}
    assert codes(answers) == []
