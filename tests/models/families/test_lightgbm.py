"""Boosted trees: what they return for each objective, and that weights carry them to the bit."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import lightgbm
import numpy as np
import pytest

from models.families.base import Objective, Parameters, TrainingRows
from models.families.lightgbm import fit, load
from tests.models.families.tabular_data import OBJECTIVES, digests_elsewhere, features, rows

PARAMETERS: Parameters = {
    "rounds": 30,
    "learning_rate": 0.1,
    "num_leaves": 6,
    "min_data_in_leaf": 10,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
}
every_objective = pytest.mark.parametrize("objective", OBJECTIVES)
UNSEEN = features(300, seed=9)


@every_objective
def test_weights_carry_every_bit(objective: Objective) -> None:
    """Loaded from its dump, the model predicts the same bits, and dumps the same bytes."""
    fitted = fit(rows(objective), PARAMETERS, 5)
    loaded = load(fitted.dump())
    assert np.array_equal(loaded.predict(UNSEEN), fitted.predict(UNSEEN))
    assert load(loaded.dump()).dump() == loaded.dump()


def test_same_seed_same_bytes() -> None:
    """Twice in a process and once in another; another seed draws other rows and columns."""
    digests = []
    for objective in OBJECTIVES:
        weights = fit(rows(objective), PARAMETERS, 5).dump()
        assert fit(rows(objective), PARAMETERS, 5).dump() == weights
        assert fit(rows(objective), PARAMETERS, 6).dump() != weights
        digests.append(hashlib.sha256(weights).hexdigest())
    assert digests_elsewhere("lightgbm", [(objective, PARAMETERS) for objective in OBJECTIVES]) == digests


@every_objective
def test_a_row_does_not_depend_on_the_others(objective: Objective) -> None:
    """One by one, in any company, in any order: the same bits."""
    fitted = fit(rows(objective), PARAMETERS, 5)
    whole = fitted.predict(UNSEEN)
    assert np.array_equal(np.concatenate([fitted.predict(UNSEEN[i : i + 1]) for i in range(60)]), whole[:60])
    assert np.array_equal(fitted.predict(UNSEEN[::-1].copy()), whole[::-1])


@every_objective
def test_the_call_for_one_row_gives_the_bits_of_many(objective: Objective) -> None:
    """A loaded model takes another way through the library for a single row; from several threads at once, too."""
    loaded = load(fit(rows(objective), PARAMETERS, 5).dump())
    whole = loaded.predict(UNSEEN)
    assert np.isnan(UNSEEN).any()
    with ThreadPoolExecutor(4) as pool:
        one_by_one = list(pool.map(lambda i: loaded.predict(UNSEEN[i : i + 1]), range(len(UNSEEN))))
    assert np.array_equal(np.concatenate(one_by_one), whole)


@every_objective
def test_rows_of_another_width_are_refused(objective: Objective) -> None:
    """Rather than read past the end, or ignore a column."""
    fitted = load(fit(rows(objective), PARAMETERS, 5).dump())
    for wrong in (UNSEEN[:, :4], np.hstack([UNSEEN, UNSEEN[:, :1]])):
        with pytest.raises(ValueError, match=f"expected rows of 5 features, found {wrong.shape[1]}"):
            fitted.predict(wrong)


@every_objective
def test_importance_finds_what_matters(objective: Objective) -> None:
    """The signal and its copy lead; a constant is never used, which importance 0 says."""
    importance = fit(rows(objective), PARAMETERS, 5).importance()
    assert importance[4] == 0
    assert importance[:2].sum() > 5 * importance[2:].sum()


@every_objective
def test_outputs_are_what_the_objective_says(objective: Objective) -> None:
    """Values, log odds, logs of means, and probabilities, against LightGBM's own predictions."""
    fitted = fit(rows(objective), PARAMETERS, 5)
    found = fitted.predict(UNSEEN)
    meant = {"binary": 1 / (1 + np.exp(-found)), "positive": np.exp(found)}.get(objective, found)
    own = np.asarray(lightgbm.Booster(model_str=fitted.dump().decode()).predict(UNSEEN))
    assert meant == pytest.approx(own, rel=1e-9)
    if objective == "multiclass":
        assert found.shape == (300, 3)
        assert found.sum(axis=1) == pytest.approx(np.ones(300), abs=1e-12)


def test_positive_targets_are_fitted_by_their_mean() -> None:
    """The gamma deviance is QLIKE: exp of the prediction is unbiased for the mean, not for the median."""
    data = rows("positive", 4000)
    fitted = fit(data, {**PARAMETERS, "rounds": 150}, 5)
    assert np.mean(data.y / np.exp(fitted.predict(data.x))) == pytest.approx(1.0, abs=0.05)


def test_weights_of_rows_count() -> None:
    """Rows of weight 3 are fitted better than rows of weight 1 were."""
    data = rows("regression")
    plain: Parameters = {"rounds": 5, "num_leaves": 4, "min_data_in_leaf": 30, "min_sum_hessian_in_leaf": 0.0}
    heavy = TrainingRows(data.x, data.y, np.where(data.x[:, 0] > 0, 3.0, 1.0), "regression")
    above = data.x[:, 0] > 0
    light, weighed = (np.square(fit(each, plain, 1).predict(data.x) - data.y)[above] for each in (data, heavy))
    assert weighed.mean() < light.mean()
