"""Candle: the shape of one bar, all of it known from the bar alone but for the true range."""

from functools import partial

import numpy as np

from feature_mapper.feature import Feature
from feature_mapper.series import Series
from feature_mapper.windows import Values, at_least, at_most

_feature = partial(Feature, family="candle")
_move = partial(_feature, unit="log return", level=True)

_FLOOR = "the range at least 1e-5 of the close; no range gives 0"


def _body(s: Series, rows: int) -> Values:
    return (s.close.last(rows) - s.open.last(rows)) / s.spread.last(rows)


def _upper_wick(s: Series, rows: int) -> Values:
    return (s.high.last(rows) - at_least(s.open.last(rows), s.close.last(rows))) / s.spread.last(rows)


def _lower_wick(s: Series, rows: int) -> Values:
    return (at_most(s.open.last(rows), s.close.last(rows)) - s.low.last(rows)) / s.spread.last(rows)


def _true_range(s: Series, rows: int) -> Values:
    previous = s.close.lagged(1, rows)
    return np.log(at_least(s.high.last(rows), previous) / at_most(s.low.last(rows), previous))


FEATURES: tuple[Feature, ...] = (
    _move(
        name="log_close_open",
        lookback=1,
        formula="ln(close / open)",
        kernel=lambda s, rows: s.intraday.last(rows),
    ),
    _move(
        name="log_high_low",
        lookback=1,
        formula="ln(high / low)",
        kernel=lambda s, rows: s.high_low.last(rows),
    ),
    _move(
        name="log_high_open",
        lookback=1,
        formula="ln(high / open)",
        kernel=lambda s, rows: np.log(s.high.last(rows) / s.open.last(rows)),
    ),
    _move(
        name="log_low_open",
        lookback=1,
        formula="ln(low / open)",
        kernel=lambda s, rows: np.log(s.low.last(rows) / s.open.last(rows)),
    ),
    _move(
        name="log_true_range",
        lookback=2,
        formula="ln(max(high, previous close) / min(low, previous close))",
        kernel=_true_range,
    ),
    _feature(
        name="body_share",
        unit="share",
        lookback=1,
        formula=f"(close - open) / (high - low), {_FLOOR}",
        kernel=_body,
    ),
    _feature(
        name="upper_wick_share",
        unit="share",
        lookback=1,
        formula=f"(high - max(open, close)) / (high - low), {_FLOOR}",
        kernel=_upper_wick,
    ),
    _feature(
        name="lower_wick_share",
        unit="share",
        lookback=1,
        formula=f"(min(open, close) - low) / (high - low), {_FLOOR}",
        kernel=_lower_wick,
    ),
    _feature(
        name="close_position",
        unit="share",
        lookback=1,
        formula=f"((close - low) - (high - close)) / (high - low): -1 at the low, 1 at the high, {_FLOOR}",
        kernel=lambda s, rows: s.close_position.last(rows),
    ),
)
