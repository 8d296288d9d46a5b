"""Tasks: what margins mean, what answers say, and what is answered without a model; by hand."""

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given

from feature_mapper.bars import Bars
from models import strict_json
from models.tasks.base import Fields, Head, TabularTask
from models.tasks.direction import Direction, DirectionHead
from models.tasks.forecast import drift, walk
from models.tasks.regime import REGIMES, Regime
from models.tasks.returns import Return, ReturnHead
from models.tasks.risk import CLASSES, Risk, RiskHead
from models.tasks.volatility import Volatility, VolatilityHead
from tests.feature_mapper.generated import runs

SCALE = np.array([0.01, 0.02])
HEADS: dict[str, tuple[TabularTask, Head]] = {
    "return": (Return(), ReturnHead(level=0.9, width=1.7, mean=3e-4)),
    "direction": (Direction(), DirectionHead(slope=0.5, intercept=0.1)),
    "volatility": (Volatility(), VolatilityHead(level=0.9, lower=-0.8, upper=0.6)),
    "risk": (Risk(), RiskHead(class_weights=(0.5, 1.0, 2.0))),
}
every_task = pytest.mark.parametrize(("task", "head"), HEADS.values(), ids=HEADS)


def answers(name: str, margin: list[float] | list[list[float]]) -> list[Fields]:
    """Return the answers to two rows."""
    task, head = HEADS[name]
    return task.fields(task.columns(np.array(margin), SCALE, head), head)


def test_return_is_in_units_of_volatility() -> None:
    """Margin times scale, with a band of width times scale."""
    first, second = answers("return", [0.5, -1.0])
    assert first == {
        "expected_return": pytest.approx(0.005),
        "interval": {"level": 0.9, "lower": pytest.approx(0.005 - 0.017), "upper": pytest.approx(0.005 + 0.017)},
    }
    assert second["expected_return"] == pytest.approx(-0.02)


def test_direction_is_calibrated_log_odds() -> None:
    """sigmoid(0.5 m + 0.1); an even chance is called up, as the documentation says."""
    first, second = answers("direction", [1.0, -2.0])
    assert first == {"direction": "up", "probability_up": pytest.approx(1 / (1 + math.exp(-0.6)))}
    assert second == {"direction": "down", "probability_up": pytest.approx(1 / (1 + math.exp(0.9)))}
    even = Direction().fields({"probability_up": np.array([0.5])}, HEADS["direction"][1])
    assert even == [{"direction": "up", "probability_up": 0.5}]


def test_volatility_is_relative_to_the_yardstick() -> None:
    """Scale times the root of exp(margin); its band is of ratios; a year has 252 sessions."""
    first, _ = answers("volatility", [0.2, 0.0])
    volatility = 0.01 * math.exp(0.1)
    assert first == {
        "volatility": pytest.approx(volatility),
        "volatility_annualized": pytest.approx(volatility * math.sqrt(252)),
        "interval": {
            "level": 0.9,
            "lower": pytest.approx(volatility * math.exp(-0.8)),
            "upper": pytest.approx(volatility * math.exp(0.6)),
        },
    }


def test_risk_takes_class_weights_out() -> None:
    """Probabilities divided by the weights of training and made to add up to 1; a tie goes to the lower class."""
    first, second = answers("risk", [[0.2, 0.3, 0.5], [1 / 7, 2 / 7, 4 / 7]])
    total = 0.4 + 0.3 + 0.25
    assert (first["risk"], first["code"]) == ("LOW", 0)
    assert first["probabilities"] == pytest.approx({"LOW": 0.4 / total, "MEDIUM": 0.3 / total, "HIGH": 0.25 / total})
    assert (second["risk"], second["code"]) == ("LOW", 0)
    (top,) = Risk().fields({"probabilities": np.array([[0.2, 0.3, 0.5]])}, HEADS["risk"][1])
    assert (top["risk"], top["code"]) == ("HIGH", 2)


@every_task
def test_heads_survive_json_and_refuse_others(task: TabularTask, head: Head) -> None:
    """A head read back is the head; that of another task, or one with more in it, is none."""
    plain = msgspec.to_builtins(head)
    assert task.parse(plain) == head
    with pytest.raises(msgspec.ValidationError):
        task.parse({**plain, "extra": 1.0})
    with pytest.raises(msgspec.ValidationError):
        task.parse({})


