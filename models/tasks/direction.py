"""Will the next session, or a later one, close above this one?"""

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
    """The map from log odds to calibrated ones: ``slope * margin + intercept + asymmetry * ln(p (1 - p))``.

    ``p`` is the probability of the margin. ``method`` names how the map was fitted; without asymmetry it is Platt's.
    """

    slope: float
    intercept: float
    asymmetry: float = 0.0
    method: str = "platt"


class Direction:
    """The task at one horizon, in sessions."""

    scaled: Final = False

    def __init__(self, horizon: int = IDENTITY.horizon) -> None:
        """Say what is asked of that horizon."""
        question = f"Is the close {horizon} sessions later above the as-of close?"
        self.identity: Final = IDENTITY if horizon == IDENTITY.horizon else IDENTITY.at(horizon, question)

    def parse(self, head: JsonObject) -> DirectionHead:
        """Read a `DirectionHead`."""
        return msgspec.convert(head, DirectionHead)

    def columns(self, margin: FloatArray, scale: FloatArray, head: Head) -> Columns:  # noqa: ARG002  one signature for all tasks
        """Return ``probability_up``, calibrated, inside (0, 1)."""
        fitted = expect(head, DirectionHead)
        odds = fitted.slope * margin + fitted.intercept
        if fitted.asymmetry:
            odds = odds + fitted.asymmetry * certainty(margin)
        return {"probability_up": 1.0 / (1.0 + np.exp(-odds))}

    def fields(self, columns: Columns, head: Head) -> list[Fields]:  # noqa: ARG002  one signature for all tasks
        """Return ``direction`` and ``probability_up``; an even chance counts as up."""
        return [
            {"direction": "up" if p >= EVEN else "down", "probability_up": p}
            for p in columns["probability_up"].tolist()
        ]

    def reading(self, margin: FloatArray, scale: float, head: Head, *, scores: bool) -> Reading:  # noqa: ARG002  one signature for all tasks
        """Log odds before the map and, by its slope, behind it; no effect on the answer where it is no line."""
        fitted = expect(head, DirectionHead)
        behind = None if fitted.asymmetry else "calibrated log odds of up"
        return Reading(0, "log odds of up", behind, slope=fitted.slope, intercept=fitted.intercept)

    def fallback(self, bars: Bars, head: JsonObject | None) -> Fields:  # noqa: ARG002  needs no head
        """Follow the last bar: up if it closed at or above its open. The probability is an honest even chance."""
        return {"direction": "up" if bars.close[-1] >= bars.open[-1] else "down", "probability_up": EVEN}


def certainty(margin: FloatArray) -> FloatArray:
    """Return ``ln(p (1 - p))`` of the probabilities of log odds: at most ``-ln 4``, and less the surer they are."""
    sure: FloatArray = -np.logaddexp(0.0, margin) - np.logaddexp(0.0, -margin)
    return sure
