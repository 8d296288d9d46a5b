"""Which state of the market are we in?"""

from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from models.tasks.base import Fields, Identity
from models.typing import JsonObject

IDENTITY: Final = Identity(
    name="regime",
    question="Which regime (bear, neutral, bull) does the market stand in, judged by bars up to as-of only?",
    route="/predict/regime",
    horizon=1,
    models=("hmm_regime",),
)

REGIMES: Final = ("bear", "neutral", "bull")


class Regime:
    """The task; holds nothing. Its answers come from `models.regime`."""

    identity: Final = IDENTITY

    def fallback(self, bars: Bars, head: JsonObject | None) -> Fields:  # noqa: ARG002  needs no head
        """Compare the log return over the bars with its own standard error: beyond one of them is bull or bear."""
        move = float(np.log(bars.close[-1]) - np.log(bars.open[0]))
        steps = np.diff(np.log(np.concatenate((bars.open[:1], bars.close))))
        noise = float(np.sqrt(np.sum(np.square(steps))))
        return {
            "regime": "bull" if move > noise else "bear" if move < -noise else "neutral",
            "probabilities": None,
            "confidence": None,
            "next_probabilities": None,
            "expected_duration": None,
            "backend": "rule",
        }
