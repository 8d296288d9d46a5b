"""A tabular model over a schedule: fits that are kept, so that a report that was stopped goes on where it was."""

from collections.abc import Callable, Sequence

import numpy as np

from feature_mapper.typing import FloatArray
from models.families.base import tabular_family
from models.tasks.base import Columns
from skill.shelf import Shelf, fold_key
from skill.side_by_side import Told, side_by_side
from training.kit.panel import Panel
from training.kit.questions.base import Question
from training.kit.spec import ModelSpec
from training.kit.splits import Fold
from training.kit.walk import FoldForecast, forecast_fold


def walk(
    model: str,
    spec: ModelSpec,
    question: Question,
    panel: Panel,
    folds: Sequence[Fold],
    shelf: Shelf,
    processes: int,
    told: Told,
) -> list[FoldForecast]:
    """Fit and forecast every fold, side by side; earliest first. Heads are still to be learnt."""
    family = tabular_family(spec.family)

    def piece(fold: Fold) -> Callable[[], dict[str, FloatArray]]:
        key = ("fold", model, repr(spec), panel.tier, fold_key(fold))
        return lambda: shelf.kept(key, lambda: _packed(forecast_fold(panel, fold, question, spec, family)))

    found = dict[int, dict[str, FloatArray]]()
    for at, arrays in side_by_side([piece(fold) for fold in folds], processes):
        found[at] = arrays
        told(f"tier {panel.tier}, fold {len(found)} of {len(folds)}")
    return [_unpacked(fold, found[at]) for at, fold in enumerate(folds)]


def _packed(part: FoldForecast) -> dict[str, FloatArray]:
    arrays = {
        "margin": part.margin,
        "full_margin": part.full_margin,
        "scale": part.scale,
        "class_weights": part.class_weights,
        "refitted": np.array(float(part.refitted)),
    }
    for name, columns in part.rivals.items():
        arrays.update({f"rival/{name}/{column}": values for column, values in columns.items()})
    return arrays


def _unpacked(fold: Fold, arrays: dict[str, FloatArray]) -> FoldForecast:
    rivals: dict[str, Columns] = {}
    for place, values in arrays.items():
        if place.startswith("rival/"):
            _, name, column = place.split("/")
            rivals.setdefault(name, {})[column] = values
    return FoldForecast(
        fold=fold,
        margin=arrays["margin"],
        full_margin=arrays["full_margin"],
        scale=arrays["scale"],
        class_weights=arrays["class_weights"],
        rivals=rivals,
        refitted=bool(arrays["refitted"]),
    )
