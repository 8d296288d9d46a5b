"""The settings of `lightgbm_return`, as nearly as XGBoost has them; features that no split uses are dropped."""

from training.kit.spec import ModelSpec

SPEC = ModelSpec(
    family="xgboost",
    parameters={
        "rounds": 40,
        "learning_rate": 0.02,
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
