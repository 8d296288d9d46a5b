"""Trend: where the price stands against its own averages, and how straight its way was."""

import math
from functools import partial
from typing import Final

import numpy as np

from feature_mapper.feature import Feature
from feature_mapper.series import Series
from feature_mapper.windows import RESOLUTION, Values, at_least, ema_weights

_feature = partial(Feature, family="trend")

_UNEXPLAINED: Final = 0.01
"""Least unexplained share of variance in a t-statistic: on a straight line it would be infinite."""


def _ma_distance(width: int) -> Feature:
    return _feature(
        name=f"ma_distance_{width}",
        unit="ratio",
        lookback=width,
        formula=f"close / (mean of the last {width} closes) - 1",
        kernel=lambda s, rows: s.close.last(rows) / s.close.mean(width, rows) - 1.0,
        level=True,
    )


def _ma_cross(short: int, long: int) -> Feature:
    return _feature(
        name=f"ma_cross_{short}_{long}",
        unit="ratio",
        lookback=long,
        formula=f"(mean of the last {short} closes) / (mean of the last {long} closes) - 1",
        kernel=lambda s, rows: s.close.mean(short, rows) / s.close.mean(long, rows) - 1.0,
        level=True,
    )


def _ema_distance(span: int, width: int) -> Feature:
    weights = ema_weights(span, width)
    return _feature(
        name=f"ema_distance_{span}",
        unit="ratio",
        lookback=width,
        formula=(
            f"close / EMA - 1; EMA over the last {width} closes only, weights (1 - 2/{span + 1})^age scaled to add to 1"
        ),
        kernel=lambda s, rows: s.close.last(rows) / s.close.weighted(weights, rows) - 1.0,
        level=True,
    )


def _z_score(width: int) -> Feature:
    def z_score(s: Series, rows: int) -> Values:
        close = s.close.last(rows)
        return (close - s.close.mean(width, rows)) / at_least(s.close.std(width, rows), RESOLUTION * close)

    return _feature(
        name=f"close_z_score_{width}",
        unit="standard deviations",
        lookback=width,
        formula=(
            f"(close - mean) / standard deviation (divisor {width - 1}) of the last {width} closes, the deviation at "
            "least 1e-5 of the close; constant price gives 0"
        ),
        kernel=z_score,
    )


def _trend_t(width: int) -> Feature:
    centred = np.arange(width, dtype=np.float64) - (width - 1) / 2.0
    time = centred / math.sqrt(float((centred * centred).sum()))

    def trend_t(s: Series, rows: int) -> Values:
        spread = at_least(s.close.std(width, rows), RESOLUTION * s.close.last(rows)) * math.sqrt(width - 1)
        correlation = s.close.weighted(time, rows) / spread
        unexplained = at_least(1.0 - correlation * correlation, _UNEXPLAINED)
        return correlation * np.sqrt((width - 2) / unexplained)

    return _feature(
        name=f"trend_t_{width}",
        unit="t-statistic",
        lookback=width,
        formula=(
            f"t-statistic of the slope of close on time over {width} sessions: r sqrt({width - 2} / (1 - r^2)), "
            "1 - r^2 at least 0.01, the standard deviation of close at least 1e-5 of the close; constant price gives 0"
        ),
        kernel=trend_t,
    )


def _efficiency(width: int) -> Feature:
    def efficiency(s: Series, rows: int) -> Values:
        close = s.close.last(rows)
        path = at_least(s.absolute_change.sum(width, rows), RESOLUTION * close)
        return np.abs(close - s.close.lagged(width, rows)) / path

    return _feature(
        name=f"efficiency_ratio_{width}",
        unit="share",
        lookback=width + 1,
        formula=(
            f"|close - close {width} sessions back| / sum of the {width} |changes|, the sum at least 1e-5 of the close "
            "(Kaufman 1995); constant price gives 0"
        ),
        kernel=efficiency,
    )


FEATURES: tuple[Feature, ...] = (
    *(_ma_distance(width) for width in (5, 10, 20, 50, 200)),
    *(_ma_cross(short, long) for short, long in ((10, 50), (50, 200))),
    *(_ema_distance(span, width) for span, width in ((5, 22), (21, 64), (63, 253))),
    _z_score(20),
    *(_trend_t(width) for width in (21, 63, 252)),
    *(_efficiency(width) for width in (21, 63)),
)
