"""The trees of `lightgbm_return`, as nearly as XGBoost has them: half as many, and each counts for two."""

from training.kit.spec import ModelSpec

SPEC = ModelSpec(
    family="xgboost",
    parameters={
        "rounds": 20,
        "learning_rate": 0.04,
        "grow_policy": "lossguide",
        "max_depth": 0,
        "max_leaves": 5,
        "min_child_weight": 300,
        "colsample_bytree": 0.5,
        "subsample": 0.7,
        "reg_lambda": 20.0,
        "max_bin": 64,
    },
    families=("candle", "calendar", "returns", "range_volatility", "trend", "momentum", "drawdown", "volume"),
    keep="used",
)
