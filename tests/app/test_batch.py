"""Batches: each row as the single route, to the bit; wrong rows by themselves; CSV out that no spreadsheet runs."""

import asyncio
import csv
import io
import json
import random
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from starlette.types import Message

from app.batch import HOPELESS_ITEMS
from app.batch_csv import FORMULA
from app.schemas.batch import BatchAnswer
from tests.app.served import (
    CSV,
    SAMPLE,
    Route,
    as_columns,
    as_csv,
    as_file,
    as_rows,
    ask,
    batch,
    found,
    row_bytes,
    service_of,
    strictly,
    usual_routes,
)
from tests.support.contract import Contract
from tests.support.in_process import JSON, InProcess

PLAIN = ("date", "open", "high", "low", "close", "volume")
RUNS = {name: SAMPLE.bars(name).tail(300) for name in ("AAPL", "IBM", "MSFT")}


@pytest.fixture(scope="module")
def service(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """Serve the trained models."""
    with service_of(trained_store, tmp_path_factory.mktemp("service")) as started:
        yield started


def of_bars(service: InProcess) -> list[Route]:
    """Return the routes that a batch asks."""
    return [route for route in usual_routes(service) if not route.forecasts]


def expect_single(service: InProcess, row: dict[str, Any], window: dict[str, Any]) -> None:
    """Check a row of a batch against the single route of every model, byte for byte."""
    for route in of_bars(service):
        single = ask(service, route.path, window)
        assert json.dumps(row["answers"][route.model]).encode() == row_bytes(single), route.model
        assert (row["as_of"], row["bars"]) == (single["as_of"], single["history"]["bars"])


@settings(max_examples=3, phases=[Phase.generate])  # a shuffled file is as clear as a shrunk one
@given(chance=st.randoms())
def test_each_row_of_a_file_is_answered_as_the_single_route_would(service: InProcess, chance: random.Random) -> None:
    """Rows of several symbols in any order: each as a window of its symbol's rows up to its day, to the bit."""
    header, *lines = as_csv(*RUNS.values())
    chance.shuffle(lines)
    answer = batch(service, [header, *lines])
    assert answer["counts"] == {"rows": 900, "answered": 900, "refused": 0}
    for number in chance.sample(range(900), 6):
        row = answer["results"][number]
        name, day = lines[number].split(",")[:2]
        assert (row["row"], row["line"], row["symbol"], row["as_of"]) == (number, number + 2, name, day)
        dates = RUNS[name].date
        assert dates is not None
        known = RUNS[name][: [str(one) for one in dates].index(day) + 1]
        expect_single(service, row, {"bars": as_columns(known)})


@pytest.mark.parametrize("absent", ["date", "volume"])
def test_a_file_without_dates_or_volumes(service: InProcess, absent: str) -> None:
    """Without dates, the order of lines is that of time; without either column, answers are as for such a window."""
    columns = tuple(name for name in PLAIN if name != absent)
    answer = batch(service, as_csv(RUNS["IBM"], columns=columns))
    for number in (0, 21, 63, 64, 299):
        window = {name: values[: number + 1] for name, values in as_columns(RUNS["IBM"]).items() if name != absent}
        expect_single(service, answer["results"][number], {"bars": window})


def test_faulty_lines_are_reported_and_the_rest_served(service: InProcess) -> None:
    """Each fault at its line, with its cause; the sound rows as if the faulty ones were not there, to the bit."""
    clean = as_csv(RUNS["IBM"].tail(40))
    faults = {
        5: "IBM,2013-01-02,1,0.5,2,1,10",  # high below low
        9: "IBM,2013-01-03,x,2,1,1,10",
        12: clean[3],  # a day again
        15: '"=HYPERLINK(""http://x"")",2013-01-04,1,2,1,1,10',
        20: "../etc/passwd,2013-01-04,1,2,1,1,10",
        26: "IBM,2013-02-30,1,2,1,1,10",
    }
    dirty = list(clean)
    for at, line in faults.items():
        dirty.insert(at, line)
    expected, answer = batch(service, clean), batch(service, dirty)
    refused = {row["line"]: row for row in answer["results"] if row["problem"] is not None}
    assert set(refused) == {at + 1 for at in faults}
    for line, row in refused.items():
        assert row["problem"]["detail"].startswith(f"line {line}: ")
        assert row["answers"] is None
    assert answer["counts"] == {"rows": 46, "answered": 40, "refused": 6}
    sound = [row["answers"] for row in answer["results"] if row["problem"] is None]
    assert json.dumps(sound) == json.dumps([row["answers"] for row in expected["results"]])


def test_each_item_is_answered_as_the_single_route_would(service: InProcess) -> None:
    """Every form of input, wrong ones among them: each as its single route, to the bit, in order."""
    window = RUNS["MSFT"].tail(30)
    items: list[dict[str, Any]] = [
        as_rows(window.tail(1))[0],
        {"bars": as_columns(window)},
        {"bars": [{"open": 1, "high": 0, "low": 1, "close": 1}]},
        {"bars": as_rows(window), "symbol": "NEWCO"},
        {"symbol": "AAPL", "as_of": "2012-06-29"},
        {"symbol": "NOSUCH"},
        {"symbol": "aapl"},
    ]
    answer = ask(service, "/predict/batch", {"items": items})
    assert [row["row"] for row in answer["results"]] == list(range(len(items)))
    for item, row in zip(items, answer["results"], strict=True):
        if row["problem"] is None:
            expect_single(service, row, item)
        else:
            single = service.post("/predict/direction", json.dumps(item).encode())
            assert row["problem"]["status"] == single.status
            told = [fault["pointer"] for fault in json.loads(single.body)["errors"]]
            below = [fault["pointer"] for fault in row["problem"]["errors"]]
            assert below == [f"/items/{row['row']}{place}" for place in told]
    assert [row["row"] for row in answer["results"] if row["problem"] is not None] == [2, 5]


def test_the_alias_and_every_way_to_send_give_one_answer(service: InProcess) -> None:
    """`/predict_batch`, `text/csv` and a multipart file: the same bytes but for the request id of refused rows."""
    lines = as_csv(RUNS["IBM"].tail(30))
    direct = service.post("/predict/batch", as_file(lines), CSV).body
    assert service.post("/predict_batch", as_file(lines), CSV).body == direct
    part = (
        b'--sep\r\nContent-Disposition: form-data; name="file"; filename="bars.csv"\r\nContent-Type: text/csv\r\n\r\n'
    )
    form = part + as_file(lines) + b"\r\n--sep--\r\n"
    media = {"content-type": "multipart/form-data; boundary=sep"}
    assert service.post("/predict/batch", form, media).body == direct


def test_a_batch_is_of_its_documented_shape(service: InProcess) -> None:
    """Exactly the fields of the struct, for files and items, refused rows included."""
    lines = [*as_csv(RUNS["IBM"].tail(3)), "IBM,2013-01-02,1,0.5,2,1,10"]
    strictly(BatchAnswer, service.post("/predict/batch", as_file(lines), CSV).body)
    items = {"items": [{"symbol": "AAPL"}, {"symbol": "NOSUCH"}]}
    strictly(BatchAnswer, service.post("/predict/batch", json.dumps(items).encode()).body)


def test_models_are_chosen_by_name(service: InProcess) -> None:
    """`model=` takes names by comma or again; a forecast or an unknown name is refused before anything is read."""
    lines = as_csv(RUNS["IBM"].tail(3))
    some = batch(service, lines, "model=hmm_regime,lightgbm_return&model=hmm_regime")
    assert list(some["models"]) == ["hmm_regime", "lightgbm_return"]
    assert list(some["results"][0]["answers"]) == ["hmm_regime", "lightgbm_return"]
    for name in ("prophet_forecast", "nobody"):
        assert service.post("/predict/batch", b"", CSV, f"model={name}").status == 404
    assert service.post("/predict/batch", b"", CSV, "format=xml").status == 422


def test_a_file_without_symbols_is_of_the_one_that_is_named(service: InProcess) -> None:
    """`symbol=` names the rows of a file that does not; a name that can't be one is refused."""
    lines = [line.partition(",")[2] for line in as_csv(RUNS["IBM"].tail(30))]
    named = batch(service, lines, "symbol=ibm")
    assert {row["symbol"] for row in named["results"]} == {"IBM"}
    plain = batch(service, lines)
    assert {row["symbol"] for row in plain["results"]} == {None}
    assert [row["answers"] for row in named["results"]] == [row["answers"] for row in plain["results"]]
    assert service.post("/predict/batch", as_file(lines), CSV, "symbol=../x").status == 422


def test_csv_out_holds_what_json_holds(service: InProcess) -> None:
    """A line a row, a column a field, numbers to the bit; asked for by `format` or by the header Accept."""
    lines = [*as_csv(RUNS["IBM"].tail(30)), "IBM,2013-01-02,1,0.5,2,1,10"]
    answer = batch(service, lines)
    out = service.post("/predict/batch", as_file(lines), CSV, "format=csv")
    assert out.headers["content-type"].startswith("text/csv")
    assert service.post("/predict/batch", as_file(lines), {**CSV, "accept": "text/csv"}).body == out.body
    table = list(csv.DictReader(io.StringIO(out.body.decode())))
    assert len(table) == 31
    for row, cells in zip(answer["results"], table, strict=True):
        assert (cells["row"], cells["line"]) == (str(row["row"]), str(row["line"]))
        if row["problem"] is None:
            said = row["answers"]["lightgbm_volatility"]
            assert float(cells["lightgbm_volatility.volatility"]) == said["volatility"]
            assert float(cells["lightgbm_volatility.interval.upper"]) == said["interval"]["upper"]
            assert cells["lightgbm_volatility.target_date"] == said["target_date"]
            assert cells["hmm_regime.regime"] == row["answers"]["hmm_regime"]["regime"]
            assert cells["problem"] == ""
        else:
            assert cells["problem"] == row["problem"]["detail"]
            assert cells["hmm_regime.regime"] == ""


def test_csv_out_runs_nothing_in_a_spreadsheet(service: InProcess) -> None:
    """No text cell begins as a formula does, whatever the symbols of the file are."""
    symbols = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0"]
    rows = ["symbol,date,open,high,low,close,volume", "IBM,2013-01-02,1,2,1,1,10"]
    rows += [f'"{name}",2013-01-02,1,2,1,1,10' for name in symbols]
    out = service.post("/predict/batch", as_file(rows), CSV, "format=csv")
    assert out.status == 200
    refused = 0
    for cells in csv.DictReader(io.StringIO(out.body.decode(), newline="")):
        refused += cells["symbol"] != "IBM"
        for cell in cells.values():
            assert not cell.startswith(FORMULA) or float(cell) < 0, cell
    assert refused == len(symbols)


def test_too_much_is_refused_at_once(trained_store: Path, tmp_path: Path) -> None:
    """More rows or items than the settings allow: 422, and a file far beyond is not even parsed."""
    with service_of(trained_store, tmp_path, max_batch_rows=10) as service:
        contract = Contract(found(service.get("/openapi.json")))
        lines = as_csv(RUNS["IBM"].tail(11))
        assert batch(service, lines[:-1])["counts"]["rows"] == 10
        assert contract.problem(service.post("/predict/batch", as_file(lines), CSV))["status"] == 422
        assert ask(service, "/predict/batch", {"items": [{"symbol": "IBM"}] * 10})["counts"]["rows"] == 10
        items = json.dumps({"items": [{"symbol": "IBM"}] * 11}).encode()
        assert contract.problem(service.post("/predict/batch", items))["status"] == 422
        many = as_file([*lines, *lines[1:] * 3_000])
        begun = time.process_time()
        assert contract.problem(service.post("/predict/batch", many, CSV))["status"] == 422
        assert time.process_time() - begun < 0.05


WRONG_AS_A_WHOLE: dict[str, tuple[bytes, Mapping[str, str]]] = {
    "ten items": (json.dumps({"items": [7] * 10}).encode(), JSON),
    "ten thousand items": (json.dumps({"items": [7] * 10_000}).encode(), JSON),
    "unknown symbols": (json.dumps({"items": [{"symbol": "NOSUCH"}] * 10_000}).encode(), JSON),
    "late hope": (json.dumps({"items": [7] * HOPELESS_ITEMS + [{"symbol": "IBM"}]}).encode(), JSON),
    "one day again": (as_file(["date,open,high,low,close", *["2013-01-04,1,2,1,1"] * 5_000]), CSV),
    "more wrong lines than sound ones": (
        as_file(["date,open,high,low,close", "2013-01-03,1,2,1,1", *["2013-01-04,1,2,1,x"] * 900]),
        CSV,
    ),
    "no sound line": (as_file(["date,open,high,low,close", *["2013-01-04,1,0.5,1,1"] * 30]), CSV),
}


@pytest.mark.parametrize("what", WRONG_AS_A_WHOLE)
def test_a_batch_that_is_wrong_as_a_whole_is_one_problem(service: InProcess, what: str) -> None:
    """422 with its first faults, in little time and few bytes: not a report a row for what nobody will read."""
    body, headers = WRONG_AS_A_WHOLE[what]
    begun = time.process_time()
    answer = service.post("/predict/batch", body, headers)
    spent = time.process_time() - begun
    told = Contract(found(service.get("/openapi.json"))).problem(answer)
    assert told["status"] == 422
    assert len(told["errors"]) <= 20
    assert told["errors"] or "line 3" in told["detail"]
    assert len(answer.body) <= 16 * 1024
    assert spent < 0.3 * max(len(body) / 1e6, 0.5)


def test_wrong_items_before_a_sound_one_harm_nothing(service: InProcess) -> None:
    """Up to the bound, each is reported by itself."""
    items = [7] * (HOPELESS_ITEMS - 1) + [{"symbol": "IBM"}]
    assert ask(service, "/predict/batch", {"items": items})["counts"] == {
        "rows": HOPELESS_ITEMS,
        "answered": 1,
        "refused": HOPELESS_ITEMS - 1,
    }


@pytest.mark.parametrize("media", ["text/csv", "multipart/form-data; boundary=sep", "application/json"])
def test_an_upload_that_stops_arriving_is_408(tmp_path: Path, media: str) -> None:
    """A file, a form and a JSON body alike: a slow client is told after the time that the settings allow."""
    first = b'--sep\r\nContent-Disposition: form-data; name="file"; filename="bars.csv"\r\n\r\nda'
    pieces = iter([{"type": "http.request", "body": first, "more_body": True}])
    sent: list[Message] = []

    async def receive() -> Message:
        try:
            return next(pieces)
        except StopIteration:
            await asyncio.sleep(60)
            raise

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", media.encode()), (b"transfer-encoding", b"chunked")]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/predict/batch", "raw_path": b"/predict/batch", "root_path": "", "query_string": b"",
        "headers": headers, "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8000),
    }  # fmt: skip
    with service_of(tmp_path / "artifacts", tmp_path, body_timeout_seconds=0.05) as service:
        service._runner.run(service.app(scope, receive, send))
    assert sent[0]["status"] == 408


@pytest.mark.parametrize("content", [b"", b"\n", b"a,b\n1,2\n", b"\x00\xff\xfe", b"date,open,high,low,close\n"])
def test_a_file_that_is_none_is_refused(service: InProcess, content: bytes) -> None:
    """Nothing that can be a table of bars: 422 csv-unreadable, said aloud."""
    contract = Contract(found(service.get("/openapi.json")))
    assert contract.problem(service.post("/predict/batch", content, CSV))["type"] == "/problems/csv-unreadable"


def test_ten_thousand_rows_take_seconds(service: InProcess) -> None:
    """10,000 rows by every model of bars: below 10 s of CPU."""
    runs = [SAMPLE.bars(name) for name in ("AAPL", "GOOG", "IBM", "MSFT")]
    lines = as_csv(*runs)[:10_001]
    begun = time.process_time()
    answer = batch(service, lines)
    assert time.process_time() - begun < 10
    assert answer["counts"] == {"rows": 10_000, "answered": 10_000, "refused": 0}
