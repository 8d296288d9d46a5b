"""Variance of one session from its bar: the estimators, and the session variance that models are asked to forecast.

All are variances of log prices, unit 1/session. Range estimators see only the open session; `session_variance` adds the
night before it. Used by the features and by the targets of training alike, so both mean the same thing.
"""

import math
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray

_PARKINSON: Final = 1.0 / (4.0 * math.log(2.0))
_GARMAN_KLASS: Final = 2.0 * math.log(2.0) - 1.0


def parkinson(high_low: FloatArray) -> FloatArray:
    """Return ``ln(high/low)^2 / (4 ln 2)`` from ``ln(high/low)``.

    Parkinson (1980), "The extreme value method for estimating the variance of the rate of return", J. Business 53.
    Assumes no drift and unobserved trading left out; the range of few trades is too small.
    """
    return _PARKINSON * (high_low * high_low)


def garman_klass(high_low: FloatArray, close_open: FloatArray) -> FloatArray:
    """Return ``0.5 ln(high/low)^2 - (2 ln 2 - 1) ln(close/open)^2``; never negative for a valid bar.

    Garman and Klass (1980), "On the estimation of security price volatilities from historical data", J. Business 53.
    """
    return 0.5 * (high_low * high_low) - _GARMAN_KLASS * (close_open * close_open)


def rogers_satchell(
    high_open: FloatArray, high_close: FloatArray, low_open: FloatArray, low_close: FloatArray
) -> FloatArray:
    """Return ``ln(high/open) ln(high/close) + ln(low/open) ln(low/close)``; drift does not bias it.

    Rogers and Satchell (1991), "Estimating variance from high, low and closing prices", Ann. Appl. Probab. 1.
    """
    return high_open * high_close + low_open * low_close


def garman_klass_variance(bars: Bars) -> FloatArray:
    """Return the Garman-Klass variance of each bar, shape (n,); a bar without range gives 0."""
    return garman_klass(np.log(bars.high / bars.low), np.log(bars.close / bars.open))


def overnight_gap(bars: Bars) -> FloatArray:
    """Return ``ln(open / previous close)`` of each bar, shape (n,); NaN for the first, whose night is not known."""
    gap = np.full(len(bars), np.nan)
    gap[1:] = np.log(bars.open[1:] / bars.close[:-1])
    return gap


def session_variance(bars: Bars) -> FloatArray:
    """Return Garman-Klass variance plus squared overnight gap of each bar, shape (n,); NaN for the first bar.

    From close to close: the night, then the session. Its square root is what volatility forecasts are about.
    """
    gap = overnight_gap(bars)
    return garman_klass_variance(bars) + gap * gap
