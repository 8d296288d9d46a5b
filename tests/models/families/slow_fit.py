"""Fits with checkpoints in a process of its own, to be killed: ``FAMILY OBJECTIVE FOLDER``.

It says ``saved N`` after the first checkpoint and then sleeps, so that whoever reads that can kill it in time.
"""

import importlib
import sys
import time
from pathlib import Path
from typing import cast

from models.families.base import Objective
from models.families.checkpoints import Checkpoints
from tests.models.families.tabular_data import rows

PAUSE_S = 600.0

PARAMETERS: dict[str, dict[str, int | float | str | bool]] = {
    "lightgbm": {
        "rounds": 70,
        "learning_rate": 0.1,
        "num_leaves": 6,
        "min_data_in_leaf": 10,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 3,
    },
    "xgboost": {
        "rounds": 70,
        "learning_rate": 0.1,
        "max_depth": 3,
        "min_child_weight": 2,
        "colsample_bytree": 0.7,
        "subsample": 0.8,
    },
    "forest": {"n_estimators": 50, "max_depth": 4, "max_features": 0.5, "max_samples": 0.5},
}


class Slow(Checkpoints):
    """Tells of a checkpoint and waits."""

    __slots__ = ()

    def save(self, key: str, done: int, weights: bytes) -> None:
        """Keep it, say so, and give the reader time."""
        Checkpoints.save(self, key, done, weights)
        sys.stdout.write(f"saved {done}\n")
        sys.stdout.flush()
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    family = importlib.import_module(f"models.families.{sys.argv[1]}")
    objective = cast("Objective", sys.argv[2])
    family.fit(rows(objective, weighed=True), PARAMETERS[sys.argv[1]], 5, Slow(Path(sys.argv[3])))
