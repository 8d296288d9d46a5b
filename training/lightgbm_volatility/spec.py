"""Boosted trees on top of a heterogeneous autoregression; features that know no volatility level."""

from training.kit.spec import ModelSpec

SPEC = ModelSpec(
    family="lightgbm",
    features="relative",
    tiers=(1, 22, 253, 509),
    parameters={
        "rounds": 150,
        "learning_rate": 0.04,
        "num_leaves": 15,
        "min_data_in_leaf": 100,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "max_bin": 63,
    },
    alternatives=(
        {"rounds": 300, "learning_rate": 0.03, "num_leaves": 31, "min_data_in_leaf": 200, "feature_fraction": 0.3},
    ),
)
