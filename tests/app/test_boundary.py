"""What holds for every request: id, key, size, headers, count, and an answer whatever happens."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from app.boundary import CONTENT_SECURITY_POLICY, open_paths
from app.main import create_shell
from tests.app.support import JSON_HEADERS, OPERATIONS, call, make_app, make_settings, post, problem_of

KEY = "correct-horse-battery-staple"
APP = make_app()
LOCKED = make_app(make_settings(api_key=SecretStr(KEY)))
SMALL = make_app(make_settings(max_body_bytes=2000))
BAR = b'{"open":100,"high":101,"low":99,"close":100.5}'


def exchange(
    app: FastAPI,
    messages: Iterable[dict[str, Any]],
    *,
    method: str = "POST",
    path: str = "/probe/predict",
    headers: dict[str, str] | None = None,
    server: tuple[str, int | None] | None = ("127.0.0.1", 8000),
    kind: str = "http",
) -> tuple[list[dict[str, Any]], int]:
    """Speak ASGI by hand; return what was sent, and how many messages were taken."""
    sent: list[dict[str, Any]] = []
    waiting = iter(messages)
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        message = next(waiting, None)
        if message is None:
            await asyncio.sleep(60)
        return message or {}

    async def send(message: Any) -> None:
        sent.append(message)

    given = {"host": "127.0.0.1", "content-type": "application/json", **(headers or {})}
    scope = {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 5000),
        "server": server,
    }
    asyncio.run(app(scope, receive, send))
    return sent, taken


def chunks(count: int, size: int) -> Iterable[dict[str, Any]]:
    """Yield a body of unknown length."""
    for n in range(count):
        yield {"type": "http.request", "body": b"x" * size, "more_body": n + 1 < count}


def test_an_id_of_the_client_is_kept_and_another_one_is_made() -> None:
    """The id is in the header and in the problem; only a harmless one is taken over."""
    assert call(APP, "GET", "/nowhere", headers={"X-Request-ID": "abc-1.2_3"}).json()["request_id"] == "abc-1.2_3"
    for odd in ("a b", "x" * 65, "<script>", 'a"b'):
        answer = call(APP, "GET", "/nowhere", headers={"X-Request-ID": odd})
        assert answer.headers["x-request-id"] != odd
        assert problem_of(answer).request_id == answer.headers["x-request-id"]
    made = {call(APP, "GET", "/livez").headers["x-request-id"] for _ in range(50)}
    assert len(made) == 50


@pytest.mark.parametrize("path", ["/livez", "/docs", "/problems", "/nowhere", "/probe/fail", "/health"])
def test_every_answer_has_the_headers_that_browsers_heed(path: str) -> None:
    """Successes, refusals and failures alike."""
    headers = call(APP, "GET", path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "'unsafe" not in CONTENT_SECURITY_POLICY


def test_a_failure_is_a_problem_without_internals_and_one_stack_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The client learns the id, the log the cause."""
    with caplog.at_level(logging.ERROR):
        answer = call(APP, "GET", "/probe/fail")
    problem = problem_of(answer)
    assert (problem.status, problem.type) == (500, "/problems/internal-error")
    for secret in ("secret", "private", "RuntimeError", "Traceback", "support.py"):
        assert secret not in answer.text
    stacks = [record for record in caplog.records if record.exc_info]
    assert len(stacks) == 1
    assert problem.request_id in stacks[0].getMessage()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": KEY[:-1]},
        {"X-API-Key": KEY + "x"},
        {"X-API-Key": KEY.upper()},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": KEY},
        {"Authorization": "Bearer"},
        {"Cookie": f"X-API-Key={KEY}"},
    ],
)
@pytest.mark.parametrize("path", ["/probe/predict", "/metrics", "/nowhere"])
def test_a_locked_service_asks_for_the_key(path: str, headers: dict[str, str]) -> None:
    """Unknown paths are closed too; a wrong key is as good as none, and is never repeated."""
    answer = call(LOCKED, "GET", f"{path}?api_key={KEY}", headers=headers)
    assert problem_of(answer).status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert KEY[:-1] not in answer.text


