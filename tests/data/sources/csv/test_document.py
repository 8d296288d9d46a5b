"""docs/data-files.md can't fall behind the code."""

from inspect import signature
from pathlib import Path

import pytest

from data.adjustment import Adjustment
from data.sources.csv import LAYOUTS, Layout, read_csv
from data.sources.csv.headerless import BINANCE, LEAN

DOCUMENT = (Path(__file__).parents[4] / "docs" / "data-files.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("layout", [*LAYOUTS, BINANCE.layout, LEAN.layout], ids=lambda layout: layout.name)
def test_every_layout_has_its_line(layout: Layout) -> None:
    """Name, title and what is known of its prices."""
    assert f"| `{layout.name}` | {layout.title} | {layout.unadjusted.value}: {layout.basis} |" in DOCUMENT


@pytest.mark.parametrize("option", [*signature(read_csv).parameters][1:])
def test_every_parameter_is_explained(option: str) -> None:
    """Each is the way out of some refusal."""
    assert f"{option}=" in DOCUMENT


@pytest.mark.parametrize("adjustment", Adjustment)
def test_every_adjustment_is_named(adjustment: Adjustment) -> None:
    """By the word that the report uses."""
    assert f"`{adjustment.value}`" in DOCUMENT
