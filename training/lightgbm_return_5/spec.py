"""Few and shallow trees on the scaled return of five sessions; the band is what its answers are for."""

from training.kit.spec import ModelSpec

SPEC = ModelSpec(
    family="lightgbm",
    parameters={
        "rounds": 40,
        "learning_rate": 0.02,
        "num_leaves": 5,
        "min_data_in_leaf": 500,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 20.0,
        "max_bin": 63,
    },
    families=("momentum", "range_volatility", "returns"),
    keep=16,
)
