"""Anniversaries: what the same weekday some weeks before the coming session was like.

Companies report each quarter on much the same weekday, 13 weeks after they did so last, and options, index changes and
statistics come round alike. None of that is in the bars, but the last time is, and what many quarters agree on tells a
date that is kept from a day that happened to be wild. NaN where dates are not given.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from feature_mapper.feature import Feature
from feature_mapper.series import Series
from feature_mapper.typing import FloatArray, IntArray
from feature_mapper.windows import Line, Values

WEEK: Final = 7

_QUARTERS: Final = {13: 67, 26: 132, 39: 197, 52: 252}
"""Sessions that hold so many weeks, and a few days before, where there are five a week."""

_SESSIONS: Final = {12: 67, 14: 72, 51: 252, **_QUARTERS}

_YEARS: Final = {4: 252, 8: 508}
"""Sessions that hold so many quarters, and, where they are eight, a few days before."""

_LINES: Final[dict[str, Callable[[Series], Line]]] = {
    "volatility": lambda s: s.log_variance,
    "gap": lambda s: s.log_squared_overnight,
}

_COMING: Final = (
    "The coming session is taken to be the next day, or the next Monday where that is a Saturday or Sunday and the one "
    "a week before had no session"
)

_feature = partial(Feature, family="anniversaries", unit="log ratio", needs="date")


def _same_day(weeks: int) -> Feature:
    sessions = _SESSIONS[weeks]
    return _feature(
        name=f"volatility_{weeks}_weeks_before",
        lookback=sessions + 1,
        formula=(
            f"ln(session_volatility_1 of the day {weeks} weeks before the coming session / "
            f"session_volatility_{sessions}), each at least 1e-5; 0 where that day had no session, or lies beyond "
            f"{sessions} sessions. {_COMING}"
        ),
        kernel=lambda s, rows: _largest(s, s.log_variance, weeks, 0, sessions, rows),
    )


def _near(weeks: int, days: int) -> Feature:
    sessions = _SESSIONS[weeks]
    return _feature(
        name=f"volatility_{weeks}_weeks_before_within_{days}",
        lookback=sessions + 1,
        formula=(
            f"ln(largest session_volatility_1 within {days} calendar days of the day {weeks} weeks before the coming "
            f"session / session_volatility_{sessions}), each at least 1e-5, among the last {sessions} sessions; 0 "
            f"where there is none. {_COMING}"
        ),
        kernel=lambda s, rows: _largest(s, s.log_variance, weeks, days, sessions, rows),
    )


def _gap(weeks: int, days: int) -> Feature:
    sessions = _SESSIONS[weeks]
    return _feature(
        name=f"gap_{weeks}_weeks_before_within_{days}",
        lookback=sessions + 1,
        formula=(
            f"ln(largest size of ln(open/previous close) within {days} calendar days of the day {weeks} weeks before "
            f"the coming session / session_volatility_{sessions}), each at least 1e-5, among the last {sessions} "
            f"sessions; 0 where there is none. {_COMING}"
        ),
        kernel=lambda s, rows: _largest(s, s.log_squared_overnight, weeks, days, sessions, rows),
    )


def _recurring(quarters: int, days: int, line: str, *, low: bool) -> Feature:
    sessions, of = _YEARS[quarters], {"volatility": "session_volatility_1", "gap": "size of ln(open/previous close)"}
    rank = quarters // 4
    what = f"{'' if rank == 1 else 'second '}smallest" if low else "mean"
    return _feature(
        name=f"{'low' if low else 'mean'}_{line}_at_{quarters}_quarters_within_{days}",
        lookback=sessions + 1,
        formula=(
            f"{what} over q = 1 to {quarters} of ln(largest {of[line]} within {days} calendar days of the day 13 q "
            f"weeks before the coming session / session_volatility_{sessions}), each at least 1e-5, among the last "
            f"{sessions} sessions; 0 for a q without a session there. {_COMING}"
        ),
        kernel=lambda s, rows: _shared(s, _LINES[line](s), quarters, days, rows, rank if low else None),
    )


def _largest(s: Series, line: Line, weeks: int, days: int, sessions: int, rows: int) -> Values:
    """Return half the log of the largest variance near an anniversary, less that of the mean; 0 without a session."""
    usual = s.log_session_variance(sessions, rows)
    if rows == 1:
        near = _near_day(s, line, WEEK * weeks, days, sessions)
        return np.float64(0.5 * (near - usual)) if near > -np.inf else np.float64(0.0)
    largest = _near_days(s, line, np.array([WEEK * weeks]), days, sessions, rows)[:, 0]
    return np.where(np.isneginf(largest), 0.0, 0.5 * (largest - usual))


def _shared(s: Series, line: Line, quarters: int, days: int, rows: int, rank: int | None) -> Values:
    """Return the mean of what `_largest` says of each quarter, or the smallest but ``rank - 1`` of them."""
    key = (f"at_quarters_within_{days}", quarters)
    ratio = line.held.get(key)
    if not isinstance(ratio, np.ndarray) or len(ratio) != rows:  # the mean and the smallest share it
        sessions = _YEARS[quarters]
        largest = _near_days(s, line, WEEK * 13 * np.arange(1, quarters + 1), days, sessions, rows)
        usual = np.reshape(s.log_session_variance(sessions, rows), (rows, 1))
        ratio = line.held[key] = np.where(np.isneginf(largest), 0.0, 0.5 * (largest - usual))
    result = np.add.reduce(ratio, axis=1) / quarters if rank is None else np.sort(ratio, axis=1)[:, rank - 1]
    return result if rows > 1 else np.float64(result[0])


def _near_days(s: Series, line: Line, before: IntArray, days: int, sessions: int, rows: int) -> FloatArray:
    """Return the largest value within ``days`` of each day so many before the coming session, shape (rows, befores).

    ``-inf`` where there is no session among the last ``sessions``.
    """
    if rows == 1:
        return np.array([[_near_day(s, line, number, days, sessions) for number in before.tolist()]])
    values = line.values
    day = s.day.values[-len(values) :]
    at = np.arange(len(day) - rows, len(day))
    then = np.reshape(s.coming(sessions, rows), (rows, 1)) - before.astype(np.float64)
    first = np.maximum(np.searchsorted(day, then - days), at[:, None] - sessions + 1)
    after = np.minimum(np.searchsorted(day, then + days, side="right"), at[:, None] + 1)
    largest = np.full(then.shape, -np.inf)
    for step in range(2 * days + 1):  # there is no more than one session a day
        place = first + step
        found = values[np.minimum(place, len(day) - 1)]
        largest = np.where(place < after, np.maximum(largest, found), largest)
    return largest


def _near_day(s: Series, line: Line, before: int, days: int, sessions: int) -> float:
    """Return what `_near_days` does of the last row and one day: the usual case, for which little time is there."""
    values = line.values[-sessions:]
    day = s.day.values[-len(values) :]
    then = s.coming(sessions, 1) - before
    near = values[day.searchsorted(then - days) : day.searchsorted(then + days, side="right")]
    return float(near.max()) if len(near) else -np.inf


FEATURES: tuple[Feature, ...] = (
    *(_same_day(weeks) for weeks in sorted(_SESSIONS)),
    *(_near(weeks, days) for days in (1, 4) for weeks in _QUARTERS),
    *(_gap(weeks, days) for days in (0, 4) for weeks in _QUARTERS),
    *(
        _recurring(quarters, days, line, low=low)
        for quarters in _YEARS
        for line in _LINES
        for low in (False, True)
        for days in (0, 2)
    ),
)
