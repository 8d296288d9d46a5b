"""Which rows are unlike those of training: by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_mapper.bars import Bars
from models.ranges import KnownRanges
from models.vitals import RANGE, VITALS, VOLATILITY, measured, of_tier
from tests.models.trained import STRANGER, quiet
from tests.training.kit.support import market

KNOWN = KnownRanges(
    tier=1,
    names=("a", "b", "c", "d"),
    lower=np.array([[0.0, 0.0, 0.0, -np.inf]]),
    upper=np.array([[1.0, 1.0, 1.0, np.inf]]),
    most=1,
    vitals=((RANGE, VITALS[RANGE], 0.001, 0.2),),
)
USUAL = Bars.validated(open=np.full(3, 9.0), high=np.full(3, 9.1), low=np.full(3, 9.0), close=np.full(3, 9.05))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((0.5, 0.5, 0.5, 9.0), ()),
        ((0.0, 1.0, 0.5, 9.0), ()),  # the ends belong to a range
        ((2.0, 0.5, 0.5, 9.0), ()),  # one feature outside is what training rows had, too
        ((2.0, -1.0, 0.5, 9.0), ("a", "b")),
        ((2.0, -1.0, 5.0, 9.0), ("a", "b", "c")),
        ((np.nan, 2.0, np.nan, np.nan), ()),  # what is missing is not outside
        ((np.nan, 2.0, -np.inf, np.nan), ("b", "c")),
    ],
)
def test_a_row_is_strange_if_too_many_features_are_outside(row: tuple[float, ...], said: tuple[str, ...]) -> None:
    """More than training rows had, and then all of them are named; alone or among others."""
    assert KNOWN.strange(np.array([row]), USUAL) == [said]
    usual = (0.5, 0.5, 0.5, 0.0)
    assert KNOWN.strange(np.array([usual, row, usual]), USUAL) == [(), said, ()]


@pytest.mark.parametrize("low", [9.1, 4.0])
def test_a_session_beyond_those_of_training_is_strange(low: float) -> None:
    """Whatever the features say: a bar of a single price, or one that ranges over more than any did."""
    last = Bars.validated(open=np.array([9.1]), high=np.array([9.1]), low=np.array([low]), close=np.array([9.1]))
    assert KNOWN.strange(np.full((1, 4), 0.5), last) == [(RANGE,)]
    assert KNOWN.strange(np.array([[2.0, 2.0, 0.5, 0.0]]), last) == [(RANGE, "a", "b")]


def test_vitals_by_hand() -> None:
    """The log range of the bar; the root mean square of the log returns of a month, or of what the tier has."""
    bars = market(60, 3)
    returns = np.diff(np.log(bars.close))
    assert VITALS[RANGE](bars, 1, 253) == pytest.approx(np.log(bars.high[-1]) - np.log(bars.low[-1]))
    assert VITALS[VOLATILITY](bars, 1, 253) == pytest.approx(np.sqrt(np.mean(returns[-21:] ** 2)))
    assert VITALS[VOLATILITY](bars, 1, 5) == pytest.approx(np.sqrt(np.mean(returns[-4:] ** 2)))
    assert VITALS[VOLATILITY](quiet(30), 1, 22) == 0
    assert (of_tier(1), of_tier(2)) == ((RANGE,), (RANGE, VOLATILITY))


@given(end=st.integers(40, 200), rows=st.integers(2, 18), tier=st.sampled_from([2, 5, 22]))
def test_vitals_of_many_bars_are_those_of_each(end: int, rows: int, tier: int) -> None:
    """To the bit, as a bar asked about alone must not be judged otherwise than in a file."""
    together = measured((RANGE, VOLATILITY), STRANGER[:end], rows, tier)
    for back in range(rows):
        alone = measured((RANGE, VOLATILITY), STRANGER[end - back - tier : end - back], 1, tier)
        assert alone[0].tobytes() == together[rows - 1 - back].tobytes()
