"""Reports: figures of folds, years and symbols add up to those of the whole."""

import numpy as np
import pytest

from feature_mapper.catalogue import within
from models import strict_json
from models.typing import Json
from tests.training.kit.support import FAST, markets, walk
from training.kit.evaluation import by_symbol, by_year, report, scores
from training.kit.panel import build
from training.kit.questions.registry import QUESTIONS
from training.kit.spec import ModelSpec


def skills(group: Json) -> dict[str, tuple[int, float]]:
    """Return n and skill by name."""
    assert isinstance(group, dict)
    found = {}
    for name, part in group.items():
        assert isinstance(part, dict)
        found[name] = (int(str(part["n"])), float(str(part["skill"])))
    return found


def test_groups_by_hand() -> None:
    """Ratio of sums of losses, or mean gain where losses have no zero; a year or symbol without rows is left out."""
    own, base = np.array([1.0, 1.0, 3.0]), np.array([2.0, 2.0, 3.0])
    date = np.array(["2010-12-31", "2012-01-02", "2012-01-03"], dtype="datetime64[D]")
    assert skills(by_year(own, base, date)) == {"2010": (1, 0.5), "2012": (2, pytest.approx(0.2))}
    symbol = np.array([0, 2, 2])
    assert skills(by_symbol(own, base, symbol, ("A", "B", "C"), ratio=False)) == {"A": (1, 1.0), "C": (2, 0.5)}


@pytest.mark.parametrize("task", QUESTIONS)
def test_report_agrees_with_the_scores(task: str) -> None:
    """The same rows, the same baseline, the same number; JSON holds it all."""
    question = QUESTIONS[task]
    spec = ModelSpec(family="lightgbm", parameters=FAST)
    panel = build(markets(1100), question, within(1), 1)
    out = walk(panel, question, spec)
    told, (headline, *_) = report(panel, out, question, ("S0", "S1")), scores(panel, out, question)
    strict_json.encode(told)
    assert (told["metric"], told["baseline"], told["n"]) == (headline.metric, headline.baseline, headline.n)
    rivals = told["rivals"]
    assert isinstance(rivals, dict)
    assert 1 - float(str(told["loss"])) / float(str(rivals[headline.baseline])) == pytest.approx(headline.value)
    for group in ("folds", "years", "symbols"):
        assert sum(n for n, _ in skills(told[group]).values()) == headline.n
    assert list(skills(told["folds"])) == ["fold 1", "fold 2", "fold 3", "fold 4"]
