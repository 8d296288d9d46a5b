"""Rules of thumb, where no model is installed: what they say, on every route alike, for any valid input."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.plane import FALLBACK_BARS, finite
from feature_mapper.bars import Bars
from models.typing import Json
from tests.app.served import (
    PERIODS,
    SAMPLE,
    as_columns,
    as_csv,
    as_rows,
    ask,
    batch,
    routes,
    row_bytes,
    service_of,
    strictly,
)
from tests.support.in_process import InProcess

WINDOW = SAMPLE.bars("IBM").tail(400)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """Serve nothing."""
    folder = tmp_path_factory.mktemp("nothing")
    with service_of(folder / "artifacts", folder) as started:
        yield started


def test_rules_of_thumb_say_what_they_declare(service: InProcess) -> None:
    """Close against open, root mean Garman-Klass variance, no return, HIGH, the move against its noise: by hand."""
    said = ask(service, "/predict", {"bars": as_columns(WINDOW)})["answers"]
    year = WINDOW.tail(FALLBACK_BARS)
    assert said["lightgbm_direction"]["direction"] == ("up" if year.close[-1] >= year.open[-1] else "down")
    assert said["lightgbm_direction"]["probability_up"] == 0.5
    variance = 0.5 * np.log(year.high / year.low) ** 2 - (2 * math.log(2) - 1) * np.log(year.close / year.open) ** 2
    assert said["lightgbm_volatility"]["volatility"] == pytest.approx(math.sqrt(variance.mean()))
    assert said["lightgbm_return"]["expected_return"] == 0  # the training mean, where no manifest can be read
    assert (said["random_forest_risk"]["risk"], said["random_forest_risk"]["probabilities"]) == ("HIGH", None)
    steps = np.diff(np.log(np.append(year.open[0], year.close)))
    z = steps.sum() / math.sqrt((steps**2).sum())
    assert said["hmm_regime"]["regime"] == ("bull" if z > 1 else "bear" if z < -1 else "neutral")
    assert said["hmm_regime"]["backend"] == "rule"
    drift = math.log(year.close[-1] / year.close[0]) / (len(year) - 1)
    path = [point["yhat"] for point in said["prophet_forecast"]["forecast"]]
    assert path == pytest.approx([year.close[-1] * math.exp(drift * step) for step in range(1, PERIODS + 1)])


def test_every_answer_is_of_its_documented_shape(service: InProcess) -> None:
    """A fallback holds every field of the route's answer, and no version, tier or skill."""
    for route in routes(service):
        answer = service.post(route.path, json.dumps(route.body(WINDOW)).encode())
        strictly(route.answer, answer.body)
        assert "x-model-version" not in answer.headers
        said = json.loads(answer.body)
        assert (said["model_version"], said["skill"], said["history"]["tier"]) == (None, None, None)
        assert (said["source"], said["reason"]) == ("fallback", "missing")


def test_rows_fall_back_as_single_questions_do(service: InProcess) -> None:
    """A long file answered by rules of thumb: each row as the single route, to the bit."""
    rows = batch(service, as_csv(WINDOW))["results"]
    for number in (0, 1, 252, 253, 399):
        window = {"bars": as_columns(WINDOW[: number + 1])}
        for route in routes(service):
            if not route.forecasts:
                single = ask(service, route.path, window)
                assert json.dumps(rows[number]["answers"][route.model]).encode() == row_bytes(single)


prices = st.floats(1e-300, 1e300)


@given(closes=st.lists(prices, min_size=1, max_size=8))
def test_any_valid_bars_are_answered_with_numbers(service: InProcess, closes: list[float]) -> None:
    """Prices from end to end of the floats: 200 and finite numbers everywhere, also without models."""
    close = np.array(closes)
    bars = Bars.validated(open=close, high=close, low=close, close=close)
    said = ask(service, "/predict", {"bars": as_columns(bars)})
    assert finite(said)
    assert all(point["yhat"] > 0 for point in said["answers"]["prophet_forecast"]["forecast"])
    dated = replace(bars, date=np.arange("2012-01-01", len(close), dtype="datetime64[D]"))
    body = {"periods": 365, "history": as_rows(dated, date="ds", close="y")}
    assert all(point["yhat"] > 0 for point in ask(service, "/forecast/price", body)["forecast"])


@given(returns=st.lists(st.floats(-1500, 1500), min_size=1, max_size=8))
def test_any_valid_observations_are_answered(service: InProcess, returns: list[float]) -> None:
    """Returns as far apart as floats allow give a regime."""
    body = {"returns_window": returns, "volatility_window": [0.1] * len(returns)}
    assert ask(service, "/predict/regime", body)["regime"] in {"bear", "neutral", "bull"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.0, True), (math.inf, False), (math.nan, False), ({"a": [1, math.nan]}, False), ({"a": [1, None, "nan"]}, True)],
)
def test_finite_looks_everywhere(value: Json, expected: bool) -> None:  # noqa: FBT001  pytest passes it by name
    """A number that JSON has no word for is found at any depth."""
    assert finite(value) is expected