@every_task
def test_mixed_up_heads_are_a_mistake(task: TabularTask, head: Head) -> None:
    """Never an answer in the wrong units."""
    (other,) = [each for _, each in HEADS.values() if type(each) is not type(head)][:1]
    margin = np.full((2, 3), 1 / 3) if isinstance(task, Risk) else np.zeros(2)
    with pytest.raises(TypeError, match=f"expected a {type(head).__name__}, found a {type(other).__name__}"):
        task.fields(task.columns(margin, SCALE, other), other)


@every_task
@given(bars=runs)
def test_fallback_answers_any_bars(task: TabularTask, head: Head, bars: Bars) -> None:
    """With the fields that a model fills, whether or not a head could be read; JSON can hold it."""
    margin = np.full((2, 3), 1 / 3) if isinstance(task, Risk) else np.zeros(2)
    shape = task.fields(task.columns(margin, SCALE, head), head)[0]
    for known in (None, msgspec.to_builtins(head)):
        fields = task.fallback(bars, known)
        assert list(fields) == list(shape)
        strict_json.encode(fields)


def bars_of(*rows: tuple[float, float, float, float]) -> Bars:
    """Return bars of open, high, low, close."""
    o, h, low, c = (np.array(column) for column in zip(*rows, strict=True))
    return Bars.validated(open=o, high=h, low=low, close=c)


UP, DOWN, FLAT = (100.0, 103.0, 99.0, 102.0), (102.0, 103.0, 99.0, 100.0), (100.0, 101.0, 99.0, 100.0)


def test_fallbacks_by_hand() -> None:
    """Close against open; range of the bars; training mean; HIGH."""
    assert Direction().fallback(bars_of(DOWN, UP), None) == {"direction": "up", "probability_up": 0.5}
    assert Direction().fallback(bars_of(UP, DOWN), None)["direction"] == "down"
    assert Direction().fallback(bars_of(FLAT), None)["direction"] == "up"
    variance = 0.5 * math.log(101 / 99) ** 2
    assert Volatility().fallback(bars_of(FLAT, FLAT), None)["volatility"] == pytest.approx(math.sqrt(variance))
    assert Return().fallback(bars_of(UP), None) == {"expected_return": 0.0, "interval": None}
    head = msgspec.to_builtins(HEADS["return"][1])
    assert Return().fallback(bars_of(UP), head) == {"expected_return": 3e-4, "interval": None}
    assert Risk().fallback(bars_of(UP), None) == {"risk": "HIGH", "code": 2, "probabilities": None}


def test_regime_fallback_compares_the_move_with_its_noise() -> None:
    """One way all along is bull or bear; to and fro is neither; a market that stands still is neutral."""
    steady = bars_of(*[(100.0 + i, 101.0 + i, 100.0 + i, 101.0 + i) for i in range(9)])
    assert Regime().fallback(steady, None)["regime"] == "bull"
    back = replace(
        steady, open=steady.close[::-1], close=steady.open[::-1], high=steady.high[::-1], low=steady.low[::-1]
    )
    assert Regime().fallback(back, None)["regime"] == "bear"
    assert Regime().fallback(bars_of(UP, DOWN, UP, DOWN), None)["regime"] == "neutral"
    assert Regime().fallback(bars_of((5.0, 5.0, 5.0, 5.0)), None)["regime"] == "neutral"


@given(bars=runs)
def test_regime_fallback_answers_any_bars(bars: Bars) -> None:
    """With one of the regimes and no probabilities, as nothing stands behind any."""
    fields = Regime().fallback(bars, None)
    assert fields["regime"] in REGIMES
    assert fields["probabilities"] is None
    strict_json.encode(fields)


def test_walk_drifts_as_the_bars_did() -> None:
    """Mean log return a session, from the first close to the last."""
    bars = bars_of(FLAT, UP)
    assert drift(bars) == pytest.approx(math.log(1.02))
    assert walk(bars, 3) == pytest.approx([102.0 * 1.02**step for step in (1, 2, 3)])
    assert walk(bars_of(UP), 2).tolist() == [102.0, 102.0]


def test_classes_are_in_order() -> None:
    """Codes are positions."""
    assert CLASSES == ("LOW", "MEDIUM", "HIGH")
