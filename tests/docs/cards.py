"""``docs/models/``: the card of each champion, with its plots in ``docs/images/``."""

import re
from collections.abc import Iterator
from typing import Final

from models.store import Artifact, ArtifactStore
from training.kit.discover import model_names

IMAGES: Final = "docs/images"
_PLOT: Final = re.compile(r"!\[([^]]+)]\(([\w-]+\.png)\)")
_NOTE: Final = (
    "<!-- Made by `make docs` from the published artifact. Notes are edited in training/{model}/card.md. -->\n\n"
)


def cards(store: ArtifactStore) -> dict[str, str]:
    """Return the pages by path; raises ``ArtifactError`` if a champion is missing or unsound."""
    return {f"docs/models/{model}.md": _page(store.read(model)) for model in model_names()}


def images(store: ArtifactStore) -> dict[str, bytes]:
    """Return the plots that the pages show, by path."""
    return {path: data for model in model_names() for path, data in _plots(store.read(model))}


def _page(artifact: Artifact) -> str:
    model = artifact.manifest.model
    card = artifact.files["card.md"].decode()
    linked = _PLOT.sub(lambda found: f"![{found[1]}](../images/{_name(model, found[2])})", card)
    return _NOTE.format(model=model) + linked


def _plots(artifact: Artifact) -> Iterator[tuple[str, bytes]]:
    for name, data in artifact.files.items():
        if name.endswith(".png"):
            yield f"{IMAGES}/{_name(artifact.manifest.model, name)}", data


def _name(model: str, plot: str) -> str:
    return f"{model}-{plot}".replace("_", "-")