@pytest.mark.parametrize(
    "headers", [{"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}, {"Authorization": f"bearer {KEY}"}]
)
def test_the_key_opens(headers: dict[str, str]) -> None:
    """By either header."""
    assert call(LOCKED, "POST", "/probe/predict", BAR, {**JSON_HEADERS, **headers}).status_code == 200


OPEN = {
    "/", "/livez", "/readyz", "/health", "/health/", "/health/models/{model}", "/docs", "/docs/assets/{name}",
    "/openapi.json", "/problems", "/problems/{slug}",
}  # fmt: skip


def test_which_operations_are_open_is_decided_here() -> None:
    """A new route is closed unless it is in this list, too."""
    found = {operation.path for operation in create_shell(make_settings()).operations if operation.open}
    assert found == OPEN


@pytest.mark.parametrize(
    "path", sorted(path.replace("{slug}", "not-found").replace("{name}", "page.css") for path in OPEN)
)
def test_open_paths_need_no_key(path: str) -> None:
    """Probes and documentation work without."""
    assert call(LOCKED, "GET", path).status_code in {200, 503}


def test_open_paths_open_nothing_beside_them() -> None:
    """A path that merely looks like an open one stays closed."""
    paths = open_paths(["/", "/docs", "/problems/{slug}"])
    assert all(path in paths for path in ("/", "/docs", "/problems/x"))
    assert not any(path in paths for path in ("/docsx", "/docs/", "/problemsx", "/predict", "//", "/DOCS"))


@pytest.mark.parametrize("address", ["192.168.1.5", "0.0.0.0", "10.1.2.3", "fe80::1", "::ffff:10.0.0.1"])  # noqa: S104  the point of the test
def test_without_a_key_a_network_address_is_not_answered(address: str) -> None:
    """Also where another server than ours was told to listen on all addresses."""
    sent, _ = exchange(APP, [{"type": "http.request", "body": BAR}], server=(address, 8000))
    assert sent[0]["status"] == 403
    assert b"forbidden-exposure" in sent[1]["body"]
    with_key, _ = exchange(
        LOCKED, [{"type": "http.request", "body": BAR}], server=(address, 8000), headers={"x-api-key": KEY}
    )
    assert with_key[0]["status"] == 200


@pytest.mark.parametrize(
    "server", [("127.0.0.1", 1), ("::1", 1), ("/run/barcast.sock", None), None, ("testserver", 80)]
)
def test_this_machine_is_answered(server: tuple[str, int | None] | None) -> None:
    """By loopback, by a socket of Unix, and in process."""
    sent, _ = exchange(APP, [{"type": "http.request", "body": BAR}], server=server)
    assert sent[0]["status"] == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("[::1]:8000", 200),
        ("api.localhost:8000", 200),
        ("testserver", 200),
        ("evil.example:8000", 403),
        ("127.0.0.1.evil.example", 403),
        ("192.168.1.5:8000", 403),
        ("[2001:db8::1]:8000", 403),
        ("localhost.evil.example.", 403),
    ],
)
def test_a_page_whose_name_was_bound_to_this_machine_is_not_answered(host: str, status: int) -> None:
    """A foreign name in the Host header is refused while no key is set (DNS rebinding)."""
    sent, _ = exchange(APP, [{"type": "http.request", "body": BAR}], headers={"host": host})
    assert sent[0]["status"] == status


@pytest.mark.parametrize("path", ["/probe/predict", "/probe/ignore", "/nowhere", "/livez"])
@pytest.mark.parametrize("length", [2001, 10**9, "9" * 5000])
def test_a_stated_length_beyond_the_bound_is_refused_unread(path: str, length: object) -> None:
    """On every path, before anything was read by the application; what is on its way is drained up to the bound."""
    sent, taken = exchange(SMALL, chunks(100, 500), path=path, headers={"content-length": str(length)})
    assert sent[0]["status"] == 413
    assert (b"connection", b"close") in sent[0]["headers"]
    assert taken <= 4
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


@pytest.mark.parametrize("length", ["", "x", "-1", "1e3", "+5", "1 2"])
def test_a_length_that_is_none_is_400(length: str) -> None:
    """Servers refuse it before; the boundary does not rely on that."""
    sent, _ = exchange(APP, [{"type": "http.request", "body": BAR}], headers={"content-length": length})
    assert sent[0]["status"] == 400


def test_a_body_of_unknown_length_is_stopped_at_the_bound() -> None:
    """The application never sees more than the bound, the upload ends early, the answer is a problem."""
    sent, taken = exchange(SMALL, chunks(1000, 500), headers={"transfer-encoding": "chunked"})
    assert sent[0]["status"] == 413
    assert b"body-too-large" in sent[1]["body"]
    assert taken <= 5 + 4
    assert sum(message["type"] == "http.response.start" for message in sent) == 1


