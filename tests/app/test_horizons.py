"""One path, several horizons: who answers, what the answer names, and what is said where nobody can."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from app.errors import ProblemError
from app.horizons import Horizons, by_path
from app.serving import build_served
from app.windows import read_window
from models.errors import ManifestInvalid
from models.store import ArtifactStore
from tests.app.served import (
    SAMPLE,
    Route,
    as_columns,
    as_csv,
    as_rows,
    ask,
    batch,
    found,
    routes,
    row_bytes,
    service_of,
    strictly,
    usual_routes,
)
from tests.support.contract import Contract
from tests.support.in_process import InProcess

WINDOW = SAMPLE.bars("IBM").tail(300)
BODY = {"bars": as_columns(WINDOW)}
LATER = ("lightgbm_return_5", "lightgbm_direction_5", "lightgbm_volatility_5")


@pytest.fixture(scope="module")
def service(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """Serve the trained models."""
    with service_of(trained_store, tmp_path_factory.mktemp("service")) as started:
        yield started


@pytest.fixture(scope="module")
def contract(service: InProcess) -> Contract:
    """Return what the service promises."""
    return Contract(found(service.get("/openapi.json")))


def later(service: InProcess) -> list[Route]:
    """Return the routes that are asked by a horizon."""
    return [route for route in routes(service) if route.asks]


def refused(
    service: InProcess, contract: Contract, path: str, body: object, query: str = ""
) -> tuple[str, list[str], str]:
    """Post a question that is the caller's mistake; return the type of its problem, its places, and what it says."""
    answer = service.post(path, msgspec.json.encode(body), query=query)
    assert answer.status == 422, answer.body
    problem = contract.problem(answer)
    return problem["type"], [fault["pointer"] for fault in problem["errors"]], problem["detail"]


# Who answers


def test_the_models_of_five_sessions_share_the_paths_of_those_of_one(service: InProcess) -> None:
    """Each stands beside a usual one, and a path has one model a horizon."""
    assert {route.model for route in later(service)} >= set(LATER)
    usual = {route.path for route in usual_routes(service)}
    for route in later(service):
        assert route.path in usual
    asked = [(route.path, route.horizon) for route in routes(service)]
    assert len(asked) == len(set(asked))


def test_every_form_of_a_question_is_answered_by_the_model_of_its_horizon(service: InProcess) -> None:
    """Window by columns and by rows, stored history, flat bar: model, horizon and target are named, bytes are one."""
    sessions = SAMPLE.bars("IBM").date
    assert sessions is not None
    known = SAMPLE.bars("IBM")[:1000]
    for route in later(service):
        answer = service.post(route.path, msgspec.json.encode(route.body(known)))
        strictly(route.answer, answer.body)
        said = found(answer)
        assert (said["model"], said["horizon"], said["source"]) == (route.model, route.horizon, "model")
        assert route.horizon is not None
        assert said["target_date"] == str(sessions[999 + route.horizon])
        assert said == ask(service, route.path, {"bars": as_rows(known), **route.asks})
        stored = ask(service, route.path, {"symbol": "IBM", "as_of": said["as_of"], **route.asks})
        assert {**stored, "symbol": None} == said
        flat = as_rows(known.tail(1))[0]
        assert ask(service, route.path, {**flat, **route.asks})["model"] == route.model


def test_a_horizon_that_goes_without_saying_may_be_said(service: InProcess) -> None:
    """One session, or of a path that has another horizon only, that one: the answer that it gives unasked."""
    for route in usual_routes(service):
        if not route.forecasts:
            unasked = ask(service, route.path, BODY)
            assert ask(service, route.path, {**BODY, "horizon": unasked["horizon"]}) == unasked


def test_a_body_with_a_horizon_does_not_go_by_the_express_lane() -> None:
    """It is read as every other; the lane takes what it took before, and looks for nothing more."""
    assert read_window(msgspec.json.encode(BODY)) is not None
    assert read_window(msgspec.json.encode({**BODY, "horizon": 5})) is None


def test_what_if_and_explanations_are_of_the_horizon(service: InProcess) -> None:
    """Before the bar is the answer of the path at that horizon, explained if it is asked for."""
    bar = {"open": 203.0, "high": 205.0, "low": 201.0, "close": 204.0}
    for route in later(service):
        body = {**route.body(WINDOW), "explain": True}
        path = f"/what-if{route.path.removeprefix('/predict')}"
        said = ask(service, path, {**body, "what_if": bar})
        assert said["before"] == ask(service, route.path, body)
        assert said["before"]["explanation"] is not None
        assert said["after"]["model"] == route.model
        assert said["after"]["target_date"] > said["before"]["target_date"]


