"""What the bands of a model held: over all rows, by year, and by forecast volatility."""

from collections.abc import Sequence

import msgspec
import numpy as np

from feature_mapper.typing import BoolArray, DateArray, FloatArray, IntArray
from models.scale import FLOOR
from models.tasks.base import Columns
from skill.judge import terciles
from training.kit.evaluation import calendar_years


class Bands(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of outcomes inside the bands that were to hold a share ``level`` of them."""

    level: float
    held: float
    by_year: dict[str, float]
    by_tercile: dict[str, float]


def bands_of(
    task: str, said: Columns, level: float, y: FloatArray, date: DateArray, volatility: FloatArray
) -> Bands | None:
    """Count what lay inside, or on an end; None of a task without bands.

    ``y`` is the task's target, ``volatility`` the yardstick's forecast, both of shape (n,).
    """
    if "lower" not in said:
        return None
    outcome = np.sqrt(np.maximum(y, FLOOR)) if task == "volatility" else y
    return shares_of((said["lower"] <= outcome) & (outcome <= said["upper"]), level, date, volatility)


def shares_of(inside: BoolArray | FloatArray, level: float, date: DateArray, volatility: FloatArray) -> Bands:
    """Return the shares of rows that are inside, of shape (n,) as all arrays."""
    return Bands(
        level=level,
        held=float(inside.mean()),
        by_year=_shares(inside, *calendar_years(date)),
        by_tercile=_shares(inside, *terciles(volatility)),
    )


def _shares(inside: BoolArray | FloatArray, group: IntArray, names: Sequence[str]) -> dict[str, float]:
    counts = np.bincount(group, minlength=len(names))
    held = np.bincount(group, inside, minlength=len(names))
    return {name: float(held[at] / counts[at]) for at, name in enumerate(names) if counts[at]}
