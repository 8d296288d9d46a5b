"""Gradient-boosted trees by XGBoost. Weights are XGBoost's own model in UBJSON, which is no pickle."""

import platform
import sys
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.families._xgboost_call import MarginCall
from models.families._xgboost_trees import leaf_paths
from models.families.base import Contributions, Objective, Parameters, TrainingRows
from models.families.checkpoints import Checkpoints, fit_key

if TYPE_CHECKING:
    import xgboost as xgb

    from feature_mapper.typing import FloatArray
    from models.families._tree_shap import LeafPaths

SUFFIX: Final = "ubj"
LIBRARIES: Final = ("xgboost-cpu" if (sys.platform, platform.machine()) == ("linux", "x86_64") else "xgboost",)
"""The same code in two distributions, as in ``requirements/serving.in``."""

PARAMETERS: Final = frozenset(
    {
        "rounds",
        "colsample_bylevel",
        "colsample_bynode",
        "colsample_bytree",
        "grow_policy",
        "learning_rate",
        "max_bin",
        "max_delta_step",
        "max_depth",
        "max_leaves",
        "min_child_weight",
        "min_split_loss",
        "num_parallel_tree",
        "reg_alpha",
        "reg_lambda",
        "scale_pos_weight",
        "subsample",
    }
)
"""What an experiment may set. Of two names that XGBoost has for one thing, such as ``eta``, it is the one in words."""

_OBJECTIVE: Final[dict[Objective, str]] = {
    "regression": "reg:squarederror",
    "binary": "binary:logistic",
    "positive": "reg:gamma",
    "multiclass": "multi:softprob",
}

# One thread: sums of gradients have one order, so the same rows give the same trees on every machine, however many
# cores it has; several models are trained side by side instead.
_ALWAYS: Final[dict[str, object]] = {"nthread": 1, "booster": "gbtree", "tree_method": "hist", "device": "cpu"}


class XGBoostTrees:
    """A fitted booster."""

    __slots__ = ("_booster", "_features", "_margins", "_paths")

    def __init__(self, booster: "xgb.Booster") -> None:
        """Take a booster of one thread; ask it once how wide its rows are."""
        self._booster = booster
        self._features = booster.num_features()
        self._margins = MarginCall(booster)
        self._paths: LeafPaths | None = None

    def predict(self, x: "FloatArray") -> "FloatArray":
        """Return values, log odds, log means or probabilities, as the objective has it.

        Raises
        ------
        ValueError
            Rows are not as wide as the rows of training.

        """
        margin = self._checked(x)
        if margin.shape[1] == 1:
            return margin[:, 0]
        # The library's own probabilities are of float32, and so add up to 1 no better than that.
        shifted = np.exp(margin - np.maximum.reduce(margin, axis=1, keepdims=True))
        share: FloatArray = shifted / np.add.reduce(shifted, axis=1, keepdims=True)
        return share

    def contributions(self, x: "FloatArray") -> Contributions:
        """Return exact TreeSHAP values of the margins; of several classes, of their scores.

        XGBoost adds up in single precision. What that rounds off, some 1e-7, is part of the base, which so has a value
        for each row. Its own contributions are of single precision too, and add up no better. Raises as `predict`.
        """
        margin = self._checked(x)
        if self._paths is None:  # two threads may both build it: the same twice
            self._paths = leaf_paths(self._booster, self._features)
        values = self._paths.contributions(np.asarray(x, dtype=np.float32))
        base = margin - np.add.reduce(values, axis=-1)
        if margin.shape[1] == 1:
            return Contributions(values[:, 0], base[:, 0], scores=False)
        return Contributions(values, base, scores=True)

    def _checked(self, x: "FloatArray") -> "FloatArray":
        if x.shape[1] != self._features:
            message = f"expected rows of {self._features} features, found {x.shape[1]}; use the artifact's manifest"
            raise ValueError(message)
        return self._margins.margins(np.ascontiguousarray(x, dtype=np.float64))

    def dump(self) -> bytes:
        """Return the model as UBJSON."""
        return bytes(self._booster.save_raw("ubj"))

    def importance(self) -> "FloatArray":
        """Return the total gain of each feature."""
        gain = np.zeros(self._features)
        for name, total in self._booster.get_score(importance_type="total_gain").items():
            gain[int(name.removeprefix("f"))] = total
        return gain


def fit(rows: TrainingRows, parameters: Parameters, seed: int, checkpoints: Checkpoints | None = None) -> XGBoostTrees:
    """Fit a booster; ``parameters`` are XGBoost's, ``rounds`` is the number of iterations.

    With ``checkpoints``, a fit of more rounds than lie between two of them is made in blocks that begin where the
    weights of the block before end; a killed fit goes on from the last whole block and ends with the same bytes. Where
    rows or features are sampled, each block draws with a seed of its own, as XGBoost can't take its generators up
    again: the trees are then as good as those of a fit without checkpoints, and others. Where nothing is sampled, they
    predict the same.
    """
    import xgboost as xgb

    settings: dict[str, Any] = dict(parameters)  # Any: XGBoost types its parameters so
    rounds = int(settings.pop("rounds"))
    settings |= _ALWAYS | {"objective": _OBJECTIVE[rows.objective], "seed": seed}
    if rows.objective == "multiclass":
        settings["num_class"] = int(rows.y.max()) + 1
    data = xgb.DMatrix(rows.x, rows.y, weight=rows.weight, nthread=1)
    if checkpoints is None or rounds <= checkpoints.every:
        return XGBoostTrees(xgb.train(settings, data, num_boost_round=rounds))
    key = fit_key(rows, parameters, seed, LIBRARIES)
    found = checkpoints.newest(key, rounds)
    done, weights = (0, None) if found is None else (found.done, found.weights)
    while True:
        block = min(checkpoints.every, rounds - done)
        before = None if weights is None else bytearray(weights)
        drawn = settings if done == 0 else settings | {"seed": _seed(seed, done)}
        booster = xgb.train(drawn, data, num_boost_round=block, xgb_model=before)
        done += block
        if done == rounds:
            checkpoints.clear()
            return XGBoostTrees(booster)
        weights = bytes(booster.save_raw("ubj"))
        checkpoints.save(key, done, weights)


def _seed(seed: int, done: int) -> int:
    """Return what a block that begins after ``done`` iterations draws rows and features with."""
    return int(np.random.SeedSequence((seed, done)).generate_state(1)[0] % 2**31)


def load(weights: bytes) -> XGBoostTrees:
    """Read UBJSON. Damaged bytes can end the process, so the caller has checked the hash of these."""
    import xgboost as xgb

    booster = xgb.Booster({"nthread": 1, "num_feature": 1})  # as many as the weights say, once they are read
    booster.save_config()  # settings hold from here on: otherwise trees are read by a thread for each core
    booster.load_model(bytearray(weights))
    return XGBoostTrees(booster)
