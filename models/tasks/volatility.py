"""How widely will the next session, or each of the next ones, move?"""

import math
from typing import Final

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from feature_mapper.volatility import garman_klass
from models.tasks.bands import BandHead
from models.tasks.base import Columns, Fields, Head, Identity, Reading, expect, rows
from models.typing import JsonObject

IDENTITY: Final = Identity(
    name="volatility",
    question="What is the next session's volatility (Garman-Klass variance plus squared overnight gap, square root)?",
    route="/predict/volatility",
    horizon=1,
    models=("lightgbm_volatility",),
)

SESSIONS_A_YEAR: Final = 252
"""Convention of the field for annualising daily volatility of exchange-traded instruments."""


class VolatilityHead(BandHead, frozen=True, kw_only=True):
    """Band of the ratio realised / forecast volatility: its logs' quantiles out of fold.

    ``level`` of the logs lay between ``lower`` and ``upper``, ``levels[i]`` of them between ``lowers[i]`` and
    ``uppers[i]``.
    """

    lower: float
    upper: float
    lowers: tuple[float, ...] = ()
    uppers: tuple[float, ...] = ()

    def table(self) -> tuple[tuple[str, tuple[float, ...]], ...]:
        """Return both ends by level."""
        return (("lower", self.lowers), ("upper", self.uppers))


class Volatility:
    """The task at one horizon, in sessions: of several, their root mean variance, so that horizons compare."""

    scaled: Final = True

    def __init__(self, horizon: int = IDENTITY.horizon) -> None:
        """Say what is asked of that horizon."""
        formula = "Garman-Klass variance plus squared overnight gap, square root of the mean"
        question = f"What is the volatility of a session over the next {horizon} sessions ({formula})?"
        self.identity: Final = IDENTITY if horizon == IDENTITY.horizon else IDENTITY.at(horizon, question)

    def parse(self, head: JsonObject) -> VolatilityHead:
        """Read a `VolatilityHead`."""
        return msgspec.convert(head, VolatilityHead)

    def columns(self, margin: FloatArray, scale: FloatArray, head: Head) -> Columns:
        """Return ``volatility = scale * exp(margin / 2)``: margins are logs of a variance relative to the own level."""
        band = expect(head, VolatilityHead)
        volatility = scale * np.exp(0.5 * margin)
        return {
            "volatility": volatility,
            "lower": volatility * math.exp(band.lower),
            "upper": volatility * math.exp(band.upper),
        }

    def fields(self, columns: Columns, head: Head) -> list[Fields]:
        """Return ``volatility`` of one session, the same annualised, and the ``interval`` of the former."""
        level = expect(head, VolatilityHead).level
        return [
            _fields(volatility, {"level": level, "lower": lower, "upper": upper})
            for volatility, lower, upper in rows(columns, "volatility", "lower", "upper")
        ]

    def reading(self, margin: FloatArray, scale: float, head: Head, *, scores: bool) -> Reading:  # noqa: ARG002  one signature for all tasks
        """Half of a log variance is a log volatility: 0.01 more is 1 % more of it."""
        return Reading(
            0,
            "log of variance relative to the own level",
            "log of volatility",
            slope=0.5,
            intercept=math.log(scale),
        )

    def fallback(self, bars: Bars, head: JsonObject | None) -> Fields:  # noqa: ARG002  needs no head
        """Return the root mean Garman-Klass variance of the bars; no interval, as none was ever measured for it."""
        # Differences of logs: a log of quotients may leave the floats, and there is nothing to fall back on from here.
        variance = garman_klass(np.log(bars.high) - np.log(bars.low), np.log(bars.close) - np.log(bars.open))
        return _fields(float(np.sqrt(np.mean(variance))), None)


def _fields(volatility: float, interval: Fields | None) -> Fields:
    return {
        "volatility": volatility,
        "volatility_annualized": volatility * math.sqrt(SESSIONS_A_YEAR),
        "interval": interval,
    }
