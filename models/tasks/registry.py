"""The six tasks, and how a model's name tells its task, its horizon and its route."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from feature_mapper.errors import BarcastError
from models.tasks.base import Task
from models.tasks.direction import Direction
from models.tasks.forecast import Forecast
from models.tasks.regime import Regime
from models.tasks.returns import Return
from models.tasks.risk import Risk
from models.tasks.volatility import Volatility

TASKS: Final[tuple[Task, ...]] = (Return(), Direction(), Volatility(), Risk(), Regime(), Forecast())
"""Each at the horizon that it has where a model's name states none."""

_AT_HORIZON: Final[Mapping[str, type[Return | Direction | Volatility]]] = {
    "return": Return,
    "direction": Direction,
    "volatility": Volatility,
}
"""By name: tasks that can be asked of any horizon."""

LONGEST_HORIZON: Final = 21
"""Sessions, a month. Losses of neighbouring days share all but one session of their labels. The intervals of skills and
the tests of the report allow for a month of that, and for no more."""

EXPECTED_MODELS: Final = tuple(model for task in TASKS for model in task.identity.models)
"""Models of a complete installation."""

_HORIZON: Final = re.compile(r"_([1-9][0-9]{0,3})\Z", re.ASCII)

_KEPT: Final = 256
"""Names that are kept with their task: all that an installation asks for, time and again."""


class TaskUnknown(BarcastError):
    """No task goes by that name, or a model's name does not end with its task."""


def task_named(name: str) -> Task:
    """Return the task ``name``; raises `TaskUnknown` if there is none."""
    for task in TASKS:
        if task.identity.name == name:
            return task
    names = ", ".join(task.identity.name for task in TASKS)
    message = f"expected a task ({names}), found {name!r}"
    raise TaskUnknown(message)


@lru_cache(_KEPT)
def task_of(model: str) -> Task:
    """Return the task that a model answers, at its horizon: ``<variant>_<task>``, or ``<variant>_<task>_<sessions>``.

    Raises
    ------
    TaskUnknown
        The name is neither; or the task is not asked of so many sessions.

    """
    stated = _HORIZON.search(model)
    name = base_of(model)
    for task in TASKS:
        identity = task.identity
        if name.endswith(f"_{identity.name}") and len(name) > len(identity.name) + 1:
            return task if stated is None else _at(task, int(stated[1]), model)
    names = ", ".join(f"_{task.identity.name}" for task in TASKS)
    message = f"expected a model name that ends with its task ({names}), found {model!r}; rename the model's folder"
    raise TaskUnknown(message)


def _at(task: Task, horizon: int, model: str) -> Task:
    kind, usual = _AT_HORIZON.get(task.identity.name), task.identity.horizon
    if kind is None:
        able = ", ".join(f"_{name}" for name in _AT_HORIZON)
        message = f"expected a horizon behind one of {able} only, found {model!r}; rename the model's folder"
        raise TaskUnknown(message)
    if not usual < horizon <= LONGEST_HORIZON:
        message = f"expected a horizon from {usual + 1} to {LONGEST_HORIZON} sessions ({usual} goes without saying)"
        raise TaskUnknown(f"{message}, found {model!r}; rename the model's folder")
    return kind(horizon)


def base_of(model: str) -> str:
    """Return the name without the horizon: models that share it answer on one path, each for its own horizon."""
    return _HORIZON.sub("", model)


def route_of(model: str) -> str:
    """Return the HTTP path of a model.

    ``lightgbm_direction``, the first of its task, is at ``/predict/direction``, and so is ``lightgbm_direction_5``;
    ``lightgbm_small_direction`` beside them is at ``/predict/direction/lightgbm-small``; every model of the return task
    has its variant in the path.
    """
    name, base = task_of(model).identity.name, base_of(model)
    identity = task_named(name).identity
    if base == identity.models[0] and not identity.variants:
        return identity.route
    variant = base.removesuffix(f"_{name}").replace("_", "-")
    return f"{identity.route}/{variant}"
