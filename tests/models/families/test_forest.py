"""Forests: our walk over the trees against scikit-learn's, and archives that hold a forest and nothing else."""

import hashlib
import io
import zipfile

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression

from feature_mapper.typing import FloatArray
from models.families.base import FamilyError, Objective, Parameters
from models.families.forest import ForestTrees, fit, load
from tests.models.families.tabular_data import digests_elsewhere, features, rows

KINDS = ("random_forest", "extra_trees")
OBJECTIVES: tuple[Objective, ...] = ("regression", "multiclass")
UNSEEN = features(300, seed=9)
ORACLES = {
    ("random_forest", "regression"): RandomForestRegressor,
    ("random_forest", "multiclass"): RandomForestClassifier,
    ("extra_trees", "regression"): ExtraTreesRegressor,
    ("extra_trees", "multiclass"): ExtraTreesClassifier,
}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_objective = pytest.mark.parametrize("objective", OBJECTIVES)


class Stowaway:
    """A type that no forest needs."""


def parameters(kind: str, trees: int = 7) -> Parameters:
    """Return settings of a small forest."""
    return {"estimator": kind, "n_estimators": trees, "max_depth": 5, "min_samples_leaf": 3, "max_features": 0.6}


def oracle(kind: str, objective: Objective, trees: int, x: FloatArray, *, weighed: bool) -> FloatArray:
    """Return what scikit-learn says, fitted and asked by its own interface."""
    settings = {name: value for name, value in parameters(kind, trees).items() if name != "estimator"}
    data = rows(objective, weighed=weighed)
    forest = ORACLES[kind, objective](random_state=5, **settings).fit(data.x, data.y, sample_weight=data.weight)
    said: FloatArray = forest.predict_proba(x) if objective == "multiclass" else forest.predict(x)
    return said


@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("trees", [1, 7])
@every_objective
@every_kind
def test_walk_equals_scikit_learn(kind: str, objective: Objective, trees: int, weighed: bool) -> None:  # noqa: FBT001  a parameter of the test
    """`predict` or `predict_proba`, bit for bit: gaps, ties and rows that are all gaps included."""
    fitted = fit(rows(objective, weighed=weighed), parameters(kind, trees), 5)
    x = np.vstack([UNSEEN, np.full((1, 5), np.nan), rows(objective).x[:50]])
    expected = oracle(kind, objective, trees, x, weighed=weighed)
    assert np.array_equal(fitted.predict(x), expected)
    one_by_one = np.concatenate([fitted.predict(x[i : i + 1]) for i in range(len(x))])
    assert np.array_equal(one_by_one, expected)


FITTED = {(kind, objective): fit(rows(objective), parameters(kind), 5) for kind in KINDS for objective in OBJECTIVES}


@settings(max_examples=60)
@given(
    x=arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 4), st.just(5)),
        elements=st.one_of(st.just(np.nan), st.sampled_from([0.0, 0.5, 1.0, 1.5]), st.floats(-1e30, 1e30)),
    ),
    kind=st.sampled_from(KINDS),
    objective=st.sampled_from(OBJECTIVES),
)
def test_walk_equals_scikit_learn_on_generated_rows(x: FloatArray, kind: str, objective: Objective) -> None:
    """Rows of ties, gaps and numbers far outside of training."""
    fitted = FITTED[kind, objective]
    forest = fitted._forest
    expected = forest.predict_proba(x) if objective == "multiclass" else forest.predict(x)
    assert np.array_equal(fitted.predict(x), expected)


@every_objective
@every_kind
def test_weights_carry_every_bit(kind: str, objective: Objective) -> None:
    """Loaded from its dump, and from the dump of that, the forest predicts the same bits."""
    fitted = FITTED[kind, objective]
    loaded = load(load(fitted.dump()).dump())
    assert np.array_equal(loaded.predict(UNSEEN), fitted.predict(UNSEEN))
    assert np.array_equal(loaded.importance(), fitted.importance())


def test_same_seed_same_bytes() -> None:
    """Twice in a process and once in another, although skops writes addresses and the time of day."""
    fits = [(objective, parameters(kind)) for kind, objective in FITTED]
    digests = []
    for (objective, chosen), fitted in zip(fits, FITTED.values(), strict=True):
        weights = fit(rows(objective), chosen, 5).dump()
        assert fitted.dump() == weights
        assert fit(rows(objective), chosen, 6).dump() != weights
        digests.append(hashlib.sha256(weights).hexdigest())
    assert digests_elsewhere("forest", fits) == digests


@every_objective
def test_archive_is_what_skops_would_read_from_its_own(objective: Objective) -> None:
    """Renumbering objects loses none: skops' own archive and ours load to forests of the same bits."""
    fitted = FITTED["random_forest", objective]
    theirs = skops.io.loads(skops.io.dumps(fitted._forest), trusted=["sklearn.tree._tree.Tree"])
    assert np.array_equal(ForestTrees(theirs).predict(UNSEEN), load(fitted.dump()).predict(UNSEEN))
    assert theirs.get_params() == load(fitted.dump())._forest.get_params()


def test_foreign_type_is_refused() -> None:
    """Wherever in the archive it hides, and by its name."""
    forest = fit(rows("regression"), parameters("random_forest"), 5)._forest
    forest.stowaway_ = Stowaway()
    with pytest.raises(FamilyError, match="Stowaway"):
        load(skops.io.dumps(forest))
    with pytest.raises(FamilyError, match="Stowaway"):
        load(skops.io.dumps(Stowaway()))


def test_other_estimators_are_refused() -> None:
    """Trusted types do not make a forest."""
    linear = LinearRegression().fit(UNSEEN[:, :2], UNSEEN[:, 0])
    with pytest.raises(FamilyError, match="found a LinearRegression"):
        load(skops.io.dumps(linear))


def test_archive_holds_no_pickle() -> None:
    """JSON and plain arrays are all there is."""
    with zipfile.ZipFile(io.BytesIO(FITTED["extra_trees", "multiclass"].dump())) as archive:
        for name in archive.namelist():
            assert name == "schema.json" or name.endswith(".npy")
            if name.endswith(".npy"):
                np.load(io.BytesIO(archive.read(name)), allow_pickle=False)


@every_objective
def test_rows_of_another_width_are_refused(objective: Objective) -> None:
    """Rather than read past the end, or ignore a column."""
    fitted = FITTED["random_forest", objective]
    for wrong in (UNSEEN[:, :4], np.hstack([UNSEEN, UNSEEN[:, :1]])):
        with pytest.raises(ValueError, match=f"expected rows of 5 features, found {wrong.shape[1]}"):
            fitted.predict(wrong)


@every_kind
def test_importance_finds_what_matters(kind: str) -> None:
    """A constant splits nothing, which importance 0 says."""
    importance = FITTED[kind, "regression"].importance()
    assert importance[4] == 0
    assert importance[:2].sum() > 0.8


def test_unknown_kinds_and_objectives_are_refused() -> None:
    """With the choice there is."""
    with pytest.raises(FamilyError, match="random_forest or extra_trees, found 'bonsai'"):
        fit(rows("regression"), {"estimator": "bonsai"}, 1)
    with pytest.raises(FamilyError, match="objective regression or multiclass of a forest, found 'positive'"):
        fit(rows("positive"), {}, 1)
