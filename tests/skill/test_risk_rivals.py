"""Rivals of risk: by another library where classes are two, and given all that a fold trains on."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skill.rivals.risk import TERMS, Majority, OrderedLogit, Repeat
from tests.skill.test_direction_rivals import fold
from tests.training.kit.support import pooled
from training.kit.panel import Panel

ROWS = 900


def panel(classes: int) -> Panel:
    """Return levels over four widths, the shortest of which moves the odds of a higher class."""
    rng = np.random.default_rng(9)
    logs = rng.normal(size=(ROWS, 4))
    latent = logs[:, 0] - logs[:, 3] + rng.logistic(size=ROWS)
    y = np.digitize(latent, np.quantile(latent, np.arange(1, classes) / classes)).astype(np.float64)
    return replace(pooled(np.zeros((ROWS, 1)), y), logs=logs)


def test_of_two_classes_it_is_the_logistic_regression_of_another_library() -> None:
    """On the terms relative to the longest width."""
    of, split = panel(2), fold(panel(2))
    terms = of.logs[:, :-1] - of.logs[:, -1:]
    fitted = LogisticRegression(C=np.inf, tol=1e-8).fit(terms[split.train], of.rows.y[split.train])
    said = OrderedLogit().columns(of, split)["probabilities"]
    assert np.allclose(said, fitted.predict_proba(terms[split.test]), atol=1e-4)


def test_its_terms_are_measured_from_the_borders_of_the_classes_where_those_are_known() -> None:
    """Two years back, they are among the features by name; what else is there changes nothing."""
    from feature_mapper.catalogue import CATALOGUE

    of, split = panel(3), fold(panel(3))
    features = tuple(feature for name in TERMS for feature in CATALOGUE if feature.name == name)
    assert len(features) == len(TERMS)
    x = np.random.default_rng(2).normal(size=(ROWS, len(TERMS)))
    wide = replace(of, features=features, x=x)
    said = OrderedLogit().columns(wide, split)["probabilities"]
    assert np.array_equal(said, OrderedLogit().columns(replace(wide, logs=wide.logs + 1), split)["probabilities"])
    assert not np.allclose(said, OrderedLogit().columns(of, split)["probabilities"], atol=1e-3)
    assert np.allclose(said.sum(axis=1), 1)


def test_it_learns_on_all_training_rows_and_on_no_other() -> None:
    """Outcomes that are asked for change nothing; the first and the last that trained do."""
    of, split = panel(3), fold(panel(3))
    truth = OrderedLogit().columns(of, split)["probabilities"]
    for rows, moves in ((split.test, False), (split.train[:20], True), (split.train[-20:], True)):
        y = of.rows.y.copy()
        y[rows] = 2 - y[rows]
        said = OrderedLogit().columns(replace(of, rows=replace(of.rows, y=y)), split)["probabilities"]
        assert np.allclose(said, truth, atol=1e-9) is not moves


def test_todays_class_is_called_for_certain() -> None:
    """Its accuracy is the share of weeks that stay in their class."""
    of, split = panel(3), fold(panel(3))
    today = np.roll(of.rows.y, 3)
    rows = replace(of.rows, context={"today": today})
    said = Repeat().columns(replace(of, rows=rows), split)["probabilities"]
    assert np.array_equal(np.argmax(said, axis=1), today[split.test])
    assert set(said.ravel()) == {0.0, 1.0}


@pytest.mark.parametrize("common", [0, 1, 2])
def test_the_majority_is_that_of_the_training_rows(common: int) -> None:
    """Whatever the tested rows are like."""
    of, split = panel(3), fold(panel(3))
    y = np.full(len(of.rows), (common + 1) % 3, np.float64)
    y[split.train[: len(split.train) // 2 + 1]] = common
    said = Majority().columns(replace(of, rows=replace(of.rows, y=y)), split)["probabilities"]
    assert np.array_equal(said, np.tile(np.eye(3)[common], (len(split.test), 1)))


@pytest.mark.parametrize("width", [1, 4])
def test_few_terms_are_enough(width: int) -> None:
    """Of one bar there is one level, and no longer one to compare it with."""
    of, split = panel(3), fold(panel(3))
    said = OrderedLogit().columns(replace(of, logs=of.logs[:, :width]), split)["probabilities"]
    assert said.shape == (len(split.test), 3)
