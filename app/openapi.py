"""The OpenAPI 3.1 document, made from the operations and the msgspec structs they declare."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final, TypeAlias

import msgspec

from app import problems
from app.errors import PROBLEM_MEDIA_TYPE
from app.operations import HTML, JSON, Operation, Parameter
from app.problems import ProblemType
from app.schemas.answers import Problem
from app.schemas.forms import Form

Schema: TypeAlias = dict[str, Any]
"""Part of an OpenAPI document, which is JSON of any shape."""

REF: Final = "#/components/schemas/{name}"

DESCRIPTION: Final = (
    "OHLCV bars go in, forecasts with an honest statement of their worth come out. Every answer names the model and "
    "version that computed it, the history it rests on and its measured skill against a naive baseline. Every error "
    "is `application/problem+json` (RFC 9457); its `type` is a page of this service. Not investment advice."
)

_OF_ANY_BODY: Final = (
    problems.MALFORMED_JSON,
    problems.DUPLICATE_KEY,
    problems.REQUEST_TIMEOUT,
    problems.BODY_TOO_LARGE,
    problems.UNSUPPORTED_MEDIA_TYPE,
    problems.INVALID_INPUT,
    problems.UNKNOWN_FIELD,
)


_ADMIN_SCHEME: Final[Schema] = {
    "AdminKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The key that the service was started with as BARCAST_ADMIN_KEY.",
    }
}

_SCHEMES: Final[Schema] = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
}


def document(operations: Sequence[Operation], version: str, *, locked: bool) -> Schema:
    """Return the document of these operations; ``locked``: those that are not open need the API key."""
    structs = {operation.answer for operation in operations} | {
        operation.body.struct for operation in operations if operation.body
    }
    _, schemas = msgspec.json.schema_components(
        [Problem, *(s for s in structs if s is not None)], schema_hook=_of_other_types, ref_template=REF
    )
    forms = {operation.body.struct.__name__: operation.body.forms for operation in operations if operation.body}
    schemas |= {name: _one_of(schemas[name], together) for name, together in forms.items() if together}
    paths: Schema = {}
    schemes = (_SCHEMES if locked else {}) | (_ADMIN_SCHEME if any(operation.admin for operation in operations) else {})
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, locked=locked)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Barcast",
            "version": version,
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"ApiKey": []}, {"Bearer": []}] if locked else [],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            **({"securitySchemes": schemes} if schemes else {}),
        },
    }


def _operation(operation: Operation, *, locked: bool) -> Schema:
    described: Schema = {
        "operationId": operation.endpoint.__name__
        if operation.method == "GET"
        else f"{operation.method.lower()}{operation.path.translate(_AS_NAME)}",
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": {"200": _success(operation), **_refusals(operation, locked=locked)},
    }
    if operation.description:
        described["description"] = operation.description
    if operation.admin:
        described["security"] = [{"AdminKey": []}]
    elif operation.open and locked:
        described["security"] = []
    if operation.parameters:
        described["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.body:
        examples = {name: {"value": value} for name, value in operation.body.examples.items()}
        json_body = {"schema": _ref(operation.body.struct), **({"examples": examples} if examples else {})}
        others = {media: {"schema": schema} for media, schema in operation.body.also.items()}
        described["requestBody"] = {"required": True, "content": {JSON: json_body, **others}}
    return described


def _of_other_types(kind: type) -> Schema:
    """Return the schema of what msgspec has none for: parsed JSON, which `models.typing` calls object at run time."""
    if kind is object:
        return {"description": "Any JSON."}
    raise NotImplementedError  # how msgspec wants to hear that a hook does not know a type


_AS_NAME: Final = str.maketrans({"/": "_", "-": "_", "{": "", "}": ""})


def _success(operation: Operation) -> Schema:
    content: Schema = {}
    for media in operation.media:
        if media != JSON:
            content[media] = {"schema": {"type": "string"}}
        else:
            content[media] = {"schema": _ref(operation.answer) if operation.answer else {"type": "object"}}
    return {
        "description": "A page to read." if operation.media == (HTML,) else "The answer.",
        "headers": {"X-Request-ID": {"description": "Names the request in the log.", "schema": {"type": "string"}}},
        "content": content,
    }


def _refusals(operation: Operation, *, locked: bool) -> Schema:
    kinds = [
        *operation.problems,
        *(_OF_ANY_BODY if operation.body else ()),
        *(() if operation.open or not locked else (problems.UNAUTHORIZED,)),
        *(() if locked else (problems.FORBIDDEN_EXPOSURE,)),
        *((problems.ADMIN_ONLY,) if operation.admin else ()),
        problems.INTERNAL_ERROR,
    ]
    by_status = sorted(dict.fromkeys(kinds), key=lambda kind: kind.status)
    return {
        str(status): {"description": _titles(group), "content": {PROBLEM_MEDIA_TYPE: {"schema": _ref(Problem)}}}
        for status, group in groupby(by_status, key=lambda kind: kind.status)
    }


def _titles(kinds: Iterable[ProblemType]) -> str:
    return " ".join(f"[{kind.slug}]({kind.uri}): {kind.title}." for kind in kinds)


def _parameter(parameter: Parameter) -> Schema:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.description,
        "schema": dict(parameter.schema),
        "example": parameter.example,
    }


def _ref(struct: type[msgspec.Struct]) -> Schema:
    return {"$ref": REF.format(name=struct.__name__)}


def _one_of(schema: Schema, forms: Sequence[Form]) -> Schema:
    """Split the schema of a struct that holds every form into one schema a form."""
    variants = [
        {
            "title": form.name,
            "type": "object",
            "properties": {name: schema["properties"][name] for name in (*form.needs, *form.may)},
            "required": list(form.needs),
            "additionalProperties": False,
        }
        for form in forms
    ]
    return {"title": schema["title"], "description": schema.get("description", ""), "oneOf": variants}
