"""Adjustment for splits and dividends, on generated series and on the splits of the sample."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.adjustment import SPLIT_RATIOS, adjust, check_dividends, find_splits
from data.sources.sample import sample_root
from feature_mapper.typing import DateArray, FloatArray

PRICES = st.floats(0.01, 1e6)


def sample(symbol: str) -> tuple[DateArray, dict[str, FloatArray]]:
    """Read a sample file with nothing of the code under test."""
    with (Path(sample_root()) / f"{symbol}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    table = {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "date"}
    return np.array([row["date"] for row in rows], dtype="datetime64[D]"), table


@given(
    bars=st.lists(
        st.tuples(PRICES, PRICES, st.floats(0, 1), st.floats(0, 1), st.floats(1e-6, 1e3)), min_size=1, max_size=20
    )
)
def test_order_of_the_four_prices_survives_to_the_last_bit(bars: list[tuple[float, ...]]) -> None:
    """Whatever the factor, low <= open, close <= high, exactly."""
    low = np.array([min(one[0], one[1]) for one in bars])
    high = np.array([max(one[0], one[1]) for one in bars])
    opened, close = (np.clip(low + np.array([one[at] for one in bars]) * (high - low), low, high) for at in (2, 3))
    adj_close = close * np.array([one[4] for one in bars])

    done = adjust(open=opened, high=high, low=low, close=close, adj_close=adj_close, volume=None)

    assert (done.low <= np.minimum(done.open, done.close)).all()
    assert (done.high >= np.maximum(done.open, done.close)).all()
    np.testing.assert_allclose(done.close, adj_close, rtol=1e-15)


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("AAPL", {"2000-06-21": 2.0, "2005-02-28": 2.0}),
        ("MSFT", {"2003-02-18": 2.0}),
        ("IBM", {}),
        ("GOOG", {}),
        ("FB", {}),
    ],
)
def test_finds_the_splits_of_the_sample_and_no_others(symbol: str, expected: dict[str, float]) -> None:
    """The special dividend of Microsoft (2004-11-15) and the crash of Apple (2000-09-29) are no splits."""
    date, table = sample(symbol)

    found = find_splits(table["close"], table["adj_close"] / table["close"])

    assert {str(date[one.row]): one.ratio for one in found} == expected


def test_volume_before_a_split_is_counted_in_new_shares() -> None:
    """Apple's volume is doubled before 2005-02-28 and doubled again before 2000-06-21; after, it is as traded."""
    date, table = sample("AAPL")

    volume = adjust(**table).volume

    assert volume is not None
    scale = np.where(date < np.datetime64("2000-06-21"), 4, np.where(date < np.datetime64("2005-02-28"), 2, 1))
    np.testing.assert_array_equal(volume, table["volume"] * scale)


def test_returns_across_a_split_are_those_of_the_adjusted_close() -> None:
    """On 2005-02-28 Apple moved by 44.86 * 2 / 88.99 - 1, not by half."""
    date, table = sample("AAPL")
    close = adjust(**table).close
    row = int(np.flatnonzero(date == np.datetime64("2005-02-28"))[0])

    assert close[row] / close[row - 1] == pytest.approx(44.86 * 2 / 88.99, rel=1e-6)


@given(ratio=st.sampled_from(SPLIT_RATIOS), move=st.floats(0.9, 1.1), at=st.integers(1, 9))
def test_every_known_ratio_is_found_where_it_happens(ratio: float, move: float, at: int) -> None:
    """A factor that steps by a known ratio with the price is a split of that ratio on that row."""
    close = np.full(10, 100.0)
    close[at:] *= move / ratio
    factor = np.ones(10)
    factor[:at] /= ratio

    (found,) = find_splits(close, factor)

    assert found.row == at
    assert found.ratio == pytest.approx(ratio)


@given(step=st.floats(0.85, 1.17))
def test_a_dividend_is_no_split(step: float) -> None:
    """A step of the factor of up to 17 % leaves the volume alone."""
    close = np.array([100.0, 100.0 / step])

    assert find_splits(close, np.array([1.0, step])) == ()


def test_a_factor_that_jumps_alone_is_no_split() -> None:
    """An adjusted close that doubles while the price stays is an error of the vendor."""
    assert find_splits(np.array([10.0, 10.1]), np.array([0.5, 1.0])) == ()


def _series(dividend: float, step: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    close = np.array([100.0, 100.0, 98.0, 98.0])
    adj_close = close * np.array([step, step, 1.0, 1.0])
    return close, adj_close, np.array([0.0, 0.0, dividend, 0.0])


@pytest.mark.parametrize(
    ("dividend", "step", "wrong"), [(2.0, 0.98, 0), (2.0, 1.0, 1), (200.0, 0.98, 1), (0.0, 1.0, 0)]
)
def test_a_dividend_that_the_adjusted_close_lacks_is_named(dividend: float, step: float, wrong: int) -> None:
    """Missing from the adjusted close, or of another unit: both are said, with the day."""
    days = np.arange("2024-01-02", "2024-01-06", dtype="datetime64[D]")

    found = check_dividends(days, *_series(dividend, step))

    assert len(found) == wrong
    assert all("2024-01-04" in str(one) for one in found)


def test_one_bar_has_neither_splits_nor_mismatches() -> None:
    """There is nothing to compare a single bar with."""
    one = np.array([10.0])

    assert find_splits(one, one) == ()
    assert check_dividends(np.array(["2024-01-02"], dtype="datetime64[D]"), one, one, one) == ()
