"""The trees of `lightgbm_direction`, as nearly as XGBoost has them: half as many, and each counts for two.

``min_child_weight`` counts second derivatives, which are at most 1/4 a row here: 75 of them are 300 rows or more.
"""

from training.kit.spec import ModelSpec

SPEC = ModelSpec(
    family="xgboost",
    parameters={
        "rounds": 30,
        "learning_rate": 0.04,
        "grow_policy": "lossguide",
        "max_depth": 0,
        "max_leaves": 7,
        "min_child_weight": 75,
        "colsample_bytree": 0.5,
        "subsample": 0.7,
        "reg_lambda": 20.0,
        "max_bin": 64,
    },
    families=("candle", "drawdown", "momentum", "range_volatility", "returns", "trend", "volume"),
    keep=8,
)
