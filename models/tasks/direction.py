"""Will the next session close above this one?"""

from typing import Final

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from models.tasks.base import Columns, Fields, Head, Identity, Reading, expect
from models.typing import JsonObject

IDENTITY: Final = Identity(
    name="direction",
    question="Does the next session close above the as-of close?",
    route="/predict/direction",
    horizon=1,
    models=("lightgbm_direction",),
)


EVEN: Final = 0.5


class DirectionHead(Head, frozen=True):
    """Platt's map from log odds to calibrated log odds: ``slope * margin + intercept``."""

    slope: float
    intercept: float


class Direction:
    """The task; holds nothing."""

    identity: Final = IDENTITY
    scaled: Final = False

    def parse(self, head: JsonObject) -> DirectionHead:
        """Read a `DirectionHead`."""
        return msgspec.convert(head, DirectionHead)

    def columns(self, margin: FloatArray, scale: FloatArray, head: Head) -> Columns:  # noqa: ARG002  one signature for all tasks
        """Return ``probability_up``, calibrated, inside (0, 1)."""
        platt = expect(head, DirectionHead)
        return {"probability_up": 1.0 / (1.0 + np.exp(-(platt.slope * margin + platt.intercept)))}

    def fields(self, columns: Columns, head: Head) -> list[Fields]:  # noqa: ARG002  one signature for all tasks
        """Return ``direction`` and ``probability_up``; an even chance counts as up."""
        return [
            {"direction": "up" if p >= EVEN else "down", "probability_up": p}
            for p in columns["probability_up"].tolist()
        ]

    def reading(self, margin: FloatArray, scale: float, head: Head, *, scores: bool) -> Reading:  # noqa: ARG002  one signature for all tasks
        """Log odds before Platt's map and, by its slope, behind it."""
        platt = expect(head, DirectionHead)
        return Reading(0, "log odds of up", "calibrated log odds of up", slope=platt.slope, intercept=platt.intercept)

    def fallback(self, bars: Bars, head: JsonObject | None) -> Fields:  # noqa: ARG002  needs no head
        """Follow the last bar: up if it closed at or above its open. The probability is an honest even chance."""
        return {"direction": "up" if bars.close[-1] >= bars.open[-1] else "down", "probability_up": EVEN}