def test_a_level_is_answered_at_any_horizon(service: InProcess) -> None:
    """Intervals nest by level, around the same forecast."""
    for route in later(service):
        if "interval" in route.answer.__struct_fields__:
            narrow, wide = (ask(service, route.path, {**route.body(WINDOW), "level": level}) for level in (0.6, 0.95))
            assert wide["interval"]["lower"] < narrow["interval"]["lower"] < narrow["interval"]["upper"]
            assert narrow["interval"]["upper"] < wide["interval"]["upper"]
            assert {**narrow, "interval": None} == {**wide, "interval": None}


def test_five_sessions_are_wider_than_one_and_volatility_is_of_a_session(service: InProcess) -> None:
    """By about the root of five; and volatilities of both horizons are of one size."""
    widths, volatilities = list[float](), list[float]()
    for end in range(600, 3000, 200):
        body = {"bars": as_columns(SAMPLE.bars("MSFT")[end - 300 : end])}
        one, five = (ask(service, "/predict/return/lightgbm", {**body, "horizon": horizon}) for horizon in (1, 5))
        each = [said["interval"]["upper"] - said["interval"]["lower"] for said in (one, five)]
        widths.append(each[1] / each[0])
        one, five = (ask(service, "/predict/volatility", {**body, "horizon": horizon}) for horizon in (1, 5))
        volatilities.append(five["volatility"] / one["volatility"])
    assert np.median(widths) == pytest.approx(5**0.5, rel=0.3)
    assert np.median(volatilities) == pytest.approx(1.0, rel=0.3)


# All of them, and batches


def test_all_models_of_a_horizon_at_once(service: InProcess, contract: Contract) -> None:
    """With a horizon those of it, risk included, whose horizon is five sessions anyway; no path, no other."""
    answer = service.post("/predict", msgspec.json.encode({**BODY, "horizon": 5}))
    (promise,) = (promise for promise in contract.promises("POST") if promise.path == "/predict")
    contract.kept(promise, answer)
    answers = found(answer)["answers"]
    assert set(answers) == {*(route.model for route in later(service) if route.horizon == 5), "random_forest_risk"}
    for route in routes(service):
        if route.model in answers:
            assert answers[route.model] == ask(service, route.path, route.body(WINDOW))
    usual = ask(service, "/predict", BODY)["answers"]
    assert not {route.model for route in later(service)} & set(usual)
    one = ask(service, "/predict", {**BODY, "horizon": 1})["answers"]
    assert one == {model: said for model, said in usual.items() if said["horizon"] == 1}


def test_batches_are_answered_by_the_models_of_a_horizon(service: InProcess) -> None:
    """Of a file and of items, by horizon or by name, each row as the single path would, to the bit."""
    by_horizon = batch(service, as_csv(WINDOW), "horizon=5")
    by_name = batch(service, as_csv(WINDOW), "model=" + ",".join(by_horizon["models"]))
    assert by_horizon == by_name
    assert {model["horizon"] for model in by_horizon["models"].values()} == {5}
    items = ask(service, "/predict/batch", {"items": [BODY]}, "horizon=5")["results"][0]["answers"]
    for number in (0, 21, 252, 299):
        for route in later(service):
            single = ask(service, route.path, route.body(WINDOW[: number + 1]))
            row = by_horizon["results"][number]["answers"][route.model]
            assert json.dumps(row).encode() == row_bytes(single)
            if number == 299:
                assert items[route.model] == row
    assert not set(LATER) & set(batch(service, as_csv(WINDOW))["models"])


# Where nobody can


def test_a_horizon_that_no_model_has_is_refused_at_its_place(service: InProcess, contract: Contract) -> None:
    """On every path of bars, with the horizons that there are; and on the one that asks all models."""
    bar = {"open": 203.0, "high": 205.0, "low": 201.0, "close": 204.0}
    for path, known in by_path(service.desk.serving.models).items():
        if path.startswith("/predict"):
            for one, more in ((path, {}), (f"/what-if{path.removeprefix('/predict')}", {"what_if": bar})):
                kind, places, detail = refused(service, contract, one, {**BODY, **more, "horizon": 3})
                assert (kind, places) == ("/problems/invalid-input", ["/horizon"])
                assert f"({' or '.join(map(str, known.models))}), found 3; ask for one of these" in detail
    kind, places, detail = refused(service, contract, "/predict", {**BODY, "horizon": 3})
    assert (kind, places) == ("/problems/invalid-input", ["/horizon"])
    assert "(1 or 5), found 3" in detail
    _, _, detail = refused(service, contract, "/predict/batch", {"items": [BODY]}, "horizon=3")
    assert "(1 or 5), found 3" in detail


