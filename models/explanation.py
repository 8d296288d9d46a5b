"""What features add to a margin, as JSON: the largest by name, in words and units, and the rest as one number."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.feature import Feature
from feature_mapper.typing import FloatArray
from models.families.base import Contributions
from models.tasks.base import Fields, Reading

SHOWN: Final = 8
"""Features that are named; what the others add together is one number."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class MarginParts:
    """What each feature adds to the margin of one row.

    Attributes
    ----------
    features : tuple of Feature
        What the columns are.
    row, added : FloatArray of shape (k,)
        Their values, NaN for one that the bars do not fill, and what they add.
    base, margin : float
        ``base`` and all of ``added`` give ``margin``.
    reading : Reading
        In which units.

    """

    features: tuple[Feature, ...]
    row: FloatArray
    added: FloatArray
    base: float
    margin: float
    reading: Reading

    @classmethod
    def of(
        cls,
        features: tuple[Feature, ...],
        row: FloatArray,
        margin: FloatArray,
        parts: Contributions,
        reading: Reading,
    ) -> "MarginParts":
        """Take the margin that is read from the contributions to one row."""
        at = reading.output
        return cls(
            features=features,
            row=row,
            added=parts.values.reshape(-1, len(features))[at],
            base=float(parts.base.reshape(-1)[at]),
            margin=float(margin.reshape(-1)[at]),
            reading=reading,
        )

    def as_json(self) -> Fields:
        """Return the explanation: base, contributions and rest add up to the margin, and their effects likewise."""
        shown, slope = _largest(self.added), self.reading.slope
        return {
            "kind": "contributions",
            "unit": self.reading.unit,
            "base": self.base,
            "margin": self.margin,
            "contributions": [
                {
                    **_named(self.features[column]),
                    "value": _number(self.row[column]),
                    "contribution": float(self.added[column]),
                    "effect": self._if_linear(slope * float(self.added[column])),
                }
                for column in shown
            ],
            "rest": self._rest(shown, self.added, slope * self.added),
            "effect_unit": self.reading.effect_unit,
            "effect_base": self._if_linear(slope * self.base + self.reading.intercept),
            "effect_total": self._if_linear(slope * self.margin + self.reading.intercept),
        }

    def since(self, before: "MarginParts") -> Fields:
        """Return what moved the margin from an earlier one on: differences, which add up to that of the margin.

        The earlier one may be of another tier: a feature that only one of them knows added 0 to the other.
        """
        union = {feature.name: feature for feature in (*self.features, *before.features)}
        then, now = _over(union, before), _over(union, self)
        old_effect, new_effect = before.reading.slope * then[1], self.reading.slope * now[1]
        moved, effect = now[1] - then[1], new_effect - old_effect
        features, shown = tuple(union.values()), _largest(moved)
        intercepts = self.reading.intercept - before.reading.intercept
        bases = self.reading.slope * self.base - before.reading.slope * before.base
        margins = self.reading.slope * self.margin - before.reading.slope * before.margin
        return {
            "unit": self.reading.unit,
            "base": self.base - before.base,
            "margin": self.margin - before.margin,
            "contributions": [
                {
                    **_named(features[column]),
                    "before": _number(then[0][column]),
                    "after": _number(now[0][column]),
                    "contribution": float(moved[column]),
                    "effect": self._if_linear(float(effect[column])),
                }
                for column in shown
            ],
            "rest": self._rest(shown, moved, effect),
            "effect_unit": self.reading.effect_unit,
            "effect_base": self._if_linear(bases + intercepts),
            "effect_total": self._if_linear(margins + intercepts),
        }

    def _rest(self, shown: Sequence[int], added: FloatArray, effect: FloatArray) -> Fields:
        return {
            "features": len(added) - len(shown),
            "contribution": float(np.add.reduce(np.delete(added, shown))),
            "effect": self._if_linear(float(np.add.reduce(np.delete(effect, shown)))),
        }

    def _if_linear(self, effect: float) -> float | None:
        return None if self.reading.effect_unit is None else effect


def _over(union: Iterable[str], parts: MarginParts) -> tuple[FloatArray, FloatArray]:
    """Return values and contributions of a union of features: NaN and 0 for those that are not among the parts'."""
    at = {feature.name: column for column, feature in enumerate(parts.features)}
    row = [float(parts.row[at[name]]) if name in at else math.nan for name in union]
    added = [float(parts.added[at[name]]) if name in at else 0.0 for name in union]
    return np.array(row), np.array(added)


def _largest(added: FloatArray) -> list[int]:
    """Return the columns that are named: largest first, ties in the order of the features, none that adds nothing."""
    order = np.argsort(-np.abs(added), kind="stable")[:SHOWN]
    return [int(column) for column in order if added[column] != 0.0]


def _named(feature: Feature) -> dict[str, str]:
    return {"feature": feature.name, "meaning": feature.formula, "unit": feature.unit}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
