"""Laws over every route that a model answers, as the application itself lists them, on models trained in earnest."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from data.bar_store import BarStore
from feature_mapper.bars import Bars
from tests.app.served import (
    PERIODS,
    SAMPLE,
    Route,
    as_columns,
    as_csv,
    as_file,
    as_rows,
    ask,
    batch,
    routes,
    service_of,
    task_bytes,
    usual_routes,
)
from tests.support.in_process import InProcess

LENGTHS = (1, 2, 22, 23, 63, 64, 65, 252, 253, 254, 508, 509, 510)
"""Histories of, around and between the tiers."""

NAMES = tuple(info.symbol for info in SAMPLE.symbols())

few = settings(max_examples=8, phases=[Phase.generate])  # an example takes a while, and is small as it is
names = st.sampled_from(NAMES)
ends = st.integers(1, 1500)


@pytest.fixture(scope="module")
def service(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """Serve the trained models; an import GREW beside the sample is IBM, and SHORT is IBM up to an earlier day."""
    folder = tmp_path_factory.mktemp("service")
    imports = BarStore((folder / "data" / "processed",))
    ibm = SAMPLE.bars("IBM")
    for name, bars in (("GREW", ibm), ("SHORT", ibm[: len(ibm) - 100])):
        lines = [line.partition(",")[2] for line in as_csv(bars)]
        imports.import_csv(as_file(lines), name)
    with service_of(trained_store, folder) as started:
        yield started


def known(name: str, end: int) -> Bars:
    """Return a run of a stored symbol, somewhere in its history."""
    bars = SAMPLE.bars(name)
    return bars[: min(end, len(bars))]


def ask_all(service: InProcess, bars: Bars, symbol: str | None = None) -> dict[str, bytes]:
    """Return the task fields that every route gives for a window, byte for byte."""
    return {route.model: task_bytes(ask(service, route.path, route.body(bars, symbol))) for route in routes(service)}


def tiers(service: InProcess, route: Route) -> list[int]:
    """Return the tiers of a model that serves."""
    loaded = service.desk.serving.slot(route.model).loaded
    assert loaded is not None
    return [tier.tier for tier in loaded.manifest.tiers]


def test_every_model_is_under_these_laws(service: InProcess) -> None:
    """Each POST is a model's own route, one that supposes a next bar, the one for all, or the batch."""
    supposing = {f"/what-if{route.path.removeprefix('/predict')}" for route in routes(service) if not route.forecasts}
    paths = {op.path for op in service.app.operations if op.method == "POST" and not op.path.startswith("/models")}
    own = {route.path for route in routes(service)}
    assert paths == own | supposing | {"/predict", "/predict/batch", "/predict_batch"}


# Nothing later, nothing beside


@few
@given(end=st.integers(30, 900), extra=st.integers(1, 200), chance=st.randoms())
def test_later_bars_change_no_earlier_answer_of_a_file(service: InProcess, end: int, extra: int, chance: Any) -> None:
    """Whatever follows, true or made up, the rows before it keep every byte of their answers."""
    whole = SAMPLE.bars("IBM")[: end + extra]
    wild = np.array([chance.uniform(0.1, 10) if at >= end else 1.0 for at in range(end + extra)])
    bent = replace(
        whole, open=whole.open * wild, high=whole.high * wild, low=whole.low * wild, close=whole.close * wild
    )
    before = [row["answers"] for row in batch(service, as_csv(whole[:end]))["results"]]
    for later in (whole, bent):
        after = [row["answers"] for row in batch(service, as_csv(later))["results"]]
        assert json.dumps(after[:end]) == json.dumps(before)


@few
@given(back=st.integers(100, 1500))
def test_later_stored_bars_change_no_earlier_answer(service: InProcess, back: int) -> None:
    """As of a day, a series that goes on says what one says that ends before, on every route, the path included."""
    days = SAMPLE.bars("IBM").date
    assert days is not None
    day = str(days[len(days) - 1 - back])
    short, grew = (ask(service, "/predict", {"symbol": name, "as_of": day})["answers"] for name in ("SHORT", "GREW"))
    for route in usual_routes(service):
        assert task_bytes(short[route.model]) == task_bytes(grew[route.model]), route.path
        assert short[route.model]["target_date"] == grew[route.model]["target_date"]


@few
@given(end=st.integers(2, 400), more=st.integers(1, 50))
def test_later_observations_change_no_earlier_regime(service: InProcess, end: int, more: int) -> None:
    """The regime of observations up to a day is filtered: it is the one that a file of the bars says on that day."""
    bars = SAMPLE.bars("MSFT")[: end + more]
    rows = batch(service, as_csv(bars), "model=hmm_regime")["results"]
    alone = ask(service, "/predict/regime", {"bars": as_columns(bars[:end])})
    said = rows[end - 1]["answers"]["hmm_regime"]
    assert said["probabilities"] == alone["probabilities"]
    assert said["next_probabilities"] == alone["next_probabilities"]


