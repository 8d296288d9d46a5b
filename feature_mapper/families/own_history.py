"""Own history: recent volatility against the thirds of the symbol's own last two years.

What is calm for one symbol is rough for another, so the thirds are each symbol's own. A week is 5 sessions, weeks
overlap, and two years are 504 of them.
"""

from functools import partial
from typing import Final

from feature_mapper.feature import Feature
from feature_mapper.series import WEEK, Series
from feature_mapper.windows import Values

WEEKS: Final = 504
"""Weeks, one ending each session, in two years."""

_feature = partial(Feature, family="own_history", unit="log ratio", lookback=WEEKS + WEEK)

_THIRDS: Final = (
    "volatility is the square root of mean session variance, at least 1e-5; thirds are of the last "
    f"{WEEKS} {WEEK}-session volatilities"
)


def _lower(s: Series, rows: int) -> Values:
    return s.log_week_variance.lower_third(WEEKS, rows)


def _upper(s: Series, rows: int) -> Values:
    return s.log_week_variance.upper_third(WEEKS, rows)


def _above_lower(width: int) -> Feature:
    return _feature(
        name=f"volatility_to_lower_third_{width}",
        formula=f"ln({width}-session volatility / border of the lower third); {_THIRDS}",
        kernel=lambda s, rows: 0.5 * (s.log_session_variance(width, rows) - _lower(s, rows)),
    )


def _above_upper(width: int) -> Feature:
    return _feature(
        name=f"volatility_to_upper_third_{width}",
        formula=f"ln({width}-session volatility / border of the upper third); {_THIRDS}",
        kernel=lambda s, rows: 0.5 * (s.log_session_variance(width, rows) - _upper(s, rows)),
    )


FEATURES: tuple[Feature, ...] = (
    *(_above_lower(width) for width in (1, 5, 21, 63)),
    *(_above_upper(width) for width in (1, 5, 21, 63)),
    _feature(
        name="middle_third_width",
        formula=f"ln(border of the upper third / border of the lower third); {_THIRDS}",
        kernel=lambda s, rows: 0.5 * (_upper(s, rows) - _lower(s, rows)),
    ),
)
