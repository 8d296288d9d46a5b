"""A forest of shallow trees; ``estimator`` may also be ``extra_trees``."""

from training.kit.spec import ModelSpec

SPEC = ModelSpec(
    family="forest",
    parameters={
        "estimator": "random_forest",
        "n_estimators": 40,
        "max_depth": 4,
        "min_samples_leaf": 200,
        "max_features": 0.25,
        "max_samples": 0.4,
    },
    families=("candle", "returns", "momentum", "trend"),
)
