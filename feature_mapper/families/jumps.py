"""Jumps: how much of recent volatility came from few sessions, and how much of it overnight.

A mean of variances remembers one wild session for as long as its window reaches back. What follows a jump is calmer
than that mean, so it matters how far apart the mean and the usual session are. Over a year the same tells what kind of
series it is: shares jump when companies report, funds and currencies do not.
"""

from functools import partial
from typing import Final

import numpy as np

from feature_mapper.feature import Feature
from feature_mapper.series import Series
from feature_mapper.windows import RESOLUTION, Values, at_least

YEAR: Final = 252
LARGEST: Final = 4
"""Gaps of a year that are counted as its largest: companies report by quarters."""

_FLOOR: Final = RESOLUTION * RESOLUTION

_feature = partial(Feature, family="jumps")


def _median_ratio(width: int) -> Feature:
    return _feature(
        name=f"median_to_mean_volatility_{width}",
        unit="log ratio",
        lookback=width + 1,
        formula=(
            f"ln(median session_volatility_1 over {width} sessions / session_volatility_{width}), each at least 1e-5; "
            "constant price gives 0"
        ),
        kernel=lambda s, rows: 0.5 * (s.log_variance.median(width, rows) - s.log_session_variance(width, rows)),
    )


def _geometric_ratio(width: int) -> Feature:
    return _feature(
        name=f"geometric_to_mean_volatility_{width}",
        unit="log ratio",
        lookback=width + 1,
        formula=(
            f"mean of ln(session_volatility_1) over {width} sessions - ln(session_volatility_{width}), each at least "
            "1e-5; constant price gives 0"
        ),
        kernel=lambda s, rows: 0.5 * (s.log_variance.mean(width, rows) - s.log_session_variance(width, rows)),
    )


def _overnight_share(width: int) -> Feature:
    return _feature(
        name=f"overnight_share_of_variance_{width}",
        unit="share",
        lookback=width + 1,
        formula=(
            f"mean of ln(open/previous close)^2 / mean session variance, at least 1e-10, over {width} sessions; "
            "constant price gives 0"
        ),
        kernel=lambda s, rows: (
            s.squared_overnight.mean(width, rows) / at_least(s.session_variance.mean(width, rows), _FLOOR)
        ),
    )


def _unevenness(width: int) -> Feature:
    def ratio(s: Series, rows: int) -> Values:
        variance = s.session_variance.window(width, rows)
        squares: Values = np.add.reduce(variance * variance, axis=-1) / width
        mean = at_least(s.session_variance.mean(width, rows), _FLOOR)
        return np.log(at_least(squares / (mean * mean), 1.0))

    return _feature(
        name=f"variance_unevenness_{width}",
        unit="log ratio",
        lookback=width + 1,
        formula=(
            f"ln(mean squared session variance / square of the mean session variance over {width} sessions, at least "
            "1e-10), the ratio at least 1; 0 where all sessions are alike, constant price gives 0"
        ),
        kernel=ratio,
    )


def _largest_gaps(s: Series, rows: int) -> Values:
    gaps = s.squared_overnight.window(YEAR, rows)
    largest: Values = np.add.reduce(np.sort(np.partition(gaps, -LARGEST, axis=-1)[..., -LARGEST:], axis=-1), -1)
    return largest / at_least(s.session_variance.sum(YEAR, rows), YEAR * _FLOOR)


FEATURES: tuple[Feature, ...] = (
    *(_median_ratio(width) for width in (5, 21)),
    *(_geometric_ratio(width) for width in (5, 21, 63, YEAR)),
    *(_overnight_share(width) for width in (1, 5, 63, YEAR)),
    _unevenness(YEAR),
    _feature(
        name="largest_gaps_share_252",
        unit="share",
        lookback=YEAR + 1,
        formula=(
            f"sum of the {LARGEST} largest ln(open/previous close)^2 of {YEAR} sessions / sum of their session "
            "variances, at least 252e-10; constant price gives 0"
        ),
        kernel=_largest_gaps,
    ),
)
