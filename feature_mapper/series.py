"""`Series`: base series of one run of bars, each computed when first asked for and then kept for the pass."""

from collections.abc import Callable
from typing import Final, overload

import numpy as np

from feature_mapper import volatility
from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray
from feature_mapper.windows import RESOLUTION, TINY, Holder, Line, Values, at_least, held, newest, windows

WEEK: Final = 5
"""Sessions in a week."""

DAYS_A_WEEK: Final = 7
SATURDAY: Final = 5


class _base:  # noqa: N801  used as a decorator, like property
    """A base series: a function of the bars, read as a `Line`, computed once (cached_property would take a lock)."""

    def __init__(self, compute: Callable[["Series"], FloatArray]) -> None:
        self.compute = compute
        self.name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, series: None, owner: type) -> "_base": ...
    @overload
    def __get__(self, series: "Series", owner: type) -> Line: ...
    def __get__(self, series: "Series | None", owner: type) -> "Line | _base":
        if series is None:
            return self
        line = series.__dict__[self.name] = Line(self.compute(series))
        return line


class Series(Holder):
    """Base series of the last ``rows`` bars of a run and of the ``lookback - 1`` bars before them.

    Each base series is aligned at its last value: a series of changes is one value shorter than the bars. Columns that
    are strided or unaligned, as a slice of a table may be, are copied: sums over such memory may differ in bits. Series
    of months and quarters reach back one bar at most: converting dates is slow, and no calendar feature asks for more.
    """

    def __init__(self, bars: Bars, rows: int, lookback: int) -> None:
        super().__init__()
        self._bars = bars
        self._start = max(0, len(bars) - rows - lookback + 1)
        self._first_date = max(0, len(bars) - rows - 1)

    def _column(self, values: FloatArray) -> FloatArray:
        column = np.ascontiguousarray(values[self._start :], np.float64)
        return column if column.flags.aligned else column.copy()

    def _dates(self, first: int) -> DateArray:
        dates = self._bars.date
        if dates is None:
            raise ValueError("expected bars with dates, found none; ask for calendar features only where there are")
        return dates[first:].astype("datetime64[D]")

    @_base
    def open(self) -> FloatArray:
        """First price of the session."""
        return self._column(self._bars.open)

    @_base
    def high(self) -> FloatArray:
        """Highest price of the session."""
        return self._column(self._bars.high)

    @_base
    def low(self) -> FloatArray:
        """Lowest price of the session."""
        return self._column(self._bars.low)

    @_base
    def close(self) -> FloatArray:
        """Last price of the session."""
        return self._column(self._bars.close)

    @_base
    def volume(self) -> FloatArray:
        """Units traded in the session."""
        volume = self._bars.volume
        if volume is None:
            raise ValueError("expected bars with volume, found none; ask for volume features only where there is one")
        return self._column(volume)

    @_base
    def day(self) -> FloatArray:
        """Days since 1970-01-01, a Thursday."""
        return self._dates(self._start).astype(np.float64)

    @_base
    def month(self) -> FloatArray:
        """Months since January 1970."""
        return self._dates(self._first_date).astype("datetime64[M]").astype(np.float64)

    @_base
    def month_start(self) -> FloatArray:
        """First day of the month, in days since 1970-01-01."""
        return _first_days(self.month.values)

    @_base
    def next_month_start(self) -> FloatArray:
        """First day of the next month, in days since 1970-01-01."""
        return _first_days(self.month.values + 1.0)

    @_base
    def next_quarter_start(self) -> FloatArray:
        """First day of the next January, April, July or October, in days since 1970-01-01."""
        return _first_days((self.month.values // 3.0 + 1.0) * 3.0)

    @_base
    def typical(self) -> FloatArray:
        """Mean of high, low and close."""
        return (self.high.values + self.low.values + self.close.values) / 3.0

    @_base
    def spread(self) -> FloatArray:
        """High less low, at least `RESOLUTION` of the close: a denominator."""
        return np.maximum(self.high.values - self.low.values, RESOLUTION * self.close.values)

    @_base
    def close_position(self) -> FloatArray:
        """Where in the range the close stands: -1 at the low, 0 in the middle or without range, 1 at the high."""
        close = self.close.values
        return ((close - self.low.values) - (self.high.values - close)) / self.spread.values

    @_base
    def change(self) -> FloatArray:
        """Close less previous close."""
        close = self.close.values
        return close[1:] - close[:-1]

    @_base
    def absolute_change(self) -> FloatArray:
        """Size of the change."""
        return np.abs(self.change.values)

    @_base
    def change_sign(self) -> FloatArray:
        """1 where the close rose, -1 where it fell, 0 where it stayed."""
        return np.sign(self.change.values)

    @_base
    def log_return(self) -> FloatArray:
        """``ln(close / previous close)``."""
        close = self.close.values
        return np.log(close[1:] / close[:-1])

    @_base
    def squared_return(self) -> FloatArray:
        """Square of the log return."""
        return self.log_return.values * self.log_return.values

    @_base
    def overnight(self) -> FloatArray:
        """``ln(open / previous close)``."""
        return np.log(self.open.values[1:] / self.close.values[:-1])

    @_base
    def squared_overnight(self) -> FloatArray:
        """Square of the overnight log return."""
        return self.overnight.values * self.overnight.values

    @_base
    def intraday(self) -> FloatArray:
        """``ln(close / open)``."""
        return np.log(self.close.values / self.open.values)

    @_base
    def high_low(self) -> FloatArray:
        """``ln(high / low)``."""
        return np.log(self.high.values / self.low.values)

    @_base
    def parkinson(self) -> FloatArray:
        """Parkinson variance of each bar."""
        return volatility.parkinson(self.high_low.values)

    @_base
    def garman_klass(self) -> FloatArray:
        """Garman-Klass variance of each bar."""
        return volatility.garman_klass(self.high_low.values, self.intraday.values)

    @_base
    def rogers_satchell(self) -> FloatArray:
        """Rogers-Satchell variance of each bar."""
        open_, high, low, close = self.open.values, self.high.values, self.low.values, self.close.values
        return volatility.rogers_satchell(
            np.log(high / open_), np.log(high / close), np.log(low / open_), np.log(low / close)
        )

    @_base
    def session_variance(self) -> FloatArray:
        """Garman-Klass variance plus squared overnight gap."""
        return self.garman_klass.values[1:] + self.squared_overnight.values

    @_base
    def log_variance(self) -> FloatArray:
        """Log of the session variance, which is at least `RESOLUTION` squared."""
        logs: FloatArray = np.log(np.maximum(self.session_variance.values, RESOLUTION * RESOLUTION))
        return logs

    @_base
    def log_squared_overnight(self) -> FloatArray:
        """Log of the squared overnight return, which is at least `RESOLUTION` squared."""
        logs: FloatArray = np.log(np.maximum(self.squared_overnight.values, RESOLUTION * RESOLUTION))
        return logs

    @_base
    def session_volatility(self) -> FloatArray:
        """Square root of the session variance."""
        return np.sqrt(self.session_variance.values)

    @_base
    def log_week_variance(self) -> FloatArray:
        """Log of the mean session variance of `WEEK` sessions, the variance at least `RESOLUTION` squared."""
        sessions = self.session_variance.values
        means = np.add.reduce(windows(sessions, WEEK, len(sessions) - WEEK + 1), -1) / WEEK
        logs: FloatArray = np.log(np.maximum(means, RESOLUTION * RESOLUTION))
        return logs

    @_base
    def traded_value(self) -> FloatArray:
        """Typical price times volume."""
        return self.typical.values * self.volume.values

    @_base
    def signed_volume(self) -> FloatArray:
        """Volume, negative where the close fell, zero where it stayed."""
        return self.change_sign.values * self.volume.values[1:]

    @_base
    def signed_value(self) -> FloatArray:
        """Traded value, negative where the typical price fell, zero where it moved by less than `RESOLUTION`.

        Typical prices are sums, so two that are equal on paper may differ by a rounding, whose sign means nothing.
        """
        typical = self.typical.values
        change = typical[1:] - typical[:-1]
        moved = np.abs(change) > RESOLUTION * typical[1:]
        return np.sign(change) * moved * self.traded_value.values[1:]

    @_base
    def accumulation(self) -> FloatArray:
        """Volume times the position of the close."""
        return self.close_position.values * self.volume.values

    @_base
    def illiquidity(self) -> FloatArray:
        """Size of the log return for each unit of traded value; 0 on a day without trade."""
        value = self.traded_value.values[1:]
        size: FloatArray = np.abs(self.log_return.values) / np.maximum(value, TINY)
        return np.where(value == 0.0, 0.0, size)

    @held
    def return_size(self, width: int, rows: int) -> Values:
        """Root mean square log return, at least `RESOLUTION`: a denominator."""
        return at_least(np.sqrt(self.squared_return.mean(width, rows)), RESOLUTION)

    @held
    def coming(self, width: int, rows: int) -> Values:
        """Day that the session after each row is taken to be on, in days since 1970-01-01.

        The next day, or the next Monday where that is a Saturday or Sunday and the one a week before, if it is among
        the last ``width`` sessions, had no session.
        """
        day = self.day.values
        at = np.arange(len(day) - rows, len(day))
        coming = day[-rows:] + 1.0
        weekday = (coming + 3.0) % DAYS_A_WEEK
        place = np.minimum(np.searchsorted(day, coming - DAYS_A_WEEK), len(day) - 1)
        traded = (day[place] == coming - DAYS_A_WEEK) & (place > at - width)
        result = np.where((weekday >= SATURDAY) & ~traded, coming + (DAYS_A_WEEK - weekday), coming)
        return newest(result, rows)

    @held
    def log_session_variance(self, width: int, rows: int) -> Values:
        """Log of the mean session variance, the variance at least `RESOLUTION` squared."""
        return _log_variance(self.session_variance, width, rows)

    @held
    def log_parkinson(self, width: int, rows: int) -> Values:
        """Log of the mean Parkinson variance, the variance at least `RESOLUTION` squared."""
        return _log_variance(self.parkinson, width, rows)

    @held
    def traded(self, width: int, rows: int) -> Values:
        """Total volume of the window, at least `TINY`: a denominator."""
        return at_least(self.volume.sum(width, rows), TINY)


def _first_days(months: FloatArray) -> FloatArray:
    return months.astype(np.int64).astype("datetime64[M]").astype("datetime64[D]").astype(np.float64)


def _log_variance(line: Line, width: int, rows: int) -> Values:
    return np.log(at_least(line.mean(width, rows), RESOLUTION * RESOLUTION))
