"""Shallow, slow and few: what little there is to learn about direction drowns in deeper trees."""

from training.kit.spec import ModelSpec

SPEC = ModelSpec(
    family="lightgbm",
    parameters={
        "rounds": 60,
        "learning_rate": 0.02,
        "num_leaves": 7,
        "min_data_in_leaf": 300,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 20.0,
        "max_bin": 63,
    },
    families=("candle", "drawdown", "momentum", "range_volatility", "returns", "trend", "volume"),
    keep=8,
)
