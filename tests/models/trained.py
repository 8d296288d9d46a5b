"""Small models of every tabular task and of the regime, trained on generated markets in seconds."""

import functools
import io
from dataclasses import replace

import numpy as np

from feature_mapper.bars import Bars
from models.manifest import without_figures
from models.store import Artifact
from models.tasks.registry import task_of
from tests.training.kit.support import FAST, market, markets
from training.kit.progress import Progress
from training.kit.ritual import draft_of, trainer_of
from training.kit.spec import ModelSpec

SESSIONS = 1000
TIERS = (1, 22, 64)

FOREST = ModelSpec(family="forest", parameters={"n_estimators": 8, "max_depth": 4, "min_samples_leaf": 20}, tiers=TIERS)
SPECS = {
    "lightgbm_direction": ModelSpec(family="lightgbm", parameters=FAST, tiers=TIERS, keep=6),
    "lightgbm_volatility": ModelSpec(family="lightgbm", parameters=FAST, tiers=TIERS, features="relative"),
    "random_forest_return": replace(FOREST, families=("candle", "returns", "volume", "calendar")),
    "random_forest_risk": replace(FOREST, class_weight="balanced"),
    "hmm_regime": ModelSpec(family="hmm", tiers=TIERS, options={"states": 2, "starts": 1, "stickiness": 0.5}),
}
TABULAR = tuple(name for name in SPECS if name != "hmm_regime")


@functools.cache
def artifact_of(model: str) -> Artifact:
    """Return the artifact of a model, its weights as training dumped them; trained once a test process."""
    spec, series, task = SPECS[model], markets(SESSIONS), task_of(model).identity.name
    outcome = trainer_of(task)(model, spec, series, Progress(model, 0, stream=io.StringIO()))
    draft = draft_of(model, task, spec, series, outcome, without_figures(promoted=True, reason="a test"))
    return Artifact(manifest=draft.published("v000001", ()), files=dict(outcome.weights))


STRANGER: Bars = market(200, seed=77)
"""A market that no model was trained on."""


def bare(bars: Bars) -> Bars:
    """Return the bars without volume, dates and name."""
    return replace(bars, volume=None, date=None, symbol=None)


def quiet(n: int) -> Bars:
    """Return a market that stands still."""
    price = np.full(n, 50.0)
    return Bars.validated(open=price, high=price, low=price, close=price)