def test_where_no_model_of_five_sessions_was_trained_it_is_refused(tmp_path: Path) -> None:
    """No rule of thumb stands for a model that nobody was promised; that of one session answers as ever."""
    with service_of(tmp_path / "artifacts", tmp_path) as nothing:
        contract = Contract(found(nothing.get("/openapi.json")))
        for path in ("/predict/direction", "/predict/volatility", "/predict/return/lightgbm"):
            kind, places, detail = refused(nothing, contract, path, {**BODY, "horizon": 5})
            assert (kind, places) == ("/problems/invalid-input", ["/horizon"])
            assert "(1), found 5" in detail
            assert ask(nothing, path, BODY)["source"] == "fallback"


@pytest.mark.parametrize("horizon", [0, -5, 1.5, "5", None, True, [5], 10**30])
def test_what_is_no_number_of_sessions_is_refused(service: InProcess, contract: Contract, horizon: object) -> None:
    """At its place, on the paths of bars and on the one for all."""
    for path in [*(route.path for route in usual_routes(service) if not route.forecasts), "/predict"]:
        assert "/horizon" in refused(service, contract, path, {**BODY, "horizon": horizon})[1]


def test_what_has_no_horizon_knows_none(service: InProcess, contract: Contract) -> None:
    """A path of prices has its periods, and ready-made observations are of one session."""
    kind, places, _ = refused(service, contract, "/forecast/price", {"periods": 5, "horizon": 5})
    assert (kind, places) == ("/problems/unknown-field", ["/horizon"])
    seen = {"returns_window": [0.01, -0.02], "volatility_window": [0.01, 0.01], "horizon": 1}
    assert "/horizon" in refused(service, contract, "/predict/regime", seen)[1]


def test_a_batch_is_of_models_or_of_a_horizon(service: InProcess, contract: Contract) -> None:
    """Not of both, and not item by item, as the same models answer all rows."""
    query = "model=lightgbm_direction&horizon=5"
    assert "found both" in refused(service, contract, "/predict/batch", {"items": [BODY]}, query)[2]
    kind, places, _ = refused(service, contract, "/predict/batch", {"items": [{**BODY, "horizon": 5}]})
    assert (kind, places) == ("/problems/invalid-input", ["/items/0/horizon"])
    for query in ("horizon=0", "horizon=five", "horizon="):
        assert "horizon in sessions" in refused(service, contract, "/predict/batch", {"items": [BODY]}, query)[2]


# A model that fails


def test_a_later_horizon_falls_back_by_itself(trained_store: Path, tmp_path: Path) -> None:
    """A published model that can't serve is answered for, at its own horizon; that of one session is not touched."""
    store = tmp_path / "artifacts"
    for model in ("lightgbm_volatility", "lightgbm_volatility_5"):
        shutil.copytree(trained_store / model, store / model)
    kept = ArtifactStore(store)
    version = kept.current("lightgbm_volatility_5")
    assert version is not None
    weights = kept.read("lightgbm_volatility_5").manifest.tiers[-1].weights
    place = store / "lightgbm_volatility_5" / version / weights
    place.chmod(0o644)
    place.write_bytes(place.read_bytes()[:-1])
    with service_of(store, tmp_path) as broken:
        said: dict[str, Any] = ask(broken, "/predict/volatility", {**BODY, "horizon": 5})
        assert (said["model"], said["horizon"], said["source"]) == ("lightgbm_volatility_5", 5, "fallback")
        assert ask(broken, "/predict/volatility", BODY)["source"] == "model"


def test_a_target_of_another_horizon_does_not_serve(trained_store: Path) -> None:
    """An artifact whose target is not of the sessions that its name states would answer for the wrong day."""
    artifact = ArtifactStore(trained_store).read("lightgbm_direction_5")
    build_served(artifact)
    manifest = msgspec.structs.replace(
        artifact.manifest, target=msgspec.structs.replace(artifact.manifest.target, horizon=1)
    )
    with pytest.raises(ManifestInvalid, match="expected a target of 5 sessions, found 1"):
        build_served(type(artifact)(manifest, artifact.files))


# What a path has


def test_the_shortest_horizon_of_a_path_is_its_usual_one() -> None:
    """Whatever order models come in; a path may have a later one only."""
    names = ("small_return_21", "small_return_5", "lightgbm_direction_5", "lightgbm_direction")
    found_paths = by_path(names)
    assert list(found_paths) == ["/predict/return/small", "/predict/direction"]
    small, direction = found_paths.values()
    assert (small.usual, list(small.models)) == ("small_return_5", [5, 21])
    assert (direction.at(None), direction.at(5)) == ("lightgbm_direction", "lightgbm_direction_5")
    with pytest.raises(ProblemError, match="for \\(5 or 21\\), found 1"):
        small.at(1)
    assert Horizons("only", {5: "only"}).at(5) == "only"
