"""Range volatility: how much the price moves, seen from the range of the bars, and against the symbol's own past."""

from functools import partial

import numpy as np

from feature_mapper.feature import Feature
from feature_mapper.series import Series
from feature_mapper.windows import RESOLUTION, Values, at_least, total

_feature = partial(Feature, family="range_volatility")
_level = partial(_feature, unit="1/sqrt(session)", level=True)


def _parkinson(width: int) -> Feature:
    return _level(
        name=f"parkinson_{width}",
        lookback=width,
        formula=f"sqrt of the mean over {width} sessions of ln(high/low)^2 / (4 ln 2) (Parkinson 1980)",
        kernel=lambda s, rows: np.sqrt(s.parkinson.mean(width, rows)),
    )


def _garman_klass(width: int) -> Feature:
    return _level(
        name=f"garman_klass_{width}",
        lookback=width,
        formula=(
            f"sqrt of the mean over {width} sessions of 0.5 ln(high/low)^2 - (2 ln 2 - 1) ln(close/open)^2 "
            "(Garman and Klass 1980)"
        ),
        kernel=lambda s, rows: np.sqrt(s.garman_klass.mean(width, rows)),
    )


def _rogers_satchell(width: int) -> Feature:
    return _level(
        name=f"rogers_satchell_{width}",
        lookback=width,
        formula=(
            f"sqrt of the mean over {width} sessions of ln(high/open) ln(high/close) + ln(low/open) ln(low/close) "
            "(Rogers and Satchell 1991)"
        ),
        kernel=lambda s, rows: np.sqrt(s.rogers_satchell.mean(width, rows)),
    )


def _yang_zhang(width: int) -> Feature:
    k = 0.34 / (1.34 + (width + 1) / (width - 1))

    def yang_zhang(s: Series, rows: int) -> Values:
        night, day = s.overnight.variance(width, rows), s.intraday.variance(width, rows)
        return np.sqrt(night + k * day + (1.0 - k) * s.rogers_satchell.mean(width, rows))

    return _level(
        name=f"yang_zhang_{width}",
        lookback=width + 1,
        formula=(
            f"sqrt(Vo + k Vc + (1 - k) Vrs), k = 0.34 / (1.34 + {width + 1}/{width - 1}), over {width} sessions: Vo, "
            f"Vc the variances (divisor {width - 1}) of overnight and open-to-close log returns, Vrs the mean "
            "Rogers-Satchell variance (Yang and Zhang 2000)"
        ),
        kernel=yang_zhang,
    )


def _session_volatility(width: int) -> Feature:
    return _level(
        name=f"session_volatility_{width}",
        lookback=width + 1,
        formula=f"sqrt of the mean over {width} sessions of Garman-Klass variance + ln(open / previous close)^2",
        kernel=lambda s, rows: np.sqrt(s.session_variance.mean(width, rows)),
    )


def _realised_volatility(width: int) -> Feature:
    return _level(
        name=f"realised_volatility_{width}",
        lookback=width + 1,
        formula=f"standard deviation (divisor {width - 1}) of the last {width} log returns",
        kernel=lambda s, rows: s.log_return.std(width, rows),
    )


def _session_ratio(short: int, long: int) -> Feature:
    return _feature(
        name=f"session_volatility_log_ratio_{short}_{long}",
        unit="log ratio",
        lookback=long + 1,
        formula=(
            f"ln(session_volatility_{short} / session_volatility_{long}), each at least 1e-5; constant price gives 0"
        ),
        kernel=lambda s, rows: 0.5 * (s.log_session_variance(short, rows) - s.log_session_variance(long, rows)),
    )


def _lagged_ratio(lag: int, long: int) -> Feature:
    floor = RESOLUTION * RESOLUTION

    def ratio(s: Series, rows: int) -> Values:
        then = np.log(at_least(s.session_variance.lagged(lag, rows), floor))
        return 0.5 * (then - s.log_session_variance(long, rows))

    return _feature(
        name=f"session_volatility_lag_{lag}_log_ratio_1_{long}",
        unit="log ratio",
        lookback=max(lag + 2, long + 1),
        formula=(
            f"ln(session_volatility_1 of {lag} sessions back / session_volatility_{long}), each at least 1e-5; "
            "constant price gives 0"
        ),
        kernel=ratio,
    )


def _parkinson_ratio(short: int, long: int) -> Feature:
    return _feature(
        name=f"parkinson_log_ratio_{short}_{long}",
        unit="log ratio",
        lookback=long,
        formula=f"ln(parkinson_{short} / parkinson_{long}), each at least 1e-5; constant price gives 0",
        kernel=lambda s, rows: 0.5 * (s.log_parkinson(short, rows) - s.log_parkinson(long, rows)),
    )


def _variation(width: int) -> Feature:
    return _feature(
        name=f"volatility_of_volatility_{width}",
        unit="ratio",
        lookback=width + 1,
        formula=(
            f"standard deviation (divisor {width - 1}) / mean, at least 1e-5, of session_volatility_1 over {width} "
            "sessions; constant price gives 0"
        ),
        kernel=lambda s, rows: (
            s.session_volatility.std(width, rows) / at_least(s.session_volatility.mean(width, rows), RESOLUTION)
        ),
    )


def _signed_share(s: Series, rows: int) -> Values:
    returns, size = s.log_return.window(21, rows), s.return_size(21, rows)
    return total(returns * np.abs(returns)) / (21.0 * (size * size))


FEATURES: tuple[Feature, ...] = (
    *(_parkinson(width) for width in (1, 21)),
    *(_garman_klass(width) for width in (1, 10)),
    *(_rogers_satchell(width) for width in (1, 22)),
    _yang_zhang(21),
    *(_session_volatility(width) for width in (1, 5, 10, 21, 63, 126, 252)),
    *(_realised_volatility(width) for width in (21, 63, 252)),
    *(_parkinson_ratio(short, long) for short, long in ((1, 5), (1, 22), (5, 22))),
    *(
        _session_ratio(short, long)
        for short, long in ((1, 5), (1, 21), (5, 21), (1, 63), (5, 63), (21, 63), (21, 252), (63, 252))
    ),
    *(_lagged_ratio(lag, 63) for lag in (1, 2, 3)),
    _variation(21),
    _feature(
        name="close_to_range_log_ratio_21",
        unit="log ratio",
        lookback=22,
        formula=(
            "ln(root mean square of the last 21 log returns / parkinson_21), each at least 1e-5: above 0 where moves "
            "keep their direction; constant price gives 0"
        ),
        kernel=lambda s, rows: np.log(s.return_size(21, rows)) - 0.5 * s.log_parkinson(21, rows),
    ),
    _feature(
        name="signed_variance_share_21",
        unit="share",
        lookback=22,
        formula=(
            "(sum of squared positive log returns - sum of squared negative ones) / sum of all over 21 sessions, the "
            "root mean square at least 1e-5; -1 only falls, 1 only rises, constant price gives 0"
        ),
        kernel=_signed_share,
    ),
)
