"""`compute`: shape, order, rows and what it refuses."""

import numpy as np
import pytest

from feature_mapper.catalogue import CATALOGUE
from feature_mapper.feature import Feature
from feature_mapper.mapper import compute
from feature_mapper.windows import Line, windows
from tests.feature_mapper.generated import Market, of_closes

BARS = Market(seed=4, volatility=0.02, price=30.0, tick=0.0, gappy=False, frozen=0.0, silent=0.0, halted=False).bars(
    300
)


def test_columns_are_in_the_order_asked() -> None:
    """Reversing the features reverses the columns and changes nothing else."""
    np.testing.assert_array_equal(compute(BARS, CATALOGUE[::-1]), compute(BARS, CATALOGUE)[:, ::-1])


@pytest.mark.parametrize("rows", [1, 2, 77, 300])
def test_rows_are_the_last_ones(rows: int) -> None:
    """Fewer rows are the tail of all rows, as one C-contiguous float64 table."""
    values = compute(BARS, CATALOGUE, rows=rows)
    np.testing.assert_array_equal(values, compute(BARS, CATALOGUE)[-rows:])
    assert values.shape == (rows, len(CATALOGUE))
    assert values.dtype == np.float64
    assert values.flags.c_contiguous


@pytest.mark.parametrize("rows", [0, -1, 301])
def test_rows_out_of_range_are_refused(rows: int) -> None:
    """Nothing is clipped in silence."""
    with pytest.raises(ValueError, match=f"expected rows from 1 to 300 .* found {rows}"):
        compute(BARS, CATALOGUE, rows=rows)


def test_no_features_is_an_empty_table() -> None:
    """Asking for nothing gives rows without columns."""
    assert compute(BARS, ()).shape == (300, 0)
    assert compute(BARS, (), rows=1).shape == (1, 0)


def test_input_is_left_alone() -> None:
    """Read-only columns do, and no value of the result shares their memory."""
    before = {name: column.copy() for name, column in BARS.columns()}
    for _, column in BARS.columns():
        column.flags.writeable = False
    values = compute(BARS, CATALOGUE)
    values[:] = -1.0
    assert all(np.array_equal(column, before[name]) for name, column in BARS.columns())


def test_subset_has_the_bits_of_the_whole() -> None:
    """What else is computed in the pass doesn't matter."""
    values = compute(BARS, CATALOGUE)
    for column, feature in enumerate(CATALOGUE):
        np.testing.assert_array_equal(compute(BARS, [feature])[:, 0], values[:, column])


def test_window_longer_than_the_series_is_refused() -> None:
    """An understated lookback can't slip by as a shorter window."""
    line = Line(np.arange(5.0))
    with pytest.raises(ValueError, match="expected at least 6 values, found 5"):
        line.sum(6, 1)
    with pytest.raises(ValueError, match="strides"):
        windows(line.values, 5, 2)


def test_reductions_by_hand() -> None:
    """Windows of three over 0, 1, 4, 9, 16."""
    line = Line(np.arange(5.0) ** 2)
    np.testing.assert_array_equal(line.window(3, 3), [[0, 1, 4], [1, 4, 9], [4, 9, 16]])
    np.testing.assert_array_equal(line.sum(3, 3), [5, 14, 29])
    np.testing.assert_array_equal(line.max(3, 2), [9, 16])
    np.testing.assert_array_equal(line.min(3, 2), [1, 4])
    np.testing.assert_array_equal(line.lagged(2, 2), [1, 4])
    np.testing.assert_array_equal(line.weighted(np.array([1.0, 0.0, 2.0]), 2), [19, 36])
    assert line.sum(3, 1) == 29


def test_held_reductions_serve_fewer_rows() -> None:
    """What was reduced for many rows is the tail for fewer, and is made anew for more."""
    line = Line(np.arange(20.0))
    for rows in (3, 1, 10, 2):
        np.testing.assert_array_equal(line.sum(4, rows), windows(line.values, 4, rows).sum(axis=1)[-rows:])


def test_a_feature_may_come_from_anywhere() -> None:
    """`compute` knows no catalogue: a feature of one's own is computed like any other."""
    mine = Feature(
        name="mine",
        family="trend",
        unit="ratio",
        lookback=2,
        formula="",
        kernel=lambda s, rows: s.close.lagged(1, rows),
    )
    bars = of_closes([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(compute(bars, [mine])[:, 0], [np.nan, 1.0, 2.0])
