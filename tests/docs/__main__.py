"""``make docs``: make again what the documents say about models and answers.

Reads champions that were trained on the shipped sample alone, asks a real server, and writes README.md,
docs/results.json, docs/api.md, docs/operations.md, docs/models/ and docs/images/.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx2

from data.bar_store import BarStore
from data.sources.sample import sample_root
from feature_mapper.errors import BarcastError
from models.paths import artifacts_root
from models.store import ArtifactStore
from skill.report import read
from tests.docs import cards, pages, reference, results, settings_table, universe
from tests.docs.session import ROOT, Session, session
from tests.docs.shown import display
from training.kit.ritual import fingerprint

RESULTS: Final = "docs/results.json"
REFERENCE: Final = "docs/api.md"
README: Final = "README.md"
OPERATIONS: Final = "docs/operations.md"


def main() -> int:
    """Write the documents; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.docs", description=__doc__)
    parser.add_argument(
        "--artifacts", type=Path, default=artifacts_root(), help="artifact store (default: %(default)s)"
    )
    store = ArtifactStore(parser.parse_args().artifacts)
    try:
        found = results.collect(store)
        _require_sample(found)
        files = made(store, found)
    except BarcastError as error:
        print(f"make docs: {error}", file=sys.stderr)  # noqa: T201  said to the person who started it
        return 1
    for path, data in files.items():
        target = ROOT / path
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(data)
    for stale in (ROOT / cards.IMAGES).glob("*.png"):
        if f"{cards.IMAGES}/{stale.name}" not in files:
            stale.unlink()
    print(f"{len(files)} files written")  # noqa: T201  said to the person who started it
    return 0


def made(store: ArtifactStore, found: results.Results) -> dict[str, bytes]:
    """Return every document by path."""
    texts = cards.cards(store)
    with tempfile.TemporaryDirectory() as empty, session(store.root, Path(empty)) as served:
        texts[README] = _readme((ROOT / README).read_text(encoding="utf-8"), found, served)
        texts[REFERENCE] = api(served)
    texts[OPERATIONS] = pages.with_blocks(
        (ROOT / OPERATIONS).read_text(encoding="utf-8"), {"settings": settings_table.render()}
    )
    return {
        RESULTS: results.encode(found),
        **cards.images(store),
        **{path: text.encode() for path, text in texts.items()},
    }


def api(served: Session) -> str:
    """Return docs/api.md."""
    with httpx2.Client(base_url=served.server.url, timeout=60) as client:
        return reference.render(client.get("/openapi.json").json(), client)


def tables(found: results.Results) -> Mapping[str, str]:
    """Return the blocks of README.md that are made from figures alone, by name: the given, and the skill report's."""
    return {
        "data": results.data(found),
        "worth": results.worth(found),
        "by history": results.by_history(found),
        "bands": results.bands(found),
        "paths": results.paths(found),
        "universe": universe.render(read(universe.PUBLISHED)),
    }


def _readme(page: str, found: results.Results, served: Session) -> str:
    def output(shown: pages.Output) -> str:
        text, language = display(served.output(shown.command), shown.kept)
        return f"```{language}\n{text}\n```"

    made_blocks = {**tables(results.decode(results.encode(found))), "banner": f"```text\n{served.banner}\n```"}
    return pages.with_outputs(pages.with_blocks(page, made_blocks), output)


def _require_sample(found: results.Results) -> None:
    bars = BarStore((sample_root(),))
    sample = fingerprint({info.symbol: bars.bars(info.symbol) for info in bars.symbols()})
    if found.data_fingerprint != sample:
        message = (
            f"expected models that were trained on the shipped sample alone, found {', '.join(found.symbols)}; train "
            "into an empty folder: BARCAST_ARTIFACTS_DIR=build/artifacts BARCAST_DATA_DIR=build/data make docs"
        )
        raise BarcastError(message)


if __name__ == "__main__":
    sys.exit(main())
