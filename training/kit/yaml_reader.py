"""YAML as far as a configuration needs it: mappings, lists and plain values.

Values are built from the parser's events, so no constructor ever runs. What can surprise is refused rather than read:
tags, anchors and aliases, a key twice, several documents, depth and size beyond all need. ``1e-3`` is a number and
``no`` a word, as YAML 1.2 has it; PyYAML by itself takes the one for a word and the other for false.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from feature_mapper.errors import BarcastError
from models.typing import Json

if TYPE_CHECKING:
    from yaml import Event  # type: ignore[import-untyped]  # PyYAML ships no types

MAX_BYTES: Final = 65_536
MAX_DEPTH: Final = 12
MAX_DIGITS: Final = 40
"""Bounds of a configuration; the longest that makes sense is a hundredth of that."""

_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_NUMBER: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, Json]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class YamlRefused(BarcastError):
    """A text is no YAML, or more YAML than is read here."""


def read_file(path: Path, name: str) -> Json:
    """Return the value of a file; ``name`` is what messages call it.

    Raises
    ------
    YamlRefused
        It can't be read, is too large or not UTF-8, or see `read_text`.

    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise YamlRefused(f"{name}: expected a file, found: {error.strerror}; correct the path") from error
    if len(data) > MAX_BYTES:
        raise YamlRefused(f"{name}: expected at most {MAX_BYTES:,} bytes, found more; is it the right file?")
    try:
        return read_text(data.decode(), name)
    except UnicodeDecodeError as error:
        raise YamlRefused(f"{name}: expected UTF-8, found byte {error.start} to be none; save it as UTF-8") from error


def read_text(text: str, name: str) -> Json:
    """Return the value of a text.

    Raises
    ------
    YamlRefused
        Naming the line: it is no YAML, or has a tag, an anchor, an alias, a key twice, a key that is no text, a
        second document, a number that no float holds, or lists and mappings nested too deeply.

    """
    import yaml

    if len(text) > MAX_BYTES:
        raise YamlRefused(f"{name}: expected at most {MAX_BYTES:,} characters, found {len(text):,}; say less")
    try:
        return _Builder(yaml.parse(text, Loader=yaml.SafeLoader), name).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f" line {mark.line + 1}:"
        cause = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise YamlRefused(f"{name}:{line} expected YAML, found: {cause}; correct it") from error


class _Builder:
    """Builds one value from events."""

    def __init__(self, events: "Iterator[Event]", name: str) -> None:
        self._events = events
        self._name = name

    def document(self) -> Json:
        """Return the value of the only document; None if there is none."""
        import yaml

        value: Json = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse(event, "one document", "a second one", "put it in a file of its own")
            elif isinstance(event, yaml.NodeEvent):
                value = self._value(event, 0)
        return value

    def _value(self, event: "Event", depth: int) -> Json:
        import yaml

        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            self._refuse(event, "plain values", "an anchor or alias", "write the value out, or share it by `base:`")
        if event.tag is not None:
            self._refuse(event, "plain values", f"the tag {event.tag}", "leave the tag out")
        if depth > MAX_DEPTH:
            self._refuse(event, f"at most {MAX_DEPTH} levels", "more", "nest less")
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._value(part, depth + 1) for part in self._until(yaml.SequenceEndEvent)]
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(depth)
        return self._scalar(event)

    def _until(self, end: type) -> "Iterator[Event]":
        """Yield events up to the end of a list or mapping; `_value` takes what lies inside from the same stream."""
        for event in self._events:
            if isinstance(event, end):
                return
            yield event

    def _mapping(self, depth: int) -> Json:
        import yaml

        result: dict[str, Json] = {}
        for event in self._until(yaml.MappingEndEvent):
            key = self._value(event, depth + 1)
            if not isinstance(key, str):
                self._refuse(event, "a name as key", str(key), "quote it if it is meant to be one")
            if key in result:
                self._refuse(event, "each key once", f"{key!r} again", "leave one of them out")
            result[key] = self._value(next(self._events), depth + 1)
        return result

    def _scalar(self, event: "Event") -> Json:
        text = str(event.value)
        if not event.implicit[0]:  # quoted, or a block of text
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _NUMBER.fullmatch(text):
            if len(text) > MAX_DIGITS:
                self._refuse(event, f"a number of at most {MAX_DIGITS} digits", f"{len(text)}", "round it")
            if _INTEGER.fullmatch(text):
                return int(text)
            number = float(text)
            if math.isinf(number):
                self._refuse(event, "a number that a float holds", text, "write a smaller one")
            return number
        return text

    def _refuse(self, event: "Event", expected: str, found: str, remedy: str) -> NoReturn:
        line = event.start_mark.line + 1
        raise YamlRefused(f"{self._name}: line {line}: expected {expected}, found {found}; {remedy}")
