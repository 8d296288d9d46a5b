"""What features add to a margin, as JSON: the largest by name, in words and units, and the rest as one number."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from feature_mapper.feature import Feature
from feature_mapper.typing import FloatArray
from models.families.base import Contributions
from models.tasks.base import Fields, Reading

SHOWN: Final = 8
"""Features that are named; what the others add together is one number."""


def contributions_json(
    features: Sequence[Feature], row: FloatArray, margin: FloatArray, parts: Contributions, reading: Reading
) -> Fields:
    """Return the explanation of one row; base, contributions and rest add up to the margin.

    Parameters
    ----------
    features : sequence of Feature
        What the columns are.
    row : FloatArray of shape (k,)
        Their values; NaN, of a feature that the bars do not fill, becomes null.
    margin : FloatArray of shape (1,) or (1, classes)
        What is explained.
    parts : Contributions
        Of one row.
    reading : Reading
        Which margin, in which units.

    """
    at = reading.output
    added = parts.values.reshape(-1, len(features))[at]
    base, total = float(parts.base.reshape(-1)[at]), float(margin.reshape(-1)[at])
    order = np.argsort(-np.abs(added), kind="stable")
    shown = [int(column) for column in order[:SHOWN] if added[column] != 0.0]
    rest = float(np.add.reduce(np.delete(added, shown)))
    linear = reading.effect_unit is not None
    slope, intercept = reading.slope, reading.intercept
    return {
        "kind": "contributions",
        "unit": reading.unit,
        "base": base,
        "margin": total,
        "contributions": [
            {
                "feature": features[column].name,
                "meaning": features[column].formula,
                "unit": features[column].unit,
                "value": None if math.isnan(row[column]) else float(row[column]),
                "contribution": float(added[column]),
                "effect": slope * float(added[column]) if linear else None,
            }
            for column in shown
        ],
        "rest": {
            "features": len(features) - len(shown),
            "contribution": rest,
            "effect": slope * rest if linear else None,
        },
        "effect_unit": reading.effect_unit,
        "effect_base": slope * base + intercept if linear else None,
        "effect_total": slope * total + intercept if linear else None,
    }
