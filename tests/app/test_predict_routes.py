"""Predictions over HTTP: forms of input, what joins, what is refused and where, what an answer says of itself."""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from app.coherence import flags
from app.context import MAX_GAP, MAX_JUMP
from app.routers.predict import VERSION_HEADER
from app.schemas.answers import EverythingAnswer
from data import calendars
from data.calendars import calendar_for
from feature_mapper import mapper
from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray
from tests.app.served import (
    PERIODS,
    SAMPLE,
    Route,
    as_columns,
    as_rows,
    ask,
    found,
    routes,
    service_of,
    strictly,
    task_bytes,
    usual_routes,
)
from tests.support.contract import Answer, Contract
from tests.support.in_process import JSON, InProcess

AAPL = SAMPLE.bars("AAPL")
WINDOW = SAMPLE.bars("IBM").tail(300)
SESSIONS = calendar_for().sessions


@pytest.fixture(scope="module")
def service(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """Serve the trained models."""
    with service_of(trained_store, tmp_path_factory.mktemp("service")) as started:
        yield started


@pytest.fixture(scope="module")
def contract(service: InProcess) -> Contract:
    """Return what the service promises."""
    return Contract(found(service.get("/openapi.json")))


def after(stored: Bars, sessions: int, first: int = 1, scale: float = 1.0) -> Bars:
    """Return flat bars at the stored tail's close, from ``first`` sessions after it on."""
    assert stored.date is not None
    start = int(np.searchsorted(SESSIONS, stored.date[-1])) + first
    price = np.full(sessions, stored.close[-1] * scale)
    return Bars.validated(open=price, high=price, low=price, close=price, date=SESSIONS[start : start + sessions])


def ending(day: str) -> DateArray:
    """Return the days of `WINDOW`, but the last one is this."""
    assert WINDOW.date is not None
    return np.append(WINDOW.date[:-1], np.datetime64(day))


def prices(bars: Bars, scale: FloatArray) -> Bars:
    """Return the bars at other prices, without volume."""
    return Bars(bars.open * scale, bars.high * scale, bars.low * scale, bars.close * scale, None, bars.date)


def refused(service: InProcess, contract: Contract, path: str, body: object, status: int) -> dict[str, Any]:
    """Post a question that is refused, and return the problem."""
    answer = service.post(path, json.dumps(body).encode())
    assert answer.status == status, answer.body
    return contract.problem(answer)


def pointers(problem: dict[str, Any]) -> list[str]:
    """Return where a problem lies in the body."""
    return [fault["pointer"] for fault in problem["errors"]]


# What an answer says of itself


def test_every_route_answers_from_its_model_and_says_which(service: InProcess) -> None:
    """Model, version (in the body and as a header), tier, skill of that tier; exactly the fields of the struct."""
    for route in routes(service):
        answer = service.post(route.path, json.dumps(route.body(WINDOW)).encode())
        strictly(route.answer, answer.body)
        said = found(answer)
        loaded = service.desk.serving.slot(route.model).loaded
        assert loaded is not None
        assert (said["model"], said["model_version"], said["source"]) == (route.model, loaded.version, "model")
        assert answer.headers[VERSION_HEADER.lower()] == loaded.version
        tier = max(tier.tier for tier in loaded.manifest.tiers if tier.tier <= len(WINDOW))
        assert said["history"] == {"bars": 300, "tier": tier, "full_tier": loaded.manifest.tiers[-1].tier}
        score = next(each.scores[0] for each in loaded.manifest.tiers if each.tier == tier)
        assert said["skill"]["value"] == score.value
        assert said["skill"]["n"] == score.n


def test_the_target_is_the_session_that_the_horizon_names(service: InProcess) -> None:
    """The n-th session after as-of, by the exchange's calendar; for a path, the last session of it."""
    assert WINDOW.date is not None
    at = int(np.searchsorted(SESSIONS, WINDOW.date[-1]))
    for route in routes(service):
        said = ask(service, route.path, route.body(WINDOW))
        assert said["as_of"] == str(WINDOW.date[-1])
        alone = PERIODS if route.forecasts else 5 if route.model.endswith("_risk") else 1
        assert said["horizon"] == (route.horizon or alone)
        assert said["target_date"] == str(SESSIONS[at + said["horizon"]])
        if route.forecasts:
            assert [point["ds"] for point in said["forecast"]] == [str(day) for day in SESSIONS[at + 1 : at + 6]]


def test_an_answer_inside_the_training_period_says_so(service: InProcess) -> None:
    """What was trained on later sessions can't claim its skill; at the end of the data there is nothing to warn of."""
    for route in routes(service):
        loaded = service.desk.serving.slot(route.model).loaded
        assert loaded is not None
        early = ask(service, route.path, route.body(WINDOW[:200]))["warnings"]
        assert any(f"up to {loaded.manifest.last_date}" in warning for warning in early)
        assert ask(service, route.path, route.body(after(WINDOW, 2)))["source"] == "model"
        late = ask(service, route.path, route.body(WINDOW))["warnings"]
        assert not any("trained on sessions after" in warning for warning in late)


def test_stored_prices_say_what_they_are_freed_of(service: InProcess) -> None:
    """A path from stored bars names their adjustment, on its own route and among all; one from bars sent does not."""
    stored = ask(service, "/forecast/price", {"periods": 5, "symbol": "AAPL"})["warnings"]
    assert [warning for warning in stored if "splits and dividends" in warning]
    among = ask(service, "/predict", {"symbol": "AAPL"})["answers"]["prophet_forecast"]["warnings"]
    assert among == stored
    newest = {"symbol": "AAPL", "bars": as_columns(after(AAPL, 1))}
    continued = ask(service, "/predict", newest)["answers"]["prophet_forecast"]["warnings"]
    assert [warning for warning in continued if "splits and dividends" in warning]
    sent = ask(service, "/forecast/price", {"periods": 5, "history": as_rows(WINDOW, date="ds", close="y")})["warnings"]
    assert not [warning for warning in sent if "splits" in warning]


@pytest.mark.parametrize(
    ("changed", "warning"),
    [
        ({"volume": None}, "no volume"),
        ({"volume": np.full(300, np.nan)}, "no volume"),
        ({"date": None}, "no dates"),
        ({"date": ending("2013-03-09")}, "is no session of XNYS"),
        ({"date": ending("2045-01-03")}, "target_date is unknown"),
        ({}, None),
    ],
)
def test_what_is_unusual_is_said_and_answered(service: InProcess, changed: dict[str, Any], warning: str | None) -> None:
    """Unusual bars are answered, with a warning that names the matter; usual ones without any."""
    body = {"bars": as_columns(replace(WINDOW, **changed))}
    said = ask(service, "/predict", body)
    assert {answer["source"] for answer in said["answers"].values()} == {"model"}
    if warning is not None:
        assert any(warning in one for one in said["warnings"])
    else:
        assert said["warnings"] == []


def test_a_bar_of_a_single_price_is_pointed_at(service: InProcess) -> None:
    """Alone, it has nothing to measure volatility by; behind a month of others, their moves are measured."""
    closes = replace(WINDOW, open=WINDOW.close, high=WINDOW.close, low=WINDOW.close)
    assert ask(service, "/predict/volatility", {"bars": as_columns(closes)})["warnings"] == []
    (one,) = ask(service, "/predict/volatility", {"bars": as_columns(closes.tail(21))})["warnings"]
    assert one.startswith("the last bar has a single price")
    told = ask(service, "/predict/volatility", {"open": 100, "high": 100, "low": 100, "close": 100})
    assert any(one.startswith("the last bar has a single price") for one in told["warnings"])
    assert ask(service, "/predict/volatility", {"open": 100, "high": 100.1, "low": 100, "close": 100})["warnings"] == [
        one for one in told["warnings"] if not one.startswith("the last bar")
    ]


def test_a_split_and_a_gap_are_pointed_at(service: InProcess) -> None:
    """A halved price and a missing month are named with their days; the sign of the move is its own."""
    assert WINDOW.date is not None
    factor = np.where(np.arange(300) < 150, 1.0, 0.5)
    told = ask(service, "/predict/direction", {"bars": as_columns(prices(WINDOW, factor))})["warnings"]
    assert any(f"on {WINDOW.date[150]}" in one and "a log return of -0" in one for one in told)
    kept = np.r_[0:100, 130:300]
    gap = {name: [values[row] for row in kept] for name, values in as_columns(WINDOW).items()}
    told = ask(service, "/predict/direction", {"bars": gap})["warnings"]
    assert f"no bar between {WINDOW.date[99]} and {WINDOW.date[130]}" in told


# Forms of input


def test_a_flat_bar_is_a_window_of_one(service: InProcess) -> None:
    """The same bar flat, as rows and as columns gives the same answer, whole."""
    bar = WINDOW.tail(1)
    flat = as_rows(bar)[0]
    for route in usual_routes(service):
        if not route.forecasts:
            expected = ask(service, route.path, {"bars": as_columns(bar)})
            assert ask(service, route.path, flat) == expected
            assert ask(service, route.path, {"bars": [flat]}) == expected


def test_an_unknown_symbol_with_bars_is_a_plain_window(service: InProcess) -> None:
    """A name that nothing is stored of changes nothing but the name; its form may choose another calendar."""
    for route in routes(service):
        plain = ask(service, route.path, route.body(WINDOW))
        assert ask(service, route.path, route.body(WINDOW, "NEWCO")) == {**plain, "symbol": "NEWCO"}
        crypto = ask(service, route.path, route.body(WINDOW, "btc-usd"))
        assert crypto["symbol"] == "BTC-USD"
        assert crypto["as_of"] == plain["as_of"]
        assert crypto["target_date"] != plain["target_date"] or plain["horizon"] == 1


def test_a_symbol_is_read_in_any_case(service: InProcess) -> None:
    """`aapl` is AAPL, in the answer too."""
    upper = ask(service, "/predict", {"symbol": "AAPL"})
    assert ask(service, "/predict", {"symbol": "aapl"}) == upper
    history = {"periods": 3, "history": as_rows(WINDOW, date="ds", close="y")}
    path = "/forecast/price"
    assert ask(service, path, {**history, "symbol": "ibm"}) == ask(service, path, {**history, "symbol": "IBM"})


def test_newest_bars_join_the_stored_history(service: InProcess) -> None:
    """Symbol and bars after the stored tail give the answer of the whole run: of stored and sent bars as one window."""
    sent = after(AAPL, 2)
    stored, newest = as_columns(AAPL), {**as_columns(sent), "volume": [None, None]}
    whole = {name: [*values, *newest[name]] for name, values in stored.items()}
    for route in usual_routes(service):
        if not route.forecasts:
            joined = ask(service, route.path, {"symbol": "AAPL", "bars": as_columns(sent)})
            assert joined["history"]["bars"] == len(AAPL) + 2
            assert joined["as_of"] == whole["date"][-1]
            assert task_bytes(joined) == task_bytes(ask(service, route.path, {"bars": whole}))


@pytest.mark.parametrize("gap", [0, MAX_GAP, MAX_GAP + 1])
def test_a_gap_in_sessions_decides_whether_the_stored_history_is_used(service: InProcess, gap: int) -> None:
    """Up to ten missing sessions join; more leave the bars by themselves, and the answer says so."""
    sent = after(AAPL, 1, first=gap + 1)
    said = ask(service, "/predict/direction", {"symbol": "AAPL", "bars": as_columns(sent)})
    alone = any("it was not used" in warning for warning in said["warnings"])
    assert alone == (gap > MAX_GAP)
    assert said["history"]["bars"] == (1 if alone else len(AAPL) + 1)
    assert any(f"{gap} sessions lie between" in warning for warning in said["warnings"]) == alone


def test_bars_of_a_day_that_no_calendar_knows_stand_by_themselves(service: InProcess) -> None:
    """A far day is a gap like any other: answered, with a warning."""
    far = {"open": 430, "high": 431, "low": 429, "close": 430, "date": "2999-01-02"}
    said = ask(service, "/predict/direction", {"symbol": "AAPL", **far})
    assert said["target_date"] is None
    assert said["history"]["bars"] == 1
    assert any("it was not used" in warning for warning in said["warnings"])


def test_bars_that_do_not_continue_are_refused(service: InProcess, contract: Contract) -> None:
    """Bars at or before the tail, at another price scale, or without dates: a problem says where and what to do."""
    path = "/predict/direction"
    tail = as_columns(AAPL.tail(1))
    overlap = refused(service, contract, path, {"symbol": "AAPL", "bars": tail}, 409)
    assert "leave symbol out" in overlap["detail"]
    jump = as_columns(after(AAPL, 1, scale=float(np.exp(MAX_JUMP + 0.01))))
    assert "price scale" in refused(service, contract, path, {"symbol": "AAPL", "bars": jump}, 409)["detail"]
    fits = as_columns(after(AAPL, 1, scale=float(np.exp(MAX_JUMP - 0.01))))
    assert ask(service, path, {"symbol": "AAPL", "bars": fits})["history"]["bars"] == len(AAPL) + 1
    undated = {"open": 430, "high": 431, "low": 429, "close": 430, "symbol": "AAPL"}
    assert "add dates" in refused(service, contract, path, undated, 422)["detail"]
    for body in ({"symbol": "AAPL", "bars": tail}, {"symbol": "AAPL", "bars": jump}):
        assert pointers(refused(service, contract, path, body, 409)) == ["/symbol"]
    assert pointers(refused(service, contract, path, undated, 422)) == ["/symbol"]


@pytest.mark.parametrize(
    ("body", "status", "place"),
    [
        ({"symbol": "NOSUCH"}, 404, "/symbol"),
        ({"symbol": "A..B"}, 422, "/symbol"),
        ({"symbol": "AAPL", "as_of": "1999-01-04"}, 422, "/as_of"),
        ({"symbol": "AAPL", "as_of": "2012-13-01"}, 422, "/as_of"),
        ({"bars": {"open": [1], "high": [1], "low": [1], "close": [0]}}, 422, "/bars/close/0"),
        ({"bars": [{"open": 1, "high": 1, "low": 1, "close": 0}]}, 422, "/bars/0/close"),
        ({"open": 1, "high": 1, "low": 1, "close": 0}, 422, "/close"),
        ({"bars": [], "sybmol": 1}, 422, "/sybmol"),
    ],
)
def test_an_error_points_at_its_place(
    service: InProcess, contract: Contract, body: dict[str, Any], status: int, place: str
) -> None:
    """A JSON Pointer into the body that was sent, on every route of bars, and below the item in a batch."""
    for path in [*(route.path for route in usual_routes(service) if not route.forecasts), "/predict"]:
        assert place in pointers(refused(service, contract, path, body, status))
    batch = ask(service, "/predict/batch", {"items": [{"symbol": "AAPL"}, body]}, "model=lightgbm_direction")
    assert batch["counts"] == {"rows": 2, "answered": 1, "refused": 1}
    assert f"/items/1{place}" in pointers(batch["results"][1]["problem"])


def test_as_of_takes_the_last_bar_at_or_before(service: InProcess) -> None:
    """A Saturday is answered as of its Friday; a day after the data as of the last bar."""
    friday = ask(service, "/predict/direction", {"symbol": "AAPL", "as_of": "2012-06-29"})
    assert ask(service, "/predict/direction", {"symbol": "AAPL", "as_of": "2012-06-30"}) == friday
    assert friday["as_of"] == "2012-06-29"
    late = ask(service, "/predict/direction", {"symbol": "AAPL", "as_of": "2030-01-01"})
    assert late == ask(service, "/predict/direction", {"symbol": "AAPL"})


def test_a_calendar_that_has_to_be_built_holds_up_nobody(service: InProcess) -> None:
    """The first question about London builds its calendar for tenths of a second; the event loop turns meanwhile."""
    calendars._calendar.cache_clear()
    body = json.dumps({"bars": as_columns(WINDOW.tail(2)), "symbol": "VOD.L"}).encode()

    async def asked() -> tuple[Answer, int]:
        question = asyncio.create_task(service._call("POST", "/predict/direction", body, JSON, ""))
        turns = 0
        while not question.done():
            await asyncio.sleep(0.005)
            turns += 1
        return await question, turns

    answer, turns = service._runner.run(asked())
    assert found(answer)["target_date"] is not None
    assert turns >= 3


# Observations and forecasts


def test_observations_answer_as_the_bars_that_they_are_of(service: InProcess) -> None:
    """The window's log returns and volatilities, gaps of the nights included, give the regime of the window itself."""
    bars = WINDOW.tail(64)
    returns = np.log(bars.close[1:] / bars.close[:-1])
    high_low, close_open = np.log(bars.high / bars.low), np.log(bars.close / bars.open)
    nights = np.log(bars.open[1:] / bars.close[:-1])
    volatility = np.sqrt((0.5 * high_low**2 - (2 * np.log(2) - 1) * close_open**2)[1:] + nights**2)
    seen = {"returns_window": returns.tolist(), "volatility_window": volatility.tolist()}
    said = ask(service, "/predict/regime", seen)
    expected = ask(service, "/predict/regime", {"bars": as_columns(bars)})
    assert said["regime"] == expected["regime"]
    assert said["probabilities"] == pytest.approx(expected["probabilities"], rel=1e-9)
    assert said["history"]["tier"] == expected["history"]["tier"]
    assert (said["as_of"], said["target_date"]) == (None, None)


@pytest.mark.parametrize(
    ("seen", "place"),
    [
        ({"returns_window": [0.1, 1e200], "volatility_window": [0.1, 0.1]}, "/returns_window/1"),
        ({"returns_window": [0.1], "volatility_window": [0.0]}, "/volatility_window/0"),
        ({"returns_window": [0.1], "volatility_window": [0.1, 0.1]}, "/volatility_window"),
        ({"returns_window": [0.1]}, "/volatility_window"),
    ],
)
def test_observations_that_no_market_has_are_refused(
    service: InProcess, contract: Contract, seen: dict[str, Any], place: str
) -> None:
    """They are the caller's mistake, so they are 422 and never a fallback."""
    assert place in pointers(refused(service, contract, "/predict/regime", seen, 422))


def test_extreme_observations_are_answered(service: InProcess) -> None:
    """Returns between the ends of the floats and volatilities next to 0 give finite probabilities."""
    seen = {"returns_window": [1400.0, -1400.0] * 40, "volatility_window": [1e-300, 1e300] * 40}
    said = ask(service, "/predict/regime", seen)
    assert said["source"] == "model"
    assert sum(said["probabilities"].values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("body", "status", "place"),
    [
        ({"periods": 5, "level": 0.9999}, 422, "/level"),
        ({"periods": 2, "regressors": {"wealth": [1, 2]}}, 422, "/regressors/wealth"),
        ({"periods": 2, "regressors": {"volume": [1]}}, 422, "/regressors/volume"),
        ({"periods": 5, "symbol": "NOSUCH"}, 404, "/symbol"),
        ({"periods": 366}, 422, "/periods"),
        ({"periods": 5, "history": [{"ds": "2040-12-28", "y": 1}]}, 422, "/periods"),
        ({"periods": 5, "history": [{"ds": "2012-01-03"}]}, 422, "/history/0"),
    ],
)
def test_a_forecast_refuses_what_it_can_not_know(
    service: InProcess, contract: Contract, body: dict[str, Any], status: int, place: str
) -> None:
    """A level or regressor that was not trained, a horizon that no calendar knows: refused with its place."""
    assert place in pointers(refused(service, contract, "/forecast/price", body, status))


def test_all_models_answer_where_no_calendar_knows_the_sessions(service: InProcess) -> None:
    """Beyond the calendar, `/predict` still answers: a path without days, no target dates."""
    assert WINDOW.date is not None
    late = replace(WINDOW.tail(2), date=np.array(["2040-12-27", "2040-12-28"], dtype="datetime64[D]"))
    said = ask(service, "/predict", {"bars": as_columns(late)})
    points = said["answers"]["prophet_forecast"]["forecast"]
    assert [point["ds"] for point in points] == [None] * PERIODS
    assert {answer["source"] for answer in said["answers"].values()} == {"model"}


# All at once


@contextmanager
def counted_passes() -> Iterator[list[int]]:
    """Count calls of the feature mapper, whoever makes them, without touching it."""
    code, calls = mapper.compute.__code__, [0]

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is code:
            calls[0] += 1

    sys.setprofile(profile)
    try:
        yield calls
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("length", [1, 22, 64, 253, 300])
def test_all_models_at_once_say_what_each_says_alone(service: InProcess, length: int) -> None:
    """`/predict` holds, for each model, the whole answer of its own route, and computes the features once."""
    body = {"bars": as_columns(WINDOW.tail(length)), "symbol": "NEWCO"}
    with counted_passes() as passes:
        answer = service.post("/predict", json.dumps(body).encode())
    assert passes == [1]
    strictly(EverythingAnswer, answer.body)
    said = found(answer)
    answers = said["answers"]
    assert said["coherence"] == flags(answers, float(WINDOW.close[-1]))
    assert list(answers) == [route.model for route in usual_routes(service)]
    for route in usual_routes(service):
        assert answers[route.model] == ask(service, route.path, route.body(WINDOW.tail(length), "NEWCO")), route.model


def test_all_models_at_once_about_a_stored_history(service: InProcess) -> None:
    """The same for a stored history."""
    answers = ask(service, "/predict", {"symbol": "AAPL"})["answers"]
    for route in usual_routes(service):
        body = {"symbol": "AAPL", **({"periods": PERIODS} if route.forecasts else {})}
        assert answers[route.model] == ask(service, route.path, body), route.model


def test_a_question_costs_one_feature_pass(service: InProcess) -> None:
    """A tabular model alone computes its features once as well: the count above can fail."""
    route = Route("lightgbm_direction", "/predict/direction")
    with counted_passes() as passes:
        ask(service, route.path, route.body(WINDOW))
    assert passes == [1]
