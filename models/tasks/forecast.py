"""Where will the price go over the next sessions?"""

from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from models.tasks.base import Identity

IDENTITY: Final = Identity(
    name="forecast",
    question="Which path does the close take over the next sessions?",
    route="/forecast/price",
    horizon=1,
    models=("prophet_forecast",),
)


class Forecast:
    """The task; holds nothing. Its answers come from `models.forecast`."""

    identity: Final = IDENTITY


def drift(bars: Bars) -> float:
    """Return the mean log return a session over the bars; 0 for a single bar."""
    n = len(bars)
    return 0.0 if n == 1 else float(np.log(bars.close[-1]) - np.log(bars.close[0])) / (n - 1)


def walk(bars: Bars, periods: int) -> FloatArray:
    """Return the path of a random walk with the drift of the bars, shape (periods,), in price."""
    path: FloatArray = bars.close[-1] * np.exp(drift(bars) * np.arange(1, periods + 1))
    return path
