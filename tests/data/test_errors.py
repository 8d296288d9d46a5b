"""The error tree of the market-data house."""

import re

from data import errors
from data.errors import AmbiguousFile, DataError, UnknownSymbol, UnreadableFile


def tree(root: type[BaseException]) -> dict[str, str]:
    """Return the parent of each class below ``root``."""
    found = {child.__name__: root.__name__ for child in root.__subclasses__()}
    for child in root.__subclasses__():
        found |= tree(child)
    return found


def test_tree_in_the_docstring_is_the_tree() -> None:
    """The drawing names every class under its parent, and no other."""
    path, drawn = ["DataError"], {}
    for indent, name in re.findall(r"^    ([│ ]*)[├└]── (\w+)", errors.__doc__ or "", re.MULTILINE):
        depth = 1 + len(indent) // 4
        drawn[name] = path[depth - 1]
        path[depth:] = [name]

    assert drawn == tree(DataError)


def test_a_message_begins_with_its_place() -> None:
    """Line and column lead, the cause follows; without a place the cause stands alone."""
    assert str(UnreadableFile("cause", line=3, column="Open")) == "line 3, column 'Open': cause"
    assert str(UnreadableFile("cause")) == "cause"
    assert AmbiguousFile("cause", parameter="decimal", line=3).line == 3


def test_a_long_list_of_known_symbols_is_cut_and_counted() -> None:
    """Twenty names and how many more."""
    error = UnknownSymbol("X", [f"S{number:03}" for number in range(25)], "the store")

    assert "S019 and 5 more" in str(error)
    assert len(error.known) == 25
