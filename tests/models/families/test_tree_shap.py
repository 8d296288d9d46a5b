"""Contributions of trees: against the definition over all coalitions, and against LightGBM's own of its trees."""

import itertools
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_mapper.typing import FloatArray
from models.families import forest, lightgbm, xgboost
from models.families._tree_shap import LeafPaths, Tree
from models.families.base import AdditiveEstimator, Objective, Parameters, Unexplained
from tests.models.families.tabular_data import OBJECTIVES, features, rows

WIDTH = 5
UNSEEN = np.vstack([features(40, seed=9), np.full((1, WIDTH), np.nan), [[1e30, -1e30, 0.5, 1.0, -0.0]]])


def expected(tree: Tree, x: FloatArray, known: frozenset[int], node: int = 0) -> FloatArray:
    """Return what a tree says if only some features are known: at other splits, rows go as those of training went."""
    left, right = int(tree.left[node]), int(tree.right[node])
    if left < 0:
        return np.asarray(tree.value[node], dtype=np.float64)
    feature = int(tree.feature[node])
    if feature in known:
        seen = x[feature]
        goes_left = bool(tree.missing_left[node]) if math.isnan(seen) else seen <= tree.threshold[node]
        return expected(tree, x, known, left if goes_left else right)
    parts = (expected(tree, x, known, child) * tree.cover[child] for child in (left, right))
    total: FloatArray = sum(parts, np.zeros(tree.value.shape[1])) / tree.cover[node]
    return total


def shapley(say: Callable[[frozenset[int]], FloatArray], players: int) -> FloatArray:
    """Return Shapley values by their definition, over all coalitions; shape (outputs, players)."""
    found = []
    for player in range(players):
        others = [other for other in range(players) if other != player]
        total = np.zeros_like(say(frozenset()))
        for size in range(players):
            weight = math.factorial(size) * math.factorial(players - 1 - size) / math.factorial(players)
            for chosen in itertools.combinations(others, size):
                coalition = frozenset(chosen)
                total = total + weight * (say(coalition | {player}) - say(coalition))
        found.append(total)
    return np.stack(found, axis=-1)


def by_definition(trees: Iterable[Tree], x: FloatArray, players: int) -> FloatArray:
    """Return the Shapley values of a sum of trees."""
    total: FloatArray = np.sum(
        [shapley(lambda known: expected(tree, x, known), players) for tree in trees],  # noqa: B023  called at once
        axis=0,
    )
    return total


@st.composite
def grown(draw: st.DrawFn, players: int, outputs: int, depth: int) -> Tree:
    """Make up a tree, of any shape, that may ask about a feature more than once on a way."""
    nodes: list[dict[str, Any]] = []

    def grow(left_depth: int, cover: float) -> int:
        number = len(nodes)
        nodes.append({"cover": cover, "left": -1, "right": -1, "feature": -2, "threshold": -2.0, "missing": False})
        nodes[number]["value"] = draw(st.lists(st.floats(-5, 5), min_size=outputs, max_size=outputs))
        if left_depth > 0 and draw(st.integers(0, 4)) > 0:
            share = draw(st.floats(0.01, 0.99))
            nodes[number] |= {
                "feature": draw(st.integers(0, players - 1)),
                "threshold": draw(st.sampled_from([-1.0, 0.0, 0.5, 1.0, math.inf])),
                "missing": draw(st.booleans()),
            }
            nodes[number]["left"] = grow(left_depth - 1, cover * share)
            nodes[number]["right"] = grow(left_depth - 1, cover * (1 - share))
        return number

    grow(depth, 1000.0)

    def column(name: str, kind: type) -> Any:
        return np.array([node[name] for node in nodes], dtype=kind)

    return Tree(
        left=column("left", int),
        right=column("right", int),
        feature=column("feature", int),
        threshold=column("threshold", float),
        missing_left=column("missing", bool),
        cover=column("cover", float),
        value=column("value", float),
    )


CELLS = st.sampled_from([-math.inf, -1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 2.0, math.inf, math.nan])


@settings(max_examples=80)
@given(data=st.data(), players=st.integers(1, 6))
def test_contributions_are_shapley_values(data: st.DataObject, players: int) -> None:
    """By the definition, over all 2 to 64 coalitions; base and contributions add up to what the trees say."""
    trees = data.draw(st.lists(grown(players, outputs=2, depth=5), min_size=1, max_size=3))
    row = np.array(data.draw(st.lists(CELLS, min_size=players, max_size=players)))
    paths = LeafPaths.of(trees, players)
    (found,) = paths.contributions(row[np.newaxis])
    assert found == pytest.approx(by_definition(trees, row, players), abs=1e-12)
    said = sum((expected(tree, row, frozenset(range(players))) for tree in trees), np.zeros(2))
    nothing_known = sum((expected(tree, row, frozenset()) for tree in trees), np.zeros(2))
    assert paths.base == pytest.approx(nothing_known, abs=1e-12)
    assert paths.base + found.sum(axis=1) == pytest.approx(said, abs=1e-12)


