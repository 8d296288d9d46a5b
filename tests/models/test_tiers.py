"""Tiers: the longest that a history fills, row by row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.tiers import spans, tier_at

tiers = st.lists(st.integers(2, 300), max_size=4, unique=True).map(lambda more: [1, *sorted(more)])


@given(tiers=tiers, bars=st.integers(1, 400))
def test_the_longest_tier_that_is_filled(tiers: list[int], bars: int) -> None:
    """No shorter one if a longer one is filled too."""
    position = tier_at(tiers, bars)
    assert tiers[position] <= bars
    assert all(tier > bars for tier in tiers[position + 1 :])


@given(tiers=tiers, bars=st.integers(1, 400), data=st.data())
def test_spans_give_each_row_its_tier(tiers: list[int], bars: int, data: st.DataObject) -> None:
    """In order, without gap or overlap, each row of the tier that the bars up to it fill."""
    rows = data.draw(st.integers(1, bars))
    found = [(row, position) for start, stop, position in spans(tiers, bars, rows) for row in range(start, stop)]
    assert found == [(row, tier_at(tiers, row + 1)) for row in range(bars - rows, bars)]


def test_no_bars_and_too_many_rows_are_refused() -> None:
    """With what is there."""
    with pytest.raises(ValueError, match="at least one bar, found 0"):
        tier_at([1], 0)
    for rows in (0, 4):
        with pytest.raises(ValueError, match=f"rows from 1 to 3 .* found {rows}"):
            list(spans([1], 3, rows))
