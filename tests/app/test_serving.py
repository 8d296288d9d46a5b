"""What serves and why not: each state told truthfully, each failure answered for, none of them contagious."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.schemas.status import Health, ModelDetail, ModelVersions, Replay
from models.store import ArtifactStore
from models.tasks.registry import EXPECTED_MODELS
from tests.app.broken import TIER, fail, flip, publish, redefine, refuse, remove, spoil, store_at, uncertify
from tests.app.served import (
    CSV,
    SAMPLE,
    Route,
    as_columns,
    as_csv,
    as_file,
    ask,
    fallbacks,
    found,
    routes,
    row_bytes,
    service_of,
    strictly,
)
from tests.support.contract import Answer, Contract
from tests.support.in_process import InProcess

Break = Callable[[ArtifactStore, str], None]

WINDOW = SAMPLE.bars("IBM").tail(TIER + 8)
"""Bars that tier `TIER` answers for."""

AT_LOAD: dict[str, Break] = {
    "missing": remove,
    "quarantined": refuse,
    "corrupt": flip,
    "incompatible": redefine,
    "uncertified": uncertify,
}
"""How a model gets into each state that keeps it from serving."""

WHILE_ANSWERING: dict[str, tuple[Break, tuple[str, ...]]] = {
    # A regime is never not finite, as probabilities are normalised and loading bounds transitions; nor is a path, which
    # is clipped to the floats; and bars never make the regime model raise.
    "failed": (fail, tuple(model for model in EXPECTED_MODELS if model != "hmm_regime")),
    "not-finite": (spoil, tuple(model for model in EXPECTED_MODELS if not model.endswith(("regime", "forecast")))),
}
"""How a model that loads comes to be answered for, and which models can."""


def copy(store: Path, folder: Path, *models: str) -> Path:
    """Copy a store, or some models of it, to write to it."""
    for model in models or EXPECTED_MODELS:
        shutil.copytree(store / model, folder / "artifacts" / model)
    return folder / "artifacts"


def answers_of(service: InProcess, route: Route) -> dict[str, dict[str, Any]]:
    """Return what every route says of one model about `WINDOW`."""
    said = {route.path: ask(service, route.path, route.body(WINDOW)), "/predict": {}}
    said["/predict"] = ask(service, "/predict", {"bars": as_columns(WINDOW)})["answers"][route.model]
    if not route.forecasts:
        query = f"model={route.model}"
        items = ask(service, "/predict/batch", {"items": [{"bars": as_columns(WINDOW)}]}, query)
        said["items"] = items["results"][0]["answers"][route.model]
        file = found(service.post("/predict/batch", as_file(as_csv(WINDOW)), CSV, query))
        said["file"] = file["results"][-1]["answers"][route.model]
    return said


def expect_fallback(service: InProcess, route: Route, reason: str, times: int) -> None:
    """Check that every route answers for a model, says why, and counts it."""
    before = fallbacks(service).get((route.model, reason), 0)
    said = answers_of(service, route)
    for place, answer in said.items():
        assert (answer["source"], answer["reason"]) == ("fallback", reason), place
        assert answer.get("skill") is None
        assert answer.get("interval") is None
        assert answer.get("model_version") is None
    assert fallbacks(service)[route.model, reason] == before + times


def expect_refusals(service: InProcess, route: Route) -> None:
    """Check that invalid input is refused as ever: it never becomes a fallback."""
    counted = fallbacks(service)
    body = route.body(WINDOW)
    wrong: dict[bytes, int] = {
        b"": 400,
        b'{"nonsense":1}': 422,
        b'{"bars":{"open":[1],"high":[0],"low":[9],"close":[1]}}': 422,
        json.dumps({**body, "symbol": "../etc"}).encode(): 422,
        json.dumps({"symbol": "NOSUCH", **({"periods": 1} if route.forecasts else {})}).encode(): 404,
    }
    for content, status in wrong.items():
        assert service.post(route.path, content).status == status, content
    assert fallbacks(service) == counted


@pytest.mark.parametrize("state", AT_LOAD)
def test_a_model_that_can_not_serve_is_answered_for(trained_store: Path, tmp_path: Path, state: str) -> None:
    """Whichever state keeps it from serving: 200, fallback, the reason, a count; wrong input stays 4xx."""
    store = copy(trained_store, tmp_path)
    for model in EXPECTED_MODELS:
        AT_LOAD[state](store_at(store), model)
    with service_of(store, tmp_path) as service:
        assert service.get("/readyz").status == 503  # nothing serves, and yet everything is answered
        for route in routes(service):
            assert service.desk.serving.slot(route.model).condition == state
            # once a single answer; a file asks as of every row
            expect_fallback(service, route, state, 2 if route.forecasts else 3 + len(WINDOW))
            expect_refusals(service, route)
        seen = {"returns_window": [0.01, -0.02], "volatility_window": [0.01, 0.01]}
        assert ask(service, "/predict/regime", seen)["reason"] == state


@pytest.mark.parametrize("reason", WHILE_ANSWERING)
def test_a_model_that_fails_to_answer_is_answered_for(trained_store: Path, tmp_path: Path, reason: str) -> None:
    """A model that raises, or says what is no number: 200, fallback, the reason, a count; wrong input stays 4xx."""
    spoiler, models = WHILE_ANSWERING[reason]
    store = copy(trained_store, tmp_path)
    for model in models:
        spoiler(store_at(store), model)
    with service_of(store, tmp_path) as service:
        for route in routes(service):
            assert service.desk.serving.slot(route.model).condition == "serving"
            if route.model not in models:
                assert all(answer["source"] == "model" for answer in answers_of(service, route).values())
                continue
            # In the file, the first 21 rows are answered by the sound tier below.
            expect_fallback(service, route, reason, 2 if route.forecasts else 3 + len(WINDOW) - TIER + 1)
            expect_refusals(service, route)
            if not route.forecasts:
                sound = ask(service, route.path, route.body(WINDOW.tail(TIER - 1)))
                assert sound["source"] == "model"
                rows = found(service.post("/predict/batch", as_file(as_csv(WINDOW)), CSV, f"model={route.model}"))
                for number in (TIER - 2, TIER - 1, TIER + 2):
                    single = ask(service, route.path, route.body(WINDOW[: number + 1]))
                    row = rows["results"][number]["answers"][route.model]
                    assert json.dumps(row).encode() == row_bytes(single)


def test_a_regime_model_that_raises_on_observations_is_answered_for(trained_store: Path, tmp_path: Path) -> None:
    """The same for ready-made observations, which bars can't stand for."""
    store = copy(trained_store, tmp_path, "hmm_regime")
    fail(store_at(store), "hmm_regime")
    seen = {"returns_window": [0.01, -0.02], "volatility_window": [0.01, 0.01]}
    with service_of(store, tmp_path) as service:
        answer = ask(service, "/predict/regime", seen)
        assert (answer["source"], answer["reason"]) == ("fallback", "failed")
        assert fallbacks(service)["hmm_regime", "failed"] == 1
    with service_of(store, tmp_path, strict=True) as service:
        assert service.post("/predict/regime", json.dumps(seen).encode()).status == 503


