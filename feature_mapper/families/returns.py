"""Returns: how far the price moved, over which stretch, and how unusual that is for the symbol."""

import math
from functools import partial

import numpy as np

from feature_mapper.feature import Feature, Kernel
from feature_mapper.series import Series
from feature_mapper.windows import RESOLUTION, Values, at_least, total

_feature = partial(Feature, family="returns")


def _over(sessions: int) -> Kernel:
    def log_return(s: Series, rows: int) -> Values:
        return np.log(s.close.last(rows) / s.close.lagged(sessions, rows))

    return log_return


def _standardised(sessions: int, width: int) -> Kernel:
    over, scale = _over(sessions), 1.0 / math.sqrt(sessions)
    return lambda s, rows: over(s, rows) * scale / s.return_size(width, rows)


def _log_return(sessions: int) -> Feature:
    return _feature(
        name=f"log_return_{sessions}",
        unit="log return",
        lookback=sessions + 1,
        formula=f"ln(close / close[{sessions} sessions back])",
        kernel=_over(sessions),
        level=True,
    )


def _lagged_return(lag: int) -> Feature:
    return _feature(
        name=f"log_return_1_lag_{lag}",
        unit="log return",
        lookback=lag + 2,
        formula=f"log_return_1 of {lag} sessions back",
        kernel=lambda s, rows: s.log_return.lagged(lag, rows),
        level=True,
    )


def _standardised_return(sessions: int, width: int) -> Feature:
    return _feature(
        name=f"standardised_return_{sessions}_{width}",
        unit="standard deviations",
        lookback=width + 1,
        formula=(
            f"log_return_{sessions} / (sqrt({sessions}) * rms{width}), rms{width} the root mean square of the last "
            f"{width} log returns, at least 1e-5; constant price gives 0"
        ),
        kernel=_standardised(sessions, width),
    )


def _skewness(width: int) -> Kernel:
    def skewness(s: Series, rows: int) -> Values:
        returns = s.log_return.window(width, rows)
        size = s.return_size(width, rows)
        return total(returns * returns * returns) / (width * (size * size * size))

    return skewness


def _autocorrelation(width: int) -> Kernel:
    def autocorrelation(s: Series, rows: int) -> Values:
        returns = s.log_return.window(width, rows)
        size = s.return_size(width, rows)
        return total(returns[..., 1:] * returns[..., :-1]) / (width * (size * size))

    return autocorrelation


FEATURES: tuple[Feature, ...] = (
    *(_log_return(sessions) for sessions in (1, 2, 3, 5, 10, 21, 63, 126, 252)),
    *(_lagged_return(lag) for lag in (1, 2, 3)),
    _feature(
        name="overnight_return",
        unit="log return",
        lookback=2,
        formula="ln(open / previous close)",
        kernel=lambda s, rows: s.overnight.last(rows),
        level=True,
    ),
    _feature(
        name="overnight_return_21",
        unit="log return",
        lookback=22,
        formula="sum over 21 sessions of ln(open / previous close)",
        kernel=lambda s, rows: s.overnight.sum(21, rows),
        level=True,
    ),
    _feature(
        name="intraday_return_21",
        unit="log return",
        lookback=21,
        formula="sum over 21 sessions of ln(close / open)",
        kernel=lambda s, rows: s.intraday.sum(21, rows),
        level=True,
    ),
    _standardised_return(1, 21),
    _standardised_return(5, 63),
    _standardised_return(21, 252),
    _standardised_return(63, 252),
    _feature(
        name="return_skewness_63",
        unit="ratio",
        lookback=64,
        formula="mean of cubed log returns / rms63^3 over 63 sessions, rms63 at least 1e-5; constant price gives 0",
        kernel=_skewness(63),
    ),
    _feature(
        name="return_autocorrelation_21",
        unit="correlation",
        lookback=22,
        formula=(
            "sum of the 20 products of neighbouring log returns / sum of the 21 squared ones, the root mean square at "
            "least 1e-5; constant price gives 0"
        ),
        kernel=_autocorrelation(21),
    ),
    _feature(
        name="overnight_variance_share_21",
        unit="share",
        lookback=22,
        formula=(
            "sum of squared overnight gaps / sum of session variances (Garman-Klass plus squared gap) over 21 "
            "sessions, the mean of the latter at least 1e-10; constant price gives 0"
        ),
        kernel=lambda s, rows: (
            s.squared_overnight.mean(21, rows) / at_least(s.session_variance.mean(21, rows), RESOLUTION * RESOLUTION)
        ),
    ),
)
