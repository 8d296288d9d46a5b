"""The report that is published: its page is what its figures render to, and README quotes no other."""

from pathlib import Path

from skill import report
from skill.page import NAME, write_page
from skill.report import deepest, read

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "docs" / "skill"


def test_the_published_page_is_made_from_the_published_figures(tmp_path: Path) -> None:
    """`barcast evaluate --universe DIR` writes both."""
    write_page(tmp_path, read(PUBLISHED))
    assert (PUBLISHED / NAME).read_text(encoding="utf-8") == (tmp_path / NAME).read_text(encoding="utf-8")


def test_the_published_figures_are_of_whole_years_and_both_modes() -> None:
    """No quick look is published as the report."""
    found = read(PUBLISHED)
    assert found.years == 1
    assert {result.mode for result in found.results} == {"forward", "unseen"}
    assert found.universe.left_out == {}


def test_figures_are_written_a_line_for_each_result(tmp_path: Path) -> None:
    """And read back as they were; symbols are told of the longest history alone."""
    found = read(PUBLISHED)
    report.write(tmp_path, found)
    written = (tmp_path / report.NAME).read_bytes()
    assert written == (PUBLISHED / report.NAME).read_bytes()
    assert len(written.splitlines()) == len(found.results) + 2
    longest = {(result.model, result.tier) for result in deepest(found)}
    for result in found.results:
        told = [bool(rival.by_symbol) for rival in result.rivals.values()]
        assert set(told) <= {(result.model, result.tier) in longest}
