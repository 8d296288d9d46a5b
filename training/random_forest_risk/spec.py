"""A forest with weighed classes, so that the rare class is not drowned."""

from training.kit.spec import ModelSpec

SPEC = ModelSpec(
    family="forest",
    parameters={
        "estimator": "random_forest",
        "n_estimators": 120,
        "max_depth": 6,
        "min_samples_leaf": 50,
        "max_features": 0.3,
        "max_samples": 0.5,
    },
    class_weight="balanced",
)
