"""A quarter and a year before, counted in sessions, and how long ago the wildest session of a quarter was.

As `anniversaries`: companies report each quarter. Holidays move the day, so each of a few sessions has a feature of its
own; and where a quarter ago is not the day, the distance from the last wild session may tell when the next is due.
"""

from functools import partial
from typing import Final

import numpy as np

from feature_mapper.feature import Feature
from feature_mapper.series import Series
from feature_mapper.windows import RESOLUTION, TINY, Line, Values, at_least, highest

QUARTER: Final = 63
"""Sessions in a quarter, by convention."""

YEAR: Final = 252
"""Sessions in a year, by convention."""

_A_QUARTER: Final = range(60, 67)
"""Sessions before the coming one among which the one a quarter before it is, holidays and a moved day included."""

_A_YEAR: Final = range(248, 253)
"""The same of a year, as far as the year reaches."""

_SINCE: Final = 70
"""Sessions in which the wildest is looked for: a quarter and a week."""

_SILENCE: Final = 0.01
"""Volume, as a share of its mean, below which a log ratio stops falling: a session without trade has no log."""


def _volatility(sessions: int, width: int) -> Feature:
    floor = RESOLUTION * RESOLUTION

    def ratio(s: Series, rows: int) -> Values:
        then = s.session_variance.lagged(sessions - 1, rows)  # the row's own bar is one session before the coming one
        return 0.5 * (np.log(at_least(then, floor)) - s.log_session_variance(width, rows))

    return Feature(
        name=f"volatility_{sessions}_sessions_before",
        family="quarter",
        unit="log ratio",
        lookback=max(sessions, width) + 1,
        formula=(
            f"ln(session_volatility_1 of the session {sessions} sessions before the coming one / "
            f"session_volatility_{width}), each at least 1e-5; constant price gives 0"
        ),
        kernel=ratio,
    )


def _volume(name: str, before: range, width: int) -> Feature:
    def ratio(s: Series, rows: int) -> Values:
        largest = highest(s.volume.window(before[-1], rows)[..., : len(before)])
        return np.log(at_least(largest / at_least(s.volume.mean(width, rows), TINY), _SILENCE))

    return Feature(
        name=name,
        family="quarter",
        unit="log ratio",
        lookback=before[-1],
        formula=(
            f"ln(largest volume of the sessions {before[0]} to {before[-1]} before the coming one / mean volume of "
            f"{width} sessions), the ratio at least 0.01; no trade at all gives ln 0.01"
        ),
        kernel=ratio,
        needs="volume",
    )


def _since_largest(line: Line, rows: int) -> Values:
    largest = line.max(_SINCE, rows)
    near = largest - RESOLUTION * RESOLUTION  # equal on paper may differ by a rounding
    newest_first = line.window(_SINCE, rows)[..., ::-1]
    place: Values = np.argmax(newest_first >= np.expand_dims(near, -1), axis=-1).astype(np.float64)
    return place


def _largest(s: Series, rows: int) -> Values:
    largest = at_least(s.session_variance.max(_SINCE, rows), RESOLUTION * RESOLUTION)
    return 0.5 * (np.log(largest) - s.log_session_variance(QUARTER, rows))


_feature = partial(Feature, family="quarter", lookback=_SINCE + 1)

FEATURES: tuple[Feature, ...] = (
    *(_volatility(sessions, QUARTER) for sessions in _A_QUARTER),
    *(_volatility(sessions, YEAR) for sessions in _A_YEAR),
    _volume("volume_a_quarter_before", _A_QUARTER, QUARTER),
    _volume("volume_a_year_before", _A_YEAR, YEAR),
    _feature(
        name=f"sessions_since_largest_variance_{_SINCE}",
        unit="sessions",
        formula=f"sessions since the newest session variance that is within 1e-10 of the largest of {_SINCE}",
        kernel=lambda s, rows: _since_largest(s.session_variance, rows),
    ),
    _feature(
        name=f"largest_to_mean_volatility_{_SINCE}",
        unit="log ratio",
        formula=(
            f"ln(largest session_volatility_1 of {_SINCE} sessions / session_volatility_{QUARTER}), each at least "
            "1e-5; constant price gives 0"
        ),
        kernel=_largest,
    ),
)
