"""Bodies made to hurt: deep, long, many, and whatever hypothesis makes up. None costs much, none gives a 5xx."""

import json
import time

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.app.support import OPERATIONS, make_app, post, problem_of

APP = make_app()
PREDICT = "/probe/predict"
ROUTES = [operation.path for operation in OPERATIONS if operation.body and operation.path != "/probe/ignore"]


def cost(path: str, content: bytes) -> tuple[float, httpx2.Response]:
    """Measure the CPU time of one request; the lesser of two, as other processes share the cores."""

    def measured() -> tuple[float, httpx2.Response]:
        begun = time.process_time()
        answer = post(APP, path, content)
        return time.process_time() - begun, answer

    return min((measured() for _ in range(2)), key=lambda pair: pair[0])


HOSTILE = {
    "deep array": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "deep within": b'{"bars":' + b"[" * 250_000,
    "deep and closed": b'{"items":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
    "deep item": b'{"items":[' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"]}",
    "200,000 rows of a wrong type": b'{"bars":[' + b",".join([b'{"open":"x"}'] * 200_000) + b"]}",
    "100,000 impossible bars": b'{"bars":[' + b",".join([b'{"open":1,"high":0,"low":9,"close":1}'] * 100_000) + b"]}",
    "20,000 impossible bars": b'{"bars":[' + b",".join([b'{"open":1,"high":0,"low":9,"close":1}'] * 20_000) + b"]}",
    "100,000 empty rows": b'{"bars":[' + b",".join([b"{}"] * 100_000) + b"]}",
    "huge number": b'{"open":' + b"9" * 1_000_000 + b"}",
    "long fraction": b'{"open":0.' + b"1" * 1_000_000 + b',"high":1,"low":1,"close":1}',
    "long field name": b'{"' + b"z" * 1_000_000 + b'":1}',
    "long symbol": b'{"symbol":"' + b"z" * 1_000_000 + b'"}',
    "many unknown fields": b"{" + b",".join(b'"k%d":1' % n for n in range(100_000)) + b"}",
    "many colons in a text": b'{"symbol":"' + b":" * 1_000_000 + b'"}',
    "key repeated": b"{" + b",".join([b'"symbol":"A"'] * 100_000) + b"}",
    "not a number, late": b'{"bars":{"close":[' + b"1," * 1_000_000 + b"NaN]}}",
    "items of a wrong type": b'{"items":[' + b",".join([b"7"] * 200_000) + b"]}",
    "spaces": b" " * 2_000_000,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("path", [PREDICT, "/probe/batch"])
def test_a_hostile_body_costs_little(path: str, content: bytes) -> None:
    """At most 0.3 s of CPU a MB, and 16 KB of answer (checked with every problem)."""
    seconds, answer = cost(path, content)
    assert seconds <= 0.3 * max(1.0, len(content) / 1e6)
    if answer.status_code != 200:
        assert 400 <= problem_of(answer).status < 500


def test_many_faults_are_capped() -> None:
    """At most 20 errors are listed; the detail counts the others."""
    problem = problem_of(post(APP, PREDICT, {"bars": [{"open": 1, "high": 0, "low": 9, "close": 1}] * 500}))
    assert len(problem.errors) == 20
    assert "more" in problem.detail


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["open", "high", "low", "close", "volume", "date", "bars", "symbol", "as_of", "periods", "history", "items"]
BODIES = st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, max_size=6)
NEARLY = st.fixed_dictionaries(
    {
        "bars": st.lists(
            st.fixed_dictionaries(
                dict.fromkeys(["open", "high", "low", "close"], st.floats() | st.integers()),
                optional={"volume": st.none() | st.floats(), "date": st.dates().map(str) | st.text(max_size=10)},
            ),
            max_size=5,
        )
    },
    optional={"symbol": st.text(max_size=8)},
)


@pytest.mark.parametrize("path", ROUTES)
@settings(max_examples=150, deadline=None)
@given(body=JSON_VALUES | BODIES | NEARLY)
def test_no_json_makes_the_service_fail(path: str, body: object) -> None:
    """Whatever JSON arrives (NaN and lone surrogates among it), the answer is 200 or a client's problem."""
    answer = post(APP, path, json.dumps(body).encode())
    assert answer.status_code == 200 or 400 <= problem_of(answer).status < 500


@pytest.mark.parametrize("path", ROUTES)
@settings(max_examples=100, deadline=None)
@given(
    body=st.binary(max_size=200)
    | st.text(st.characters(), max_size=60).map(lambda t: t.encode("utf-8", "surrogatepass"))
)
def test_no_bytes_make_the_service_fail(path: str, body: bytes) -> None:
    """The same for bytes that are no JSON."""
    answer = post(APP, path, body)
    assert answer.status_code == 200 or 400 <= problem_of(answer).status < 500