def test_a_row_that_a_model_fails_on_takes_no_other_with_it(trained_store: Path, tmp_path: Path) -> None:
    """A file whose later rows reach a tier that raises: the earlier ones keep the sound tier's answers, to the bit."""
    sound, store = as_csv(WINDOW.tail(TIER - 1)), copy(trained_store, tmp_path)
    whole = [*sound, *(f"ODD{line.partition(',')[1]}{line.partition(',')[2]}" for line in as_csv(WINDOW)[1:])]
    fail(store_at(store), "lightgbm_return")
    with service_of(store, tmp_path) as service:
        alone = found(service.post("/predict/batch", as_file(sound), CSV))["results"]
        among = found(service.post("/predict/batch", as_file(whole), CSV))["results"]
        assert [row["answers"] for row in among[: len(alone)]] == [row["answers"] for row in alone]
        said = [row["answers"]["lightgbm_return"]["source"] for row in among[len(alone) :]]
        assert said == ["model"] * (TIER - 1) + ["fallback"] * (len(WINDOW) - TIER + 1)


@pytest.mark.parametrize("state", ["missing", "failed"])
def test_where_the_service_is_strict_a_problem_answers(trained_store: Path, tmp_path: Path, state: str) -> None:
    """Strict: 503 model-unavailable on every route that asks the model, no fallback counted, wrong input still 4xx."""
    store = copy(trained_store, tmp_path)
    models = [model for model in EXPECTED_MODELS if state == "missing" or model in WHILE_ANSWERING["failed"][1]]
    for model in models:
        (remove if state == "missing" else fail)(store_at(store), model)
    with service_of(store, tmp_path, strict=True) as service:
        contract = Contract(found(service.get("/openapi.json")))
        window = {"bars": as_columns(WINDOW)}

        def refused(answer: Answer) -> None:
            assert answer.status == 503
            assert contract.problem(answer)["type"] == "/problems/model-unavailable"

        for route in routes(service):
            if route.model not in models:
                continue
            refused(service.post(route.path, json.dumps(route.body(WINDOW)).encode()))
            if not route.forecasts:
                query = f"model={route.model}"
                refused(service.post("/predict/batch", json.dumps({"items": [window]}).encode(), query=query))
                refused(service.post("/predict/batch", as_file(as_csv(WINDOW)), CSV, query))
            expect_refusals(service, route)
        refused(service.post("/predict", json.dumps(window).encode()))
        assert fallbacks(service) == {}


