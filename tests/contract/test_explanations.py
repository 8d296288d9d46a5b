"""Laws over explanations of every model there is: they add up, move nothing, and depend on nothing else."""

import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from app.plane import RULE_OF_THUMB
from app.queries import Queries
from app.settings import Settings
from data.sources.sample import read_sample
from feature_mapper.mapper import compute
from models.families.base import AdditiveEstimator, Unexplained
from models.served import load_model
from models.store import ArtifactStore
from models.tabular import TabularModel
from models.tasks.registry import task_of
from tests.app.served import SAMPLE, Route, as_columns, as_csv, ask, batch, found, routes, service_of, strictly
from tests.support.contract import Contract
from tests.support.in_process import InProcess
from training.kit.discover import model_names
from training.kit.questions.registry import QUESTIONS

TABULAR = tuple(name for name in model_names() if task_of(name).identity.name in QUESTIONS)
BARS = dict(read_sample().bars)
NAMES = tuple(BARS)
EXACT = 1e-9
LENGTHS = (1, 2, 21, 22, 63, 64, 252, 253, 508, 509, 700)

few = settings(max_examples=8, phases=[Phase.generate])  # an example takes a while, and is small as it is


@pytest.fixture(scope="module")
def service(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """Serve the trained models."""
    with service_of(trained_store, tmp_path_factory.mktemp("service")) as started:
        yield started


EXPLAINED = frozenset({"lightgbm", "forest", "xgboost", "hmm", "prophet"})
"""Families that have to explain. Another may answer without, and then has to say so."""


def explains(service: InProcess, route: Route) -> bool:
    """Tell whether a route explains; where it need not and does not, its answer says why."""
    loaded = service.desk.serving.slot(route.model).loaded
    assert loaded is not None
    if loaded.manifest.family in EXPLAINED:
        return True
    bars = BARS["AAPL"].tail(30)
    said = ask(service, route.path, {**route.body(bars), "explain": True})
    if said["explanation"] is None:
        assert said["warnings"][-1].startswith("no explanation: expected an estimator that knows what features add")
    return said["explanation"] is not None


def explained_routes(service: InProcess) -> list[Route]:
    """Return the routes that explain."""
    return [route for route in routes(service) if explains(service, route)]


def without(answer: dict[str, Any]) -> str:
    """Return all of an answer but its explanation."""
    return json.dumps({name: value for name, value in answer.items() if name != "explanation"})


def adds_up(route: Route, answer: dict[str, Any]) -> None:
    """Check that the parts of an explanation give what the answer says."""
    said = answer["explanation"]
    match said["kind"]:
        case "contributions":
            parts = [each["contribution"] for each in said["contributions"]]
            assert abs(said["base"] + sum(parts) + said["rest"]["contribution"] - said["margin"]) <= EXACT
            if said["effect_unit"] is not None:
                effects = [each["effect"] for each in said["contributions"]]
                whole = said["effect_base"] + sum(effects) + said["rest"]["effect"]
                assert abs(whole - said["effect_total"]) <= EXACT
            _is_answered(answer, said["effect_total"])
        case "components":
            for point, row in zip(answer["forecast"], said["components"], strict=True):
                parts = [row["trend"], *row["seasonalities"].values(), *row["regressors"].values()]
                assert abs(sum(parts) - row["total"]) <= EXACT
                assert abs(math.log(said["last_close"]) + row["total"] - math.log(point["yhat"])) <= EXACT
                assert row["ds"] == point["ds"]
        case "states":
            step = said["last_step"]
            joint = {name: step["expected"][name] * math.exp(logs) for name, logs in step["log_likelihood"].items()}
            for name, share in answer["probabilities"].items():
                assert abs(joint[name] / sum(joint.values()) - share) <= EXACT
            assert said["path"][-1] == {
                "date": answer["as_of"],
                "regime": answer["regime"],
                "probabilities": answer["probabilities"],
            }
        case kind:
            raise AssertionError(f"{route.path} explains by {kind}")


def _is_answered(answer: dict[str, Any], total: float | None) -> None:
    """Check that effects give the number of the answer, by the definition of the task."""
    if "expected_return" in answer:
        assert total == pytest.approx(answer["expected_return"], abs=EXACT)
    elif "probability_up" in answer:
        assert total is not None
        assert 1 / (1 + math.exp(-total)) == pytest.approx(answer["probability_up"], abs=EXACT)
    elif "volatility" in answer:
        assert total is not None
        assert math.exp(total) == pytest.approx(answer["volatility"], rel=EXACT)
    else:
        assert total is None
        assert answer["explanation"]["unit"].startswith(f"probability of {answer['risk']}")


# The estimators


@pytest.mark.parametrize("name", TABULAR)
def test_contributions_add_up_on_every_row(trained_store: Path, name: str) -> None:
    """For every tier, on 200 rows of every symbol, warm-up and gaps included; and a row alone has the same bits."""
    model = cast("TabularModel", load_model(ArtifactStore(trained_store).read(name)))
    for tier in model.tiers:
        if not isinstance(tier.estimator, AdditiveEstimator):
            assert model.manifest.family not in EXPLAINED
            continue
        for bars in BARS.values():
            at = np.unique(np.linspace(0, len(bars) - 1, 200).astype(np.int64))
            x = np.ascontiguousarray(compute(bars, tier.features)[at])
            parts = tier.estimator.contributions(x)
            assert not parts.scores, "scores would have to be compared by their softmax"
            assert np.abs(parts.margin - tier.estimator.predict(x)).max() <= EXACT
            alone = [tier.estimator.contributions(x[row : row + 1]).values for row in range(0, len(x), 20)]
            assert np.array_equal(np.concatenate(alone), parts.values[::20])


# The routes


@pytest.mark.parametrize("length", LENGTHS)
def test_an_explanation_adds_up_and_moves_nothing(service: InProcess, length: int) -> None:
    """On every route, for every tier, without volumes and dates as well: the rest of the answer keeps every byte."""
    bars = SAMPLE.bars("MSFT")[900 : 900 + length]
    for given_bars in (bars, replace(bars, volume=None), replace(bars, date=None)):
        for route in explained_routes(service):
            if route.forecasts and given_bars.date is None:
                continue  # a history has days
            body = route.body(given_bars)
            answer = service.post(route.path, msgspec.json.encode({**body, "explain": True}))
            strictly(route.answer, answer.body)
            explained, plain = found(answer), ask(service, route.path, body)
            assert without(explained) == without(plain)
            assert plain["explanation"] is None
            adds_up(route, explained)
            said_not = ask(service, route.path, {**body, "explain": False})
            assert said_not == plain


@few
@given(name=st.sampled_from(NAMES), end=st.integers(1, 1500))
def test_every_form_is_explained_alike(service: InProcess, name: str, end: int) -> None:
    """A window, a stored history as of its last day and `/predict` give one explanation, byte for byte."""
    bars = BARS[name][: min(end, len(BARS[name]))]
    assert bars.date is not None
    stored = {"symbol": name, "as_of": str(bars.date[-1]), "explain": True}
    for route in explained_routes(service):
        question = {**stored, **route.asks}
        together = ask(service, "/predict", question)["answers"]
        if route.forecasts:
            adds_up(route, together[route.model])
            continue
        window = ask(service, route.path, {**route.body(bars), "explain": True})["explanation"]
        assert json.dumps(ask(service, route.path, question)["explanation"]) == json.dumps(window)
        assert json.dumps(together[route.model]["explanation"]) == json.dumps(window)


@few
@given(name=st.sampled_from(NAMES), end=st.integers(600, 1500))
def test_what_lies_before_the_full_tier_changes_no_explanation(service: InProcess, name: str, end: int) -> None:
    """An explanation reads the bars that the answer reads, and no others."""
    bars = BARS[name][: min(end, len(BARS[name]))]
    for route in routes(service):
        loaded = service.desk.serving.slot(route.model).loaded
        assert loaded is not None
        full = bars.tail(loaded.manifest.tiers[-1].tier)
        one, other = (ask(service, route.path, {**route.body(each), "explain": True}) for each in (bars, full))
        assert json.dumps(one["explanation"]) == json.dumps(other["explanation"]), route.path


def test_observations_are_explained(service: InProcess) -> None:
    """By the same pass; they have no days."""
    route = Route("hmm_regime", "/predict/regime")
    seen = {"returns_window": [0.01, -0.02, 0.03], "volatility_window": [0.01, 0.02, 0.01]}
    explained = ask(service, route.path, {**seen, "explain": True})
    adds_up(route, explained)
    assert without(explained) == without(ask(service, route.path, seen))
    assert explained["explanation"]["last_step"]["log_return"] == 0.03


def test_regressors_of_the_request_are_explained(service: InProcess) -> None:
    """A volume that the request gives moves its own part, and no other."""
    route = Route("prophet_forecast", "/forecast/price")
    body = {"periods": 3, "symbol": "AAPL", "explain": True}
    plain, given_volume = (
        ask(service, route.path, body),
        ask(service, route.path, {**body, "regressors": {"volume": [1e6, 1e7, 1e9]}}),
    )
    for answer in (plain, given_volume):
        adds_up(route, answer)
    for before, after in zip(
        plain["explanation"]["components"], given_volume["explanation"]["components"], strict=True
    ):
        assert before["trend"] == after["trend"]
        assert before["regressors"] != after["regressors"]


def test_sixteen_threads_get_the_same_bytes(service: InProcess, trained_store: Path, tmp_path: Path) -> None:
    """All models of a service that just started, asked at once, many times: each question has one answer."""
    models = [route.model for route in explained_routes(service) if not route.forecasts]
    bodies = [{"bars": as_columns(BARS["IBM"][end - length : end])} for end in (800, 1600) for length in (1, 64, 520)]
    with service_of(trained_store, tmp_path) as fresh:
        queries = Queries(Settings.model_construct(max_bars=10_000, max_batch_rows=1, max_periods=1))

        def told(question: tuple[str, dict[str, Any]]) -> bytes:
            model, body = question
            query = queries.predict(msgspec.json.encode({**body, "explain": True}))
            return msgspec.json.encode(fresh.desk.predict(model, query))

        questions = [(model, body) for body in bodies for model in models] * 8
        with ThreadPoolExecutor(16) as pool:
            at_once = list(pool.map(told, questions))
        assert at_once == [told(question) for question in questions]
        assert all(b'"explanation":{' in answer for answer in at_once)


# Where there is no explanation


def test_a_rule_of_thumb_says_that_it_explains_nothing(tmp_path: Path) -> None:
    """Null where no model answers, with a warning why; and of the documented shape."""
    with service_of(tmp_path / "artifacts", tmp_path) as nothing:
        seen = {"returns_window": [0.01], "volatility_window": [0.01], "explain": True}
        answers = [("/predict/regime", seen, Route("hmm_regime", "/predict/regime"))]
        answers += [
            (route.path, {**route.body(BARS["AAPL"].tail(30)), "explain": True}, route) for route in routes(nothing)
        ]
        for path, body, route in answers:
            answer = nothing.post(path, msgspec.json.encode(body))
            strictly(route.answer, answer.body)
            assert found(answer)["explanation"] is None
            assert found(answer)["warnings"][-1] == RULE_OF_THUMB.note
            assert RULE_OF_THUMB.note not in ask(nothing, path, {**body, "explain": False})["warnings"]


def test_an_explanation_that_fails_leaves_the_answer(service: InProcess, caplog: pytest.LogCaptureFixture) -> None:
    """What a model raises, or a number that JSON has no word for, becomes a note; only what is unexpected is logged."""
    slot, plane = service.desk.serving.slot("lightgbm_direction"), service.desk.plane

    def mute(_: object) -> dict[str, Any]:
        raise Unexplained("expected trees, found a table")

    assert plane.explained(slot, None, mute).note == "no explanation: expected trees, found a table"
    assert not caplog.records

    def broken(_: object) -> dict[str, Any]:
        raise ZeroDivisionError

    def endless(_: object) -> dict[str, Any]:
        return {"margin": math.inf}

    for ask_it in (broken, endless):
        told = plane.explained(slot, None, ask_it)
        assert told.content is None
        assert told.note is not None
        assert "its explanation failed" in told.note
    assert caplog.records


WRONG: tuple[object, ...] = ("yes", 1, 0, None, [], {}, "true", 1.5)


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_only_true_and_false_are_taken(service: InProcess, wrong: object) -> None:
    """Anything else is refused at its place, on every route of a model and on the one for all."""
    contract = Contract(found(service.get("/openapi.json")))
    bodies = [(route.path, route.body(BARS["AAPL"].tail(3))) for route in routes(service)]
    for path, body in [*bodies, ("/predict", {"symbol": "AAPL"})]:
        answer = service.post(path, msgspec.json.encode({**body, "explain": wrong}))
        assert answer.status == 422
        problem = contract.problem(answer)
        assert [fault["pointer"] for fault in problem["errors"]] == ["/explain"]


def test_batches_do_not_explain(service: InProcess) -> None:
    """An item that asks for it is refused at its place, the others are served; a file has no such parameter."""
    items = [{"symbol": "AAPL"}, {"symbol": "AAPL", "explain": True}, {"symbol": "AAPL", "explain": False}]
    said = ask(service, "/predict/batch", {"items": items})
    assert [row["problem"] is None for row in said["results"]] == [True, False, True]
    assert said["results"][1]["problem"]["errors"][0]["pointer"] == "/items/1/explain"
    assert "ask the single route" in said["results"][1]["problem"]["detail"]
    lines = as_csv(BARS["AAPL"].tail(2))
    assert batch(service, lines)["counts"]["answered"] == 2
    assert (
        service.post("/predict/batch", "\n".join(lines).encode(), {"content-type": "text/csv"}, "explain=true").status
        == 422
    )
