"""Every operation of the OpenAPI document, on a real server: as documented, with wrong and with missing input."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping

import msgspec
import pytest

from app.settings import PROJECT
from tests.app.processes import Running
from tests.support.contract import JSON, Answer, Contract, Promise, sources, strict_json
from tests.support.over_http import ask
from training.kit.discover import model_names

CSV_FILE = (PROJECT / "data" / "sample" / "AAPL.csv").read_bytes()
CSV_BODY = b"".join(CSV_FILE.splitlines(keepends=True)[:4])
FORM = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="bars.csv"\r\n\r\n%b\r\n--edge--\r\n'
CURLS: Mapping[str, str] = {
    "/predict/direction": '{"open":100,"high":101,"low":99,"close":100.5,"volume":10000}',
    "/forecast/price": '{"periods":5}',
}

WRONG_BODIES = {
    "a text for a number": b'{"open":"a lot","high":101,"low":99,"close":100.5}',
    "a high below the low": b'{"open":100,"high":98,"low":99,"close":100.5}',
    "not a number": b'{"open":NaN,"high":101,"low":99,"close":100.5}',
    "an unknown field": b'{"symbol":"AAPL","color":"red"}',
    "an unknown symbol": b'{"symbol":"NOSUCH","periods":5}',
    "no items": b'{"items":[]}',
    "no periods at all": b'{"periods":0}',
    "a list": b"[1,2,3]",
    "no JSON": b"open=100&close=101",
}
MISSING_BODIES = {"nothing": b"", "an empty object": b"{}", "half a bar": b'{"open":100,"high":101}', "null": b"null"}


def refused(server: Running, contract: Contract, promise: Promise, answer: Answer) -> None:
    """Check that an answer is a documented problem of the client's, whose page is served."""
    assert 400 <= answer.status < 500, answer
    contract.documented(promise, answer)
    page = ask(server.url, "GET", contract.problem(answer)["type"])
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")


def each(contract: Contract, method: str) -> Iterator[Promise]:
    """Yield the operations of a method; there must be some."""
    found = list(contract.promises(method))
    assert found
    yield from found


def test_every_documented_body_is_answered_by_a_model(server: Running, contract: Contract) -> None:
    """Each example of each POST, sent as it stands: 200, the documented shape, and no fallback anywhere in it."""
    sent = 0
    for promise in each(contract, "POST"):
        assert promise.examples()
        for body in promise.examples().values():
            found = contract.kept(promise, ask(server.url, "POST", promise.path, msgspec.json.encode(body)))
            assert sources(found) == {"model"}, f"{promise} {body}: {found}"
            sent += 1
    assert sent >= 30


def test_every_documented_get_is_answered(server: Running, contract: Contract) -> None:
    """Each GET with the documented parameters: 200 and the documented shape."""
    for promise in each(contract, "GET"):
        contract.kept(promise, ask(server.url, "GET", promise.example_path()))


def test_all_models_serve(server: Running, contract: Contract) -> None:
    """Health names a sound model for each folder, and each replays its golden examples."""
    health = strict_json(ask(server.url, "GET", "/health").body)
    assert isinstance(health, dict)
    assert health["status"] == "ok"
    assert {model["model"] for model in health["models"]} == {*model_names()}
    for model in health["models"]:
        assert model["state"] == "serving"
        replay = strict_json(ask(server.url, "GET", f"/health/models/{model['model']}").body)
        assert isinstance(replay, dict)
        assert replay["identical"]
        assert model["path"] in {promise.path for promise in contract.promises("POST")}


def test_documented_parameters_of_batches_are_answered(server: Running, contract: Contract) -> None:
    """Each query parameter with its documented example, one by one, and the file as CSV and as a form."""
    for promise in each(contract, "POST"):
        if "text/csv" not in promise.described["requestBody"]["content"]:
            continue
        for query in ("", *promise.example_queries(), "format=csv"):
            path = f"{promise.path}?{query}" if query else promise.path
            for body, media in (
                (CSV_BODY, "text/csv"),
                (FORM % CSV_BODY, "multipart/form-data; boundary=edge"),
            ):
                found = contract.kept(promise, ask(server.url, "POST", path, body, media))
                assert isinstance(found, str) or sources(found) == {"model"}


@pytest.mark.parametrize("body", WRONG_BODIES.values(), ids=WRONG_BODIES.keys())
def test_wrong_input_is_a_problem(body: bytes, server: Running, contract: Contract) -> None:
    """Each POST refuses a wrong body with a documented problem."""
    for promise in each(contract, "POST"):
        refused(server, contract, promise, ask(server.url, "POST", promise.path, body))


@pytest.mark.parametrize("body", MISSING_BODIES.values(), ids=MISSING_BODIES.keys())
def test_missing_input_is_a_problem(body: bytes, server: Running, contract: Contract) -> None:
    """Each POST refuses a body that lacks what it needs."""
    for promise in each(contract, "POST"):
        refused(server, contract, promise, ask(server.url, "POST", promise.path, body))


@pytest.mark.parametrize("media", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_of_another_type_is_a_problem(media: str | None, server: Running, contract: Contract) -> None:
    """Each POST refuses its own example under a content type that it does not read, or under none."""
    for promise in each(contract, "POST"):
        body = msgspec.json.encode(next(iter(promise.examples().values())))
        answer = ask(server.url, "POST", promise.path, body, media)
        assert answer.status == 415
        refused(server, contract, promise, answer)


def test_wrong_parameters_are_problems(server: Running, contract: Contract) -> None:
    """Each parameter of each path refuses a name that is none; so does each query parameter of a batch."""
    for promise in each(contract, "GET"):
        for name in promise.path_names():
            for value in ("no-such-thing", "%2e%2e%2fetc", "x" * 256, "%00", "%ff"):
                refused(server, contract, promise, ask(server.url, "GET", promise.filled({name: value})))
    for promise in each(contract, "POST"):
        for query in promise.example_queries():
            path = f"{promise.path}?{query.partition('=')[0]}=..%2f..%00"
            refused(server, contract, promise, ask(server.url, "POST", path, CSV_BODY, "text/csv"))


def test_a_method_that_a_path_does_not_take_is_a_problem(server: Running, contract: Contract) -> None:
    """GET for POST and the reverse: 405 that names what would do; an unknown path is 404."""
    for promise in contract.promises():
        other = "GET" if promise.method == "POST" else "POST"
        answer = ask(server.url, other, promise.example_path(), None if other == "GET" else b"{}")
        assert answer.status == 405, promise
        assert promise.method in contract.problem(answer)["detail"]
        assert promise.method in answer.headers["allow"]
    assert contract.problem(ask(server.url, "GET", "/predict/luck"))["status"] == 404


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("path", CURLS)
def test_the_documented_curls_are_answered_by_a_model(path: str, server: Running, contract: Contract) -> None:
    """One flat bar to direction, five periods to the forecast, sent by curl as the README has them."""
    command = ["curl", "-sSf", "-X", "POST", f"{server.url}{path}", "-H", f"Content-Type: {JSON}", "-d", CURLS[path]]
    done = subprocess.run(command, capture_output=True, check=True, timeout=30)
    found = strict_json(done.stdout)
    assert isinstance(found, dict)
    assert found["source"] == "model"
    promise = next(promise for promise in contract.promises("POST") if promise.path == path)
    contract.kept(promise, Answer(200, {"content-type": JSON}, done.stdout))
    if path == "/forecast/price":
        assert len(found["forecast"]) == 5
