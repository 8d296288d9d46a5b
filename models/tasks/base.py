"""What a task is: one question about the next sessions, and what its answer means."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, Self, TypeVar

import msgspec

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from models.typing import Json, JsonObject

Columns = dict[str, FloatArray]
"""Forecasts by name, each of shape (n,) or (n, classes)."""

Fields = dict[str, Json]
"""The task's own part of an answer."""


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What turns an estimator's margin into an answer, learnt out of fold and kept in the manifest."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read what features add to a margin.

    Attributes
    ----------
    output : int
        Which of several margins of a row is meant; 0 where there is one.
    unit : str
        Unit of the margin.
    effect_unit : str or None
        Unit of ``slope * margin + intercept``, which the answer is made of; None where the answer is no such map.
    slope, intercept : float

    """

    output: int
    unit: str
    effect_unit: str | None
    slope: float
    intercept: float


H = TypeVar("H", bound=Head)


def expect(head: Head, kind: type[H]) -> H:
    """Return ``head`` as the kind that the task parsed; raises ``TypeError`` if somebody mixed up tasks."""
    if not isinstance(head, kind):
        message = f"expected a {kind.__name__}, found a {type(head).__name__}"
        raise TypeError(message)
    return head


def rows(columns: Columns, *names: str) -> Iterator[tuple[float, ...]]:
    """Yield the named columns row by row, as Python floats."""
    return zip(*(columns[name].tolist() for name in names), strict=True)


@dataclass(frozen=True, slots=True)
class Identity:
    """Where a task is found.

    Attributes
    ----------
    name : str
        Ends the names of its models: ``lightgbm_direction`` answers ``direction``.
    question : str
        What is asked, in one sentence.
    route : str
        HTTP path of the first model of the task.
    horizon : int
        Exchange sessions ahead.
    models : tuple of str
        Models that a complete installation has, the first of them being the task's default. A missing one is answered
        for by `Task.fallback`.
    variants : bool
        Every model has its own path below ``route``, also the first.

    """

    name: str
    question: str
    route: str
    horizon: int
    models: tuple[str, ...]
    variants: bool = False

    def at(self, horizon: int, question: str) -> Self:
        """Return where the same is asked of another horizon: on the same paths, by models that nobody has to have."""
        return replace(self, horizon=horizon, question=question, models=())


class Task(Protocol):
    """One question."""

    @property
    def identity(self) -> Identity:
        """Where the task is found."""
        ...


class BarsTask(Task, Protocol):
    """A question about one run of bars."""

    def fallback(self, bars: Bars, head: JsonObject | None) -> Fields:
        """Answer without a model, by a stated rule of thumb; ``head`` is that of the manifest if it could be read."""
        ...


class TabularTask(BarsTask, Protocol):
    """A question that an estimator on feature rows answers."""

    @property
    def scaled(self) -> bool:
        """Whether margins are in units of forecast volatility, so that a `HarScale` is needed."""
        ...

    def parse(self, head: JsonObject) -> Head:
        """Read the head of a manifest's tier; raises ``msgspec.ValidationError`` if it is not this task's."""
        ...

    def columns(self, margin: FloatArray, scale: FloatArray, head: Head) -> Columns:
        """Turn margins, shape (n,) or (n, classes), and forecast volatilities, shape (n,), into forecasts by name."""
        ...

    def fields(self, columns: Columns, head: Head) -> list[Fields]:
        """Write forecasts as answers, row by row."""
        ...

    def reading(self, margin: FloatArray, scale: float, head: Head, *, scores: bool) -> Reading:
        """Tell how to read contributions to one row's margin.

        Parameters
        ----------
        margin : FloatArray of shape (1,) or (1, classes)
            As in `columns`.
        scale : float
            Forecast volatility as of the row.
        head : Head
            The tier's.
        scores : bool
            As in `Contributions`.

        """
        ...
