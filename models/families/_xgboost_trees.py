"""The trees of an XGBoost model, as what explains them reads trees."""

import json
from typing import TYPE_CHECKING

import numpy as np

from models.families._tree_shap import LeafPaths, Tree
from models.typing import JsonObject

if TYPE_CHECKING:
    import xgboost as xgb

    from feature_mapper.typing import FloatArray


def leaf_paths(booster: "xgb.Booster", features: int) -> LeafPaths:
    """Return the ways to all leaves, whose values have an output for each class; read from XGBoost's own JSON."""
    model = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]
    outputs = max(model["tree_info"], default=0) + 1
    trees = zip(model["trees"], model["tree_info"], strict=True)
    return LeafPaths.of([_tree(document, output, outputs) for document, output in trees], features)


def _tree(document: JsonObject, output: int, outputs: int) -> Tree:
    left, right, feature, split = (
        np.array(document[name]) for name in ("left_children", "right_children", "split_indices", "split_conditions")
    )
    leaf, condition = left < 0, split.astype(np.float32)
    value: FloatArray = np.zeros((len(left), outputs))
    value[leaf, output] = condition[leaf]  # a leaf has its value where a split has its threshold
    return Tree(
        left=left,
        right=right,
        feature=feature,
        # XGBoost goes left below the threshold, `Tree` at it too.
        threshold=np.where(leaf, 0.0, np.nextafter(condition, np.float32(-np.inf)).astype(np.float64)),
        missing_left=np.array(document["default_left"], dtype=np.bool_),
        cover=np.array(document["sum_hessian"], dtype=np.float64),
        value=value,
    )
