"""Whether answers mean what they say: bands by level, probabilities by frequency, densities by their tenths.

All of rows out of fold, by heads that had seen earlier ones only, in the tier with the longest history. These are the
numbers behind a card's calibration plot; they stand in ``evaluation.json``.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import msgspec
import numpy as np

from feature_mapper.typing import FloatArray
from models.tasks.bands import BandHead
from models.tasks.risk import CLASSES
from training.kit.coverage import held
from training.kit.panel import Panel
from training.kit.questions.base import Question
from training.kit.questions.direction import BINS
from training.kit.walk import OutOfFold

LEVELS: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Levels of bands that a card shows."""

TENTHS: Final = 10
"""Equal parts of the unit interval that a probability integral transform is counted in."""


class Bin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mean probability that ``n`` rows were given, and the share of them where it happened."""

    said: float
    happened: float
    n: int


class Probabilities(msgspec.Struct, frozen=True, tag_field="kind", tag="probabilities", kw_only=True):
    """Ten bins of equal count for each class, by its name. Calibrated: ``happened`` is ``said``, but for chance."""

    tier: int
    classes: dict[str, tuple[Bin, ...]]


class Bands(msgspec.Struct, frozen=True, tag_field="kind", tag="bands", kw_only=True):
    """Shares of rows that bands held, in the order of ``levels``, by what the band is about. Calibrated: the levels."""

    tier: int
    levels: tuple[float, ...]
    held: dict[str, tuple[float, ...]]


class Densities(msgspec.Struct, frozen=True, tag_field="kind", tag="densities", kw_only=True):
    """Shares of outcomes in each tenth of the distribution that was forecast, by its variable. Calibrated: 0.1 each."""

    tier: int
    tenths: dict[str, tuple[float, ...]]


Calibration: TypeAlias = Probabilities | Bands | Densities


def of_tabular(panel: Panel, out: OutOfFold, question: Question) -> Calibration:
    """Return the calibration of scored rows: of the bands, where the task has them, else of the probabilities."""
    if "lower" in out.forecast:
        return Bands(tier=panel.tier, levels=LEVELS, held={"band": held_by_level(panel, out, question)})
    y = panel.rows.y[out.at[out.scored]]
    if "probability_up" in out.forecast:
        classes = {"up": frequencies(out.forecast["probability_up"], y)}
    else:
        said = out.forecast["probabilities"]
        classes = {
            name: frequencies(said[:, code], (y == code).astype(np.float64)) for code, name in enumerate(CLASSES)
        }
    return Probabilities(tier=panel.tier, classes=classes)


def held_by_level(panel: Panel, out: OutOfFold, question: Question) -> tuple[float, ...]:
    """Return the share of scored rows that a band of each of `LEVELS` held.

    Raises
    ------
    TypeError
        The task's heads have no bands.

    """
    counts = np.zeros(len(LEVELS))
    for rows, head in out.heads:
        if not isinstance(head, BandHead):
            message = f"expected heads with bands, found a {type(head).__name__}; ask for frequencies instead"
            raise TypeError(message)
        y = panel.rows.y[out.at[rows]]
        for number, level in enumerate(LEVELS):
            forecast = question.task.columns(out.margin[rows], out.scale[rows], head.at(level))
            counts[number] += np.count_nonzero(held(forecast, y))
    return tuple((counts / np.count_nonzero(out.scored)).tolist())


def frequencies(probability: FloatArray, happened: FloatArray) -> tuple[Bin, ...]:
    """Return what was said and what happened in ten bins of equal count.

    ``happened`` is 1 where it did, else 0; both of shape (n,). Rows of equal probability keep their order.
    """
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    return tuple(Bin(float(probability[part].mean()), float(happened[part].mean()), len(part)) for part in parts)


def of_paths(tier: int, shares: Mapping[int, Sequence[float]]) -> Bands:
    """Return the calibration of a path's bands, from shares by horizon, each in the order of `LEVELS`."""
    return Bands(tier=tier, levels=LEVELS, held={f"{horizon} ahead": tuple(row) for horizon, row in shares.items()})


def of_densities(tier: int, transforms: Mapping[str, FloatArray]) -> Densities:
    """Return the calibration of densities, from probability integral transforms ``F(y)`` of shape (n,) by variable.

    NaN, where no outcome was seen, is left out.

    Where the forecast distributions F are right, the transforms are uniform (Dawid 1984; Diebold, Gunther & Tay 1998):
    a hump in the middle tells of distributions that are too wide, heaps at both ends of too narrow ones.
    """
    return Densities(
        tier=tier,
        tenths={
            name: tuple((counts / counts.sum()).tolist())
            for name, values in transforms.items()
            for counts in (np.histogram(values[~np.isnan(values)], bins=TENTHS, range=(0, 1))[0],)
        },
    )
