"""The page of features is the catalogue."""

from pathlib import Path

from feature_mapper.document import render

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_page_is_up_to_date() -> None:
    """Regenerate with ``python -m feature_mapper.document > docs/features.md``."""
    assert PAGE.read_text(encoding="utf-8") == render()
