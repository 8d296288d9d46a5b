"""Golden examples: recorded answers, compared as strictly as the hardware allows."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_mapper.bars import Bars
from feature_mapper.errors import InvalidBars
from models.errors import GoldenMismatch
from models.golden import (
    MIN_CASES,
    bars_from_json,
    bars_to_json,
    cases_of,
    first_difference,
    numbers_to_json,
    record,
    replay,
)
from models.typing import Json, JsonObject

Formula = Callable[[Bars], float]


def mean_return(bars: Bars) -> float:
    """Return the mean log return, NaN for a single bar."""
    returns = np.diff(np.log(bars.close))
    return float(returns.mean()) if len(returns) else math.nan


def deviation(bars: Bars, ddof: int = 0) -> float:
    """Return the standard deviation of the log returns."""
    return float(np.diff(np.log(bars.close)).std(ddof=ddof)) if len(bars) > 3 else math.nan


class Toy:
    """A model of two features whose formulas can be changed."""

    def __init__(self, mean: Formula = mean_return, std: Formula = deviation, *, order: int = 1) -> None:
        self._formulas = {"mean_return": mean, "deviation": std}
        self._order = order

    def golden_answer(self, case: JsonObject) -> dict[str, Json]:
        """Answer up where the mean is positive."""
        bars = bars_from_json(case)
        features = {name: formula(bars) for name, formula in self._formulas.items()}
        named = dict(zip(features, numbers_to_json(np.array(list(features.values()))), strict=True))
        up = features["mean_return"] > 0
        return {
            "tier": len(bars),
            "features": dict(list(named.items())[:: self._order]),
            "answer": {"direction": "up" if up else "down", "probabilities": [0.5, 0.5], "symbol": bars.symbol},
        }


def window(n: int, seed: int) -> Bars:
    """Return n random bars with one unknown volume."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, n)))
    volume = np.append(rng.integers(0, 10**9, n - 1).astype(np.float64), np.nan)
    return Bars.validated(
        open=close * 0.999,
        high=close * 1.01,
        low=close * 0.99,
        close=close,
        volume=volume if seed % 2 else None,
        date=np.datetime64("2024-01-01") + np.arange(n) if seed % 3 else None,
        symbol="AAA" if seed % 5 else None,
    )


INPUTS = [bars_to_json(window(n, seed=n)) for n in range(1, MIN_CASES + 1)]


@pytest.fixture(scope="module")
def golden() -> bytes:
    """Return the golden file of the toy."""
    return record(Toy(), INPUTS)


def test_same_model_passes(golden: bytes) -> None:
    """The recorded model, built anew, agrees with its record; unknown features are null."""
    replay(Toy(), golden)
    assert b"NaN" not in golden
    (first, *_) = cases_of(golden)
    assert first.expected["features"] == {"mean_return": None, "deviation": None}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Toy(std=lambda b: deviation(b, ddof=1)), r"golden case 3, features\.deviation: expected 0\.\d+, found 0\.\d+"),
        (Toy(mean=lambda b: mean_return(b) * (1 + 3e-9)), r"golden case 1, features\.mean_return"),
        (Toy(mean=lambda b: -mean_return(b)), r"golden case 1, features\.mean_return"),
        (Toy(std=lambda b: deviation(b) if len(b) > 4 else 0.0), r"features\.deviation: expected null, found 0\.0"),
        (Toy(order=-1), r"golden case 0, features: expected mean_return as name 0, found deviation"),
    ],
)
def test_changed_formula_is_named(model: Toy, message: str, golden: bytes) -> None:
    """The first case and the feature that differ are in the message: ddof, 3e-9, sign, filled NaN, order."""
    with pytest.raises(GoldenMismatch, match=message) as caught:
        replay(model, golden)
    assert "train again" in str(caught.value)


@given(ulps=st.integers(-4, 4))
@settings(max_examples=9, deadline=None)
def test_last_bits_of_another_cpu_pass(ulps: int, golden: bytes) -> None:
    """A few units in the last place are no difference."""

    def nudged(bars: Bars) -> float:
        value = mean_return(bars)
        return value if math.isnan(value) else value + ulps * math.ulp(value)

    replay(Toy(mean=nudged), golden)


