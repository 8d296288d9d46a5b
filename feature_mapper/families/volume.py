"""Volume: trade against the symbol's own habit, and on which side of the price it stood.

NaN where the market reports no volume, and where a volume in the window is unknown. No trade is known: it is zero.
"""

from functools import partial
from typing import Final

import numpy as np

from feature_mapper.feature import Feature
from feature_mapper.series import Series
from feature_mapper.windows import RESOLUTION, TINY, Values, at_least, total

_feature = partial(Feature, family="volume", needs="volume")

_SILENCE: Final = 0.01
"""Volume, as a share of its mean, below which a log ratio stops falling: a session without trade has no log."""


def _log_share(part: Values, whole: Values) -> Values:
    return np.log(at_least(part / at_least(whole, TINY), _SILENCE))


def _volume_ratio(width: int) -> Feature:
    return _feature(
        name=f"volume_log_ratio_{width}",
        unit="log ratio",
        lookback=width,
        formula=f"ln(volume / its mean over {width} sessions), the ratio at least 0.01; no trade at all gives ln 0.01",
        kernel=lambda s, rows: _log_share(s.volume.last(rows), s.volume.mean(width, rows)),
    )


def _volume_trend(short: int, long: int) -> Feature:
    return _feature(
        name=f"volume_trend_{short}_{long}",
        unit="log ratio",
        lookback=long,
        formula=(
            f"ln(mean volume of {short} sessions / of {long}), the ratio at least 0.01; no trade at all gives ln 0.01"
        ),
        kernel=lambda s, rows: _log_share(s.volume.mean(short, rows), s.volume.mean(long, rows)),
    )


def _on_balance(width: int) -> Feature:
    return _feature(
        name=f"on_balance_share_{width}",
        unit="share",
        lookback=width + 1,
        formula=(
            f"(volume of rising - volume of falling sessions) / volume of {width} sessions; unchanged closes count on "
            "neither side, no trade gives 0"
        ),
        kernel=lambda s, rows: s.signed_volume.sum(width, rows) / s.traded(width, rows),
    )


def _illiquidity(short: int, long: int) -> Feature:
    return _feature(
        name=f"illiquidity_log_ratio_{short}_{long}",
        unit="log ratio",
        lookback=long + 1,
        formula=(
            f"ln(mean over {short} sessions / mean over {long}) of |log return| / (typical price * volume) (Amihud "
            "2002), 0 on a session without trade, the ratio at least 0.01; constant price gives ln 0.01"
        ),
        kernel=lambda s, rows: _log_share(s.illiquidity.mean(short, rows), s.illiquidity.mean(long, rows)),
    )


def _price_volume(width: int) -> Feature:
    def correlation(s: Series, rows: int) -> Values:
        together = s.log_return.deviations(width, rows) * s.volume.deviations(width, rows)
        habit = at_least(RESOLUTION * s.volume.mean(width, rows), TINY)
        moves = at_least(s.log_return.std(width, rows), RESOLUTION)
        return total(together) / (moves * at_least(s.volume.std(width, rows), habit) * (width - 1))

    return _feature(
        name=f"price_volume_correlation_{width}",
        unit="correlation",
        lookback=width + 1,
        formula=(
            f"correlation of log return and volume over {width} sessions, the deviations at least 1e-5 and 1e-5 of the "
            "mean volume; constant price or constant volume gives 0"
        ),
        kernel=correlation,
    )


def _vwap_distance(width: int) -> Feature:
    def distance(s: Series, rows: int) -> Values:
        value = s.traded_value.sum(width, rows)
        return (s.close.last(rows) * s.volume.sum(width, rows) - value) / at_least(value, TINY)

    return _feature(
        name=f"vwap_distance_{width}",
        unit="ratio",
        lookback=width,
        formula=(
            f"close / (mean of (high + low + close) / 3 over {width} sessions, weighted by volume) - 1; no trade: 0"
        ),
        kernel=distance,
        level=True,
    )


def _money_flow(width: int) -> Feature:
    return _feature(
        name=f"money_flow_{width}",
        unit="percent",
        lookback=width + 1,
        formula=(
            f"50 + 50 * (value traded on rises - on falls of the typical price) / value traded over {width} sessions, "
            "value = (high + low + close) / 3 * volume; no trade gives 50"
        ),
        kernel=lambda s, rows: (
            50.0 + 50.0 * s.signed_value.sum(width, rows) / at_least(s.traded_value.sum(width, rows), TINY)
        ),
    )


FEATURES: tuple[Feature, ...] = (
    *(_volume_ratio(width) for width in (5, 21, 63)),
    *(_volume_trend(short, long) for short, long in ((5, 21), (5, 63), (21, 252))),
    *(_on_balance(width) for width in (21, 63)),
    *(_illiquidity(short, long) for short, long in ((5, 63), (21, 252))),
    _price_volume(21),
    *(_vwap_distance(width) for width in (5, 21)),
    _money_flow(14),
    _feature(
        name="accumulation_21",
        unit="share",
        lookback=21,
        formula=(
            "sum of close_position * volume / sum of volume over 21 sessions (Chaikin's money flow); no trade gives 0"
        ),
        kernel=lambda s, rows: s.accumulation.sum(21, rows) / s.traded(21, rows),
    ),
    _feature(
        name="volume_variation_21",
        unit="ratio",
        lookback=21,
        formula="standard deviation (divisor 20) / mean of volume over 21 sessions; no trade gives 0",
        kernel=lambda s, rows: s.volume.std(21, rows) / at_least(s.volume.mean(21, rows), TINY),
    ),
)
