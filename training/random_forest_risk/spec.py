"""A forest with weighed classes; its last tier sees the two years that the question is about."""

from training.kit.spec import ModelSpec

SPEC = ModelSpec(
    family="forest",
    features="relative",
    families=("candle", "range_volatility", "volume", "own_history"),
    tiers=(1, 22, 253, 509),
    parameters={
        "estimator": "random_forest",
        "n_estimators": 40,
        "max_depth": 6,
        "min_samples_leaf": 50,
        "max_features": 0.3,
        "max_samples": 0.5,
    },
    class_weight="balanced",
)
