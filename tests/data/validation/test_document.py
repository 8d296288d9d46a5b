"""The page of expectations is what the code declares."""

from pathlib import Path

from data.validation.document import render

PAGE = Path(__file__).parents[3] / "docs" / "validation.md"


def test_page_is_up_to_date() -> None:
    """Regenerate with ``python -m data.validation.document > docs/validation.md``."""
    assert PAGE.read_text(encoding="utf-8") == render()
