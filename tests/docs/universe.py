"""README's table of the skill report: each model beside the strongest of its rivals, from the published figures.

By the loss of its task alone; the page has the others, such as scores of bands, and further horizons.
"""

from collections.abc import Iterator
from typing import Final

from skill.page import MEASURES, MODES, chance
from skill.report import Report, deepest
from tests.docs.results import row, table
from tests.docs.session import ROOT

PUBLISHED: Final = ROOT / "docs" / "skill"


def render(found: Report) -> str:
    """Return the sentence about what the figures rest on, and the table."""
    about = found.universe
    head = (
        f"{len(about.symbols)} series from {about.first} to {about.last}, models refitted every year, every rival on "
        f"the same rows. Each by the loss of its task; {found.comparisons} comparisons were made, and "
        "[all of them](docs/skill/README.md) are shown."
    )
    return "\n".join([head, "", *_rows(found)])


def _rows(found: Report) -> Iterator[str]:
    yield from table("model", "asked", "loss", "strongest rival", "ratio", "95 %", "p", "rows", "symbols better")
    shown = set[tuple[str, str]]()
    for result in deepest(found):
        if (result.model, result.mode) in shown:
            continue
        shown.add((result.model, result.mode))
        name = max(result.rivals, key=lambda name: result.rivals[name].overall.ratio)
        of = result.rivals[name].overall
        low, high = of.ratio_ci95
        yield row(
            f"`{result.model}`",
            MODES[result.mode],
            MEASURES.get(result.metric, result.metric),
            name,
            f"{of.ratio:.4f}",
            f"{low:.4f} to {high:.4f}",
            "" if of.p is None else chance(of.p),
            f"{of.n:,}",
            f"{of.better:.0%}",
        )
