"""Layers of a configuration: what files and overrides set, before anybody asks whether it makes sense."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import training
from models.typing import Json, JsonObject
from training.kit.config import WHOLE, ConfigError
from training.kit.yaml_reader import YamlRefused, read_file, read_text

MAX_FILES: Final = 16
"""Files that may be based on each other."""

Place = tuple[str, ...]
"""Names that lead to a value."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Values that a file or an override sets. ``whole``: nothing below it counts."""

    origin: str
    tree: JsonObject
    whole: bool = False


def files_of(path: Path) -> list[Layer]:
    """Return the layers of a file and of those below it, the lowest first; raises `ConfigError`."""
    layers: list[Layer] = []
    seen: list[Path] = []
    next_path: Path | None = path
    while next_path is not None:
        try:
            here, name = next_path.resolve(), shown(next_path)
        except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a name with a zero byte
            raise ConfigError(f"{next_path}: expected a path, found otherwise: {error}; correct it") from error
        if here in seen:
            chain = " -> ".join(shown(one) for one in (*seen, here))
            raise ConfigError(f"{name}: expected a base that is not based on itself, found {chain}; break the circle")
        if len(seen) == MAX_FILES:
            raise ConfigError(f"{name}: expected at most {MAX_FILES} files based on each other, found more; join some")
        seen.append(here)
        try:
            tree = read_file(next_path, name)
        except YamlRefused as error:
            raise ConfigError(str(error)) from error
        layer = layer_of({} if tree is None else tree, name)
        base = tree.get(WHOLE) if isinstance(tree, dict) else None
        if base is not None and not isinstance(base, str):
            fail(name, (WHOLE,), "a path relative to this file, or null", base, "correct it")
        layers.insert(0, layer)
        next_path = None if base is None else here.parent / base
    return layers


def layer_of(tree: Json, origin: str) -> Layer:
    """Return a file's value as a layer; raises `ConfigError` if it is no mapping."""
    if not isinstance(tree, dict):
        raise ConfigError(f"{origin}: expected names with values, found {_kind(tree)}; see docs/experiments.md")
    body = {key: value for key, value in tree.items() if key != WHOLE}
    return Layer(origin, body, whole=WHOLE in tree and tree[WHOLE] is None)


def override(text: str) -> Layer:
    """Return a ``key=value`` of the command line as a layer; raises `ConfigError` if it is none."""
    origin = f"override {text!r}"
    place, equals, value = text.partition("=")
    if not equals or not all(place.split(".")) or not value.strip():
        raise ConfigError(f"{origin}: expected key=value such as parameters.num_leaves=15, found otherwise; correct it")
    try:
        return Layer(origin, nested(place, read_text(value, origin)))
    except YamlRefused as error:
        raise ConfigError(str(error)) from error


def nested(place: str, value: Json) -> JsonObject:
    """Return mappings that lead to a dotted place. Names in the search space are dotted places themselves."""
    parts = place.split(".")
    if parts[:2] == ["tuning", "space"] and len(parts) > 2:
        parts = [*parts[:2], ".".join(parts[2:])]
    tree: Json = value
    for part in reversed(parts):
        tree = {part: tree}
    return tree if isinstance(tree, dict) else {}


def shown(path: Path) -> str:
    """Name a file by its place in the checkout, or outside of it by its own name: artifacts tell no folders."""
    root = Path(training.__file__).parent.parent
    here = path.resolve()
    return here.relative_to(root).as_posix() if here.is_relative_to(root) else path.name


def fail(origin: str, where: Place, expected: str, found: Json, remedy: str) -> NoReturn:
    """Raise `ConfigError`: which layer, at which place, expected what and found what, and what to do."""
    raise ConfigError(f"{origin}: {dotted(where)}: expected {expected}, found {found!r}; {remedy}")


def unknown(origin: str, where: Place, known: Iterable[str]) -> NoReturn:
    """Raise `ConfigError` for a name that is not known at its place, with the nearest that is."""
    around = dotted(where[:-1])
    fail(origin, where, f"a key of {around}" if around else "a known key", where[-1], nearest(where[-1], known))


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the known name that looks most like one, or list them all."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(names) or 'none'}"


def dotted(where: Place) -> str:
    """Return a place as overrides have it."""
    return ".".join(where)


def _kind(value: Json) -> str:
    return {list: "a list", str: "text", bool: "a yes or no"}.get(type(value), "a number")
