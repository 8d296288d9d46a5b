"""What the OpenAPI document promises, held against real answers by jsonschema-rs, which the service does not use."""

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import jsonschema_rs

from models.tasks.registry import base_of

PROBLEM = "application/problem+json"
JSON = "application/json"
MAX_PROBLEM_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers by lower-case name, and the bytes of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Promise:
    """One operation of the document."""

    method: str
    path: str
    described: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def examples(self) -> dict[str, Any]:
        """Return the documented bodies by name."""
        content = self.described.get("requestBody", {}).get("content", {})
        return {name: example["value"] for name, example in content.get(JSON, {}).get("examples", {}).items()}

    def example_path(self) -> str:
        """Return the path with the documented example of each parameter."""
        return self.filled({p["name"]: p["example"] for p in self._parameters("path")})

    def filled(self, values: Mapping[str, str]) -> str:
        """Return the path with these values."""
        return functools.reduce(lambda path, pair: path.replace(f"{{{pair[0]}}}", pair[1]), values.items(), self.path)

    def path_names(self) -> tuple[str, ...]:
        """Return the names of the parameters of the path."""
        return tuple(parameter["name"] for parameter in self._parameters("path"))

    def example_queries(self) -> tuple[str, ...]:
        """Return one query string for each documented parameter of the query."""
        return tuple(f"{parameter['name']}={parameter['example']}" for parameter in self._parameters("query"))

    def _parameters(self, place: str) -> list[Mapping[str, Any]]:
        return [parameter for parameter in self.described.get("parameters", []) if parameter["in"] == place]


class Contract:
    """The document, with a validator for each answer that it describes."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}

    def promises(self, method: str | None = None, *, admin: bool = False) -> Iterator[Promise]:
        """Yield every operation, or those of one method; those that change what serves only if asked for."""
        for path, operations in self.document["paths"].items():
            for name, described in operations.items():
                if method in {None, name.upper()} and admin is ({"AdminKey": []} in described.get("security", [])):
                    yield Promise(name.upper(), path, described)

    def problem(self, answer: Answer) -> dict[str, Any]:
        """Return the problem of an answer, which must be one in every respect."""
        assert answer.headers["content-type"] == PROBLEM, answer
        assert len(answer.body) <= MAX_PROBLEM_BYTES
        found = strict_json(answer.body)
        self._validator({"$ref": "#/components/schemas/Problem"}).validate(found)
        assert isinstance(found, dict)
        assert found["status"] == answer.status
        assert found["request_id"] == answer.headers["x-request-id"]
        assert found["type"].startswith("/problems/")
        return found

    def kept(self, promise: Promise, answer: Answer) -> object:
        """Return the content of a success, which must be of the documented media type and shape."""
        assert answer.status == 200, answer
        documented = promise.described["responses"]["200"]["content"]
        media = answer.headers["content-type"].partition(";")[0]
        assert media in documented, f"{promise}: {media} is none of {sorted(documented)}"
        if media != JSON:
            return answer.body.decode()
        found = strict_json(answer.body)
        self._validator(documented[JSON]["schema"]).validate(found)
        self._each_answer(found)
        return found

    def documented(self, promise: Promise, answer: Answer) -> None:
        """Check that the status of an answer, whatever it is, is one that the operation names."""
        assert str(answer.status) in promise.described["responses"], f"{promise} does not document {answer}"

    def _each_answer(self, found: object) -> None:
        """Check the answers inside an answer of `/predict`, which the document leaves open, by their own routes."""
        if not (isinstance(found, dict) and isinstance(found.get("answers"), dict)):
            return
        for one in found["answers"].values():
            self._validator(self._answer_schema(one["model"])).validate(one)

    def _answer_schema(self, model: str) -> Mapping[str, Any]:
        for promise in self.promises("POST"):
            if promise.described["summary"].partition(":")[0] == base_of(model):
                schema: Mapping[str, Any] = promise.described["responses"]["200"]["content"][JSON]["schema"]
                return schema
        raise AssertionError(f"no operation is about {model}")

    def _validator(self, schema: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator:
        key = json.dumps(schema)
        if key not in self._validators:
            whole = {**schema, "components": self.document["components"]}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        return self._validators[key]


def strict_json(body: bytes) -> object:
    """Read JSON as the RFC has it: UTF-8, no NaN, no Infinity."""
    return json.loads(body.decode("utf-8", "strict"), parse_constant=_no_number)


def sources(found: object) -> set[str]:
    """Return who answered, over all answers of models in an answer of whatever route."""
    if isinstance(found, dict):
        own = {found["source"]} if "source" in found and ("model" in found or "tier" in found) else set()
        return own.union(*(sources(part) for part in found.values()))
    if isinstance(found, list):
        return set().union(*(sources(part) for part in found))
    return set()


def _no_number(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")