@pytest.mark.parametrize(
    ("expected", "found", "difference"),
    [
        ({"a": 1.0}, {"a": 1.0 + 1e-10}, None),
        ({"a": 1.0}, {"a": 1.0 + 1e-8}, "a: expected 1.0"),
        ({"a": 0.0}, {"a": 1e-13}, None),
        ({"a": 0.0}, {"a": 1e-11}, "a: expected 0.0, found 1e-11"),
        ({"a": 1}, {"a": 2}, "a: expected 1, found 2"),
        ({"a": 1}, {"a": True}, "a: expected 1, found true"),
        ({"a": "up"}, {"a": "down"}, 'a: expected "up", found "down"'),
        ({"a": None}, {"a": 0.5}, "a: expected null, found 0.5"),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3}]}}, "a.b[1].c: expected 2, found 3"),
        ({"a": [1, 2]}, {"a": [1]}, "a: expected [1,2], found [1]"),
        ({"a": 1}, {"a": 1, "b": 2}, "answer: expected 1 names, found 2"),
        ({"a": 1, "b": 2}, {"a": 1}, "answer: expected 2 names, found 1"),
        ({"a": 1, "b": 2}, {"a": 1, "c": 2}, "answer: expected b as name 1, found c"),
    ],
)
def test_difference_is_named_by_its_place(expected: Json, found: Json, difference: str | None) -> None:
    """Numbers agree within the tolerance, everything else exactly."""
    told = first_difference(expected, found)
    assert told is None if difference is None else (told or "").startswith(difference)


def test_any_json_can_be_an_input() -> None:
    """A model that reads no bars has cases of its own kind."""

    class Forecaster:
        def golden_answer(self, case: JsonObject) -> dict[str, Json]:
            periods = case["periods"]
            assert isinstance(periods, int)
            return {"path": [1.5 * step for step in range(periods)]}

    data = record(Forecaster(), [{"periods": n} for n in range(MIN_CASES)])
    replay(Forecaster(), data)
    assert [case.input for case in cases_of(data)] == [{"periods": n} for n in range(MIN_CASES)]


def test_model_that_wavers_is_not_recorded() -> None:
    """A model that answers otherwise the second time can't have golden examples."""
    answers = iter(range(1000))

    class Wavering:
        def golden_answer(self, _case: JsonObject) -> dict[str, Json]:
            return {"draw": next(answers)}

    with pytest.raises(GoldenMismatch, match="golden case 0, draw"):
        record(Wavering(), INPUTS)


def test_answer_that_json_lacks_is_refused() -> None:
    """NaN in an answer is an error of the model, not a null."""

    class Nan:
        def golden_answer(self, _case: JsonObject) -> dict[str, Json]:
            return {"x": math.nan}

    with pytest.raises(ValueError, match=r"nan at \$\.cases\[0\]\.expected\.x"):
        record(Nan(), INPUTS)


def test_too_few_cases_are_refused(golden: bytes) -> None:
    """Fewer cases than the minimum are neither recorded nor accepted."""
    with pytest.raises(ValueError, match="at least 16"):
        record(Toy(), INPUTS[1:])
    plain = json.loads(golden)
    del plain["cases"][0]
    with pytest.raises(GoldenMismatch, match="found 15"):
        replay(Toy(), json.dumps(plain).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"protocol":2,"cases":[]}', b"\xff", b"[" * 100_000])
def test_bytes_that_are_no_golden_file_are_refused(data: bytes) -> None:
    """Whatever the bytes are, the error is ours."""
    with pytest.raises(GoldenMismatch):
        replay(Toy(), data)


@given(n=st.integers(1, 30), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_bars_survive_json(n: int, seed: int) -> None:
    """Bars come back bit for bit: dates, unknown volumes, absent columns and symbol included."""
    bars = window(n, seed)
    assert bars_from_json(json.loads(json.dumps(bars_to_json(bars), allow_nan=False))).identical(bars)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"extra": 1}, ValueError),
        ({"close": ["x"]}, ValueError),
        ({"date": ["yesterday"]}, ValueError),
        ({"close": [-1.0]}, InvalidBars),
        ({"close": [1.0, 2.0]}, InvalidBars),
    ],
)
def test_input_that_is_no_run_of_bars_is_refused(change: dict[str, Any], error: type[Exception]) -> None:
    """Unknown columns, wrong types and impossible bars are not read."""
    with pytest.raises(error):
        bars_from_json(bars_to_json(window(1, 1)) | change)
