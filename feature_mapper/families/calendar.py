"""Calendar: what the date of the bar says by itself. NaN where dates are not given."""

from functools import partial

from feature_mapper.feature import Feature

_feature = partial(Feature, family="calendar", needs="date")

FEATURES: tuple[Feature, ...] = (
    _feature(
        name="day_of_week",
        unit="index",
        lookback=1,
        formula="0 Monday to 6 Sunday",
        kernel=lambda s, rows: (s.day.last(rows) + 3.0) % 7.0,
    ),
    _feature(
        name="month",
        unit="index",
        lookback=1,
        formula="1 January to 12 December",
        kernel=lambda s, rows: s.month.last(rows) % 12.0 + 1.0,
    ),
    _feature(
        name="day_of_month",
        unit="days",
        lookback=1,
        formula="1 on the first of the month",
        kernel=lambda s, rows: s.day.last(rows) - s.month_start.last(rows) + 1.0,
    ),
    _feature(
        name="days_to_month_end",
        unit="days",
        lookback=1,
        formula="calendar days until the last day of the month; 0 is that day",
        kernel=lambda s, rows: s.next_month_start.last(rows) - s.day.last(rows) - 1.0,
    ),
    _feature(
        name="days_to_quarter_end",
        unit="days",
        lookback=1,
        formula="calendar days until the last day of March, June, September or December; 0 is that day",
        kernel=lambda s, rows: s.next_quarter_start.last(rows) - s.day.last(rows) - 1.0,
    ),
    _feature(
        name="days_since_previous_bar",
        unit="days",
        lookback=2,
        formula="calendar days since the previous bar: 1 from day to day, 3 over a weekend, more after a halt",
        kernel=lambda s, rows: s.day.last(rows) - s.day.lagged(1, rows),
    ),
)