@few
@given(chance=st.randoms())
def test_other_symbols_and_rows_change_no_answer_of_a_file(service: InProcess, chance: Any) -> None:
    """One symbol's rows alone, or among other symbols' rows and faulty ones: the same bytes."""
    header, *mine = as_csv(SAMPLE.bars("AAPL")[200:280])
    _, *others = as_csv(SAMPLE.bars("GOOG")[:80], SAMPLE.bars("MSFT")[:80])
    alone = [row["answers"] for row in batch(service, [header, *mine])["results"]]
    lines = [*mine, *others, "AAPL,2013-01-02,1,0,2,1,1", "X,never,1,1,1,1,1"]
    order = list(range(len(lines)))
    chance.shuffle(order)
    among = batch(service, [header, *(lines[at] for at in order)])["results"]
    found = {at: row["answers"] for at, row in zip(order, among, strict=True)}
    assert json.dumps([found[at] for at in range(len(mine))]) == json.dumps(alone)


@few
@given(name=names, end=ends)
def test_other_items_change_no_answer_of_a_batch(service: InProcess, name: str, end: int) -> None:
    """An item alone or among others, wrong ones included: the same bytes."""
    item = {"bars": as_columns(known(name, end))}
    others = [{"symbol": "AAPL"}, {"symbol": "NOSUCH"}, {"bars": as_columns(known("GOOG", 70))}]
    (alone,) = ask(service, "/predict/batch", {"items": [item]})["results"]
    among = ask(service, "/predict/batch", {"items": [*others, item, *others]})["results"][3]
    assert json.dumps(among["answers"]) == json.dumps(alone["answers"])


# One question in several words


@few
@given(name=names, end=ends)
def test_rows_columns_and_stored_history_give_the_same_bytes(service: InProcess, name: str, end: int) -> None:
    """The same bars in any form are the same question."""
    bars = known(name, end)
    assert bars.date is not None
    for route in routes(service):
        columns = ask(service, route.path, route.body(bars, None))
        if route.forecasts:
            body = {"periods": PERIODS, "history": as_rows(bars)}
            assert task_bytes(ask(service, route.path, body)) == task_bytes(columns)
            continue
        rows = ask(service, route.path, {"bars": as_rows(bars), **route.asks})
        stored = ask(service, route.path, {"symbol": name, "as_of": str(bars.date[-1]), **route.asks})
        assert rows == columns
        assert task_bytes(stored) == task_bytes(columns)
        assert {**stored, "symbol": None} == columns


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_path_is_that_of_its_history(service: InProcess, name: str) -> None:
    """A forecast of a stored symbol is that of the same bars sent under its name."""
    bars = SAMPLE.bars(name)
    stored = ask(service, "/forecast/price", {"periods": PERIODS, "symbol": name})
    sent = ask(service, "/forecast/price", {"periods": PERIODS, "symbol": name, "history": as_rows(bars)})
    assert task_bytes(stored) == task_bytes(sent)


@few
@given(name=names, end=ends, power=st.integers(-6, 6))
def test_a_scale_of_prices_changes_nothing_but_prices(service: InProcess, name: str, end: int, power: int) -> None:
    """Prices times a power of two: every byte the same, save that a path is that many times as high."""
    bars, factor = known(name, end), 2.0**power
    scaled = replace(
        bars, open=bars.open * factor, high=bars.high * factor, low=bars.low * factor, close=bars.close * factor
    )
    for route in routes(service):
        one, other = (ask(service, route.path, route.body(each)) for each in (bars, scaled))
        if route.forecasts:
            for point in one["forecast"]:
                for key in ("yhat", "yhat_lower", "yhat_upper"):
                    point[key] *= factor
        assert task_bytes(one) == task_bytes(other), route.path


# History


@pytest.mark.parametrize("length", LENGTHS)
def test_the_longest_tier_that_the_history_fills_answers(service: InProcess, length: int) -> None:
    """For any length a model answers, and says by which tier; also without volumes, without dates, without both."""
    bars = SAMPLE.bars("AAPL")[1000 : 1000 + length]
    for given_bars in (
        bars,
        replace(bars, volume=None),
        replace(bars, date=None),
        replace(bars, volume=None, date=None),
    ):
        for route in routes(service):
            if route.forecasts and given_bars.date is None:
                continue  # a history has days; undated bars are asked about below
            said = ask(service, route.path, route.body(given_bars))
            expected = max(tier for tier in tiers(service, route) if tier <= length)
            assert said["history"] == {"bars": length, "tier": expected, "full_tier": tiers(service, route)[-1]}
            assert said["source"] == "model"
            assert (said["as_of"] is None) == (said["target_date"] is None) == (given_bars.date is None)
        everything = ask(service, "/predict", {"bars": as_columns(given_bars)})["answers"]
        assert {answer["source"] for answer in everything.values()} == {"model"}


@few
@given(name=names, end=st.integers(600, 1500))
def test_what_lies_before_the_full_tier_changes_nothing(service: InProcess, name: str, end: int) -> None:
    """A history longer than a model's full tier answers as exactly its full tier does."""
    bars = known(name, end)
    for route in routes(service):
        full = bars.tail(tiers(service, route)[-1])
        one, other = (ask(service, route.path, route.body(each)) for each in (bars, full))
        assert task_bytes(one) == task_bytes(other), route.path


@few
@given(name=names, end=ends)
def test_the_same_question_gives_the_same_bytes(service: InProcess, name: str, end: int) -> None:
    """Twice asked, twice the same, whatever was asked in between."""
    bars = known(name, end)
    first = ask_all(service, bars, "NEWCO")
    ask_all(service, known("GOOG", 100))
    assert ask_all(service, bars, "NEWCO") == first
