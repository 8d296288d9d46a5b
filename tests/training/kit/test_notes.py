"""Notes of model folders: all that there are have the form that is asked for, and each fault of form is named."""

from dataclasses import fields
from pathlib import Path

import pytest

from training.kit.discover import model_names, spec_of
from training.kit.notes import HEADINGS, NOTHING, Notes, NotesInvalid, parse, read_notes
from training.kit.spec import ModelSpec
from training.kit.trials import Trials, trials_of

BODIES = {
    "Task": "What?",
    "Data and features": "These.",
    "How it is made": "So.",
    "What was tried": "Before the list.\n\n- **More trees.** The same,\n  at twice the time.\n- **Fewer.** Worse.",
    "Hurdles": "- **Noise.** Trees are small.",
    "Caveats": "- Few symbols.",
}


def text(**changed: str) -> str:
    """Return notes with other bodies; words of a heading are joined by underscores."""
    bodies = BODIES | {name.replace("_", " "): body for name, body in changed.items()}
    return "\n".join(f"## {name}\n\n{body}\n" for name, body in bodies.items())


@pytest.mark.parametrize("model", model_names())
def test_every_folder_says_what_is_asked(model: str) -> None:
    """Each section says something; hurdles are a list; trials are a list, or it says that none is on record."""
    notes = read_notes(model)
    assert all(len(getattr(notes, field.name)) > 20 for field in fields(Notes))
    assert (notes.trials == 0) is (notes.tried == NOTHING)
    assert notes.hurdles.count("\n- **") >= 2


def test_notes_by_hand() -> None:
    """Sections without their headings; an entry over two lines is one, and words before the list are none."""
    notes = parse(text(), "x/card.md")
    assert (notes.task, notes.data, notes.made) == ("What?", "These.", "So.")
    assert (notes.hurdles, notes.caveats) == ("- **Noise.** Trees are small.", "- Few symbols.")
    assert notes.tried == BODIES["What was tried"]
    assert notes.trials == 2
    assert parse(text(What_was_tried=NOTHING), "x").trials == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("", "found no heading"),
        ("A line before.\n" + text(), "expected x to have the sections"),
        (text().replace("## Caveats", "## Caveat"), "Hurdles, Caveat; correct it"),
        (text() + "\n## More\n\nWords.\n", "Caveats, More; correct it"),
        (text(Caveats=""), "found nothing under Caveats"),
        (text(What_was_tried="Much, and nothing helped."), "expected a list of trials in x, or 'Nothing else is on"),
        (text(Hurdles="It is hard."), "expected a list of hurdles in x, found 'It is hard.'"),
        (text(Hurdles="- It is hard."), "in x, found 'It is hard.'"),
        (text(Hurdles="- **It is hard.**"), "in x, found '**It is hard.**'"),
        (text(What_was_tried="- **Seeds.** Same.\n- More trees"), "in x, found 'More trees'"),
    ],
)
def test_faults_of_form_are_named(wrong: str, said: str) -> None:
    """Before anything is trained: a trial that has no entry of its own would not be counted."""
    with pytest.raises(NotesInvalid) as caught:
        parse(wrong, "x")
    assert said in str(caught.value)


def test_notes_that_are_not_there(tmp_path: Path) -> None:
    """A folder without them can't be trained, and is told where they belong."""
    with pytest.raises(NotesInvalid, match=r"expected the notes of small_return in small_return/card\.md"):
        read_notes("small_return", tmp_path)
    (tmp_path / "small_return").mkdir()
    (tmp_path / "small_return" / "card.md").write_text(text(), encoding="utf-8")
    assert read_notes("small_return", tmp_path).trials == 2


def test_trials_are_counted_in_parts() -> None:
    """The model, its other histories, alternatives, entries and what a search looked at; each raises the sum."""
    notes = parse(text(), "x")
    spec = ModelSpec(family="lightgbm", tiers=(1, 22, 64), alternatives=({"rounds": 9},))
    wanted = Trials(model=1, histories=2, alternatives=1, tried=2, searched=30, count=36)
    assert trials_of(spec, notes, 30) == wanted
    volatility = trials_of(spec_of("lightgbm_volatility"), read_notes("lightgbm_volatility"), 0)
    assert (volatility.tried, volatility.alternatives, volatility.histories) == (13, 1, 3)
    assert HEADINGS[3] == "What was tried"
