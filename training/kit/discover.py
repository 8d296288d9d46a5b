"""Which model folders there are. Finding them imports none of their libraries."""

import importlib
from pathlib import Path
from typing import Final

import training
from models.tasks.registry import task_of
from training.kit.spec import ModelSpec, SpecError

FOLDER: Final = Path(training.__file__).parent


def model_names() -> tuple[str, ...]:
    """Return the folders under ``training`` that declare a model, sorted; raises if a name has no task."""
    names = tuple(sorted(path.parent.name for path in FOLDER.glob("*/spec.py") if path.parent.name != "kit"))
    for name in names:
        task_of(name)
    return names


def spec_of(model: str) -> ModelSpec:
    """Return the declaration of a model.

    Raises
    ------
    SpecError
        There is no such folder, or its ``spec.py`` declares no ``SPEC``.

    """
    if model not in model_names():
        message = f"expected a model folder under training ({', '.join(model_names())}), found {model!r}"
        raise SpecError(message)
    spec = getattr(importlib.import_module(f"training.{model}.spec"), "SPEC", None)
    if not isinstance(spec, ModelSpec):
        message = f"expected training/{model}/spec.py to declare SPEC = ModelSpec(...), found {type(spec).__name__}"
        raise SpecError(message)
    return spec
