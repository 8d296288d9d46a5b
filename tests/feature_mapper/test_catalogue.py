"""The catalogue as data: names, families, units, selection."""

from pathlib import Path

import pytest

from feature_mapper import families
from feature_mapper.catalogue import CATALOGUE, TIERS, select, within
from feature_mapper.errors import FeatureMismatch

UNITS = {
    "log return", "1/sqrt(session)", "log ratio", "ratio", "share", "percent", "correlation", "standard deviations",
    "t-statistic", "sessions", "days", "index",
}  # fmt: skip


def test_catalogue_is_wide_enough() -> None:
    """At least 64 features, each name once."""
    names = [feature.name for feature in CATALOGUE]
    assert len(names) >= 64
    assert len(set(names)) == len(names)


def test_every_family_is_a_file_and_every_file_is_a_family() -> None:
    """A feature's family is where it is declared, and no file of families is left out."""
    files = {path.stem for folder in families.__path__ for path in Path(folder).glob("*.py")} - {"__init__"}
    assert {feature.family for feature in CATALOGUE} == files


def test_units_are_known() -> None:
    """Units come from one short list."""
    assert {feature.unit for feature in CATALOGUE} <= UNITS


def test_families_need_their_columns() -> None:
    """Volume features need volume, calendar features dates, all others prices alone."""
    needs = {"volume": "volume", "calendar": "date", "anniversaries": "date"}
    needs |= dict.fromkeys(("volume_a_quarter_before", "volume_a_year_before"), "volume")
    for feature in CATALOGUE:
        assert feature.needs == needs.get(feature.name, needs.get(feature.family, "price")), feature.name


def test_first_tier_is_candle_calendar_and_range() -> None:
    """One bar fills features of three families."""
    assert {feature.family for feature in within(1)} == {"candle", "calendar", "range_volatility"}


def test_every_tier_knows_features_free_of_level() -> None:
    """A model that must serve symbols of any volatility finds features in every tier."""
    for tier in TIERS:
        assert sum(not feature.level and feature.needs == "price" for feature in within(tier)) >= 4


def test_select_keeps_the_order_of_the_names() -> None:
    """What is asked for comes back as asked."""
    names = ["rsi_14", "body_share", "ma_distance_50"]
    assert [feature.name for feature in select(names)] == names


def test_select_refuses_unknown_and_repeated_names() -> None:
    """Every wrong name is in the message."""
    with pytest.raises(FeatureMismatch, match="found moon_phase, sun_spots;"):
        select(["rsi_14", "moon_phase", "sun_spots"])
    with pytest.raises(FeatureMismatch, match="found rsi_14 more than once"):
        select(["rsi_14", "body_share", "rsi_14"])