def test_each_state_of_a_model_is_told_truthfully(trained_store: Path, tmp_path: Path) -> None:
    """One model in each state, side by side: health, replay, detail and versions say so, and the others serve on."""
    store = copy(trained_store, tmp_path)
    states = dict(zip(AT_LOAD, EXPECTED_MODELS, strict=False))
    for state, model in states.items():
        AT_LOAD[state](store_at(store), model)
    for run in ("first", "after the quarantine"):
        with service_of(store, tmp_path) as service:
            contract = Contract(found(service.get("/openapi.json")))
            health = service.get("/health")
            strictly(Health, health.body)
            told = found(health)
            assert told["status"] == "degraded"
            by_model = {entry["model"]: entry for entry in told["models"]}
            for state, model in states.items():
                entry = by_model[model]
                assert entry["state"] == state, run
                assert entry["version"] is None
                assert f"barcast train {model}" in entry["reason"]
                problem = contract.problem(service.get(f"/health/models/{model}"))
                assert problem["status"] == 503
                assert f"found it {state}" in problem["detail"]
                strictly(ModelDetail, service.get(f"/models/{model}").body)
                versions = service.get(f"/models/{model}/versions")
                strictly(ModelVersions, versions.body)
                assert not any(version["serves"] for version in found(versions)["versions"])
                assert str(tmp_path).encode() not in versions.body  # a path of the server is nobody's business
            for model in EXPECTED_MODELS[len(states) :]:
                assert by_model[model]["state"] == "serving"
                replay = service.get(f"/health/models/{model}")
                strictly(Replay, replay.body)
                assert found(replay)["identical"]
            cause = by_model[states["corrupt"]]["reason"].partition(";")[0]
            assert cause == ("hash-mismatch" if run == "first" else "hash-mismatch (quarantined)")


