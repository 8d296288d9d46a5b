"""Boosted trees on top of a heterogeneous autoregression of five sessions; features that know no volatility level."""

from training.kit.spec import ModelSpec

SPEC = ModelSpec(
    family="lightgbm",
    features="relative",
    parameters={
        "rounds": 60,
        "learning_rate": 0.05,
        "num_leaves": 7,
        "min_data_in_leaf": 200,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "max_bin": 63,
    },
    alternatives=(
        {"rounds": 300, "learning_rate": 0.03, "num_leaves": 31, "min_data_in_leaf": 200, "feature_fraction": 0.3},
    ),
    families=(
        "calendar",
        "candle",
        "drawdown",
        "jumps",
        "momentum",
        "quarter",
        "range_volatility",
        "returns",
        "volume",
    ),
)
