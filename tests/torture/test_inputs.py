"""Thousands of bodies that hypothesis and schemathesis make up: never a 5xx, never a number that is none."""

import json
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.contract import JSON, Contract, Promise, sources
from tests.support.in_process import InProcess
from tests.torture import bodies

MADE_BY_HYPOTHESIS = 80
MADE_BY_SCHEMATHESIS = 15
MADE_OF_BYTES = 10
FILES = 15
CSV = "text/csv"

few_and_many = pytest.mark.parametrize("times", [4, pytest.param(20, marks=pytest.mark.long)], ids=["few", "many"])
"""How often so many are made: some hundreds for each route while one works, two thousand by `make long`."""

Attempt = Callable[[bytes], None]


def kind_of(path: str) -> str:
    """Return the kind of bodies that a route takes; a route of a new model takes bars, and a level for its interval."""
    kinds = ("what-if", "regime", "forecast", "batch")
    if kind := next((kind for kind in kinds if kind in path), None):
        return kind
    return "interval" if path == "/predict" or "/return" in path or "/volatility" in path else "predict"


def judged(service: InProcess, contract: Contract, promise: Promise, body: bytes, media: str = JSON) -> set[str]:
    """Send a body; the answer must be a documented one, its shape too. Return who answered."""
    answer = service.post(promise.path, body, {"content-type": media})
    assert answer.status < 500, answer
    contract.documented(promise, answer)
    if answer.status != 200:
        contract.problem(answer)
        return {"nobody"}
    return sources(contract.kept(promise, answer))  # a number that is not finite would be null, against the schema


def tried(strategy: st.SearchStrategy[bytes], examples: int, attempt: Attempt) -> None:
    """Attempt so many examples, and show the first that fails as it is: to shrink it takes minutes."""
    checks = list(HealthCheck)
    chosen = settings(max_examples=examples, phases=[Phase.generate], suppress_health_check=checks, database=None)
    chosen(given(strategy)(attempt))()


def schemas(body: Mapping[str, Any]) -> dict[str, object]:
    """Return what a documented body takes, by media type, without its examples: a horizon that few have is one."""
    return {name: media["schema"] for name, media in body["content"].items()}


@pytest.mark.slow
@few_and_many
@pytest.mark.parametrize("kind", bodies.KINDS)
def test_no_body_makes_a_route_fail(kind: str, times: int, service: InProcess, contract: Contract) -> None:
    """At least 2,000 bodies for each POST in the long run: no 5xx; refusals are documented and of 16 KB at most."""
    promises = [promise for promise in contract.promises("POST") if kind_of(promise.path) == kind]
    assert promises
    sent: Counter[str] = Counter()
    said: Counter[str] = Counter()

    def attempt(body: bytes) -> None:
        for promise in promises:
            said.update(judged(service, contract, promise, body))
            sent[promise.path] += 1

    tried(bodies.KINDS[kind], times * MADE_BY_HYPOTHESIS, attempt)
    tried(st.binary(max_size=120), times * MADE_OF_BYTES, attempt)
    documented = {json.dumps(schemas(promise.described["requestBody"]), sort_keys=True) for promise in promises}
    assert len(documented) == 1, "routes of a kind document one body, so what is made for one is made for all"
    case = schemathesis.openapi.from_dict(dict(contract.document))[promises[0].path]["POST"].as_strategy()
    tried(case.map(lambda case: bodies.encoded(case.body)), times * MADE_BY_SCHEMATHESIS, attempt)
    assert min(sent[promise.path] for promise in promises) >= 100 * times, sent
    assert said["model"] > 10 * times, said  # or nothing was tried but the doorman
    assert said["nobody"] > 10 * times, said


@pytest.mark.slow
@few_and_many
def test_no_file_makes_a_batch_fail(times: int, service: InProcess, contract: Contract) -> None:
    """The same for CSV files: sound, spliced, and of any bytes; one route under two names, by chance."""
    promises = [promise for promise in contract.promises("POST") if CSV in _media(promise)]
    assert promises
    said: Counter[str] = Counter()

    def attempt(body: bytes) -> None:
        said.update(judged(service, contract, promises[zlib.crc32(body) % len(promises)], body, CSV))

    tried(bodies.CSV, times * FILES, attempt)
    assert said["model"] > times, said
    assert said["nobody"] > times, said


def _media(promise: Promise) -> Mapping[str, object]:
    content: Mapping[str, object] = promise.described["requestBody"]["content"]
    return content
