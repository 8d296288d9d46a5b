"""Rivals of direction: by another route through the same library, and blind to what is asked."""

from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skill.rivals.direction import Logistic
from tests.training.kit.support import pooled
from training.kit.panel import Panel
from training.kit.splits import Fold

ROWS = 800


def panel() -> Panel:
    """Return features without outliers, one of which moves the odds."""
    rng = np.random.default_rng(4)
    x = rng.uniform(-1, 1, (ROWS, 4))
    return pooled(x, (rng.random(ROWS) < 1 / (1 + np.exp(-2 * x[:, 1]))).astype(np.float64))


def fold(of: Panel) -> Fold:
    """Return the first three quarters of days to learn on, the rest to be asked."""
    border = np.quantile(of.rows.date.astype(np.int64), 0.75).astype("datetime64[D]")
    train, test = np.flatnonzero(of.rows.label_end < border), np.flatnonzero(of.rows.date >= border)
    return Fold(0, train, test, of.rows.date[test].min(), of.rows.date[test].max())


def test_it_is_a_standardised_logistic_regression() -> None:
    """The pipeline that anyone would write gives the same probabilities."""
    of, split = panel(), fold(panel())
    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=500)).fit(
        of.x[split.train], of.rows.y[split.train]
    )
    said = Logistic().columns(of, split)["probability_up"]
    assert np.allclose(said, fitted.predict_proba(of.x[split.test])[:, 1], atol=1e-6)


def test_unknown_values_and_outliers_give_probabilities() -> None:
    """A volume that nobody knows stands for the mean; a crash weighs as five deviations."""
    of = panel()
    x = of.x.copy()
    x[::7, 0], x[5::90, 2] = np.nan, 1e6
    said = Logistic().columns(replace(of, x=x), fold(of))["probability_up"]
    assert np.isfinite(said).all()
    assert ((said > 0) & (said < 1)).all()


def test_it_learns_on_all_training_rows_and_on_no_other() -> None:
    """Outcomes that are asked for change nothing; the first and the last that trained do."""
    of, split = panel(), fold(panel())
    truth = Logistic().columns(of, split)["probability_up"]
    for rows, moves in ((split.test, False), (split.train[:20], True), (split.train[-20:], True)):
        y = of.rows.y.copy()
        y[rows] = 1 - y[rows]
        said = Logistic().columns(replace(of, rows=replace(of.rows, y=y)), split)["probability_up"]
        assert np.array_equal(said, truth) is not moves
