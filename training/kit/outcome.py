"""What a trainer hands to the ritual: everything about a model but the rites themselves."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from feature_mapper.bars import Bars
from models.certificate import Check
from models.manifest import Target, TierManifest
from models.typing import JsonObject
from training.kit.losses import Losses
from training.kit.progress import Progress
from training.kit.reliability import Calibration
from training.kit.spec import ModelSpec
from training.kit.trading import Book


@dataclass(frozen=True, slots=True)
class Outcome:
    """A trained model, evaluated, not yet published.

    Attributes
    ----------
    tiers : tuple of TierManifest
        One for each tier, ascending.
    weights : Mapping of str to bytes
        Files of weights, by the names that the tiers use; further exports may lie beside them.
    target : Target
        What is predicted.
    losses : Losses
        Out-of-sample losses row by row; becomes ``losses.npz``.
    evaluation : JsonObject
        Scores by tier, fold, year and symbol; becomes ``evaluation.json``.
    plots : Mapping of str to bytes
        PNG files by name.
    cases : tuple of JsonObject
        Inputs of the golden examples.
    checks : tuple of Check
        Results of the leak checks; the ritual adds those of the rest of the audit.
    rows : int
        Training rows of the last tier.
    first, last : date
        Days of the first and the last training row.
    libraries : tuple of str
        Distributions that made the weights.
    calibration : Calibration
        What the calibration plot shows.
    foremost : tuple of (str, float)
        Features of greatest gain in the last tier with their shares of all gain, the foremost first; none of models
        that read bars themselves.
    books : Mapping of int to Book
        By tier, what following its forecasts out of fold would have earned; empty where they say nothing of the
        direction.

    """

    tiers: tuple[TierManifest, ...]
    weights: Mapping[str, bytes]
    target: Target
    losses: Losses
    evaluation: JsonObject
    plots: Mapping[str, bytes]
    cases: tuple[JsonObject, ...]
    checks: tuple[Check, ...]
    rows: int
    first: dt.date
    last: dt.date
    libraries: tuple[str, ...]
    calibration: Calibration
    foremost: tuple[tuple[str, float], ...] = ()
    books: Mapping[int, Book] = field(default_factory=dict)


class Trainer(Protocol):
    """Trains the models of one or more tasks."""

    def __call__(self, model: str, spec: ModelSpec, series: Mapping[str, Bars], progress: Progress) -> Outcome:
        """Train, evaluate and check; write nothing."""
        ...