@pytest.mark.parametrize(
    ("method", "path", "closes"),
    [
        ("POST", "/probe/predict", False),
        ("POST", "/probe/ignore", True),
        ("POST", "/nowhere", True),
        ("GET", "/probe/fail", True),
    ],
)
def test_an_upload_that_nobody_reads_is_cut_off(method: str, path: str, closes: bool) -> None:  # noqa: FBT001  a column of the table
    """An answer that comes before a body of unknown length is over closes the connection; it might never end."""
    pieces = [
        {"type": "http.request", "body": BAR[:9], "more_body": True},
        {"type": "http.request", "body": BAR[9:], "more_body": False},
    ]
    sent, _ = exchange(APP, pieces, method=method, path=path, headers={"transfer-encoding": "chunked"})
    assert ((b"connection", b"close") in sent[0]["headers"]) is closes


def test_a_body_of_exactly_the_bound_is_read() -> None:
    """The bound itself is allowed, with and without a stated length."""
    body = BAR + b" " * (2000 - len(BAR))
    assert post(SMALL, "/probe/predict", body).status_code == 200
    sent, _ = exchange(SMALL, [{"type": "http.request", "body": body}])
    assert sent[0]["status"] == 200


def test_a_million_small_chunks_are_one_body() -> None:
    """Pieces are joined in place."""
    body = BAR + b" " * 20_000
    pieces = (
        {"type": "http.request", "body": body[n : n + 1], "more_body": n + 1 < len(body)} for n in range(len(body))
    )
    sent, _ = exchange(APP, pieces)
    assert sent[0]["status"] == 200


def test_a_body_that_stops_arriving_is_408() -> None:
    """A slow client is told after the time that the settings allow."""
    slow = make_app(make_settings(body_timeout_seconds=0.05))
    sent, _ = exchange(slow, [{"type": "http.request", "body": BAR[:5], "more_body": True}])
    assert sent[0]["status"] == 408


def test_a_client_that_leaves_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is logged as an error when a body ends in a closed connection."""
    with caplog.at_level(logging.ERROR):
        exchange(APP, [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
        exchange(APP, [{"type": "http.disconnect"}])
    assert not caplog.records


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate", "identity, gzip"])
def test_a_compressed_body_is_415(encoding: str) -> None:
    """It is not unpacked, so no small body becomes a large one."""
    answer = call(APP, "POST", "/probe/predict", b"\x1f\x8b", {**JSON_HEADERS, "Content-Encoding": encoding})
    assert problem_of(answer).type == "/problems/unsupported-media-type"


def test_a_websocket_is_closed() -> None:
    """Nothing here speaks it."""
    sent, _ = exchange(APP, [{"type": "websocket.connect"}], kind="websocket")
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_requests_are_counted_by_template_and_status() -> None:
    """Labels are route templates and known methods, never what a client made up."""
    app = make_app()
    for path in ("/livez", "/livez", "/problems/not-found", "/problems/conflict", "/nowhere/1", "/nowhere/2"):
        call(app, "GET", path)
    call(app, "BREW", "/livez")
    text = call(app, "GET", "/metrics").text
    assert 'barcast_requests_total{method="GET",route="/livez",status="200"} 2.0' in text
    assert 'barcast_requests_total{method="GET",route="/problems/{slug}",status="404"} 1.0' in text
    assert 'barcast_requests_total{method="GET",route="unmatched",status="404"} 2.0' in text
    assert 'method="other",route="/livez",status="405"' in text
    assert 'barcast_request_duration_seconds_count{method="GET",route="/livez"} 2.0' in text
    assert "nowhere" not in text


def test_a_layer_that_was_added_runs_inside_the_boundary() -> None:
    """It sees each request, and what it refuses is headed and counted like any other answer."""

    def closed(_inner: ASGIApp) -> ASGIApp:
        return PlainTextResponse("closed for today", 503)

    app = make_app()
    app.add_middleware(closed)
    answer = call(app, "GET", "/livez")
    assert (answer.status_code, answer.text) == (503, "closed for today")
    assert "x-request-id" in answer.headers
    assert 'status="503"' in app.state.metrics.render().decode()


def test_applications_count_apart() -> None:
    """Metrics belong to an application, not to the module."""
    first, second = make_app(), make_app()
    call(first, "GET", "/livez")
    assert "/livez" not in call(second, "GET", "/metrics").text


def test_every_probe_route_is_closed_by_default() -> None:
    """An operation says so if it is open."""
    assert not any(operation.open for operation in OPERATIONS)
