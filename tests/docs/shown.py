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
"""Levels of nesting that are shown; below, only what holds no more than numbers and texts."""

LONGEST_TEXT: Final = 160
MORE: Final = "..."
"""Key, or start of the entry, that stands for what was cut."""

_NUMBER: Final = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?")
_VERDICT: Final = re.compile(r"better than naive|\bweak\b|no measurable skill")
_SPACES: Final = re.compile(r"\s+")


def cut(value: Json, kept: int = KEPT, depth: int = 0) -> Json:
    """Shorten lists, mappings of objects and texts, say how much was left out, and round floats to 6 digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}{MORE}"
    if isinstance(value, list):
        if depth >= DEEPEST and _holds_more(value):
            return [f"{MORE} {len(value)} entries"]
        few = value if len(value) <= kept + 1 else value[:kept]
        rest: list[Json] = [] if len(few) == len(value) else [f"{MORE} {len(value) - len(few)} more"]
        return [*(cut(part, kept, depth + 1) for part in few), *rest]
    if isinstance(value, dict):
        return _cut_mapping(value, kept, depth)
    return value


def _cut_mapping(value: dict[str, Json], kept: int, depth: int) -> Json:
    if depth >= DEEPEST and _holds_more(value.values()):
        return {MORE: f"{len(value)} entries"}
    alike = len(value) > kept + 1 and all(isinstance(part, dict) for part in value.values())
    names = list(value)[:kept] if alike else list(value)
    shown = {name: cut(value[name], kept, depth + 1) for name in names}
    return shown if len(names) == len(value) else {**shown, MORE: f"{len(value) - len(names)} more"}


def _holds_more(parts: Iterable[Json]) -> bool:
    return any(isinstance(part, dict | list) for part in parts)


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


def difference(shown: Json, found: Json, place: str = "") -> str | None:
    """Say where two JSON values differ in names or types, or return None. Values, and lengths of lists, may differ."""
    if isinstance(shown, dict) and isinstance(found, dict):
        if list(shown) != list(found):
            return f"{place or '/'}: shown {list(shown)}, found {list(found)}"
        parts = [(f"{place}/{name}", shown[name], found[name]) for name in shown if name not in MAY_BE_NULL]
    elif isinstance(shown, list) and isinstance(found, list):
        parts = [(f"{place}/{at}", *pair) for at, pair in enumerate(zip(shown, found, strict=False))]
    else:
        same = _kind(shown) == _kind(found)
        return None if same else f"{place or '/'}: shown {pretty(shown)}, found {pretty(found)}"
    return next(filter(None, (difference(one, other, where) for where, one, other in parts)), None)


MAY_BE_NULL: Final = {"git_commit"}
"""Fields that depend on where the code lies, not on what it does."""


def _kind(value: Json) -> object:
    """Return what two equal shapes have in common: the value itself for null and truth values, else the type."""
    if value is None or isinstance(value, bool):
        return value
    return "number" if isinstance(value, int | float) else type(value)


def text_shape(text: str) -> str:
    """Return prose or a table without its numbers and verdicts, which are what training finds out."""
    return _SPACES.sub(" ", _VERDICT.sub("verdict", _NUMBER.sub("0", text))).strip()
