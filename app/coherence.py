"""Where the models contradict each other. Each rule looks at answers to the same question and says what it saw.

Returns, directions and volatilities are compared at one horizon each.
"""

import math
from collections.abc import Callable, Mapping
from statistics import NormalDist
from typing import Any, Final

from app.horizons import horizon_of
from models.tasks.registry import task_of

CODES: Final = {
    "direction-against-return": "the likelier direction and the sign of an expected return differ",
    "returns-disagree": "two models of the return expect different signs",
    "interval-against-volatility": "a return interval's width and the forecast volatility differ by a factor over 2",
    "path-outside-interval": "the price path lies outside a return interval where that ends",
    "risk-against-regime": "HIGH risk in a bull regime, or LOW risk in a bear regime",
}
"""What each flag means."""

FACTOR: Final = 2.0
"""Volatilities of one session by two models differ by more than this: that is a contradiction."""

Answers = Mapping[str, Mapping[str, Any]]
"""Answers by model, as `Plane.together` gives them; Any: their fields differ by task."""

Flag = dict[str, str]


def flags(answers: Answers, last_close: float) -> list[Flag]:
    """Return every contradiction, with the models and figures that it is about; a fallback contradicts nobody."""
    said = {model: answer for model, answer in answers.items() if answer["source"] == "model"}
    found: list[Flag] = []

    def flag(code: str, detail: str) -> None:
        found.append({"code": code, "meaning": CODES[code], "detail": detail})

    for horizon in dict.fromkeys(map(horizon_of, said)):
        same = {model: answer for model, answer in said.items() if horizon_of(model) == horizon}
        returns = _of(same, "return")
        _direction(_of(same, "direction"), returns, flag)
        _signs(returns, flag)
        _widths(returns, _of(same, "volatility"), horizon, flag)
        _paths(returns, _of(said, "forecast"), horizon, last_close, flag)
    _states(_of(said, "risk"), _of(said, "regime"), flag)
    return found


def _of(answers: Answers, task: str) -> Answers:
    return {model: answer for model, answer in answers.items() if task_of(model).identity.name == task}


def _direction(directions: Answers, returns: Answers, flag: Callable[[str, str], None]) -> None:
    for model, answer in directions.items():
        for other, theirs in returns.items():
            expected = theirs["expected_return"]
            if expected != 0 and (answer["direction"] == "up") != (expected > 0):
                flag(
                    "direction-against-return",
                    f"{model} says {answer['direction']} ({answer['probability_up']:.3f}), {other} {expected:+.5f}",
                )


def _signs(returns: Answers, flag: Callable[[str, str], None]) -> None:
    expected = [answer["expected_return"] for answer in returns.values()]
    if any(one > 0 for one in expected) and any(one < 0 for one in expected):
        words = ", ".join(f"{model} {answer['expected_return']:+.5f}" for model, answer in returns.items())
        flag("returns-disagree", words)


def _widths(returns: Answers, volatilities: Answers, horizon: int, flag: Callable[[str, str], None]) -> None:
    for model, answer in returns.items():
        interval = answer["interval"]
        # The volatility of a session of a normal return, over the horizon, whose central interval is as wide.
        half = (interval["upper"] - interval["lower"]) / 2 / math.sqrt(horizon)
        implied = half / NormalDist().inv_cdf((1 + interval["level"]) / 2)
        for other, theirs in volatilities.items():
            volatility = theirs["volatility"]
            if volatility > 0 and not 1 / FACTOR <= implied / volatility <= FACTOR:
                flag("interval-against-volatility", f"{model} implies {implied:.5f}, {other} says {volatility:.5f}")


def _paths(returns: Answers, paths: Answers, horizon: int, last_close: float, flag: Callable[[str, str], None]) -> None:
    for model, answer in paths.items():
        if len(answer["forecast"]) < horizon:
            continue
        later = answer["forecast"][horizon - 1]["yhat"]
        step = math.log(later) - math.log(last_close)  # a log return, as the interval is
        for other, theirs in returns.items():
            interval = theirs["interval"]
            if not interval["lower"] <= step <= interval["upper"]:
                flag("path-outside-interval", f"{model} steps {step:+.5f}, outside the interval of {other}")


def _states(risks: Answers, regimes: Answers, flag: Callable[[str, str], None]) -> None:
    for model, answer in risks.items():
        for other, theirs in regimes.items():
            pair = (answer["risk"], theirs["regime"])
            if pair in {("HIGH", "bull"), ("LOW", "bear")}:
                flag("risk-against-regime", f"{model} says {pair[0]}, {other} says {pair[1]}")
