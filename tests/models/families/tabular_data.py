"""Rows to fit tabular families on: gaps, ties, constant and useless columns among them."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from feature_mapper.typing import FloatArray
from models.families.base import Objective, Parameters, TrainingRows

OBJECTIVES: tuple[Objective, ...] = ("regression", "binary", "positive", "multiclass")
ROOT = Path(__file__).parents[3]


def features(n: int, seed: int = 0) -> FloatArray:
    """Return a signal, its coarse copy full of ties, noise, noise with gaps, and a constant."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5))
    x[:, 1] = np.round(x[:, 0])
    x[rng.random(n) < 0.3, 3] = np.nan
    x[:, 4] = 1.5
    return x


def rows(objective: Objective, n: int = 600, seed: int = 0, *, weighed: bool = False) -> TrainingRows:
    """Return rows whose target the first column moves."""
    x = features(n, seed)
    score = x[:, 0] + 0.5 * np.random.default_rng(seed + 1).normal(size=n)
    y = {
        "regression": score,
        "binary": (score > 0).astype(np.float64),
        "positive": np.exp(score),
        "multiclass": np.digitize(score, (-0.5, 0.5)).astype(np.float64),
    }[objective]
    weight = np.where(x[:, 2] > 0, 2.0, 0.5) if weighed else None
    return TrainingRows(x, y, weight, objective)


def digests_elsewhere(family: str, fits: Sequence[tuple[Objective, Parameters]]) -> list[str]:
    """Return the SHA-256 of the weights that a fresh process fits from the same rows and seed, one for each fit."""
    code = (
        "import hashlib, importlib; from tests.models.families.tabular_data import rows;"
        f"family = importlib.import_module('models.families.{family}');"
        f"weights = [family.fit(rows(objective), parameters, 5).dump() for objective, parameters in {list(fits)!r}];"
        "print(*(hashlib.sha256(each).hexdigest() for each in weights))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.split()
