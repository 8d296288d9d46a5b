"""``docs/api.md``: every operation of the OpenAPI document, with requests that were sent and what came back."""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import httpx2

from models.typing import Json
from tests.docs.shown import display, pretty

JsonSchema: TypeAlias = dict[str, Any]
"""Part of an OpenAPI document, which is JSON of any shape."""

JSON: Final = "application/json"

_PROBLEM: Final = re.compile(r"\[([\w-]+)\]\(/problems/[\w-]+\)")

_HEAD: Final = """\
<!-- Made by `make docs` from the OpenAPI document of a running service. -->

# API reference

{description}

The same, to try out: `/docs` of a running service. As a document for tools: `/openapi.json`.
Requests below were sent as they stand to a service that was trained on the shipped sample.
A kind of body is shown in all its forms where it first appears, later in its first and last form.
Of what came back, long lists and mappings are cut (`...` says how much) and floats are rounded to 6 digits.

Any operation can answer with a problem: `application/problem+json` of [this form](#problem).
"""


def render(document: JsonSchema, client: httpx2.Client) -> str:
    """Return the page; ``client`` sends the examples to the service that the document describes."""
    parts = [_HEAD.format(description=document["info"]["description"].replace(". ", ".\n"))]
    operations = [
        (method.upper(), path, found)
        for path, methods in document["paths"].items()
        for method, found in methods.items()
    ]
    shown: set[str | None] = set()
    for tag in (tag["name"] for tag in document["tags"]):
        parts.append(f"## {tag.capitalize()}\n")
        for method, path, found in operations:
            if found["tags"] == [tag]:
                takes = _body(found)
                parts.append(_operation(method, path, found, client, seen=takes in shown))
                shown.add(takes)
    parts.append("## Schemas\n")
    parts += [_schema(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "\n".join(parts)


def _body(found: JsonSchema) -> str | None:
    """Name the schema of a body."""
    return _type(found["requestBody"]["content"][JSON]["schema"]) if "requestBody" in found else None


def _operation(method: str, path: str, found: JsonSchema, client: httpx2.Client, *, seen: bool) -> str:
    lines = [f"### {method} {path}", "", f"**{found['summary']}.** {found.get('description', '')}".strip(), ""]
    if parameters := found.get("parameters"):
        lines += ["| parameter | in | meaning | example |", "|---|---|---|---|"]
        lines += [f"| `{p['name']}` | {p['in']} | {p['description']} | `{p['example']}` |" for p in parameters]
        lines.append("")
    lines += [*_answers(found), ""]
    lines += _examples(method, path, found, client, seen=seen)
    return "\n".join(lines)


def _answers(found: JsonSchema) -> Iterator[str]:
    if body := found.get("requestBody"):
        kinds = ", ".join(f"`{media}` {_type(content['schema'])}" for media, content in body["content"].items())
        yield f"- Takes {kinds}"
    for status, answer in found["responses"].items():
        if status == "200":
            kinds = ", ".join(f"`{media}` {_type(content['schema'])}" for media, content in answer["content"].items())
            yield f"- 200: {kinds}"
        else:
            yield f"- {status}: {_told(answer['description'])}"


def _told(description: str) -> str:
    """Name problems without links to the service's own pages, which lead nowhere from here."""
    return _PROBLEM.sub(r"`\1`", description)


def _examples(method: str, path: str, found: JsonSchema, client: httpx2.Client, *, seen: bool) -> Iterator[str]:
    for parameter in found.get("parameters", ()):
        path = path.replace(f"{{{parameter['name']}}}", quote(parameter["example"]))
    if method == "GET":
        if JSON in found["responses"]["200"]["content"] and path != "/openapi.json":
            yield from _answered(client.get(path))
        return
    changes = {"AdminKey": []} in found.get("security", [])  # asked for on a service of tests only
    examples: Mapping[str, JsonSchema] = found["requestBody"]["content"][JSON].get("examples", {})
    names = list(examples)
    for name in dict.fromkeys((*names[:1], *names[-1:]) if seen else names):
        body: Json = examples[name]["value"]
        yield from (f"*{name.capitalize()}*", "", "```json", pretty(body), "```", "")
        if not changes:
            yield from _answered(client.post(path, json=body))


def _answered(response: httpx2.Response) -> Iterator[str]:
    response.raise_for_status()
    text, language = display(response.text)
    yield from (f"answers {response.status_code}", "", f"```{language}", text, "```", "")


def _schema(name: str, schema: JsonSchema) -> str:
    summary = schema.get("description", "").partition("\n\n")[0].replace("``", "`")
    lines = [f"### {name}", "", *([summary, ""] if summary else [])]
    for variant in schema.get("oneOf", [schema]):
        if "oneOf" in schema:
            lines += [f"*{variant['title'].capitalize()}*", ""]
        lines += [*_fields(variant), ""]
    return "\n".join(lines)


def _fields(schema: JsonSchema) -> Iterator[str]:
    if "properties" not in schema:
        yield _type(schema)
        return
    yield "| field | type | | meaning |"
    yield "|---|---|---|---|"
    required = schema.get("required", ())
    for name, part in schema["properties"].items():
        yield f"| `{name}` | {_type(part)} | {'' if name in required else 'optional'} | {part.get('description', '')} |"


def _type(schema: JsonSchema) -> str:
    """Name a type in a few words."""
    match schema:
        case {"$ref": reference}:
            name = reference.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"anyOf": variants} | {"oneOf": variants}:
            return " or ".join(map(_type, variants))
        case {"enum": values}:
            return ", ".join(f"`{value}`" for value in values)
        case {"type": "array"}:
            inside = schema.get("prefixItems") or [schema.get("items") or {}]
            return "list of " + ", ".join(name for name, _ in itertools.groupby(map(_type, inside)))
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"names to {_type(values)}"
        case _:
            bounds = [form.format(schema[word]) for word, form in _BOUNDS.items() if word in schema]
            return ", ".join([schema.get("type", "any JSON"), *bounds])


_BOUNDS: Final = {
    "format": "{}",
    "minimum": ">= {}",
    "maximum": "<= {}",
    "exclusiveMinimum": "> {}",
    "exclusiveMaximum": "< {}",
}
"""How keywords of JSON Schema are written."""
