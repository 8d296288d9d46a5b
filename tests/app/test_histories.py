"""Bars that are stored while the service runs: every worker answers from them, and no answer from two histories."""

import gc
import json
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.histories import Histories
from app.queries import BarsQuery
from data.bar_store import BarStore, sample_store
from tests.app.served import ask, found, service_of
from tests.figures.crowd import Client
from tests.figures.server import Server, serving
from tests.support.in_process import InProcess

PATH = "/predict/direction"
HEADER = b"date,open,high,low,close,volume\n"
FIRST = HEADER + b"2024-01-02,10,12,9,11,100\n2024-01-03,11,13,10,12,200\n"
LATER = FIRST + b"2024-01-04,12,14,11,13,300\n"
RESTATED = HEADER + b"2024-01-02,5,6,4.5,5.5,200\n2024-01-03,5.5,6.5,5,6,400\n"

PATIENCE_S = 60
CONNECTIONS = 24


@pytest.fixture
def elsewhere(tmp_path: Path) -> BarStore:
    """Return the store of another process, with two imports."""
    store = sample_store(tmp_path / "data" / "processed")
    for symbol in ("GROWS", "RESTATED"):
        store.import_csv(FIRST, symbol)
    return store


@pytest.fixture
def service(elsewhere: BarStore, tmp_path: Path) -> Iterator[InProcess]:
    """Serve these bars; without a model, as a rule of thumb says on which bars it rests too."""
    assert elsewhere.symbols()
    (tmp_path / "artifacts").mkdir()
    with service_of(tmp_path / "artifacts", tmp_path) as started:
        yield started


def seen(service: InProcess, symbol: str) -> tuple[str, int]:
    """Return the last day and the number of bars that an answer about a stored symbol rests on."""
    said = ask(service, PATH, {"symbol": symbol})
    return said["as_of"], said["history"]["bars"]


def wait_for(service: InProcess, symbol: str, expected: tuple[str, int]) -> None:
    """Wait for an answer, far longer than is promised: the machine may be busy."""
    until = time.monotonic() + PATIENCE_S
    while (
        service.post(PATH, json.dumps({"symbol": symbol}).encode()).status != 200 or seen(service, symbol) != expected
    ):
        assert time.monotonic() < until, (symbol, expected)
        service.wait(0.05)


def test_a_running_service_answers_from_what_is_imported(service: InProcess, elsewhere: BarStore) -> None:
    """A newer bar, a new symbol, another history: in answers, in what continues them, and in the list of symbols."""
    assert seen(service, "GROWS") == ("2024-01-03", 2)
    assert service.post(PATH, b'{"symbol":"NEW"}').status == 404
    restated = {
        "symbol": "RESTATED",
        "bars": {"open": [6], "high": [6.5], "low": [6], "close": [6.2], "date": ["2024-01-04"]},
    }
    assert service.post(PATH, json.dumps(restated).encode()).status == 409  # another scale than the stored one

    elsewhere.import_csv(LATER, "GROWS")
    elsewhere.import_csv(RESTATED, "RESTATED")
    elsewhere.import_csv(FIRST, "NEW")

    wait_for(service, "NEW", ("2024-01-03", 2))
    wait_for(service, "GROWS", ("2024-01-04", 3))
    said = ask(service, PATH, restated)
    assert (said["as_of"], said["history"]["bars"]) == ("2024-01-04", 3)
    listed = {one["symbol"]: one for one in found(service.get("/symbols"))["symbols"]}
    assert (listed["GROWS"]["last"], listed["NEW"]["bars"]) == ("2024-01-04", 2)
    assert found(service.get("/symbols"))["symbols"] == sorted(listed.values(), key=lambda one: one["symbol"])


def test_a_batch_is_answered_from_one_history(service: InProcess, elsewhere: BarStore) -> None:
    """An import that is taken up between two of its items is seen by neither."""
    desk = service.desk

    def items() -> Iterator[BarsQuery]:
        query = desk.queries.predict(b'{"symbol":"GROWS"}')
        yield query
        elsewhere.import_csv(LATER, "GROWS")
        desk.serving.histories.renew()
        yield query

    days = {str(row.as_of) for row in desk.batches.items(items(), desk.bar_models[:1], "a test").results}

    assert days == {"2024-01-03"}
    assert seen(service, "GROWS") == ("2024-01-04", 3)


