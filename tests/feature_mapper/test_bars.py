"""`Bars`: what is refused, how it is said, and what slices keep."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from feature_mapper.bars import MAX_FAULTS, Bars
from feature_mapper.errors import InvalidBars
from tests.feature_mapper.generated import Market, of_closes, runs

GOOD = Market(seed=8, volatility=0.02, price=30.0, tick=0.0, gappy=False, frozen=0.0, silent=0.0, halted=False).bars(6)


def _validated(bars: Bars) -> Bars:
    return Bars.validated(
        open=bars.open, high=bars.high, low=bars.low, close=bars.close, volume=bars.volume, date=bars.date
    )


def _spoiled(column: str, row: int, value: float | str) -> Bars:
    values = getattr(GOOD, column).copy()
    values[row] = value
    return replace(GOOD, **{column: values})


@pytest.mark.parametrize(
    ("column", "row", "value", "said"),
    [
        ("close", 2, np.nan, "bar 2, close: expected a finite price above 0, found nan"),
        ("open", 0, 0.0, "bar 0, open: expected a finite price above 0, found 0"),
        ("low", 5, -1.0, "bar 5, low: expected a finite price above 0, found -1"),
        ("high", 1, np.inf, "bar 1, high: expected a finite price above 0, found inf"),
        ("high", 3, 1e-3, "bar 3, high: expected high >= open and close, found 0.001"),
        ("low", 3, 1e3, "bar 3, low: expected low <= open and close, found 1000"),
        ("volume", 4, -1.0, "bar 4, volume: expected a volume of 0 or more"),
        ("volume", 4, np.inf, "bar 4, volume: expected a volume of 0 or more"),
        ("date", 2, "1990-01-01", "bar 2, date: expected dates that ascend"),
        ("date", 2, "NaT", "bar 2, date: expected a day, found NaT"),
        ("date", 0, "NaT", "bar 0, date: expected a day, found NaT"),
    ],
)
def test_a_broken_bar_is_refused_by_row_and_column(column: str, row: int, value: float | str, said: str) -> None:
    """The message names row, column, rule and finding."""
    with pytest.raises(InvalidBars, match=said.replace("(", r"\(")) as refusal:
        _validated(_spoiled(column, row, value))
    first = refusal.value.faults[0]
    assert (first.row, first.field) == (row, column)


def test_a_single_bar_without_a_day_is_refused() -> None:
    """With one bar there is no order to break, and a date that is none is still none."""
    with pytest.raises(InvalidBars, match="bar 0, date: expected a day, found NaT"):
        _validated(_spoiled("date", 0, "NaT")[:1])


def test_no_bars_are_refused() -> None:
    """A run has a newest bar."""
    with pytest.raises(InvalidBars, match="expected at least one bar, found none"):
        of_closes([])


def test_unequal_lengths_are_refused() -> None:
    """Every column has as many values as close."""
    with pytest.raises(InvalidBars, match=r"expected 6 values in volume .* found 5"):
        _validated(replace(GOOD, volume=np.ones(5)))


def test_faults_are_counted_and_the_first_are_listed() -> None:
    """A file of rubbish makes a short message."""
    with pytest.raises(InvalidBars, match="and 399 more") as refusal:
        of_closes(np.full(100, -1.0))
    assert len(refusal.value.faults) == MAX_FAULTS
    assert refusal.value.total == 400


def test_unknown_volume_and_absent_columns_are_fine() -> None:
    """One NaN volume is unknown; no volume and no dates at all are a market's right."""
    assert len(_validated(_spoiled("volume", 3, np.nan))) == 6
    assert len(_validated(replace(GOOD, volume=None, date=None))) == 6


@settings(max_examples=20, deadline=None)
@given(bars=runs)
def test_slices_keep_every_column(bars: Bars) -> None:
    """A head and a tail joined are the run; a slice is valid by itself."""
    half = len(bars) // 2
    head, tail = bars[:half], bars.tail(len(bars) - half)
    assert _validated(tail).identical(tail)
    for (name, whole), (_, left), (_, right) in zip(bars.columns(), head.columns(), tail.columns(), strict=True):
        np.testing.assert_array_equal(np.concatenate([left, right]), whole, err_msg=name)


def test_identical_means_every_bit_and_name() -> None:
    """Another volume, no volume, no dates, another symbol or another length is another run."""
    assert GOOD.identical(replace(GOOD, close=GOOD.close.copy()))
    nan = _spoiled("volume", 3, np.nan)
    assert nan.identical(replace(nan))
    for other in (nan, replace(GOOD, volume=None), replace(GOOD, date=None), replace(GOOD, symbol="X"), GOOD[1:]):
        assert not GOOD.identical(other)
