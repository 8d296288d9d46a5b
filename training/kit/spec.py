"""What a model folder declares."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from feature_mapper.catalogue import CATALOGUE, TIERS
from feature_mapper.errors import BarcastError
from feature_mapper.feature import Feature
from models.families.base import Parameters

USUAL_TIERS: Final = (1, 22, 253)
"""Up to a year: the features that ask for the longest tier are about one question, and a model of it says so."""

LEVEL: Final = 0.9
"""Default share of outcomes that an interval is to hold."""

SEED: Final = 20130301
"""Default seed of everything."""


class SpecError(BarcastError):
    """A model folder declares something that cannot be trained."""


@dataclass(frozen=True, slots=True)
class Splits:
    """How a walk forward cuts the days; see `training.kit.splits.PurgedWalkForward`, which does it.

    Attributes
    ----------
    folds : int
        Test blocks of equal numbers of days. A model needs 2: the first teaches heads and is not scored.
    warm_up : float
        Share of the days that come before the first test block, inside (0, 1).
    embargo : int
        Sessions left out between the end of the last training label and the first test day, so that what slowly decays
        across the border is not learnt on one side and scored on the other.

    """

    folds: int = 5
    warm_up: float = 0.4
    embargo: int = 5

    def __post_init__(self) -> None:
        """Refuse what would test nothing, or train on nothing."""
        if self.folds < 1 or not 0 < self.warm_up < 1 or self.embargo < 0:
            found = f"{self.folds} folds, warm_up {self.warm_up}, embargo {self.embargo}"
            message = f"expected folds, a warm_up between 0 and 1 and an embargo from 0 on, found {found}"
            raise SpecError(f"{message}; correct the splits")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The declaration of one model; everything that it leaves out is the kit's.

    The folder's name is the model's, and ends with the task: ``lightgbm_direction``.

    Attributes
    ----------
    family : str
        Estimator family, a module in ``models/families``.
    parameters : Parameters
        The estimator's settings, as its library names them.
    alternatives : tuple of Parameters
        Settings to lay over ``parameters`` where a fit of many rows finds that they are surely better, see
        `training.kit.fitting.chosen`. Tabular models only.
    features : {"all", "relative"}
        ``relative`` leaves out features that tell the symbol's own volatility level.
    tiers : tuple of int
        Histories, in bars, that get an estimator of their own, out of ``feature_mapper.catalogue.TIERS``. The first is
        1: the shortest request is one bar.
    seed : int
        Seeds everything.
    class_weight : {"balanced"} or None
        Weigh classes by the inverse of their share of the training rows.
    keep : "all", "used" or int
        ``used``: refit without the features that no split uses. A number: refit on at most so many features, those of
        greatest gain, so that a request need not compute the rest. Both scores are kept. The choice is part of the fit:
        each fold makes its own on its training rows.
    families : tuple of str or None
        Feature families to choose from; None: all.
    level : float
        Share of outcomes that intervals are to hold, inside (0, 1).
    options : Mapping
        Settings of trainers that are not tabular (see their modules).
    splits : Splits
        Of the walk forward. Price forecasts roll their origins by ``options`` instead.

    """

    family: str
    parameters: Parameters = field(default_factory=dict)
    features: Literal["all", "relative"] = "all"
    tiers: tuple[int, ...] = USUAL_TIERS
    seed: int = SEED
    class_weight: Literal["balanced"] | None = None
    keep: Literal["all", "used"] | int = "all"
    families: tuple[str, ...] | None = None
    level: float = LEVEL
    options: Mapping[str, object] = field(default_factory=dict)
    alternatives: tuple[Parameters, ...] = ()
    splits: Splits = Splits()

    def __post_init__(self) -> None:
        """Refuse what cannot work, before hours are spent on it."""
        if self.tiers[:1] != (1,) or list(self.tiers) != sorted(set(self.tiers)) or set(self.tiers) - set(TIERS):
            message = f"expected ascending tiers out of {TIERS} that begin with 1, found {self.tiers}; correct them"
            raise SpecError(message)
        if self.splits.folds < 2:
            message = (
                f"expected 2 folds or more, found {self.splits.folds}: the first is not scored; correct the splits"
            )
            raise SpecError(message)
        if not 0 < self.level < 1:
            message = f"expected a level between 0 and 1, found {self.level}; correct it"
            raise SpecError(message)

    def features_of(self, tier: int) -> tuple[Feature, ...]:
        """Return the features that a history of ``tier`` bars fills, in catalogue order."""
        return tuple(
            feature
            for feature in CATALOGUE
            if feature.lookback <= tier
            and not (self.features == "relative" and feature.level)
            and (self.families is None or feature.family in self.families)
        )
