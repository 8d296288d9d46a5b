"""Reasons not to act on an answer: of noise, of markets that nobody trained on, of old data, of short histories."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from data.bar_store import BarStore
from data.calendars import calendar_for
from data.quality import STALE_SESSIONS
from data.sources.known_truth import NOISE, Garch, KnownTruth, Signal, generate
from feature_mapper.bars import Bars
from models.store import ArtifactStore
from tests.app.served import (
    SAMPLE,
    Route,
    as_columns,
    as_csv,
    as_file,
    as_rows,
    ask,
    batch,
    codes,
    found,
    routes,
    service_of,
    strictly,
    task_bytes,
    usual_routes,
)
from tests.support.in_process import InProcess
from tests.training.kit.support import FAST
from training.kit.ritual import run
from training.kit.spec import ModelSpec

SESSIONS: Final = calendar_for().sessions
PLANTED: Final = KnownTruth(garch=Garch(), signal=Signal(0.35), degrees=6)
NAMES: Final = ("A", "B", "C", "D")
DIRECTION, RETURN = "lightgbm_direction", "random_forest_return"


@pytest.fixture(scope="module")
def service(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """Serve the trained models; imports FRESH and OLD end just before and just at where a series is called stale."""
    folder = tmp_path_factory.mktemp("service")
    imports = BarStore((folder / "data" / "processed",))
    today = int(np.searchsorted(SESSIONS, np.datetime64(dt.datetime.now(dt.UTC).date()), side="right"))
    for name, behind in (("FRESH", 0), ("OLD", STALE_SESSIONS + 1)):
        end = today - behind
        bars = SAMPLE.bars("IBM").tail(600)
        dated = Bars(bars.open, bars.high, bars.low, bars.close, bars.volume, SESSIONS[end - 600 : end])
        imports.import_csv(as_file([line.partition(",")[2] for line in as_csv(dated)]), name)
    with service_of(trained_store, folder) as started:
        yield started


def of_bars(service: InProcess) -> list[Route]:
    """Return the routes of models that answer from bars."""
    return [route for route in usual_routes(service) if not route.forecasts]


def market(moves: np.ndarray[Any, np.dtype[np.float64]], wick: float) -> Bars:
    """Return dated bars whose bodies are these log moves, with wicks that are so long."""
    close = 50 * np.exp(np.cumsum(moves))
    opened = np.concatenate(([50.0], close[:-1]))
    high, low = np.maximum(opened, close) * np.exp(wick), np.minimum(opened, close) * np.exp(-wick)
    return Bars.validated(
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=np.full(len(moves), 1e6),
        date=SESSIONS[9000:][: len(moves)],
    )


def frozen(n: int) -> Bars:
    """Return a market whose price stands still."""
    return market(np.zeros(n), 0.0)


def jumping(n: int) -> Bars:
    """Return a market that gains or loses half on each day."""
    return market(np.random.default_rng(1).choice(np.log([0.5, 1.5]), n), 0.01)


# What is strange


@pytest.mark.parametrize("plant", [frozen, jumping])
@pytest.mark.parametrize("length", [1, 22, 64, 253, 600])
def test_planted_markets_are_recognised(service: InProcess, plant: Any, length: int) -> None:
    """Prices that stand still, or move by half a day after day: every model of bars says so, in every tier."""
    body = {"bars": as_columns(plant(700).tail(length))}
    for model, answer in ask(service, "/predict", body)["answers"].items():
        if model != "prophet_forecast" or length > 1:  # of closes alone, one says nothing
            assert "out_of_distribution" in codes(answer), model


def test_a_market_that_froze_lately_is_recognised(service: InProcess) -> None:
    """A month of a single price after years of trading: what a dead feed sends."""
    bars = SAMPLE.bars("IBM")[1000:1600]
    dead = np.arange(600) >= 600 - 22
    columns = {name: np.where(dead, bars.close[577], getattr(bars, name)) for name in ("open", "high", "low", "close")}
    feed = Bars.validated(**columns, volume=bars.volume, date=bars.date)
    for model, answer in ask(service, "/predict", {"bars": as_columns(feed)})["answers"].items():
        assert "out_of_distribution" in codes(answer), model


def test_usual_bars_are_hardly_ever_strange(service: InProcess) -> None:
    """On 13 years of a symbol of the training, at most one day in 200 is, for any model."""
    rows = batch(service, as_csv(SAMPLE.bars("MSFT")))["results"]
    for route in of_bars(service):
        share = np.mean(["out_of_distribution" in row["answers"][route.model]["abstain"] for row in rows])
        assert share <= 0.005, (route.model, share)


def test_rates_of_false_alarms_are_recorded_and_low(service: InProcess) -> None:
    """On days that a fit had not seen, the crisis of 2008 among them: fewer than one in 50, in every tier."""
    for route in routes(service):
        loaded = service.desk.serving.slot(route.model).loaded
        assert loaded is not None
        for tier in loaded.manifest.tiers:
            if not (route.forecasts and tier.tier == 1):
                assert tier.ranges is not None
                assert tier.ranges.false_alarms < 0.02, (route.model, tier.tier)


# What is old


def test_a_stored_history_that_ends_too_early_is_stale(service: InProcess) -> None:
    """From the session on that `data.quality` names, on every route; never one that ends now."""
    for route in usual_routes(service):
        more = {"periods": 5} if route.forecasts else {}
        assert "stale_data" in codes(ask(service, route.path, {"symbol": "OLD", **more})), route.path
        assert "stale_data" not in codes(ask(service, route.path, {"symbol": "FRESH", **more})), route.path


def test_history_is_not_stale(service: InProcess) -> None:
    """As of a day of the past, or in bars that were sent: whoever asks knows how old it is; beyond the data it is."""
    path = "/predict/direction"
    assert "stale_data" in codes(ask(service, path, {"symbol": "IBM"}))
    assert "stale_data" not in codes(ask(service, path, {"symbol": "IBM", "as_of": "2012-06-29"}))
    assert "stale_data" not in codes(ask(service, path, {"symbol": "IBM", "as_of": "2012-07-01"}))
    assert "stale_data" in codes(ask(service, path, {"symbol": "IBM", "as_of": "2013-06-28"}))
    assert "stale_data" in codes(ask(service, path, {"symbol": "IBM", "as_of": "2030-01-01"}))
    assert "stale_data" not in codes(ask(service, path, {"bars": as_columns(SAMPLE.bars("IBM").tail(300))}))
    items = ask(service, "/predict/batch", {"items": [{"symbol": "IBM"}, {"symbol": "FRESH"}]})["results"]
    assert ["stale_data" in item["answers"]["lightgbm_direction"]["abstain"] for item in items] == [True, False]


# What is short, and what has no skill


@pytest.mark.parametrize("length", [1, 21, 22, 253, 600])
def test_reasons_are_those_of_the_tier_that_answered(service: InProcess, length: int) -> None:
    """A shorter tier than the best one; a verdict of no measurable skill; the details say which."""
    bars = SAMPLE.bars("IBM")[1000 : 1000 + length]
    for route in routes(service):
        said = ask(service, route.path, route.body(bars))
        short = said["history"]["tier"] < said["history"]["full_tier"]
        unskilled = said["skill"]["verdict"] == "no measurable skill"
        assert ("short_tier" in codes(said)) is short
        assert ("no_skill" in codes(said)) is unskilled
        details = {reason["code"]: reason["detail"] for reason in said["abstain"]["reasons"]}
        if short:
            assert f"from a history of {said['history']['tier']};" in details["short_tier"]
        if unskilled:
            assert f"against {said['skill']['baseline']}" in details["no_skill"]


SMALL: Final = {
    DIRECTION: ModelSpec(family="lightgbm", parameters=FAST, tiers=(1, 22), families=("candle", "returns", "volume")),
    RETURN: ModelSpec(
        family="forest",
        parameters={"n_estimators": 8, "max_depth": 3, "min_samples_leaf": 50},
        tiers=(1, 22),
        families=("candle", "returns", "volume"),
    ),
}
ROUTES: Final = (Route(DIRECTION, "/predict/direction"), Route(RETURN, "/predict/return/random-forest"))


def trained(law: KnownTruth, seed: int, root: Path) -> Path:
    """Return a store with two small models of a generated market, that serve whatever the gate says."""
    store = ArtifactStore(root, by="a test")
    bars = generate(law, seed=seed, sessions=1200, symbols=NAMES).bars
    for model, spec in SMALL.items():
        store.promote(model, run(model, spec, bars, store).version, why="a test")
    return root


def calls_of(law: KnownTruth, seed: int, folder: Path, lengths: tuple[int, ...]) -> Iterator[list[str]]:
    """Yield the reasons of answers to bars of the same law, of a symbol that the models do not know."""
    with service_of(trained(law, seed, folder / str(seed)), folder) as service:
        bars = generate(law, seed=100 + seed, sessions=1000, symbols=["NEW"]).bars["NEW"]
        for route in ROUTES:
            for length in lengths:
                for end in range(200, 1001, 100):
                    said = ask(service, route.path, route.body(bars[end - length : end]))
                    assert said["source"] == "model"
                    yield codes(said)


@pytest.mark.slow
def test_models_of_pure_noise_advise_to_abstain(tmp_path: Path) -> None:
    """In at least 95 % of calls, for lack of skill."""
    calls = ["no_skill" in reasons for reasons in calls_of(NOISE, 1, tmp_path, (1, 22))]
    assert len(calls) == 36
    assert np.mean(calls) >= 0.95


@pytest.mark.long
def test_models_of_pure_noise_advise_to_abstain_whatever_the_market(tmp_path: Path) -> None:
    """The same over ten markets: an interval of 95 % lies above 0 for one model and tier in 40."""
    calls = ["no_skill" in reasons for seed in range(10) for reasons in calls_of(NOISE, seed, tmp_path, (1, 22))]
    assert np.mean(calls) >= 0.95


@pytest.mark.slow
def test_models_of_a_planted_signal_do_not(tmp_path: Path) -> None:
    """With all the history that they use, nothing speaks against them but a strange day now and then."""
    calls = [reasons == [] for reasons in calls_of(PLANTED, 1, tmp_path, (22, 60))]
    assert np.mean(calls) >= 0.9


# Fallbacks, batches, counters, artifacts of before


def test_a_rule_of_thumb_is_a_reason(tmp_path: Path) -> None:
    """Nothing was measured for it: that is all there is to say."""
    with service_of(tmp_path / "artifacts", tmp_path) as service:
        bars = SAMPLE.bars("IBM").tail(300)
        for route in routes(service):
            answer = service.post(route.path, json.dumps(route.body(bars)).encode())
            strictly(route.answer, answer.body)
            assert codes(found(answer)) == ["fallback"]
        assert codes(ask(service, "/predict/direction", {"symbol": "IBM"})) == ["fallback", "stale_data"]


def counted(service: InProcess) -> dict[tuple[str, str], float]:
    """Return the counters of reasons by model and code, from the text that Prometheus reads."""
    lines = service.get("/metrics").body.decode().splitlines()
    parts = [
        line.removeprefix("barcast_abstain_total{").split("} ") for line in lines if "barcast_abstain_total{" in line
    ]
    named = [(dict(part.split("=") for part in labels.split(",")), float(value)) for labels, value in parts]
    return {(labels["model"].strip('"'), labels["reason"].strip('"')): value for labels, value in named}


def test_reasons_are_counted(service: InProcess) -> None:
    """Each reason of each answer once: single, among all, item of a batch, row of a file."""
    bars, model = SAMPLE.bars("IBM").tail(30), "lightgbm_volatility"
    before = counted(service).get((model, "short_tier"), 0)
    ask(service, "/predict/volatility", {"bars": as_columns(bars)})
    ask(service, "/predict", {"bars": as_columns(bars)})
    ask(service, "/predict/batch", {"items": [{"bars": as_columns(bars)}]}, f"model={model}")
    batch(service, as_csv(bars), f"model={model}")
    assert counted(service)[model, "short_tier"] == before + 3 + len(bars)


def test_an_answer_is_the_same_with_and_without_advice(service: InProcess) -> None:
    """It is said beside the forecast and changes none of its bytes: a stored history, stale or as of its last day."""
    last = str(SAMPLE.info("IBM").last)
    for route in of_bars(service):
        stale, historical = (ask(service, route.path, {"symbol": "IBM", **more}) for more in ({}, {"as_of": last}))
        assert task_bytes(stale) == task_bytes(historical)
        assert {*codes(stale)} - {*codes(historical)} == {"stale_data"}


def test_closes_alone_are_strange_to_models_of_bars(service: InProcess) -> None:
    """They were trained on sessions that range; a price path is not: it reads no more than closes."""
    bars = SAMPLE.bars("IBM").tail(300)
    closes = {"bars": as_columns(Bars(bars.close, bars.close, bars.close, bars.close, bars.volume, bars.date))}
    assert "out_of_distribution" in codes(ask(service, "/predict/volatility", closes))
    rows = [{"ds": row["date"], "y": row["close"]} for row in as_rows(bars)]
    assert "out_of_distribution" not in codes(ask(service, "/forecast/price", {"periods": 5, "history": rows}))
