"""Splits: forward only, purged, embargoed, and covering."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_mapper.typing import DateArray
from training.kit.spec import SpecError
from training.kit.splits import Fold, PurgedWalkForward

splitters = st.builds(
    PurgedWalkForward, folds=st.integers(1, 6), warm_up=st.sampled_from([0.2, 0.4, 0.7]), embargo=st.integers(0, 12)
)


@st.composite
def pools(draw: st.DrawFn) -> tuple[DateArray, DateArray, int]:
    """Rows of one to three symbols with gaps, some listed late, pooled; and the horizon of their labels."""
    horizon = draw(st.integers(1, 8))
    days = np.busday_offset(np.datetime64("2010-01-04"), np.arange(draw(st.integers(150, 260))))
    dates, ends = list[DateArray](), list[DateArray]()
    for _ in range(draw(st.integers(1, 3))):
        rng = np.random.default_rng(draw(st.integers(0, 999)))
        listed = draw(st.integers(0, 60)) if dates else 0
        mine = days[listed:][rng.random(len(days) - listed) > 0.1]
        dates.append(mine[:-horizon])
        ends.append(mine[horizon:])
    return np.concatenate(dates), np.concatenate(ends), horizon


def folds_of(splitter: PurgedWalkForward, pool: tuple[DateArray, DateArray, int]) -> list[Fold]:
    """Split a pool."""
    date, end, _ = pool
    return list(splitter.split(date, end))


@given(splitter=splitters, pool=pools())
def test_no_training_label_reaches_the_test_or_its_embargo(
    splitter: PurgedWalkForward, pool: tuple[DateArray, DateArray, int]
) -> None:
    """Between the last day of any training label and the first test day lie at least ``embargo`` sessions."""
    date, end, _ = pool
    days = np.unique(date)
    for fold in folds_of(splitter, pool):
        between = days[(days > end[fold.train].max()) & (days < fold.first)]
        assert len(between) >= splitter.embargo
        assert end[fold.train].max() < date[fold.test].min()


@given(splitter=splitters, pool=pools())
def test_folds_go_forward_and_cover_the_rest(
    splitter: PurgedWalkForward, pool: tuple[DateArray, DateArray, int]
) -> None:
    """Each row after the warm-up is tested exactly once, in order of days; training only ever grows."""
    date, _, _ = pool
    folds = folds_of(splitter, pool)
    assert [fold.number for fold in folds] == list(range(splitter.folds))
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested.tolist()) == np.flatnonzero(date >= folds[0].first).tolist()
    for fold in folds:
        assert date[fold.test].min() == fold.first
        assert date[fold.test].max() == fold.last
    for before, after in itertools.pairwise(folds):
        assert before.last < after.first
        assert set(before.train) <= set(after.train)
    days = np.unique(date)
    assert np.searchsorted(days, folds[0].first) == int(len(days) * splitter.warm_up)


@given(splitter=splitters, pool=pools())
def test_nothing_is_left_out_needlessly(splitter: PurgedWalkForward, pool: tuple[DateArray, DateArray, int]) -> None:
    """A row that does not train has a label that ends within the embargo or later."""
    date, end, _ = pool
    days = np.unique(date)
    for fold in folds_of(splitter, pool):
        barrier = days[np.searchsorted(days, fold.first) - splitter.embargo]
        left = np.setdiff1d(np.arange(len(date)), fold.train)
        assert (end[left] >= barrier).all()


@pytest.mark.parametrize("days", [1, 4, 12])
def test_too_few_days_are_refused(days: int) -> None:
    """Rather than a fold that tests or trains on nothing."""
    date = np.busday_offset(np.datetime64("2010-01-04"), np.arange(days))
    with pytest.raises(SpecError, match="add history"):
        list(PurgedWalkForward().split(date, date + 1))
