"""The configuration of an experiment: everything that decides a training, as data.

A folder's ``spec.py`` declares the default. `training.kit.compose` lays YAML files and overrides on top; what comes
out is a `Configuration`, of which the artifact keeps a copy that says the whole of it again.
"""

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, cast

import msgspec
import numpy as np

from data.bar_store import sample_store
from feature_mapper.bars import Bars
from feature_mapper.errors import BarcastError
from models import strict_json
from models.manifest import NO_LINEAGE, Lineage
from models.typing import Json, JsonObject
from training.kit.spec import LEVEL, SEED, USUAL_TIERS, ModelSpec, Splits

Value = int | float | str | bool
"""Of an estimator's parameter."""

WHOLE = "base"
"""Key of a file that names the file it builds on; null: the file says it all, and nothing is inherited."""


class ConfigError(BarcastError):
    """A configuration can't be used; the message names the file or override and the place in it."""


class Dimension(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a search may set one value to: a range, both ends included, or choices.

    Attributes
    ----------
    low, high : int, float or None
        Two integers make an integer range.
    log : bool
        Search the logarithm evenly.
    step : int, float or None
        Distance of values from ``low``.
    choices : tuple or None
        Values without an order, instead of a range.

    """

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    step: int | float | None = None
    choices: tuple[int | float | str | bool, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse what is neither range nor choices; msgspec makes a ValueError one of the place."""
        if self.choices is not None:
            if not self.choices or self.low is not None or self.high is not None or self.log or self.step is not None:
                raise ValueError("Expected choices, at least one, without low, high, log and step")
            return
        if self.low is None or self.high is None or self.low >= self.high:
            raise ValueError("Expected low below high, or choices")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("Expected log with low above 0 and without step")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError("Expected a step above 0 that fits between low and high")

    @property
    def whole(self) -> bool:
        """Whether the range is one of integers."""
        return all(isinstance(end, int) for end in (self.low, self.high, 1 if self.step is None else self.step))

    def holds(self, value: Json) -> bool:
        """Tell whether a search could come to ``value``."""
        if self.choices is not None:
            return any(value == choice and type(value) is type(choice) for choice in self.choices)
        if isinstance(value, bool) or not isinstance(value, int | float) or self.low is None or self.high is None:
            return False
        if self.whole and not isinstance(value, int):
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return self.low <= value <= self.high and math.isclose(steps, round(steps), abs_tol=1e-9)


class Tuning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How better values are searched for; see `training.kit.tuning`.

    Attributes
    ----------
    space : dict of str to Dimension
        By dotted place (``parameters.num_leaves``). Empty: what `training.kit.tuning.SPACES` has for the family.
    metric : {"deepest", "mean"}
        Headline loss of the deepest tier, or its mean over all tiers. Lower is better.
    max_trials : int
        Trials of the study, those of earlier runs included.
    max_seconds : float
        Duration of a run; the trial that is under way is finished.
    holdout : float
        Share of the days, the last ones, that no trial sees, inside (0, 1); at least 126 days.
    seed : int
        Of the search. The model's own is `Configuration.seed`.
    startup : int
        Trials drawn at random before the search learns from them.

    """

    space: dict[str, Dimension] = {}
    metric: Literal["deepest", "mean"] = "deepest"
    max_trials: Annotated[int, msgspec.Meta(ge=1)] = 30
    max_seconds: Annotated[float, msgspec.Meta(gt=0)] = 600.0
    holdout: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.2
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] = 0
    startup: Annotated[int, msgspec.Meta(ge=1)] = 10


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the series come from.

    Attributes
    ----------
    folder : str or None
        Folder of imported series, beside the shipped sample, as an absolute path. None: the usual one.
    until : date or None
        Last day to look at; None: the last that is stored.

    """

    folder: str | None = None
    until: dt.date | None = None


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides a training. Fields that `ModelSpec` has mean what they mean there.

    Attributes
    ----------
    symbols : tuple of str
        Series to train on; empty: all that are stored.
    source : Source
        Where they are.
    tuning : Tuning
        How `training.kit.tuning` searches. Decides nothing in a training.
    tracking : bool
        Whether the training script records its run in MLflow.

    """

    family: str
    parameters: dict[str, Value] = {}
    features: Literal["all", "relative"] = "all"
    tiers: tuple[int, ...] = USUAL_TIERS
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**31)] = SEED
    class_weight: Literal["balanced"] | None = None
    keep: Literal["all", "used"] | Annotated[int, msgspec.Meta(ge=1)] = "all"
    families: tuple[str, ...] | None = None
    level: float = LEVEL
    options: dict[str, Json] = {}
    alternatives: tuple[dict[str, Value], ...] = ()
    splits: Splits = Splits()
    symbols: tuple[str, ...] = ()
    source: Source = Source()
    tuning: Tuning = Tuning()
    tracking: bool = False

    @classmethod
    def of(cls, spec: ModelSpec) -> "Configuration":
        """Return what a folder declares, with the kit's choice of everything else."""
        shared = {name: getattr(spec, name) for name in SHARED}
        own = {
            "parameters": dict(spec.parameters),
            "options": plain(spec.options),
            "alternatives": tuple(map(dict, spec.alternatives)),
        }
        return cls(**shared | own)

    def spec(self) -> ModelSpec:
        """Return what trainers read; raises `SpecError` for what can't be trained."""
        return ModelSpec(**{name: getattr(self, name) for name in SHARED})

    def as_json(self) -> JsonObject:
        """Return the whole configuration; as a file, it resolves to this very configuration."""
        return {WHOLE: None, **plain(self)}


SHARED = tuple(ModelSpec.__dataclass_fields__)
"""Fields that a configuration has of a spec."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """A configuration of one model, with what trainers read of it and where it came from."""

    model: str
    config: Configuration
    spec: ModelSpec
    lineage: Lineage = NO_LINEAGE


def series_of(config: Configuration, processed: Path) -> Mapping[str, Bars]:
    """Return the series that a configuration asks for.

    Parameters
    ----------
    config : Configuration
        Its symbols and source.
    processed : Path
        Imported series, where the configuration names no folder.

    Raises
    ------
    DataError
        A symbol is not there, can't be read, or has no bar up to ``source.until``; or nobody can list all of them.

    """
    store = sample_store(processed if config.source.folder is None else Path(config.source.folder))
    if not config.symbols:
        store.require_listed()
    names = config.symbols or [info.symbol for info in store.symbols()]
    until = None if config.source.until is None else np.datetime64(config.source.until, "D")
    return {name: store.bars(name, until) for name in names}


def plain(value: object) -> JsonObject:
    """Return a struct or mapping as JSON holds it: objects, lists and scalars, all numbers finite."""
    return cast("JsonObject", msgspec.json.decode(strict_json.encode(value)))