def test_a_folder_that_can_not_be_listed_stops_no_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The sample is answered from; an imported symbol is no unknown one; and what comes back is taken up."""
    processed = tmp_path / "data" / "processed"
    sample_store(processed).import_csv(FIRST, "MINE")
    processed.rename(tmp_path / "aside")
    processed.write_bytes(b"")
    (tmp_path / "artifacts").mkdir()
    with service_of(tmp_path / "artifacts", tmp_path) as service:
        assert seen(service, "AAPL")[1] > 1000
        refused = service.post(PATH, b'{"symbol":"MINE"}')
        assert (refused.status, json.loads(refused.body)["type"]) == (503, "/problems/data-unavailable")
        assert caplog.text.count("what is stored of processed can't be used") == 1
        processed.unlink()
        (tmp_path / "aside").rename(processed)
        wait_for(service, "MINE", ("2024-01-03", 2))


def test_what_can_not_be_read_is_told_once_and_goes_on_as_it_was(
    tmp_path: Path, elsewhere: BarStore, caplog: pytest.LogCaptureFixture
) -> None:
    """It is looked at again, as its file may come back without an import; until then the others are renewed."""
    histories = Histories(tmp_path / "data" / "processed")
    histories.renew()
    assert histories.changed() is None
    elsewhere.import_csv(LATER, "GROWS")
    path = next((tmp_path / "data" / "processed").glob("GROWS.*.parquet"))
    kept = path.read_bytes()
    path.write_bytes(b"x")
    elsewhere.import_csv(LATER, "RESTATED")

    for _ in range(3):
        assert histories.changed() is not None
        histories.renew()
        assert histories.store.info("GROWS").bars == 2
        assert histories.store.info("RESTATED").bars == 3

    assert caplog.text.count("what is stored of GROWS can't be used") == 1
    path.write_bytes(kept)
    histories.renew()
    assert histories.changed() is None
    assert histories.store.info("GROWS").bars == 3


def test_a_store_that_was_replaced_leaves_memory(tmp_path: Path, elsewhere: BarStore) -> None:
    """With the bars that changed; those that did not are shared."""
    histories = Histories(tmp_path / "data" / "processed")
    histories.renew()
    former = weakref.ref(histories.store)
    same, changed = histories.store.bars("RESTATED").close, weakref.ref(histories.store.bars("GROWS").close)
    elsewhere.import_csv(LATER, "GROWS")

    histories.renew()
    gc.collect()

    assert former() is None
    assert changed() is None
    assert histories.store.bars("RESTATED").close is same


def _round(server: Server) -> tuple[set[Any], int]:
    """Ask over fresh connections, all open until the last was answered; return the days, and how many workers spoke."""
    clients: list[Client] = []

    def asked(_: int) -> Any:
        client = Client(server.port)
        clients.append(client)
        return json.loads(client.post(PATH, b'{"symbol":"GROWS"}')[1]).get("as_of")

    with ThreadPoolExecutor(8) as pool:
        days = set(pool.map(asked, range(CONNECTIONS)))
    owners = server.owners()
    workers = Counter(owners[client.local_port] for client in clients if client.local_port in owners)
    for client in clients:
        client.close()
    return days, len(workers)


def test_all_workers_answer_from_the_newest_bar(tmp_path: Path, elsewhere: BarStore) -> None:
    """Two processes behind one port: soon after an import no answer rests on the older bars, and none does later."""
    (tmp_path / "artifacts").mkdir()
    with serving(tmp_path / "artifacts", tmp_path / "data", workers=2) as server:
        until = time.monotonic() + 60
        while _round(server) != ({"2024-01-03"}, 2):
            assert time.monotonic() < until, "expected two workers"
        elsewhere.import_csv(LATER, "GROWS")
        until = time.monotonic() + 60
        while _round(server) != ({"2024-01-04"}, 2):
            assert time.monotonic() < until, "expected two workers with the newest bar"
        assert all(_round(server)[0] == {"2024-01-04"} for _ in range(3))