@pytest.mark.parametrize("players", range(1, 13))
def test_a_way_of_any_length_by_hand(players: int) -> None:
    """Every feature once, in a row, each met: of one leaf that only its own side reaches, all get the same share."""
    at = np.arange(2 * players + 1)  # nodes that split are even, a leaf of value 0 on their left is odd
    inner = (at % 2 == 0) & (at < at[-1])
    tree = Tree(
        left=np.where(inner, at + 1, -1),
        right=np.where(inner, at + 2, -1),
        feature=at // 2,
        threshold=np.zeros(len(at)),
        missing_left=np.zeros(len(at), dtype=bool),
        cover=np.exp2(players - (at + 1.0) // 2.0).astype(np.float64),  # half of the rows went each way
        value=(at == at[-1]).astype(np.float64)[:, np.newaxis],
    )
    paths = LeafPaths.of([tree], players)
    (found,) = paths.contributions(np.ones((1, players)))
    assert paths.base.tolist() == [0.5**players]
    assert found[0] == pytest.approx(np.full(players, (1 - 0.5**players) / players), abs=1e-14)


def read_lightgbm(booster: lgb.Booster) -> list[Tree]:
    """Read LightGBM's trees into ours, from the document that it writes of itself."""
    return [_read(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]]


def _read(root: dict[str, Any]) -> Tree:
    nodes: list[tuple[int, int, int, float, bool, float, float]] = []

    def walk(node: dict[str, Any]) -> int:
        number = len(nodes)
        nodes.append((-1, -1, -2, -2.0, False, float(node.get("leaf_count", 1)), float(node.get("leaf_value", 0.0))))
        if "split_feature" in node:
            assert node["decision_type"] == "<="
            # Where a feature had no gap in training, LightGBM takes one for a 0.
            missing = node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0.0
            children = walk(node["left_child"]), walk(node["right_child"])
            nodes[number] = (*children, node["split_feature"], node["threshold"], missing, node["internal_count"], 0.0)
        return number

    walk(root)
    left, right, feature, threshold, missing, cover, value = (np.array(column) for column in zip(*nodes, strict=True))
    return Tree(left, right, feature, threshold, missing, cover.astype(np.float64), value[:, np.newaxis])


@pytest.mark.parametrize("leaves", [2, 6, 31])
@pytest.mark.parametrize("objective", ["regression", "binary", "positive"])
def test_lightgbm_says_the_same_of_its_own_trees(objective: Objective, leaves: int) -> None:
    """Its ``pred_contrib``, written by others, agrees with ours on the trees that it grew; rows with gaps included."""
    chosen = {"rounds": 25, "learning_rate": 0.1, "num_leaves": leaves, "min_data_in_leaf": 5}
    fitted = lightgbm.load(lightgbm.fit(rows(objective), chosen, 5).dump())
    paths = LeafPaths.of(read_lightgbm(fitted._booster), WIDTH)
    theirs = fitted.contributions(UNSEEN)
    assert np.isnan(UNSEEN).any()
    assert paths.contributions(UNSEEN)[:, 0] == pytest.approx(theirs.values, abs=1e-12)
    assert float(paths.base[0]) == pytest.approx(float(theirs.base), abs=1e-12)


FOREST: Parameters = {
    "estimator": "random_forest",
    "n_estimators": 6,
    "max_depth": 5,
    "min_samples_leaf": 3,
    "max_features": 0.6,
}
BOOSTED: Parameters = {
    "rounds": 30,
    "learning_rate": 0.1,
    "num_leaves": 6,
    "min_data_in_leaf": 10,
    "feature_fraction": 0.7,
}
GROWN: Parameters = {"rounds": 30, "learning_rate": 0.1, "max_leaves": 6, "grow_policy": "lossguide", "subsample": 0.7}
FITTED: dict[str, AdditiveEstimator] = {
    **{
        f"{kind} {objective}": forest.load(
            forest.fit(rows(objective, weighed=True), {**FOREST, "estimator": kind}, 5).dump()
        )
        for kind in ("random_forest", "extra_trees")
        for objective in ("regression", "multiclass")
    },
    **{
        f"lightgbm {objective}": lightgbm.load(lightgbm.fit(rows(objective), BOOSTED, 5).dump())
        for objective in OBJECTIVES
    },
    **{f"xgboost {objective}": xgboost.load(xgboost.fit(rows(objective), GROWN, 5).dump()) for objective in OBJECTIVES},
}
every_estimator = pytest.mark.parametrize("name", FITTED)


def softmax(scores: FloatArray) -> FloatArray:
    """Return the probabilities that logs of them, up to a constant a row, stand for."""
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    total: FloatArray = shares / shares.sum(axis=1, keepdims=True)
    return total


@every_estimator
def test_contributions_add_up_to_the_margin(name: str) -> None:
    """Within 1e-9, row by row; where they give scores, those are the scores of the probabilities."""
    estimator = FITTED[name]
    parts = estimator.contributions(UNSEEN)
    said = softmax(parts.margin) if parts.scores else parts.margin
    assert parts.scores == (name in {"lightgbm multiclass", "xgboost multiclass"})
    assert said == pytest.approx(estimator.predict(UNSEEN), abs=1e-9)


@every_estimator
def test_a_row_is_explained_by_itself(name: str) -> None:
    """One by one or in company, in any order: the same bits. So do 16 threads at once, of a model just loaded."""
    family = {"lightgbm": lightgbm, "xgboost": xgboost}.get(name.split(maxsplit=1)[0], forest)
    estimator = FITTED[name]
    whole = estimator.contributions(UNSEEN).values
    assert np.array_equal(estimator.contributions(UNSEEN[::-1].copy()).values, whole[::-1])
    fresh = family.load(estimator.dump())
    with ThreadPoolExecutor(16) as pool:
        alone = list(pool.map(lambda at: fresh.contributions(UNSEEN[at : at + 1]).values, [*range(len(UNSEEN))] * 4))
    assert np.array_equal(np.concatenate(alone), np.concatenate([whole] * 4))


@every_estimator
def test_what_no_split_reads_adds_nothing(name: str) -> None:
    """The constant column; and the signal adds most, on average."""
    moved = np.abs(FITTED[name].contributions(UNSEEN).values).reshape(-1, WIDTH)
    assert moved[:, 4].max() == 0.0
    assert moved.mean(axis=0).argmax() in {0, 1}


@pytest.mark.parametrize("name", [name for name in FITTED if not name.startswith(("lightgbm", "xgboost"))])
def test_forests_are_explained_by_the_definition(name: str) -> None:
    """Each tree of a fitted forest, as scikit-learn holds it, over all 32 coalitions."""
    estimator = FITTED[name]
    assert isinstance(estimator, forest.ForestTrees)
    trees = [forest._tree(tree) for tree in estimator._trees]
    found = estimator.contributions(UNSEEN[:6]).values.reshape(6, -1, WIDTH)
    for x, values in zip(UNSEEN[:6], found, strict=True):
        narrow = x.astype(np.float32)
        assert values == pytest.approx(by_definition(trees, narrow, WIDTH) / len(trees), abs=1e-12)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_xgboost_is_explained_as_it_explains_itself(objective: Objective) -> None:
    """Within the single precision of its own contributions; the base is the same for every row but for that."""
    import xgboost as library

    estimator = FITTED[f"xgboost {objective}"]
    assert isinstance(estimator, xgboost.XGBoostTrees)
    theirs = estimator._booster.predict(library.DMatrix(UNSEEN, nthread=1), pred_contribs=True, strict_shape=True)
    found = estimator.contributions(UNSEEN)
    values, base = found.values.reshape(len(UNSEEN), -1, WIDTH), found.base.reshape(len(UNSEEN), -1)
    assert values == pytest.approx(theirs[..., :-1], abs=1e-5)
    assert base == pytest.approx(theirs[..., -1], abs=1e-5)
    assert np.ptp(base, axis=0).max() < 1e-5


@every_estimator
def test_rows_of_another_width_are_not_explained(name: str) -> None:
    """As they are not answered."""
    with pytest.raises(ValueError, match="expected rows of 5 features, found 4"):
        FITTED[name].contributions(UNSEEN[:, :4])


def test_linear_leaves_can_not_be_explained() -> None:
    """LightGBM refuses, and so do we, in words of ours."""
    fitted = lightgbm.load(lightgbm.fit(rows("regression"), {**BOOSTED, "linear_tree": True}, 5).dump())
    with pytest.raises(Unexplained, match="train without linear_tree"):
        fitted.contributions(UNSEEN)


def test_a_base_is_the_mean_over_training() -> None:
    """Of a forest without bootstrap, on all rows: what it says on average there."""
    data = rows("regression")
    fitted = forest.fit(data, {**FOREST, "bootstrap": False}, 5)
    assert float(fitted.contributions(UNSEEN[:1]).base) == pytest.approx(float(data.y.mean()), abs=1e-9)


def test_one_leaf_is_all_base() -> None:
    """A tree that never splits adds nothing to any row."""
    none = np.array([-1])
    tree = Tree(none, none, none, np.zeros(1), np.zeros(1, dtype=bool), np.ones(1), np.array([[3.0]]))
    paths = LeafPaths.of([tree], 2)
    assert paths.base.tolist() == [3.0]
    assert not paths.contributions(np.array([[1.0, np.nan]])).any()
