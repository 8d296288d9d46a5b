"""Hypothetical bars: what they move is the difference of two honest answers, and wrong ones are refused in place."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from app.routers.predict import SUPPOSED
from app.what_if import NO_VOLUME, NOTE
from data.calendars import calendar_for
from feature_mapper.bars import Bars
from models.tasks.registry import task_of
from tests.app.served import (
    SAMPLE,
    Route,
    as_columns,
    as_rows,
    ask,
    found,
    service_of,
    strictly,
    task_bytes,
    usual_routes,
)
from tests.support.contract import Contract
from tests.support.in_process import InProcess
from training.hmm_regime.spec import SPEC

NAMES = tuple(info.symbol for info in SAMPLE.symbols())
IBM = SAMPLE.bars("IBM")
BAR = {"open": 203.0, "high": 205.0, "low": 201.0, "close": 204.0}

few = settings(max_examples=8, phases=[Phase.generate])  # an example takes a while, and is small as it is


@pytest.fixture(scope="module")
def service(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """Serve the trained models."""
    with service_of(trained_store, tmp_path_factory.mktemp("service")) as started:
        yield started


def supposing(service: InProcess) -> Iterator[tuple[Route, str]]:
    """Yield each route of bars with the one beside it that supposes a next bar."""
    paths = {operation.path for operation in service.app.operations}
    for route in usual_routes(service):
        if not route.forecasts:
            path = f"/what-if{route.path.removeprefix('/predict')}"
            assert path in paths
            yield route, path


def plain(answer: dict[str, Any], *notes: str) -> dict[str, Any]:
    """Return an answer without these warnings."""
    return {**answer, "warnings": [one for one in answer["warnings"] if one not in notes]}


@few
@given(name=st.sampled_from(NAMES), end=st.integers(2, 1500), dated=st.booleans(), explain=st.booleans())
def test_the_true_next_bar_gives_the_next_days_answer(
    service: InProcess,
    name: str,
    end: int,
    dated: bool,  # noqa: FBT001  hypothesis passes it by name
    explain: bool,  # noqa: FBT001  as above
) -> None:
    """Before is the answer as it stands, after is the one that the next day gave: whole, but for the note."""
    bars = SAMPLE.bars(name)
    end = min(end, len(bars))
    days = bars.date
    assert days is not None
    (bar,) = as_rows(bars[end - 1 : end])
    if not dated and calendar_for().next_sessions(days[end - 2], 1)[0] == days[end - 1]:
        del bar["date"]
    for route, path in supposing(service):
        rest = {"explain": explain}
        for known, later in (
            ({"bars": as_columns(bars[: end - 1])}, {"bars": as_columns(bars[:end])}),
            ({"symbol": name, "as_of": str(days[end - 2])}, {"symbol": name, "as_of": str(days[end - 1])}),
        ):
            answer = service.post(path, msgspec.json.encode({**known, **rest, "what_if": bar}))
            strictly(SUPPOSED[task_of(route.model).identity.name], answer.body)
            said = found(answer)
            assert said["before"] == ask(service, route.path, {**known, **rest})
            assert NOTE in said["after"]["warnings"]
            assert plain(said["after"], NOTE) == ask(service, route.path, {**later, **rest})
            assert said["what_if"]["date"] == str(days[end - 1])


def numbers(value: Any, place: str = "") -> dict[str, float]:
    """Return every float of an answer by its path, but the level of a band, which is no forecast."""
    if isinstance(value, dict):
        inner = (numbers(part, f"{place}/{name}".lstrip("/")) for name, part in value.items() if name != "level")
        return {name: number for each in inner for name, number in each.items()}
    return {place: value} if isinstance(value, float) else {}


@pytest.mark.parametrize("length", [1, 20, 21, 22, 63, 252, 300])
def test_changes_are_differences(service: InProcess, length: int) -> None:
    """Of every number of the task; explained, what moved the margin adds up to what it moved by, across tiers too."""
    window = {"bars": as_columns(IBM.tail(length)), "what_if": BAR, "explain": True}
    for route, path in supposing(service):
        said = ask(service, path, window)
        before, after = (numbers(json.loads(task_bytes(said[name]))[0]) for name in ("before", "after"))
        assert said["changes"] == {name: after[name] - number for name, number in before.items()}
        assert said["changes"]
        assert any(said["changes"].values())
        if "regime" in path:
            assert said["moved"] is None
            continue
        moved = said["moved"]
        if moved is None:
            assert "lightgbm" not in route.model
            assert "forest" not in route.model
            assert said["after"]["explanation"] is None, "trees that explain say what moved them"
            continue
        parts = [each["contribution"] for each in moved["contributions"]]
        assert abs(moved["base"] + sum(parts) + moved["rest"]["contribution"] - moved["margin"]) <= 1e-9
        told = [said[name]["explanation"] for name in ("before", "after")]
        if told[0]["unit"] == told[1]["unit"]:
            assert moved["margin"] == pytest.approx(told[1]["margin"] - told[0]["margin"], abs=1e-12)
        same_tier = said["before"]["history"]["tier"] == said["after"]["history"]["tier"]
        if "xgboost" in route.model:  # its base takes up what its sums round off, and hardly differs between tiers
            assert abs(moved["base"]) < 1e-6 or not same_tier
        else:
            assert (moved["base"] == 0.0) == same_tier
        if moved["effect_unit"] is None:
            continue
        effects = [each["effect"] for each in moved["contributions"]]
        assert abs(moved["effect_base"] + sum(effects) + moved["rest"]["effect"] - moved["effect_total"]) <= 1e-9
        assert moved["effect_total"] == pytest.approx(told[1]["effect_total"] - told[0]["effect_total"], abs=1e-9)


def test_of_risk_one_class_is_explained_on_both_sides(service: InProcess) -> None:
    """A wild bar calls another class than the days before it: the margins that are compared are of the new one."""
    calm = IBM[1000:1600]
    wild = {"open": 100.0, "high": 200.0, "low": 50.0, "close": 60.0}
    said = ask(service, "/what-if/risk", {"bars": as_columns(calm), "what_if": wild, "explain": True})
    assert said["after"]["risk"] == "HIGH"
    assert said["moved"]["unit"] == said["after"]["explanation"]["unit"]
    assert said["moved"]["margin"] > 0


def test_a_regime_shows_the_step_that_the_bar_takes(service: InProcess) -> None:
    """From where the days before it stand, held on to, by the likelihood of the bar itself."""
    body = {"bars": as_columns(IBM.tail(300)), "what_if": BAR, "explain": True}
    said = ask(service, "/what-if/regime", body)
    step = said["after"]["explanation"]["last_step"]
    assert step["log_return"] == pytest.approx(np.log(BAR["close"] / IBM.close[-1]))
    assert step["probabilities"] == said["after"]["probabilities"]
    before, stickiness = said["before"], float(str(SPEC.options["stickiness"]))
    for state, expected in step["expected"].items():  # the window of the answer before began a session earlier
        held = stickiness * before["probabilities"][state] + (1 - stickiness) * before["next_probabilities"][state]
        assert expected == pytest.approx(held, abs=1e-3)


def test_a_bar_without_volume_says_what_that_costs(service: InProcess) -> None:
    """Where the others have volumes; not where they have none either."""
    for _, path in supposing(service):
        loud = ask(service, path, {"symbol": "IBM", "what_if": BAR})
        assert NO_VOLUME in loud["after"]["warnings"]
        assert NO_VOLUME not in loud["before"]["warnings"]
        quiet = ask(service, path, {"symbol": "IBM", "what_if": {**BAR, "volume": 1e6}})
        assert NO_VOLUME not in quiet["after"]["warnings"]
        undated = {"open": 200, "high": 201, "low": 199, "close": 200, "what_if": BAR}
        said = ask(service, path, undated)
        assert said["what_if"] == {"date": None, **BAR, "volume": None}
        assert NO_VOLUME not in said["after"]["warnings"]


LAST = str(IBM.date[-1]) if IBM.date is not None else ""


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"symbol": "IBM"}, "/what_if"),
        ({"what_if": BAR}, "/symbol"),
        ({"symbol": "IBM", "what_if": {**BAR, "high": 1.0}}, "/what_if/high"),
        ({"symbol": "IBM", "what_if": {**BAR, "close": 0.0}}, "/what_if/close"),
        ({"symbol": "IBM", "what_if": {**BAR, "volume": -1.0}}, "/what_if/volume"),
        ({"symbol": "IBM", "what_if": {**BAR, "open": "high"}}, "/what_if/open"),
        ({"symbol": "IBM", "what_if": {**BAR, "colour": 1}}, "/what_if/colour"),
        ({"symbol": "IBM", "what_if": {"open": 1, "high": 1, "low": 1}}, "/what_if/close"),
        ({"symbol": "IBM", "what_if": {**BAR, "date": LAST}}, "/what_if/date"),
        ({"symbol": "IBM", "what_if": {**BAR, "date": "2013-02-30"}}, "/what_if/date"),
        ({"symbol": "IBM", "what_if": [BAR]}, "/what_if"),
        ({"symbol": "IBM", "what_if": None}, "/what_if"),
        ({"symbol": "IBM", "what_if": BAR, "explain": 1}, "/explain"),
        ({**BAR, "what_if": {**BAR, "date": "2013-03-04"}}, "/what_if/date"),
        ({"bars": [{**BAR, "date": "2045-01-03"}], "what_if": BAR}, "/what_if/date"),
        ({"returns_window": [0.1], "volatility_window": [0.1], "what_if": BAR}, "/returns_window"),
    ],
)
def test_a_bar_that_can_not_be_is_refused_in_its_place(service: InProcess, body: dict[str, Any], place: str) -> None:
    """With a problem that points at it, on every route; and the routes without it take no such field."""
    contract = Contract(found(service.get("/openapi.json")))
    for route, path in supposing(service):
        answer = service.post(path, msgspec.json.encode(body))
        assert answer.status == 422, answer.body
        assert place in [fault["pointer"] for fault in contract.problem(answer)["errors"]]
        refused = service.post(route.path, msgspec.json.encode({"symbol": "IBM", "what_if": BAR}))
        assert [fault["pointer"] for fault in contract.problem(refused)["errors"]] == ["/what_if"]


def test_a_key_twice_is_seen_inside_the_bar(service: InProcess) -> None:
    """As anywhere else in a body."""
    answer = service.post(
        "/what-if/direction", b'{"symbol":"IBM","what_if":{"open":1,"high":1,"low":1,"close":1,"close":1}}'
    )
    assert answer.status == 400
    assert b"duplicate-key" in answer.body


def test_a_day_far_off_is_answered(service: InProcess) -> None:
    """With the warnings that such a gap has anywhere."""
    said = ask(service, "/what-if/direction", {"symbol": "IBM", "what_if": {**BAR, "date": "2013-06-03"}})
    assert any(one.startswith("no bar between") for one in said["after"]["warnings"])
    assert said["after"]["as_of"] == "2013-06-03"


def test_rules_of_thumb_are_compared_too(tmp_path: Path) -> None:
    """Where no model serves: both answers are fallbacks, of the documented shape, and nothing explains them."""
    bars: Bars = IBM.tail(30)
    with service_of(tmp_path / "artifacts", tmp_path) as nothing:
        for route, path in supposing(nothing):
            body = {"bars": as_columns(bars), "what_if": BAR, "explain": True}
            answer = nothing.post(path, msgspec.json.encode(body))
            strictly(SUPPOSED[task_of(route.model).identity.name], answer.body)
            said = found(answer)
            assert {said["before"]["source"], said["after"]["source"]} == {"fallback"}
            assert said["moved"] is None
