"""The six tasks, and how a model's name tells its task and its route."""

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

EXPECTED_MODELS: Final = tuple(model for task in TASKS for model in task.identity.models)
"""Models of a complete installation."""


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


def task_of(model: str) -> Task:
    """Return the task that a model answers, which its name ends with.

    Raises
    ------
    TaskUnknown
        The name is not ``<variant>_<task>``.

    """
    for task in TASKS:
        if model.endswith(f"_{task.identity.name}") and len(model) > len(task.identity.name) + 1:
            return task
    names = ", ".join(f"_{task.identity.name}" for task in TASKS)
    message = f"expected a model name that ends with its task ({names}), found {model!r}; rename the model's folder"
    raise TaskUnknown(message)


def route_of(model: str) -> str:
    """Return the HTTP path of a model.

    ``lightgbm_direction``, the first of its task, is at ``/predict/direction``; ``lightgbm_small_direction`` beside it
    is at ``/predict/direction/lightgbm-small``; every model of the return task has its variant in the path.
    """
    identity = task_of(model).identity
    if model == identity.models[0] and not identity.variants:
        return identity.route
    variant = model.removesuffix(f"_{identity.name}").replace("_", "-")
    return f"{identity.route}/{variant}"
