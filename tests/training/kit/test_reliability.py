"""The numbers of calibration plots: by hand, against other ways to the same number, and of what is wrong on purpose."""

from dataclasses import replace

import numpy as np
import pytest

from feature_mapper.catalogue import within
from models.tasks.risk import CLASSES
from tests.training.kit.support import FAST, markets, walk
from training.kit import plots
from training.kit.coverage import of_band
from training.kit.panel import build
from training.kit.questions.direction import calibration_error
from training.kit.questions.registry import QUESTIONS
from training.kit.reliability import (
    LEVELS,
    Bands,
    Bin,
    Densities,
    Probabilities,
    frequencies,
    held_by_level,
    of_densities,
    of_paths,
    of_tabular,
)
from training.kit.spec import ModelSpec
from training.kit.walk import scored_rows

SPEC = ModelSpec(family="lightgbm", parameters=FAST)
MARKETS = markets(1100)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("task", ["return", "volatility"])
def test_bands_are_those_of_a_walk_at_that_level(task: str) -> None:
    """Heads asked for another level hold what a whole evaluation at that level would have held."""
    question = QUESTIONS[task]
    panel = build(MARKETS, question, within(1), 1)
    found = of_tabular(panel, walk(panel, question, SPEC), question)
    assert isinstance(found, Bands)
    assert (found.tier, found.levels, list(found.held)) == (1, LEVELS, ["band"])
    for level, share in zip(LEVELS, found.held["band"], strict=True):
        out = walk(panel, question, replace(SPEC, level=level))
        rows = scored_rows(panel, out)
        band = of_band(out.forecast, rows.y, level, rows.date, out.scale[out.scored])
        assert band is not None
        assert share == pytest.approx(band.overall, abs=1e-12)
        assert share == pytest.approx(level, abs=0.06)


def test_bands_that_know_their_own_fold_would_be_told() -> None:
    """Heads of the wrong folds hold another share; so the plot is of heads that came before."""
    question = QUESTIONS["return"]
    panel = build(MARKETS, question, within(1), 1)
    out = walk(panel, question, SPEC)
    last = out.heads[-1][1]
    planted = replace(out, heads=tuple((rows, last) for rows, _ in out.heads))
    assert held_by_level(panel, planted, question) != held_by_level(panel, out, question)


@pytest.mark.parametrize(("task", "classes"), [("direction", ["up"]), ("risk", list(CLASSES))])
def test_probabilities_by_class(task: str, classes: list[str]) -> None:
    """Ten bins a class, every row in one of them; means add up to those of all rows."""
    question = QUESTIONS[task]
    panel = build(MARKETS, question, within(1), 1)
    out = walk(panel, question, SPEC)
    found = of_tabular(panel, out, question)
    assert isinstance(found, Probabilities)
    assert list(found.classes) == classes
    y = scored_rows(panel, out).y
    for code, bins in enumerate(found.classes.values()):
        assert len(bins) == 10
        assert sum(part.n for part in bins) == len(y)
        happened = y.mean() if task == "direction" else np.mean(y == code)
        assert sum(part.n * part.happened for part in bins) / len(y) == pytest.approx(happened)
    with pytest.raises(TypeError, match="expected heads with bands"):
        held_by_level(panel, out, question)


def test_frequencies_by_hand() -> None:
    """Sorted, cut in ten; the weighted distance of the two is the calibration error."""
    said = np.arange(20)[::-1] / 20
    happened = (said > 0.7).astype(np.float64)
    found = frequencies(said, happened)
    assert [part.said for part in found] == pytest.approx([0.025 + 0.1 * number for number in range(10)])
    assert [part.happened for part in found] == [0, 0, 0, 0, 0, 0, 0, 0.5, 1, 1]
    assert {part.n for part in found} == {2}
    error = sum(part.n * abs(part.said - part.happened) for part in found) / 20
    assert error == pytest.approx(calibration_error(said, happened))
    assert frequencies(np.array([0.3]), np.ones(1)) == (Bin(0.3, 1.0, 1),)


def test_densities_of_what_is_right_and_of_what_is_too_narrow() -> None:
    """Tenths are even where the distribution is right; heaps at both ends tell of one that is too narrow."""
    from scipy.special import ndtr

    y = np.random.default_rng(1).normal(size=40_000)
    gaps = np.where(np.arange(len(y)) % 3 == 0, np.nan, ndtr(y))
    found = of_densities(253, {"right": ndtr(y), "narrow": ndtr(2 * y), "wide": ndtr(y / 2), "gaps": gaps})
    assert found.tenths["gaps"] == pytest.approx([0.1] * 10, abs=0.008)
    assert found.tenths["right"] == pytest.approx([0.1] * 10, abs=0.006)
    for name, heaped in (("narrow", True), ("wide", False)):
        shares = found.tenths[name]
        assert sum(shares) == pytest.approx(1)
        assert ((shares[0] > 0.15) and (shares[9] > 0.15)) is heaped
    assert found.tenths["wide"][0] < 0.02


@pytest.mark.parametrize(
    "found",
    [
        Bands(tier=1, levels=LEVELS, held={"band": LEVELS}),
        of_paths(1, dict.fromkeys((1, 2, 3, 5, 10, 20), LEVELS)),
        Probabilities(tier=1, classes={name: (Bin(0.2, 0.1, 9), Bin(0.8, 1.0, 9)) for name in CLASSES}),
        Densities(tier=1, tenths={"log return": (0.1,) * 10, "log volatility": (0.1,) * 10}),
    ],
    ids=lambda found: type(found).__name__,
)
def test_each_kind_is_drawn(found: Bands | Probabilities | Densities) -> None:
    """As a PNG, the same bytes each time."""
    drawn = plots.calibration(found)
    assert drawn.startswith(PNG)
    assert drawn == plots.calibration(found)
