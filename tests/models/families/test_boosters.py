"""Boosted trees of both libraries: what they return for each objective, and that weights carry them to the bit."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import lightgbm
import numpy as np
import pytest
import xgboost

from feature_mapper.typing import FloatArray
from models.families.base import Objective, Parameters, TabularEstimator, TrainingRows, tabular_family
from tests.models.families.tabular_data import OBJECTIVES, digests_elsewhere, features, rows

PARAMETERS: dict[str, Parameters] = {
    "lightgbm": {
        "rounds": 30,
        "learning_rate": 0.1,
        "num_leaves": 6,
        "min_data_in_leaf": 10,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
    },
    "xgboost": {
        "rounds": 30,
        "learning_rate": 0.1,
        "grow_policy": "lossguide",
        "max_depth": 0,
        "max_leaves": 6,
        "min_child_weight": 2,
        "colsample_bytree": 0.7,
        "subsample": 0.8,
    },
}
every_booster = pytest.mark.parametrize("family", PARAMETERS)
every_objective = pytest.mark.parametrize("objective", OBJECTIVES)
UNSEEN = features(300, seed=9)


def fitted(family: str, objective: Objective, seed: int = 5) -> TabularEstimator:
    """Fit some rows."""
    return tabular_family(family).fit(rows(objective), PARAMETERS[family], seed)


def lightgbms_own(weights: bytes, x: FloatArray) -> FloatArray:
    """Return what LightGBM itself predicts from its text: values, odds and means by its own links."""
    return np.asarray(lightgbm.Booster(model_str=weights.decode()).predict(x), dtype=np.float64)


def xgboosts_own(weights: bytes, x: FloatArray) -> FloatArray:
    """Return what XGBoost itself predicts from its UBJSON, in single precision."""
    booster = xgboost.Booster(model_file=bytearray(weights))
    return np.asarray(booster.predict(xgboost.DMatrix(x)), dtype=np.float64)


OWN: dict[str, tuple[Callable[[bytes, FloatArray], FloatArray], float]] = {
    "lightgbm": (lightgbms_own, 1e-9),
    "xgboost": (xgboosts_own, 1e-5),
}
"""What the library says, and how many digits of it are worth comparing."""


@every_objective
@every_booster
def test_weights_carry_every_bit(family: str, objective: Objective) -> None:
    """Loaded from its dump, the model predicts the same bits, and dumps the same bytes."""
    load, model = tabular_family(family).load, fitted(family, objective)
    loaded = load(model.dump())
    assert np.array_equal(loaded.predict(UNSEEN), model.predict(UNSEEN))
    assert np.array_equal(loaded.importance(), model.importance())
    assert load(loaded.dump()).dump() == loaded.dump()


@every_booster
def test_same_seed_same_bytes(family: str) -> None:
    """Twice in a process and once in another; another seed draws other rows and columns."""
    digests = []
    for objective in OBJECTIVES:
        weights = fitted(family, objective).dump()
        assert fitted(family, objective).dump() == weights
        assert fitted(family, objective, seed=6).dump() != weights
        digests.append(hashlib.sha256(weights).hexdigest())
    assert digests_elsewhere(family, [(objective, PARAMETERS[family]) for objective in OBJECTIVES]) == digests


@every_objective
@every_booster
def test_a_row_does_not_depend_on_the_others(family: str, objective: Objective) -> None:
    """One by one, in any company, in any order: the same bits."""
    model = fitted(family, objective)
    whole = model.predict(UNSEEN)
    assert np.array_equal(np.concatenate([model.predict(UNSEEN[i : i + 1]) for i in range(60)]), whole[:60])
    assert np.array_equal(model.predict(UNSEEN[::-1].copy()), whole[::-1])
    assert np.array_equal(np.concatenate([model.predict(UNSEEN[:77]), model.predict(UNSEEN[77:])]), whole)


@every_objective
@every_booster
def test_the_call_for_one_row_gives_the_bits_of_many(family: str, objective: Objective) -> None:
    """A loaded model may take another way through the library for a single row; from several threads at once, too."""
    loaded = tabular_family(family).load(fitted(family, objective).dump())
    whole = loaded.predict(UNSEEN)
    assert np.isnan(UNSEEN).any()
    with ThreadPoolExecutor(4) as pool:
        one_by_one = list(pool.map(lambda i: loaded.predict(UNSEEN[i : i + 1]), range(len(UNSEEN))))
    assert np.array_equal(np.concatenate(one_by_one), whole)


@every_objective
@every_booster
def test_rows_of_another_width_are_refused(family: str, objective: Objective) -> None:
    """Rather than read past the end, or ignore a column."""
    loaded = tabular_family(family).load(fitted(family, objective).dump())
    for wrong in (UNSEEN[:, :4], np.hstack([UNSEEN, UNSEEN[:, :1]])):
        with pytest.raises(ValueError, match=f"expected rows of 5 features, found {wrong.shape[1]}"):
            loaded.predict(wrong)


@every_objective
@every_booster
def test_importance_finds_what_matters(family: str, objective: Objective) -> None:
    """The signal and its copy lead; a constant is never used, which importance 0 says."""
    importance = fitted(family, objective).importance()
    assert importance.shape == (5,)
    assert importance[4] == 0
    assert importance[:2].sum() > 5 * importance[2:].sum()


@every_objective
@every_booster
def test_outputs_are_what_the_objective_says(family: str, objective: Objective) -> None:
    """Values, log odds, logs of means, and probabilities, against the library's own predictions."""
    model = fitted(family, objective)
    found = model.predict(UNSEEN)
    meant = {"binary": 1 / (1 + np.exp(-found)), "positive": np.exp(found)}.get(objective, found)
    own, digits = OWN[family]
    assert meant == pytest.approx(own(model.dump(), UNSEEN), rel=digits)
    assert found.dtype == np.float64
    if objective == "multiclass":
        assert found.shape == (300, 3)
        assert found.sum(axis=1) == pytest.approx(np.ones(300), abs=1e-12)


@every_booster
def test_positive_targets_are_fitted_by_their_mean(family: str) -> None:
    """The gamma deviance is QLIKE: exp of the prediction is unbiased for the mean, not for the median."""
    data = rows("positive", 4000)
    model = tabular_family(family).fit(data, {**PARAMETERS[family], "rounds": 150}, 5)
    assert np.mean(data.y / np.exp(model.predict(data.x))) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("family", "plain"),
    [
        ("lightgbm", {"rounds": 5, "num_leaves": 4, "min_data_in_leaf": 30, "min_sum_hessian_in_leaf": 0.0}),
        ("xgboost", {"rounds": 5, "max_leaves": 4, "grow_policy": "lossguide", "min_child_weight": 30}),
    ],
)
def test_weights_of_rows_count(family: str, plain: Parameters) -> None:
    """Rows of weight 3 are fitted better than rows of weight 1 were."""
    data, fit = rows("regression"), tabular_family(family).fit
    heavy = TrainingRows(data.x, data.y, np.where(data.x[:, 0] > 0, 3.0, 1.0), "regression")
    above = data.x[:, 0] > 0
    light, weighed = (np.square(fit(each, plain, 1).predict(data.x) - data.y)[above] for each in (data, heavy))
    assert weighed.mean() < light.mean()
