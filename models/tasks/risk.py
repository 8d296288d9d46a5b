"""Will the next week be calm or rough by this symbol's own standards?"""

from typing import Final

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from models.tasks.base import Columns, Fields, Head, Identity, Reading, expect
from models.typing import JsonObject

IDENTITY: Final = Identity(
    name="risk",
    question="In which third of the symbol's own last two years will realised volatility of the next 5 sessions lie?",
    route="/predict/risk",
    horizon=5,
    models=("random_forest_risk",),
)

CLASSES: Final = ("LOW", "MEDIUM", "HIGH")


class RiskHead(Head, frozen=True):
    """Class weights of training, which the probabilities are corrected for: divided by, then normalised.

    What is left is raised to the power of ``1 / temperature`` and normalised: above 1 flattens, below 1 sharpens.
    ``method`` names how that was chosen.
    """

    class_weights: tuple[float, float, float]
    temperature: float = 1.0
    method: str = "weights"


class Risk:
    """The task; holds nothing."""

    identity: Final = IDENTITY
    scaled: Final = False

    def parse(self, head: JsonObject) -> RiskHead:
        """Read a `RiskHead`."""
        return msgspec.convert(head, RiskHead)

    def columns(self, margin: FloatArray, scale: FloatArray, head: Head) -> Columns:  # noqa: ARG002  one signature for all tasks
        """Return ``probabilities``, shape (n, 3), with the effect of the class weights of training taken out."""
        fitted = expect(head, RiskHead)
        corrected = margin / np.array(fitted.class_weights)
        if fitted.temperature != 1.0:
            corrected = corrected ** (1.0 / fitted.temperature)
        return {"probabilities": corrected / np.add.reduce(corrected, axis=1, keepdims=True)}

    def fields(self, columns: Columns, head: Head) -> list[Fields]:  # noqa: ARG002  one signature for all tasks
        """Return the likeliest class, its code and all probabilities; a tie goes to the lower class."""
        return [_fields(int(np.argmax(shares)), shares.tolist()) for shares in columns["probabilities"]]

    def reading(self, margin: FloatArray, scale: float, head: Head, *, scores: bool) -> Reading:  # noqa: ARG002  one signature for all tasks
        """Explain the class that is called. Taking class weights out is no sum, so there is no effect on the answer."""
        code = int(np.argmax(self.columns(margin, np.ones(1), head)["probabilities"][0]))
        what = "log score" if scores else "probability"
        return Reading(
            code, f"{what} of {CLASSES[code]} before class weights are taken out", None, slope=1.0, intercept=0.0
        )

    def fallback(self, bars: Bars, head: JsonObject | None) -> Fields:  # noqa: ARG002  needs neither
        """Return HIGH, the careful side, without probabilities, as nothing stands behind any."""
        return _fields(2, None)


def _fields(code: int, shares: list[float] | None) -> Fields:
    named = None if shares is None else dict(zip(CLASSES, shares, strict=True))
    return {"risk": CLASSES[code], "code": code, "probabilities": named}
