"""Searches in a process of its own, to be killed: ``FOLDER TRIALS`` goes on with the study that `test_tuning` knows.

Whatever reaches for the network there is written to stderr.
"""

import sys
from pathlib import Path

from models.typing import Json
from tests.training.kit.support import FAST, markets
from training.kit.compose import resolve, vary
from training.kit.config import Experiment
from training.kit.tuning import tune

MODEL, STUDY = "lightgbm_volatility", "small"
SERIES = markets(700)
SPACE: dict[str, Json] = {
    "tuning.space.parameters.num_leaves": {"low": 2, "high": 12, "log": True},
    "tuning.space.parameters.learning_rate": {"low": 0.01, "high": 0.3},
    "tuning.space.keep": {"choices": [4, "all"]},
}


def searched(trials: int, **values: Json) -> Experiment:
    """Return an experiment whose trials take a tenth of a second."""
    small = resolve(MODEL, None, ["splits.folds=2", "tiers=[1,22]", "keep=4", "families=[candle,range_volatility]"])
    fast = {f"parameters.{name}": value for name, value in FAST.items()}
    tuning: dict[str, Json] = {"tuning.max_trials": trials, "tuning.startup": 3, "tuning.seed": 4}
    return vary(small, {**fast, **SPACE, **tuning, **values}, "test")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event in {"socket.connect", "socket.getaddrinfo", "socket.sendto"}:
        sys.stderr.write(f"{event} {arguments}\n")


if __name__ == "__main__":
    sys.addaudithook(_audit)
    tune(searched(int(sys.argv[2])), SERIES, Path(sys.argv[1]), STUDY, say=_say)
