"""Calendar: what the date of the bar says by itself. NaN where dates are not given."""

from functools import partial

import numpy as np

from feature_mapper.feature import Feature
from feature_mapper.series import Series
from feature_mapper.typing import FloatArray, IntArray

_feature = partial(Feature, family="calendar", needs="date")


def _days(s: Series, rows: int) -> IntArray:
    """Days since 1970-01-01, a Thursday."""
    return s.dates[len(s.dates) - rows :].astype("datetime64[D]").astype(np.int64)


def _months(s: Series, rows: int) -> IntArray:
    """Months since January 1970."""
    return s.dates[len(s.dates) - rows :].astype("datetime64[M]").astype(np.int64)


def _first_day(months: IntArray) -> IntArray:
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _day_of_week(s: Series, rows: int) -> FloatArray:
    return ((_days(s, rows) + 3) % 7).astype(np.float64)


def _month(s: Series, rows: int) -> FloatArray:
    return (_months(s, rows) % 12 + 1).astype(np.float64)


def _day_of_month(s: Series, rows: int) -> FloatArray:
    return (_days(s, rows) - _first_day(_months(s, rows)) + 1).astype(np.float64)


def _days_to_month_end(s: Series, rows: int) -> FloatArray:
    return (_first_day(_months(s, rows) + 1) - 1 - _days(s, rows)).astype(np.float64)


def _days_to_quarter_end(s: Series, rows: int) -> FloatArray:
    next_quarter = (_months(s, rows) // 3 + 1) * 3
    return (_first_day(next_quarter) - 1 - _days(s, rows)).astype(np.float64)


def _days_since_previous(s: Series, rows: int) -> FloatArray:
    days = _days(s, rows + 1)
    return (days[1:] - days[:-1]).astype(np.float64)


FEATURES: tuple[Feature, ...] = (
    _feature(
        name="day_of_week",
        unit="index",
        lookback=1,
        formula="0 Monday to 6 Sunday",
        kernel=_day_of_week,
    ),
    _feature(
        name="month",
        unit="index",
        lookback=1,
        formula="1 January to 12 December",
        kernel=_month,
    ),
    _feature(
        name="day_of_month",
        unit="days",
        lookback=1,
        formula="1 on the first of the month",
        kernel=_day_of_month,
    ),
    _feature(
        name="days_to_month_end",
        unit="days",
        lookback=1,
        formula="calendar days until the last day of the month; 0 is that day",
        kernel=_days_to_month_end,
    ),
    _feature(
        name="days_to_quarter_end",
        unit="days",
        lookback=1,
        formula="calendar days until the last day of March, June, September or December; 0 is that day",
        kernel=_days_to_quarter_end,
    ),
    _feature(
        name="days_since_previous_bar",
        unit="days",
        lookback=2,
        formula="calendar days since the previous bar: 1 from day to day, 3 over a weekend, more after a halt",
        kernel=_days_since_previous,
    ),
)
