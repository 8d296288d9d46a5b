"""How often bands held what came, and how far probabilities lie from frequencies; of rows out of fold."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from feature_mapper.typing import BoolArray, DateArray, FloatArray
from models.manifest import Coverage, CoveredYear
from models.scale import FLOOR
from models.tasks.base import Columns
from training.kit.evaluation import calendar_years
from training.kit.questions.direction import calibration_error

THIRDS: Final = (1 / 3, 2 / 3)


def coverage(level: float, inside: BoolArray, date: DateArray, volatility: FloatArray) -> Coverage:
    """Return the shares of rows that lay ``inside`` a band of ``level``, all arrays of shape (n,).

    ``volatility`` is what was forecast for the row; its terciles are those of these rows.
    """
    group, names = calendar_years(date)
    years = tuple(
        CoveredYear(int(name), int(mine.sum()), float(inside[mine].mean()))
        for number, name in enumerate(names)
        if (mine := group == number).any()
    )
    third = np.searchsorted(np.quantile(volatility, THIRDS), volatility)
    calm, middling, rough = (float(inside[third == number].mean()) for number in range(3))
    return Coverage(
        level=level, n=len(inside), overall=float(inside.mean()), years=years, terciles=(calm, middling, rough)
    )


_OUTCOMES: Final[Mapping[str, Callable[[FloatArray], FloatArray]]] = {
    "expected_return": lambda y: y,
    "volatility": lambda y: np.sqrt(np.maximum(y, FLOOR)),
}
"""What a band is about, from the target, by the forecast that it lies around."""


def of_band(forecast: Columns, y: FloatArray, level: float, date: DateArray, scale: FloatArray) -> Coverage | None:
    """Return the coverage of a tabular forecast's band; None if it has none.

    ``scale`` is the yardstick's volatility; where volatility is itself forecast, rows are told apart by that.
    """
    if "lower" not in forecast:
        return None
    return coverage(level, held(forecast, y), date, forecast.get("volatility", scale))


def held(forecast: Columns, y: FloatArray) -> BoolArray:
    """Tell of each row whether its band held what came."""
    (outcome,) = (of(y) for name, of in _OUTCOMES.items() if name in forecast)
    inside: BoolArray = (forecast["lower"] <= outcome) & (outcome <= forecast["upper"])
    return inside


def calibration(forecast: Columns, y: FloatArray) -> float | None:
    """Return the mean distance of probabilities from frequencies, over classes if there are several; None without."""
    if "probability_up" in forecast:
        return calibration_error(forecast["probability_up"], y)
    if "probabilities" in forecast:
        shares = forecast["probabilities"]
        errors = [calibration_error(shares[:, code], (y == code).astype(np.float64)) for code in range(shares.shape[1])]
        return float(np.mean(errors))
    return None