def test_a_model_damaged_while_it_serves_is_found_by_replay(trained_store: Path, tmp_path: Path) -> None:
    """The version in memory answers on; the replay reads the disk and says corrupt. A reload keeps what serves.

    Health does not call that ok: another version answers than was promoted, or none will after the next start.
    """
    store = copy(trained_store, tmp_path)
    with service_of(store, tmp_path) as service:
        route = next(route for route in routes(service) if route.model == "lightgbm_direction")
        before = ask(service, route.path, route.body(WINDOW))
        assert service.get(f"/health/models/{route.model}").status == 200
        flip(store_at(store), route.model)
        damaged = service.get(f"/health/models/{route.model}")
        assert damaged.status == 503
        assert "found it corrupt" in json.loads(damaged.body)["detail"]
        assert found(service.get("/health"))["status"] == "ok"
        slot = service.desk.serving.reload(route.model)
        assert (slot.condition, slot.reason is None) == ("serving", False)
        assert found(service.get("/health"))["status"] == "degraded"
        assert ask(service, route.path, route.body(WINDOW)) == before


def test_an_unknown_model_is_not_found(trained_store: Path, tmp_path: Path) -> None:
    """A name that no model has: 404, whichever route is asked."""
    with service_of(copy(trained_store, tmp_path, "hmm_regime"), tmp_path) as service:
        for path in ("/models/nobody", "/models/nobody/versions", "/health/models/nobody", "/models/..%2fetc"):
            assert service.get(path).status == 404


def test_a_damaged_ledger_stops_neither_start_nor_others(trained_store: Path, tmp_path: Path) -> None:
    """Garbage in one model's ledger: that model is answered for, the rest serve."""
    store = copy(trained_store, tmp_path)
    broken = EXPECTED_MODELS[0]
    (store / broken / "ledger.jsonl").write_bytes(b"garbage\n")
    (store / broken / "CURRENT").write_bytes(b"garbage\n")
    with service_of(store, tmp_path) as service:
        states = {entry["model"]: entry["state"] for entry in found(service.get("/health"))["models"]}
        assert states.pop(broken) == "failed"
        assert set(states.values()) == {"serving"}


def test_a_model_that_can_not_be_read_stops_neither_start_nor_others(trained_store: Path, tmp_path: Path) -> None:
    """A folder, a ledger, CURRENT, a quarantine marker: each model is answered for or left out; the rest serve."""
    store = copy(trained_store, tmp_path)
    (store / "other_direction" / "ledger.jsonl").mkdir(parents=True)
    broken = EXPECTED_MODELS[:3]
    folder, ledger, marked = broken
    shutil.rmtree(store / folder)
    (store / folder).write_bytes(b"")
    (store / ledger / "CURRENT").unlink()
    (store / ledger / "CURRENT").mkdir()
    marker = store / marked / f"{store_at(store).current(marked)}.quarantined"
    marker.symlink_to(marker)
    with service_of(store, tmp_path) as service:
        states = {entry["model"]: entry["state"] for entry in found(service.get("/health"))["models"]}
        assert "other_direction" not in states
        for model in broken:
            assert states.pop(model) != "serving", model
        assert set(states.values()) == {"serving"}


def test_a_quarantine_in_memory_ends_when_the_service_looks_again(trained_store: Path, tmp_path: Path) -> None:
    """It could not write its quarantine; the file was put right: a reload proves the version, and it serves."""
    model = EXPECTED_MODELS[0]
    store = copy(trained_store, tmp_path, model)
    (store / model / ".lock").unlink(missing_ok=True)
    (store / model / ".lock").mkdir()
    flip(store_at(store), model)
    with service_of(store, tmp_path) as service:
        assert service.desk.serving.slot(model).condition == "corrupt"
        flip(store_at(store), model)
        assert service.desk.serving.reload(model).condition == "serving"


def test_a_model_of_another_task_than_its_name_is_refused(trained_store: Path, tmp_path: Path) -> None:
    """A regime published as a direction would answer another question than its route's."""
    store = copy(trained_store, tmp_path, "hmm_regime")
    artifact = store_at(store).read("hmm_regime")
    publish(store_at(store), msgspec.structs.replace(artifact.manifest, model="lightgbm_direction"), artifact.files)
    with service_of(store, tmp_path) as service:
        assert service.desk.serving.slot("lightgbm_direction").condition == "corrupt"
