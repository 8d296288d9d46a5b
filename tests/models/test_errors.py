"""The error tree of the artifact house."""

import re

from feature_mapper.errors import BarcastError
from models import errors
from models.errors import ArtifactError


def tree(root: type[BaseException]) -> dict[str, str]:
    """Return the parent of each class below ``root``, of those that the module defines."""
    below = [child for child in root.__subclasses__() if child.__module__ == errors.__name__]
    found = {child.__name__: root.__name__ for child in below}
    for child in below:
        found |= tree(child)
    return found


def test_tree_in_the_docstring_is_the_tree() -> None:
    """The drawing names every class under its parent, and no other."""
    path, drawn = ["ArtifactError"], {}
    for indent, name in re.findall(r"^    ([│ ]*)[├└]── (\w+)", errors.__doc__ or "", re.MULTILINE):
        depth = 1 + len(indent) // 4
        drawn[name] = path[depth - 1]
        path[depth:] = [name]
    assert drawn == tree(ArtifactError)
    assert len(drawn) >= 15


def test_every_error_has_a_slug_of_its_own() -> None:
    """Reasons in ledgers and metrics are told apart by their slugs."""
    classes = [getattr(errors, name) for name in ["ArtifactError", *tree(ArtifactError)]]
    slugs = [kind.slug for kind in classes]
    assert len(set(slugs)) == len(slugs)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", slug) for slug in slugs)
    assert all(issubclass(kind, BarcastError) and kind.__doc__ for kind in classes)
