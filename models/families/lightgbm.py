"""Gradient-boosted trees by LightGBM. Weights are LightGBM's own text format."""

import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.families._lightgbm_row import RowPredictor
from models.families.base import Contributions, Objective, Parameters, TrainingRows, Unexplained
from models.families.checkpoints import Checkpoints, fit_key

if TYPE_CHECKING:
    import lightgbm as lgb

    from feature_mapper.typing import FloatArray

SUFFIX: Final = "txt"
LIBRARIES: Final = ("lightgbm",)

PARAMETERS: Final = frozenset(
    {
        "rounds",
        "bagging_fraction",
        "bagging_freq",
        "cegb_penalty_split",
        "cegb_tradeoff",
        "enable_bundle",
        "extra_trees",
        "feature_fraction",
        "feature_fraction_bynode",
        "is_unbalance",
        "lambda_l1",
        "lambda_l2",
        "learning_rate",
        "linear_lambda",
        "linear_tree",
        "max_bin",
        "max_delta_step",
        "max_depth",
        "min_data_in_bin",
        "min_data_in_leaf",
        "min_gain_to_split",
        "min_sum_hessian_in_leaf",
        "neg_bagging_fraction",
        "num_leaves",
        "path_smooth",
        "pos_bagging_fraction",
        "scale_pos_weight",
        "zero_as_missing",
    }
)
"""What an experiment may set. LightGBM itself ignores a misspelt name, obeys aliases beside the name that they stand
for, and has settings that read and write files."""

_OBJECTIVE: Final[dict[Objective, str]] = {
    "regression": "regression",
    "binary": "binary",
    "positive": "gamma",
    "multiclass": "multiclass",
}

# One thread and row-wise histograms: the same rows give the same trees on every machine, however many cores it has;
# several models are trained side by side instead.
_ALWAYS: Final[dict[str, object]] = {
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
    "boost_from_average": True,
}


class LightGBMTrees:
    """A fitted booster."""

    __slots__ = ("_booster", "_classes", "_explaining", "_features", "_row")

    def __init__(self, booster: "lgb.Booster", *, serving: bool) -> None:
        """Take a booster; ask it once how wide its rows are. ``serving``: prepare for single rows."""
        self._booster = booster
        self._features = booster.num_feature()
        self._classes = booster.num_model_per_iteration()
        self._row = RowPredictor(booster, self._features, self._classes) if serving else None
        self._explaining = threading.Lock()

    def predict(self, x: "FloatArray") -> "FloatArray":
        """Return values, log odds, log means or probabilities, as the objective has it.

        Raises
        ------
        ValueError
            Rows are not as wide as the rows of training.

        """
        self._check(x)
        # Raw margins: the links belong to the task, and contributions add up to margins.
        margin: FloatArray
        if self._row is not None and len(x) == 1:
            margin = self._row.margin(np.ascontiguousarray(x, dtype=np.float64))  # C reads doubles
        else:
            margin = np.asarray(self._booster.predict(x, raw_score=True, num_threads=1), dtype=np.float64)
        if self._classes == 1:
            return margin
        margin = margin.reshape(len(x), self._classes)
        shifted = np.exp(margin - np.maximum.reduce(margin, axis=1, keepdims=True))
        share: FloatArray = shifted / np.add.reduce(shifted, axis=1, keepdims=True)
        return share

    def contributions(self, x: "FloatArray") -> Contributions:
        """Return LightGBM's own exact TreeSHAP (``pred_contrib``) of the raw margins.

        One call at a time: each has the booster measure its trees' depths again, which another may be relying on.

        Raises
        ------
        ValueError
            As `predict`.
        Unexplained
            The trees have linear models in their leaves, which LightGBM can't explain.

        """
        from lightgbm.basic import LightGBMError

        self._check(x)
        try:
            with self._explaining:
                found = self._booster.predict(x, pred_contrib=True, num_threads=1)
        except LightGBMError as error:
            message = f"expected trees that LightGBM can explain, found: {error}; train without linear_tree"
            raise Unexplained(message) from error
        parts = np.asarray(found, dtype=np.float64).reshape(len(x), self._classes, self._features + 1)
        values, base = parts[:, :, :-1], parts[0, :, -1]
        if self._classes == 1:
            return Contributions(values[:, 0], base[0], scores=False)
        return Contributions(values, base, scores=True)

    def _check(self, x: "FloatArray") -> None:
        if x.shape[1] != self._features:
            message = f"expected rows of {self._features} features, found {x.shape[1]}; use the artifact's manifest"
            raise ValueError(message)

    def dump(self) -> bytes:
        """Return the model as LightGBM text, UTF-8."""
        return str(self._booster.model_to_string()).encode()

    def importance(self) -> "FloatArray":
        """Return the total gain of each feature."""
        return np.asarray(self._booster.feature_importance("gain"), dtype=np.float64)


def fit(rows: TrainingRows, parameters: Parameters, seed: int, checkpoints: Checkpoints | None = None) -> LightGBMTrees:
    """Fit a booster; ``parameters`` are LightGBM's, ``rounds`` is the number of iterations.

    With ``checkpoints``, a fit of more rounds than lie between two of them is made in blocks that begin where the text
    of the block before ends; a killed fit goes on from the last whole block and ends with the same bytes. Where rows or
    features are sampled, each block draws with a seed of its own, as LightGBM can't take its generators up again: the
    trees are then as good as those of a fit without checkpoints, and others. Where nothing is sampled, they predict
    the same.
    """
    import lightgbm as lgb

    settings: dict[str, Any] = dict(parameters)  # Any: LightGBM types its parameters so
    rounds = int(settings.pop("rounds"))
    settings |= _ALWAYS | {"objective": _OBJECTIVE[rows.objective], "seed": seed}
    if rows.objective == "multiclass":
        settings["num_class"] = int(rows.y.max()) + 1
    whole = checkpoints is None or rounds <= checkpoints.every
    data = lgb.Dataset(rows.x, rows.y, weight=rows.weight, params={"verbosity": -1}, free_raw_data=whole)
    if checkpoints is None or whole:
        return LightGBMTrees(lgb.train(settings, data, num_boost_round=rounds), serving=False)
    key = fit_key(rows, parameters, seed, LIBRARIES)
    found = checkpoints.newest(key, rounds)
    done, text = (0, None) if found is None else (found.done, found.weights.decode())
    while True:
        block = min(checkpoints.every, rounds - done)
        before = None if text is None else lgb.Booster(model_str=text)
        drawn = settings if done == 0 else settings | _seeds(seed, done)
        booster = lgb.train(drawn, data, num_boost_round=block, init_model=before)
        done += block
        if done == rounds:
            checkpoints.clear()
            return LightGBMTrees(booster, serving=False)
        text = str(booster.model_to_string())
        checkpoints.save(key, done, text.encode())


def _seeds(seed: int, done: int) -> dict[str, int]:
    """Return what a block that begins after ``done`` iterations draws rows, features and thresholds with."""
    names = ("bagging_seed", "feature_fraction_seed", "extra_seed")
    drawn = np.random.SeedSequence((seed, done)).generate_state(len(names))
    return {name: int(one % 2**31) for name, one in zip(names, drawn, strict=True)}


def load(weights: bytes) -> LightGBMTrees:
    """Parse LightGBM text. A damaged text can end the process, so the caller has checked the hash of these bytes."""
    import lightgbm as lgb

    return LightGBMTrees(lgb.Booster(model_str=weights.decode()), serving=True)
