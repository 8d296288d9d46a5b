"""Documents agree with each other, with the code and with the files beside them; what needs models is in test_made."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import env_example, variables
from models.tasks.registry import EXPECTED_MODELS
from tests.docs import pages, results, settings_table
from tests.docs.__main__ import OPERATIONS, README, RESULTS, tables
from tests.docs.session import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data/sample/*.md")])
FENCE = re.compile(r"```.*?```", re.DOTALL)
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
MAX_IMAGE_BYTES = 100_000
ADR_LINES = 80
ADR_PARTS = ["Context", "Decision", "Consequences", "Alternatives"]


def _read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def _links(page: Path) -> Iterator[tuple[Path, str]]:
    """Yield file and anchor of each link of a page that leads to a file of ours."""
    for target in LINK.findall(_prose(page)):
        if "://" not in target and not target.startswith("mailto:"):
            path, _, anchor = target.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", _prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of ours finds it, and its heading if it names one."""
    lost = [
        f"{path.relative_to(ROOT)}#{anchor}"
        for path, anchor in _links(page)
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in _anchors(path))
    ]
    assert lost == []


def test_tables_are_those_of_the_figures() -> None:
    """Every table of results in README.md is what docs/results.json renders to; `make docs` writes both."""
    made = tables(results.decode((ROOT / RESULTS).read_bytes()))
    found = {name: block.strip() for name, block in pages.blocks(_read(README)).items()}

    assert {name: found[name] for name in made} == dict(made)
    assert found.keys() - made.keys() == {"banner"}


def test_settings_are_documented() -> None:
    """The table of settings, .env.example and the settings themselves name the same variables."""
    table = pages.blocks(_read(OPERATIONS))["settings"].strip()

    assert table == settings_table.render()
    assert _read(".env.example") == env_example()
    assert set(re.findall(r"^\| `(\w+)`", table, flags=re.MULTILINE)) == set(variables().values())
    assert set(re.findall(r"^#(BARCAST_\w+)=", _read(".env.example"), flags=re.MULTILINE)) == set(variables().values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_variables_that_pages_name_exist(page: Path) -> None:
    """No page tells of a setting that the service would refuse."""
    named = set(re.findall(r"\bBARCAST_[A-Z_]+\b", page.read_text(encoding="utf-8")))
    assert named <= set(variables().values())


def test_advice_is_disclaimed_once() -> None:
    """Said once it is read; said often it is skipped."""
    assert len(re.findall(r"investment\s+advice", _read(README), flags=re.IGNORECASE)) == 1


def test_every_model_has_its_card() -> None:
    """One page a model, and none of a model that is gone."""
    assert {page.stem for page in ROOT.glob("docs/models/*.md")} == set(EXPECTED_MODELS)


def test_images_are_small_and_shown() -> None:
    """Every image of the documents is on a page and loads at once."""
    images = {*(ROOT / "docs/images").iterdir(), *(ROOT / "docs/skill").glob("*.png")}
    shown = {path for page in PAGES for path, _ in _links(page) if path.suffix == ".png"}

    assert images == shown
    assert {image.name for image in images if image.stat().st_size > MAX_IMAGE_BYTES} == set()


def test_decisions_have_one_form() -> None:
    """A decision fits on a page and says why, what, what follows and what else there was; numbers leave no gap."""
    decisions = sorted(ROOT.glob("docs/decisions/*.md"))

    assert [page.name[:4] for page in decisions] == [f"{number:04}" for number in range(1, len(decisions) + 1)]
    for page in decisions:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {page.name[:4]}: ")
        assert re.findall(r"^## (\w+)", text, flags=re.MULTILINE) == ADR_PARTS, page.name
        assert text.count("\n") <= ADR_LINES, page.name
