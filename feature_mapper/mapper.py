"""`compute`: bars to features, the one way there is: for whole histories in training, for the last row in service."""

import math
from collections.abc import Sequence

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.feature import Feature
from feature_mapper.series import Series
from feature_mapper.typing import FloatArray


def compute(bars: Bars, features: Sequence[Feature], rows: int | None = None) -> FloatArray:
    """Return the features of the last ``rows`` bars, shape (rows, len(features)), columns in the order given.

    A row depends on the ``lookback`` bars that end there and on nothing else, to the last bit: it is the same whether
    computed alone, from its window, or inside a longer history.

    Parameters
    ----------
    bars : Bars
        Validated bars, oldest first.
    features : sequence of Feature
        What to compute.
    rows : int or None
        How many of the last bars to answer for; all of them if None.

    Returns
    -------
    FloatArray of shape (rows, len(features))
        NaN where fewer than ``lookback`` bars end at the row, where the column that the feature needs is absent, and
        where a volume in its window is unknown. Finite everywhere else.

    Raises
    ------
    ValueError
        ``rows`` is not within 1 and the number of bars.

    """
    total = len(bars)
    asked = total if rows is None else rows
    if not 1 <= asked <= total:
        raise ValueError(f"expected rows from 1 to {total} (the number of bars), found {asked}; ask for fewer")
    series = Series(bars, asked, max((feature.lookback for feature in features), default=1))
    absent = {name for name, column in (("volume", bars.volume), ("date", bars.date)) if column is None}
    if asked == 1:  # what a request asks for: storing scalars one by one costs a tenth of the pass
        newest = [
            feature.kernel(series, 1) if feature.lookback <= total and feature.needs not in absent else math.nan
            for feature in features
        ]
        return np.array([newest], dtype=np.float64)
    values = np.full((asked, len(features)), np.nan)
    for column, feature in enumerate(features):
        ready = min(asked, total - feature.lookback + 1)
        if ready > 0 and feature.needs not in absent:
            values[asked - ready :, column] = feature.kernel(series, ready)
    return values
