"""Drawdown: how far and how long below the high, or above the low."""

import math
from functools import partial

import numpy as np

from feature_mapper.feature import Feature
from feature_mapper.series import Series
from feature_mapper.windows import Values, lowest

_feature = partial(Feature, family="drawdown")


def _from_high(width: int) -> Feature:
    return _feature(
        name=f"from_high_{width}",
        unit="ratio",
        lookback=width,
        formula=f"close / highest high of {width} sessions - 1",
        kernel=lambda s, rows: s.close.last(rows) / s.high.max(width, rows) - 1.0,
        level=True,
    )


def _from_low(width: int) -> Feature:
    return _feature(
        name=f"from_low_{width}",
        unit="ratio",
        lookback=width,
        formula=f"close / lowest low of {width} sessions - 1",
        kernel=lambda s, rows: s.close.last(rows) / s.low.min(width, rows) - 1.0,
        level=True,
    )


def _max_drawdown(width: int) -> Feature:
    def max_drawdown(s: Series, rows: int) -> Values:
        closes = s.close.window(width, rows)
        peaks = np.maximum.accumulate(closes, axis=-1)
        return lowest(closes / peaks) - 1.0

    return _feature(
        name=f"max_drawdown_{width}",
        unit="ratio",
        lookback=width,
        formula=f"least of close / (highest close before it, itself included) - 1 within {width} sessions",
        kernel=max_drawdown,
        level=True,
    )


def _relative_drawdown(width: int) -> Feature:
    scale = 1.0 / math.sqrt(width)
    return _feature(
        name=f"standardised_drawdown_{width}",
        unit="standard deviations",
        lookback=width + 1,
        formula=(
            f"ln(close / highest high of {width} sessions) / (sqrt({width}) * root mean square of the last {width} log "
            "returns, at least 1e-5); constant price gives 0"
        ),
        kernel=lambda s, rows: (
            np.log(s.close.last(rows) / s.high.max(width, rows)) * scale / s.return_size(width, rows)
        ),
    )


def _since_high(width: int) -> Feature:
    return _feature(
        name=f"sessions_since_high_{width}",
        unit="sessions",
        lookback=width,
        formula=f"sessions since the highest high of {width} sessions, the latest if several; 0 is today",
        kernel=lambda s, rows: s.high.window(width, rows)[..., ::-1].argmax(axis=-1).astype(np.float64),
    )


def _since_low(width: int) -> Feature:
    return _feature(
        name=f"sessions_since_low_{width}",
        unit="sessions",
        lookback=width,
        formula=f"sessions since the lowest low of {width} sessions, the latest if several; 0 is today",
        kernel=lambda s, rows: s.low.window(width, rows)[..., ::-1].argmin(axis=-1).astype(np.float64),
    )


FEATURES: tuple[Feature, ...] = (
    *(_from_high(width) for width in (21, 63, 252)),
    *(_from_low(width) for width in (21, 63, 252)),
    *(_max_drawdown(width) for width in (63, 252)),
    *(_relative_drawdown(width) for width in (63, 252)),
    *(_since_high(width) for width in (21, 252)),
    *(_since_low(width) for width in (21, 252)),
)
