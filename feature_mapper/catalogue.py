"""`CATALOGUE`: every feature there is, in order, and the tiers of history that they ask for."""

from collections.abc import Iterable
from typing import Final

from feature_mapper.errors import FeatureMismatch
from feature_mapper.families import (
    anniversaries,
    calendar,
    candle,
    drawdown,
    jumps,
    momentum,
    own_history,
    quarter,
    range_volatility,
    returns,
    trend,
    volume,
)
from feature_mapper.feature import Feature

CATALOGUE: Final[tuple[Feature, ...]] = (
    *candle.FEATURES,
    *calendar.FEATURES,
    *returns.FEATURES,
    *range_volatility.FEATURES,
    *trend.FEATURES,
    *momentum.FEATURES,
    *drawdown.FEATURES,
    *volume.FEATURES,
    *own_history.FEATURES,
    *jumps.FEATURES,
    *anniversaries.FEATURES,
    *quarter.FEATURES,
)
"""All features; names are unique."""

TIERS: Final = (1, 22, 64, 253, 509)
"""Bars of history that predictors may be fitted for: one; a month, a quarter, a year of returns; two years of weeks."""


def select(names: Iterable[str]) -> tuple[Feature, ...]:
    """Return the named features, in the order of the names.

    Raises
    ------
    FeatureMismatch
        A name is not in the catalogue or comes twice.

    """
    by_name = {feature.name: feature for feature in CATALOGUE}
    wanted = tuple(names)
    unknown = [name for name in wanted if name not in by_name]
    repeated = sorted({name for name in wanted if wanted.count(name) > 1})
    if unknown:
        raise FeatureMismatch(
            f"expected names of features of the catalogue, found {', '.join(unknown)}; docs/features.md lists them all"
        )
    if repeated:
        raise FeatureMismatch(f"expected each feature once, found {', '.join(repeated)} more than once; name each once")
    return tuple(by_name[name] for name in wanted)


def within(tier: int) -> tuple[Feature, ...]:
    """Return the features that ``tier`` bars can fill, in the order of the catalogue."""
    return tuple(feature for feature in CATALOGUE if feature.lookback <= tier)
