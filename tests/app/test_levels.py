"""`level` in requests: which band answers, on which routes, and what versions without a table of bands say."""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from models.manifest import TierManifest
from models.tasks.registry import task_of
from tests.app.broken import publish, store_at
from tests.app.served import (
    SAMPLE,
    Route,
    as_columns,
    as_csv,
    ask,
    batch,
    fallbacks,
    found,
    row_bytes,
    service_of,
    usual_routes,
)
from tests.support.contract import Contract
from tests.support.in_process import InProcess

WINDOW: Final = SAMPLE.bars("IBM").tail(300)
BODY: Final = {"bars": as_columns(WINDOW)}
BANDED: Final = {"return", "volatility"}
levels = st.floats(0.5, 0.99)


@pytest.fixture(scope="module")
def service(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """Serve the trained models."""
    with service_of(trained_store, tmp_path_factory.mktemp("service")) as started:
        yield started


@pytest.fixture(scope="module")
def contract(service: InProcess) -> Contract:
    """Return what the service promises."""
    return Contract(found(service.get("/openapi.json")))


def banded(service: InProcess) -> list[Route]:
    """Return the routes whose answers have an interval."""
    return [route for route in usual_routes(service) if task_of(route.model).identity.name in BANDED]


def of_others(service: InProcess) -> list[Route]:
    """Return the other routes of bars."""
    return [route for route in usual_routes(service) if not route.forecasts and route not in banded(service)]


def refused(service: InProcess, contract: Contract, path: str, body: object, query: str = "") -> dict[str, Any]:
    """Post a question that is the caller's mistake, and return the problem."""
    answer = service.post(path, json.dumps(body).encode(), query=query)
    assert answer.status == 422, answer.body
    return contract.problem(answer)


@settings(max_examples=15, phases=[Phase.generate])
@given(one=levels, other=levels)
def test_intervals_of_a_route_nest_by_level(service: InProcess, one: float, other: float) -> None:
    """Around the same forecast; each names a level that is at least the one asked for."""
    for route in banded(service):
        low, high = (ask(service, route.path, {**BODY, "level": level}) for level in sorted((one, other)))
        assert high["interval"]["lower"] <= low["interval"]["lower"] <= low["interval"]["upper"]
        assert low["interval"]["upper"] <= high["interval"]["upper"]
        for level, said in zip(sorted((one, other)), (low, high), strict=True):
            assert level <= said["interval"]["level"] < level + 0.01 + 1e-9
        assert {**low, "interval": None} == {**high, "interval": None}


def test_a_level_changes_nothing_but_the_interval(service: InProcess) -> None:
    """The model's own level, asked for, gives the answer that it gives unasked, to the byte; on every form of input."""
    flat = {name: values[-1] for name, values in as_columns(WINDOW).items()}
    for route in banded(service):
        for body in (BODY, flat, {"symbol": "IBM"}, {"symbol": "IBM", "as_of": "2012-06-29"}):
            unasked = ask(service, route.path, body)
            assert ask(service, route.path, {**body, "level": unasked["interval"]["level"]}) == unasked
            narrow = ask(service, route.path, {**body, "level": 0.5})
            assert narrow["interval"]["level"] == 0.5
            assert {**narrow, "interval": None} == {**unasked, "interval": None}


def test_the_share_inside_is_what_the_level_says(service: InProcess) -> None:
    """Of the returns of every symbol of the training: fitted on them as the models are, within 3 % of the level."""
    for level in (0.5, 0.8, 0.95):
        held = []
        for info in SAMPLE.symbols():
            bars = SAMPLE.bars(info.symbol)
            rows = batch(service, as_csv(bars), f"model=random_forest_return&level={level}")["results"]
            for row, now, then in zip(rows[252:-1], bars.close[252:-1], bars.close[253:], strict=True):
                band = row["answers"]["random_forest_return"]["interval"]
                assert band["level"] == level
                held.append(band["lower"] <= math.log(then / now) <= band["upper"])
        assert sum(held) / len(held) == pytest.approx(level, abs=0.03)


def test_all_models_at_once_answer_at_a_level(service: InProcess) -> None:
    """Those with an interval as on their own routes, the price path too; the others as ever."""
    for level in (0.5, 0.905):
        said = ask(service, "/predict", {**BODY, "level": level})["answers"]
        for route in banded(service):
            assert said[route.model] == ask(service, route.path, {**BODY, "level": level})
        for route in of_others(service):
            assert said[route.model] == ask(service, route.path, BODY)
        assert said["prophet_forecast"]["level"] == level


def test_routes_without_an_interval_know_no_level(service: InProcess, contract: Contract) -> None:
    """It would change nothing there: a field that the route does not know."""
    for route in of_others(service):
        problem = refused(service, contract, route.path, {**BODY, "level": 0.5})
        assert problem["type"] == "/problems/unknown-field"
        assert [fault["pointer"] for fault in problem["errors"]] == ["/level"]


@pytest.mark.parametrize("level", [0.49, 0.995, 1, 0, -0.5, "0.5", None, True])
def test_levels_that_are_none_are_refused(service: InProcess, contract: Contract, level: object) -> None:
    """A share from 0.5 to 0.99."""
    for path in [*(route.path for route in banded(service)), "/predict"]:
        problem = refused(service, contract, path, {**BODY, "level": level})
        assert "/level" in [fault["pointer"] for fault in problem["errors"]]


# Batches


def test_rows_of_a_file_are_answered_at_the_level_of_the_query(service: InProcess) -> None:
    """As the single route would, to the bit."""
    rows = batch(service, as_csv(WINDOW), "level=0.66")["results"]
    for number in (0, 21, 63, 252, 299):
        window = {"bars": as_columns(WINDOW[: number + 1])}
        for route in [*banded(service), *of_others(service)]:
            asked = {"level": 0.66} if route in banded(service) else {}
            single = ask(service, route.path, {**window, **asked})
            assert json.dumps(rows[number]["answers"][route.model]).encode() == row_bytes(single)


def test_items_are_answered_at_their_own_level(service: InProcess) -> None:
    """Or at that of the query, if they name none, or at the model's."""
    items = {"items": [BODY, {**BODY, "level": 0.7}]}
    for query, expected in (("", [0.9, 0.7]), ("level=0.8", [0.8, 0.7])):
        results = ask(service, "/predict/batch", items, query)["results"]
        assert [row["answers"]["lightgbm_volatility"]["interval"]["level"] for row in results] == expected


@pytest.mark.parametrize("level", ["0.4", "1", "nan", "inf", "", "half"])
def test_queries_that_name_no_level_are_refused(service: InProcess, contract: Contract, level: str) -> None:
    """By what was expected; whatever the body is."""
    problem = refused(service, contract, "/predict/batch", {"items": [BODY]}, f"level={level}")
    assert "expected a level from 0.5 to 0.99" in problem["detail"]


# Versions of before there were tables


def of_before(tier: TierManifest) -> TierManifest:
    """Return a tier as it was recorded before heads held tables, and tiers coverage and ranges."""
    head = {**tier.head}
    if isinstance(answer := head.get("answer"), dict):
        head["answer"] = {name: value for name, value in answer.items() if not isinstance(value, list)}
    return msgspec.structs.replace(
        tier, head=head if "answer" in head else tier.head, coverage=None, calibration=None, ranges=None
    )


@pytest.fixture(scope="module")
def old_service(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """Serve the same models as they would be if they had been trained before."""
    folder = tmp_path_factory.mktemp("old")
    root = Path(shutil.copytree(trained_store, folder / "artifacts"))
    store = store_at(root)
    for model in ("lightgbm_return", "lightgbm_volatility", "lightgbm_direction"):
        artifact = store.read(model)
        tiers = tuple(of_before(tier) for tier in artifact.manifest.tiers)
        publish(store, msgspec.structs.replace(artifact.manifest, tiers=tiers), artifact.files)
    with service_of(root, folder) as started:
        yield started


def test_versions_of_before_answer_as_ever(service: InProcess, old_service: InProcess) -> None:
    """At their own level, asked for or not; their skill has no coverage, and nothing is strange to them."""
    for path in ("/predict/return/lightgbm", "/predict/volatility", "/predict/direction"):
        old, new = (ask(one, path, BODY) for one in (old_service, service))
        assert {**old["skill"], "coverage": None, "calibration": None} == old["skill"]
        skill = {**new["skill"], "coverage": None, "calibration": None}
        assert {**new, "model_version": "v000002", "skill": skill} == old
        if "interval" in old:
            assert ask(old_service, path, {**BODY, "level": 0.9}) == old


def test_versions_of_before_refuse_other_levels(old_service: InProcess, contract: Contract) -> None:
    """With the level that they have, and what to do; a batch's item by itself, a file as a whole."""
    for path in ("/predict/return/lightgbm", "/predict/volatility", "/predict"):
        problem = refused(old_service, contract, path, {**BODY, "level": 0.8})
        assert "expected level 0.9, the only one measured, found 0.8" in problem["detail"]
        assert "train the model again" in problem["detail"]
        assert [fault["pointer"] for fault in problem["errors"]] == ["/level"]
    results = ask(old_service, "/predict/batch", {"items": [BODY, {**BODY, "level": 0.8}]})["results"]
    assert [row["problem"] is None for row in results] == [True, False]
    assert results[1]["problem"]["errors"][0]["pointer"] == "/items/1/level"
    file = "\n".join(as_csv(WINDOW)).encode()
    answer = old_service.post("/predict/batch", file, {"content-type": "text/csv"}, "level=0.8")
    assert answer.status == 422
    others = "model=lightgbm_direction,random_forest_return&level=0.8"
    assert old_service.post("/predict/batch", file, {"content-type": "text/csv"}, others).status == 200
    assert fallbacks(old_service) == {}  # a level must not look like a failure
