"""A quarter before: what the sessions were like about 63 sessions before the coming one, when companies last reported.

As `anniversaries`, but counted in sessions: holidays move the day, so each of a few sessions has a feature of its own.
"""

from typing import Final

import numpy as np

from feature_mapper.feature import Feature
from feature_mapper.series import Series
from feature_mapper.windows import RESOLUTION, TINY, Values, at_least, highest

QUARTER: Final = 63
"""Sessions in a quarter, by convention."""

BEFORE: Final = range(60, 67)
"""Sessions before the coming one among which the one a quarter before it is, holidays and a moved day included."""

_SILENCE: Final = 0.01
"""Volume, as a share of its mean, below which a log ratio stops falling: a session without trade has no log."""


def _volatility(sessions: int) -> Feature:
    floor = RESOLUTION * RESOLUTION

    def ratio(s: Series, rows: int) -> Values:
        then = s.session_variance.lagged(sessions - 1, rows)  # the row's own bar is one session before the coming one
        return 0.5 * (np.log(at_least(then, floor)) - s.log_session_variance(QUARTER, rows))

    return Feature(
        name=f"volatility_{sessions}_sessions_before",
        family="quarter",
        unit="log ratio",
        lookback=max(sessions, QUARTER) + 1,
        formula=(
            f"ln(session_volatility_1 of the session {sessions} sessions before the coming one / "
            f"session_volatility_{QUARTER}), each at least 1e-5; constant price gives 0"
        ),
        kernel=ratio,
    )


def _volume(s: Series, rows: int) -> Values:
    largest = highest(s.volume.window(BEFORE[-1], rows)[..., : len(BEFORE)])
    return np.log(at_least(largest / at_least(s.volume.mean(QUARTER, rows), TINY), _SILENCE))


FEATURES: tuple[Feature, ...] = (
    *(_volatility(sessions) for sessions in BEFORE),
    Feature(
        name="volume_a_quarter_before",
        family="quarter",
        unit="log ratio",
        lookback=BEFORE[-1],
        formula=(
            f"ln(largest volume of the sessions {BEFORE[0]} to {BEFORE[-1]} before the coming one / mean volume of "
            f"{QUARTER} sessions), the ratio at least 0.01; no trade at all gives ln 0.01"
        ),
        kernel=_volume,
        needs="volume",
    ),
)
