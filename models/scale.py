"""Forecast volatility from a symbol's own recent sessions: the yardstick that other answers are measured with."""

from collections.abc import Sequence
from typing import Final, Self

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from feature_mapper.volatility import garman_klass_variance, session_variance
from feature_mapper.windows import windows
from models.typing import Json, JsonObject

FLOOR: Final = 1e-10
"""Least session variance, in squared log return: a flat stretch has no range, and a ratio to 0 means nothing."""


class HarScale(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A heterogeneous autoregression (Corsi 2009) in logs whose weights add up to 1.

    ``log variance = intercept + sum_i weight_i * log L_i``, where ``L_i`` is the mean session variance of the last
    ``widths[i]`` sessions. As the weights add up to 1, a symbol that is twice as volatile gets twice the forecast: no
    level is learnt, so an unseen symbol at another level is served without bias. The variance is that of the next
    session, or the mean of several, whatever it was fitted on.

    A width of 1 alone reads the Garman-Klass variance of one bar; otherwise ``max(widths) + 1`` bars are read, the
    first for its close only.
    """

    widths: tuple[int, ...]
    weights: tuple[float, ...]
    intercept: float

    @classmethod
    def parse(cls, value: Json) -> Self:
        """Read what `as_json` wrote; raises ``msgspec.ValidationError``."""
        return msgspec.convert(value, cls)

    def as_json(self) -> JsonObject:
        """Return the numbers for a manifest."""
        return {"widths": self.widths, "weights": self.weights, "intercept": self.intercept}

    def volatility(self, bars: Bars, rows: int) -> FloatArray:
        """Return the forecast volatility of a session ahead of each of the last ``rows`` bars, shape (rows,)."""
        return self.from_logs(log_levels(bars, self.widths, rows))

    def from_logs(self, logs: Sequence[FloatArray]) -> FloatArray:
        """Return the forecast volatility from `log_levels` of the widths, each of shape (rows,)."""
        total = np.full(len(logs[0]), self.intercept)
        for weight, log_level in zip(self.weights, logs, strict=True):
            total = total + weight * log_level
        result: FloatArray = np.exp(0.5 * total)
        return result


def log_levels(bars: Bars, widths: tuple[int, ...], rows: int) -> list[FloatArray]:
    """Return the log of the mean session variance over each width, for the last ``rows`` bars.

    Needs ``rows + max(widths)`` bars, or ``rows`` if the only width is 1.
    """
    if widths == (1,):
        return [np.log(np.maximum(garman_klass_variance(bars.tail(rows)), FLOOR))]
    variance = session_variance(bars.tail(rows + max(widths)))
    return [
        np.log(np.maximum(np.add.reduce(windows(variance, width, rows), axis=-1) / width, FLOOR)) for width in widths
    ]
