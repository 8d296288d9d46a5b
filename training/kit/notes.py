"""What the author of a model folder says in its ``card.md``: the sections that no figure can write."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import training
from feature_mapper.errors import BarcastError

NAME: Final = "card.md"

HEADINGS: Final = ("Task", "Data and features", "How it is made", "What was tried", "Hurdles", "Caveats")
"""Sections of ``card.md``, each of which is there, in this order, with something in it."""

NOTHING: Final = "Nothing else is on record."
"""What a model without any recorded trial says under "What was tried"."""

_HEADING: Final = re.compile(r"^## (.+)$", re.MULTILINE)
_ITEM: Final = re.compile(r"^- (.*(?:\n  .*)*)", re.MULTILINE)
_TOLD: Final = re.compile(r"\*\*[^*]+\.\*\*\s+\S")


class NotesInvalid(BarcastError):
    """The notes of a model folder lack a section, or say something in a form that can't be counted."""


@dataclass(frozen=True, slots=True)
class Notes:
    """Sections of ``card.md`` in Markdown, without their headings.

    ``tried`` and ``hurdles`` hold lists, an entry a trial and an entry a hurdle, each of which begins with a title in
    bold: what was tried and what came of it, what is hard and what this code does about it.
    """

    task: str
    data: str
    made: str
    tried: str
    hurdles: str
    caveats: str

    @property
    def trials(self) -> int:
        """Count what was tried and not kept."""
        return len(_ITEM.findall(self.tried))


def read_notes(model: str, root: Path | None = None) -> Notes:
    """Read the notes of a model folder; ``root``: where the folders lie, if not in this package.

    Raises
    ------
    NotesInvalid
        They are not there, or not in the form that `parse` takes.

    """
    path = (root or Path(training.__file__).parent) / model / NAME
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"expected the notes of {model} in {model}/{NAME}, found none that can be read; write them"
        raise NotesInvalid(message) from error
    return parse(text, f"{model}/{NAME}")


def parse(text: str, origin: str) -> Notes:
    """Read notes in Markdown: the sections of `HEADINGS`, second-level headings, and nothing before the first.

    Raises
    ------
    NotesInvalid
        Sections are others, out of order or empty; "What was tried" has neither a list nor `NOTHING`; "Hurdles" has no
        list; or an entry of either does not begin with a title in bold and go on after it. ``origin`` is named.

    """
    before, *parts = _HEADING.split(text)
    headings, bodies = tuple(parts[::2]), tuple(part.strip() for part in parts[1::2])
    if before.strip() or headings != HEADINGS:
        found = ", ".join(headings) or "no heading"
        raise NotesInvalid(f"expected {origin} to have the sections {', '.join(HEADINGS)}, found {found}; correct it")
    if empty := [name for name, body in zip(headings, bodies, strict=True) if not body]:
        raise NotesInvalid(f"expected {origin} to say something under each heading, found nothing under {empty[0]}")
    notes = Notes(*bodies)
    if not notes.trials and notes.tried != NOTHING:
        message = (
            f"expected a list of trials in {origin}, or {NOTHING!r}, found {notes.tried[:60]!r}; write an entry each"
        )
        raise NotesInvalid(message)
    if not _ITEM.search(notes.hurdles):
        raise NotesInvalid(f"expected a list of hurdles in {origin}, found {notes.hurdles[:60]!r}; write an entry each")
    for entry in _ITEM.findall(notes.tried) + _ITEM.findall(notes.hurdles):
        if not _TOLD.match(entry):
            message = f"expected '**What.** What came of it, or what is done about it' in {origin}"
            raise NotesInvalid(f"{message}, found {entry[:60]!r}; correct it")
    return notes
