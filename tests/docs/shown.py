"""JSON as the documents show it, and the shape of JSON, which is what a retrained model must not change."""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from models.typing import Json

WIDTH: Final = 112
KEPT: Final = 2
"""Entries that are shown of a long list, or of a long mapping of objects, where a page does not say how many."""

LINES: Final = 4
"""Lines that are shown of a long text."""

DEEPEST: Final = 5
"""Levels of nesting that are shown."""

LONGEST_TEXT: Final = 160
MORE: Final = "..."
"""Key, or start of the entry, that stands for what was cut."""

_NUMBER: Final = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?")
_VERDICT: Final = re.compile("better than naive|worse than naive|no measurable skill")
_SPACES: Final = re.compile(r"\s+")


def cut(value: Json, kept: int = KEPT, depth: int = 0) -> Json:
    """Shorten lists, mappings of objects and texts, say how much was left out, and round floats to 6 digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}{MORE}"
    if isinstance(value, list):
        if value and depth >= DEEPEST:
            return [f"{MORE} {len(value)} entries"]
        few = value if len(value) <= kept + 1 else value[:kept]
        rest: list[Json] = [] if len(few) == len(value) else [f"{MORE} {len(value) - len(few)} more"]
        return [*(cut(part, kept, depth + 1) for part in few), *rest]
    if isinstance(value, dict):
        return _cut_mapping(value, kept, depth)
    return value


def _cut_mapping(value: dict[str, Json], kept: int, depth: int) -> Json:
    if value and depth >= DEEPEST:
        return {MORE: f"{len(value)} entries"}
    alike = len(value) > kept + 1 and all(isinstance(part, dict) for part in value.values())
    names = list(value)[:kept] if alike else list(value)
    shown = {name: cut(value[name], kept, depth + 1) for name in names}
    return shown if len(names) == len(value) else {**shown, MORE: f"{len(value) - len(names)} more"}


def pretty(value: Json, indent: int = 0, used: int = 0) -> str:
    """Write JSON; what fits into a line stands on one. ``used`` is what stands before it in the line."""
    line = _line(value)
    if len(line) + indent + used <= WIDTH or not isinstance(value, dict | list) or not value:
        return line
    pad = " " * (indent + 1)
    if isinstance(value, list):
        inside = [pad + pretty(part, indent + 1) for part in value]
        return "[\n" + ",\n".join(inside) + "\n" + " " * indent + "]"
    return "{\n" + ",\n".join(_members(value, indent)) + "\n" + " " * indent + "}"


def _members(value: dict[str, Json], indent: int) -> Iterable[str]:
    for name, part in value.items():
        key = f"{_line(name)}: "
        yield " " * (indent + 1) + key + pretty(part, indent + 1, len(key))


def _line(value: Json) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_line(name)}: {_line(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_line, value)) + "]"
    return msgspec.json.encode(value).decode()


def display(text: str, kept: int = KEPT) -> tuple[str, str]:
    """Return a command's output as a document shows it, and the language of its fence."""
    try:
        value: Json = msgspec.json.decode(text)
    except msgspec.DecodeError:
        lines = text.strip("\n").splitlines()
        few = lines if len(lines) <= 2 * LINES else [*lines[:LINES], f"{MORE} {len(lines) - LINES} more lines"]
        return "\n".join(few), "text"
    return pretty(cut(value, kept)), "json"


def shape(value: Json) -> Json:
    """Return names and types only: numbers are 0, texts are empty, a list is the shapes that occur in it."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        shapes = {pretty(found): found for found in map(shape, value)}
        return [shapes[name] for name in sorted(shapes)]
    if isinstance(value, bool) or value is None:
        return value
    return "" if isinstance(value, str) else 0


def text_shape(text: str) -> str:
    """Return prose or a table without its numbers and verdicts, which are what training finds out."""
    return _SPACES.sub(" ", _VERDICT.sub("verdict", _NUMBER.sub("0", text))).strip()
