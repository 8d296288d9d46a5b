"""Momentum: oscillators and the share of rises."""

from functools import partial

import numpy as np

from feature_mapper.feature import Feature
from feature_mapper.series import Series
from feature_mapper.typing import FloatArray
from feature_mapper.windows import RESOLUTION, Values, at_least, ema_weights, total

_feature = partial(Feature, family="momentum")


def _rsi(width: int) -> Feature:
    def rsi(s: Series, rows: int) -> Values:
        close = s.close.last(rows)
        path = at_least(s.absolute_change.sum(width, rows), RESOLUTION * close)
        return 50.0 + 50.0 * (close - s.close.lagged(width, rows)) / path

    return _feature(
        name=f"rsi_{width}",
        unit="percent",
        lookback=width + 1,
        formula=(
            f"100 * rises / (rises + falls), sums over the last {width} changes of close: Cutler's RSI, whose plain "
            "means forget, where Wilder's recursion does not; rises + falls at least 1e-5 of the close, constant "
            "price gives 50"
        ),
        kernel=rsi,
    )


def _stochastic(width: int) -> Feature:
    def stochastic(s: Series, rows: int) -> Values:
        close, high, low = s.close.last(rows), s.high.max(width, rows), s.low.min(width, rows)
        return 50.0 + 50.0 * (close - high + (close - low)) / at_least(high - low, RESOLUTION * close)

    return _feature(
        name=f"stochastic_{width}",
        unit="percent",
        lookback=width,
        formula=(
            f"100 * (close - lowest low) / (highest high - lowest low) of {width} sessions (Lane's %K), the range at "
            "least 1e-5 of the close; no range gives 50"
        ),
        kernel=stochastic,
    )


def _cci(s: Series, rows: int) -> Values:
    typical = s.typical.last(rows)
    spread = total(np.abs(s.typical.deviations(20, rows))) / 20.0
    return (typical - s.typical.mean(20, rows)) / at_least(0.015 * spread, 0.1 * RESOLUTION * typical)


def _up_share(width: int) -> Feature:
    return _feature(
        name=f"up_share_{width}",
        unit="share",
        lookback=width + 1,
        formula=f"share of the last {width} sessions that closed above the one before; an unchanged close counts half",
        kernel=lambda s, rows: 0.5 + 0.5 * s.change_sign.mean(width, rows),
    )


_MACD: FloatArray = ema_weights(12, 64) - ema_weights(26, 64)


def _histogram_weights() -> FloatArray:
    """MACD less its signal is one weighted sum of closes: the signal averages nine MACDs, each of 56 closes."""
    macd, signal = ema_weights(12, 56) - ema_weights(26, 56), ema_weights(9, 9)
    weights = np.zeros(64)
    weights[8:] = macd
    for age, weight in enumerate(signal[::-1]):
        weights[8 - age : 64 - age] -= weight * macd
    return weights


_HISTOGRAM = _histogram_weights()

FEATURES: tuple[Feature, ...] = (
    _rsi(5),
    _rsi(14),
    *(_stochastic(width) for width in (14, 63, 252)),
    _feature(
        name="cci_20",
        unit="ratio",
        lookback=20,
        formula=(
            "(p - mean p) / (0.015 * mean |p - mean p|) over 20 sessions, p = (high + low + close) / 3 (Lambert 1980), "
            "the denominator at least 1e-6 of p; constant price gives 0"
        ),
        kernel=_cci,
    ),
    _feature(
        name="macd_12_26",
        unit="ratio",
        lookback=64,
        formula="(EMA12 - EMA26) / close, each EMA over the last 64 closes only, weights (1 - 2/(span + 1))^age",
        kernel=lambda s, rows: s.close.weighted(_MACD, rows) / s.close.last(rows),
        level=True,
    ),
    _feature(
        name="macd_histogram_12_26_9",
        unit="ratio",
        lookback=64,
        formula=(
            "(m - EMA9 of the last 9 m) / close, m = EMA12 - EMA26, each over the last 56 closes only, weights "
            "(1 - 2/(span + 1))^age"
        ),
        kernel=lambda s, rows: s.close.weighted(_HISTOGRAM, rows) / s.close.last(rows),
        level=True,
    ),
    *(_up_share(width) for width in (10, 21)),
    _feature(
        name="momentum_252_21",
        unit="log return",
        lookback=253,
        formula="ln(close 21 sessions back / close 252 sessions back): a year without its last month",
        kernel=lambda s, rows: np.log(s.close.lagged(21, rows) / s.close.lagged(252, rows)),
        level=True,
    ),
)
