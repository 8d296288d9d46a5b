"""Bands of paths: settled widths, and how they follow what came, evening by evening."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_mapper.typing import FloatArray
from training.kit import path_bands
from training.kit.origins import HORIZONS
from training.kit.path_bands import RATE, PathBands, ScaledErrors, units
from training.kit.scores import conformal_quantile

START = np.datetime64("2010-01-01")
LEVELS = (0.5, 0.8, 0.95)
SYMBOLS = 8


def errors_of(scaled: FloatArray, a_day: int = SYMBOLS) -> ScaledErrors:
    """Return errors as of consecutive days, as many symbols on each, known after as many days as the horizon has."""
    date = START + np.arange(len(scaled)) // a_day
    return ScaledErrors(scaled, date[:, None] + np.array(HORIZONS), date)


def drawn(days: int, seed: int = 0) -> FloatArray:
    """Return half-normal errors, independent, of shape (days * SYMBOLS, horizons)."""
    return np.abs(np.random.default_rng(seed).normal(size=(days * SYMBOLS, len(HORIZONS))))


Pulls = dict[np.datetime64, float]


def by_hand(errors: ScaledErrors, column: int, width: float, level: float) -> Pulls:
    """Return the pull on each evening of one horizon and level, by the formula, one error after the other."""
    known, pull, pulls, rows, days = errors.known[:, column], 0.0, Pulls(), 0, 0
    for day in np.unique(known):
        today = np.flatnonzero((known == day) & (errors.date >= known.min()))
        if len(today):
            rows, days, missed = rows + len(today), days + 1, 0
            for at in today:
                before = [was for when, was in pulls.items() if when <= errors.date[at]]
                missed += errors.error[at, column] > width * np.exp(before[-1] if before else 0.0)
            pull += RATE * (missed - (1 - level) * len(today)) / (rows / days)
        pulls[day] = pull
    return pulls


def test_pulls_by_hand() -> None:
    """Settled on the first half, followed from then on, each horizon as its errors come to be known."""
    errors, first = errors_of(drawn(60)), START + 40
    settled_by = errors.known[:, -1] < first
    bands = PathBands.learnt(errors, settled_by, first, LEVELS)
    for column in (0, 3, 5):
        for number, level in enumerate(LEVELS):
            width = conformal_quantile(errors.error[settled_by, column], level)
            assert bands.settled[column, number] == width
            pulls = by_hand(errors, column, width, level)
            assert bands.days[column].tolist() == list(pulls)
            assert bands.pulls[column][1:, number] == pytest.approx(list(pulls.values()))
    assert bands.last == pytest.approx(np.stack([pulls[-1] for pulls in bands.pulls]))


def test_a_reach_is_that_of_the_evening() -> None:
    """Volatility times root horizon times the width pulled by all that was known on the day, and nothing later."""
    errors, first = errors_of(drawn(60)), START + 40
    bands = PathBands.learnt(errors, errors.known[:, -1] < first, first, LEVELS)
    scale, date = np.array([0.01, 0.02, 0.015]), START + np.array([40, 47, 59])
    found = bands.reaches(scale, date)
    for row, day in enumerate(date):
        at = [int(np.searchsorted(days, day, side="right")) for days in bands.days]
        pull = np.stack([pulls[position] for pulls, position in zip(bands.pulls, at, strict=True)])
        plain = bands.settled * np.exp(pull) * units(scale)[row][:, None]
        assert found[row] == pytest.approx(np.maximum.accumulate(np.maximum.accumulate(plain, axis=1), axis=0))


@given(day=st.integers(30, 75), seed=st.integers(0, 20))
@settings(max_examples=25)
def test_later_errors_change_no_earlier_reach(day: int, seed: int) -> None:
    """Errors that came to be known after an evening, made a hundred times as large: its band is the same bits."""
    errors, first = errors_of(drawn(80, seed)), START + 30
    settled_by = errors.known[:, -1] < first
    later = np.where(errors.known > START + day, 100 * errors.error, errors.error)
    wild, date = ScaledErrors(later, errors.known, errors.date), START + np.arange(30, day + 1)
    bands = [PathBands.learnt(of, settled_by, first, LEVELS) for of in (errors, wild)]
    one, other = (found.reaches(np.ones(len(date)), date) for found in bands)
    assert np.array_equal(one, other)


def test_after_a_break_they_hold_what_they_promise_again() -> None:
    """Errors twice as large from one day on: settled widths go on missing, those that follow miss what they may."""
    scaled, broke, first = drawn(900, 5), 500, START + 450
    scaled[broke * SYMBOLS :] *= 2.0
    errors = errors_of(scaled)
    bands = PathBands.learnt(errors, errors.known[:, -1] < first, first, LEVELS)
    late = errors.date >= START + 650
    reach = bands.reaches(np.ones(late.sum()), errors.date[late]) / units(np.ones(1))[:, :, None]
    inside = (errors.error[late][:, :, None] <= reach).mean(axis=0)
    unmoved = (errors.error[late][:, :, None] <= bands.settled).mean(axis=0)
    assert np.abs(inside - np.array(LEVELS)).max() < 0.02
    assert (unmoved < np.array([0.3, 0.55, 0.75])).all()


def test_where_nothing_breaks_they_stay_about_where_they_were() -> None:
    """Errors that are alike all along: coverage as promised, and pulls of a few per cent."""
    errors, first = errors_of(drawn(900, 6)), START + 450
    bands = PathBands.learnt(errors, errors.known[:, -1] < first, first, LEVELS)
    assert all(np.abs(pulls).max() < 0.25 for pulls in bands.pulls)
    late = errors.date >= first
    reach = bands.reaches(np.ones(late.sum()), errors.date[late]) / units(np.ones(1))[:, :, None]
    assert np.abs((errors.error[late][:, :, None] <= reach).mean(axis=0) - np.array(LEVELS)).max() < 0.015


def test_a_day_counts_by_its_rows() -> None:
    """A weekend on which one wild symbol trades is an eighth of a day; as a whole one it would pull all the others."""
    calm, wild = drawn(400, 7), 9.0
    date = START + np.arange(len(calm)) // SYMBOLS * 2
    weekends = START + np.arange(400) * 2 + 1
    error = np.concatenate([calm, np.full((400, len(HORIZONS)), wild)])
    dates = np.concatenate([date, weekends])
    errors = ScaledErrors(error, dates[:, None] + 2 * np.array(HORIZONS), dates)
    first = START + 400
    bands = PathBands.learnt(errors, np.arange(len(error)) < 150 * SYMBOLS, first, LEVELS)
    late = (errors.date >= first) & (error[:, 0] != wild)
    reach = bands.reaches(np.ones(late.sum()), errors.date[late]) / units(np.ones(1))[:, :, None]
    inside = (error[late][:, :, None] <= reach).mean(axis=0)
    # One row in nine is always missed, so a band of 80 % is to hold 90 % of the others, and no more.
    assert inside[:, 1] == pytest.approx(0.8 * 9 / 8, abs=0.02)


def test_errors_of_zero() -> None:
    """Bands of a market that never moves have no width, and a width of nothing is pulled by no more than it may be."""
    errors = errors_of(np.zeros((40 * SYMBOLS, len(HORIZONS))))
    bands = PathBands.learnt(errors, errors.known[:, -1] < START + 30, START + 30, LEVELS)
    assert np.array_equal(bands.reaches(np.ones(1), errors.date[-1:]), np.zeros((1, len(HORIZONS), len(LEVELS))))
    assert all(np.isfinite(pulls).all() for pulls in bands.pulls)


def test_widths_move_on_from_so_many_days_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of errors of earlier days nothing is followed; those of later ones begin with no pull."""
    monkeypatch.setattr(path_bands, "DAYS", 10)
    errors, first = errors_of(drawn(60)), START + 40
    bands = PathBands.learnt(errors, errors.known[:, -1] < first, first, LEVELS)
    for days, pulls in zip(bands.days, bands.pulls, strict=True):
        assert days[0] == first - 10
        assert (pulls[0] == 0).all()
    wild = np.where((errors.date < first - 10)[:, None], 9 * errors.error, errors.error)
    other = PathBands.learnt(ScaledErrors(wild, errors.known, errors.date), slice(None), first, LEVELS)
    same = PathBands.learnt(errors, slice(None), first, LEVELS)
    assert not np.array_equal(other.settled, same.settled)
    quiet = replace(other, settled=same.settled)
    settled_alike = PathBands.learnt(
        ScaledErrors(wild, errors.known, errors.date), errors.date >= first - 10, first, LEVELS
    )
    expected = PathBands.learnt(errors, errors.date >= first - 10, first, LEVELS)
    assert quiet.days[0].tolist() == expected.days[0].tolist()
    assert all(np.array_equal(a, b) for a, b in zip(settled_alike.pulls, expected.pulls, strict=True))


def test_errors_that_are_still_to_come_are_not_followed() -> None:
    """NaN and NaT of the last days, whose longest horizon has not ended, while those that have move their widths."""
    errors, first = errors_of(drawn(60)), START + 40
    last = START + 59
    ended = errors.known <= last
    cut = ScaledErrors(
        np.where(ended, errors.error, np.nan), np.where(ended, errors.known, np.datetime64("NaT")), errors.date
    )
    settled_by = errors.known[:, -1] < first
    bands, whole = (PathBands.learnt(of, settled_by, first, LEVELS) for of in (cut, errors))
    for column, days in enumerate(bands.days):
        assert days[-1] == last
        assert np.array_equal(bands.pulls[column], whole.pulls[column][: len(days) + 1])
