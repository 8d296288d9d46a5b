"""Regimes in the report: nothing known too early, rivals with all the past, labels of days that both fits knew."""

import itertools
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_mapper.bars import Bars
from feature_mapper.typing import BoolArray, FloatArray
from models.sessions import observations, windows
from models.states import States, in_spreads
from skill.fits import regimes as fits
from skill.fits.rows import known, learnt_by, sequence_rows
from skill.regimes import duration
from skill.rivals import regimes as rivals
from skill.rivals.regimes import COMPONENTS, LEAST, REGIME
from skill.schedule import Schedule
from tests.training.kit.support import after, closes_alone, market, rewritten
from training.kit.panel import dated
from training.kit.questions.base import Rows
from training.kit.regime import Options
from training.kit.spec import ModelSpec
from training.kit.splits import Fold

SPEC = ModelSpec(family="hmm", tiers=(1, 22))
OPTIONS = Options(starts=1, stickiness=0.5)
TIER = max(SPEC.tiers)
SERIES = {name: market(1400, seed, name) for seed, name in enumerate(("AAA", "BBB", "CCC"))}
SCHEDULE = Schedule(groups=2)
DAY = np.datetime64("2008-06-16")


def rows_of(series: Mapping[str, Bars]) -> Rows:
    """Return the rows of a market, one session ahead."""
    return sequence_rows(series, TIER, 1)


def folds_of(series: Mapping[str, Bars]) -> list[Fold]:
    """Return the folds in forward time."""
    return SCHEDULE.folds(rows_of(series), tuple(series), "forward")


@pytest.fixture(scope="module")
def models() -> list[States]:
    """Return the fits of the first two folds."""
    return [fits.fitted(fits.fit(SERIES, rows_of(SERIES), fold, SPEC, OPTIONS)) for fold in folds_of(SERIES)[:2]]


def known_by(rows: Rows, fold: Fold, day: np.datetime64) -> BoolArray:
    """Tell which asked rows have an outcome by a day, shape (n,)."""
    return rows.label_end[fold.test] <= day


def is_causal(model: States) -> bool:
    """Tell whether what is said of rows whose outcome is known by a day is the same whatever follows it."""
    (fold,) = [fold for fold in folds_of(SERIES) if fold.first <= DAY <= fold.last]
    later = {name: rewritten(bars, after(bars, DAY)) for name, bars in SERIES.items()}
    truth, other = (fits.said(series, rows_of(series), fold, model, SPEC.tiers) for series in (SERIES, later))
    at = known_by(rows_of(SERIES), fold, DAY)
    return all(np.array_equal(truth[name][at], other[name][at]) for name in truth)


def test_later_bars_change_nothing(models: list[States]) -> None:
    """Losses, labels and volatility of each tier are those of a filter."""
    assert is_causal(models[0])


def test_a_smoothed_posterior_is_caught(models: list[States], monkeypatch: pytest.MonkeyPatch) -> None:
    """The probability of a state given what follows too, as hmmlearn's is, breaks the law above."""
    honest = States.filter

    def smoothed(model: States, read: FloatArray) -> FloatArray:
        forward, transitions = honest(model, read), model.hmm.transitions
        density = np.exp(model.log_densities(read[:, -1], read))
        backward = np.ones_like(forward)
        for step in range(len(read) - 2, -1, -1):
            told = transitions @ (density[step + 1] * backward[step + 1])
            backward[step] = told / told.sum()
        joint = forward * backward
        return np.asarray(joint / joint.sum(axis=1, keepdims=True))

    monkeypatch.setattr(States, "filter", smoothed)
    assert not is_causal(models[0])


def test_a_loss_is_the_density_of_the_coming_session(models: list[States]) -> None:
    """By hand from the filter of its window, a step on by the chain, and from the shares of the states, row by row."""
    fold = folds_of(SERIES)[0]
    rows = rows_of(SERIES)
    said = fits.said(SERIES, rows, fold, models[0], SPEC.tiers)
    for row in (0, 7, len(fold.test) - 1):
        bars = SERIES[("AAA", "BBB", "CCC")[rows.symbol[fold.test[row]]]]
        at = int(np.searchsorted(dated(bars), rows.date[fold.test[row]]))
        seen = observations(bars)[at - TIER + 2 : at + 2]
        inside = in_spreads(seen[:-1], *models[0].habit.before(seen[:-1, 1]))
        level, spread = models[0].habit.of(seen[:-1, 1])
        density = models[0].hmm.log_likelihoods(in_spreads(seen[-1:], level, spread))[0] - np.log(spread)
        model = models[0].hmm
        for name, shares in (
            ("loss", model.next_probabilities(model.filter(inside)[-1:])[0]),
            ("still", model.start),
        ):
            assert said[f"{name}/{TIER}"][row] == pytest.approx(-np.log(shares @ np.exp(density)), rel=1e-9)


def test_a_fit_knows_nothing_of_the_embargo_and_of_symbols_apart() -> None:
    """What it may know ends more than five sessions before the first asked day."""
    rows = rows_of(SERIES)
    for mode in ("forward", "unseen"):
        for fold in SCHEDULE.folds(rows, tuple(SERIES), mode):
            past = known(SERIES, fold, learnt_by(rows, fold))
            assert set(past) == {name for at, name in enumerate(SERIES) if at not in fold.apart}
            assert all(np.busday_count(dated(bars)[-1], fold.first) > SCHEDULE.embargo for bars in past.values())


def learns_on_all(name: str) -> bool:
    """Tell whether the first and the last session before the asked days both move what a rival says."""
    fold = folds_of(SERIES)[1]
    stop = int(np.searchsorted(dated(SERIES["AAA"]), fold.first))
    truth = rivals.losses(SERIES, rows_of(SERIES), fold)[name]
    for part in (slice(30, 34), slice(stop - 1, stop)):
        changed = {symbol: stretched(bars, part) for symbol, bars in SERIES.items()}
        said = rivals.losses(changed, rows_of(changed), fold)[name]
        if np.isclose(said[200:], truth[200:], rtol=1e-12).any():
            return False
    return True


def stretched(bars: Bars, part: slice) -> Bars:
    """Widen the range of some sessions, and leave closes alone."""
    high, low = bars.high.copy(), bars.low.copy()
    high[part] *= 1.05
    low[part] /= 1.05
    return replace(bars, high=high, low=low)


every_rival = pytest.mark.parametrize("name", [rival.name for rival in REGIME])


@every_rival
def test_a_rival_learns_on_all_sessions_before(name: str) -> None:
    """From the first to the one before the asked days, without the embargo that the model keeps."""
    assert learns_on_all(name)


@every_rival
def test_a_rival_that_is_given_less_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One session less is enough to see."""
    monkeypatch.setattr(rivals, "day_before", lambda first: np.busday_offset(first, -2, roll="forward"))
    assert not learns_on_all(name)


@every_rival
def test_later_bars_do_not_change_what_a_rival_says(name: str) -> None:
    """Of rows whose outcome is known."""
    (fold,) = [fold for fold in folds_of(SERIES) if fold.first <= DAY <= fold.last]
    later = {symbol: rewritten(bars, after(bars, DAY)) for symbol, bars in SERIES.items()}
    truth, other = (rivals.losses(series, rows_of(series), fold)[name] for series in (SERIES, later))
    at = known_by(rows_of(SERIES), fold, DAY)
    assert np.array_equal(truth[at], other[at])
    assert np.isfinite(truth).all()


def test_gaussians_and_mixtures_are_those_of_other_libraries() -> None:
    """SciPy's multivariate normal, and scikit-learn's mixture of observations in units of their spread."""
    from scipy.stats import multivariate_normal
    from sklearn.mixture import GaussianMixture

    seen = observations(SERIES["AAA"])[1:]
    past, at = seen[:1000], np.arange(1000, 1300)
    normal = multivariate_normal(past.mean(axis=0), np.cov(past.T))
    assert np.allclose(rivals.single_gaussian([past])(seen, at), normal.logpdf(seen[at + 1]), rtol=1e-10)
    spread = past.std(axis=0)
    mixture = GaussianMixture(COMPONENTS, max_iter=500, random_state=0).fit((past - past.mean(axis=0)) / spread)
    density = np.exp(rivals.static_mixture([past])(seen, at))
    assert np.allclose(
        density, np.exp(mixture.score_samples((seen[at + 1] - past.mean(axis=0)) / spread)) / spread.prod()
    )


def test_a_rival_of_the_symbol_needs_a_year_of_it() -> None:
    """Before, it says nothing; the others do."""
    late = {**SERIES, "DDD": SERIES["AAA"][1000 - LEAST // 2 :]}
    fold = SCHEDULE.folds(rows_of(late), tuple(late), "forward")[0]
    rows, said = rows_of(late), rivals.losses(late, rows_of(late), fold)
    mine = rows.symbol[fold.test] == 3
    for rival in REGIME:
        assert np.isnan(said[rival.name][mine]).all() == rival.own
        assert np.isfinite(said[rival.name][~mine]).all()


def test_sessions_without_a_range_are_scored_by_nobody() -> None:
    """All say a number of each other row, and what they learn holds no range that was never seen."""
    bars = SERIES["AAA"]
    series = {**SERIES, "AAA": closes_alone(closes_alone(bars, slice(0, 300)), slice(1200, 1210))}
    rows, fold = rows_of(series), folds_of(series)[0]
    said = rivals.losses(series, rows, fold)
    model = fits.fitted(fits.fit(series, rows, fold, SPEC, OPTIONS))
    mine = fits.said(series, rows, fold, model, SPEC.tiers)[f"loss/{TIER}"]
    missing = (rows.symbol[fold.test] == 0) & np.isin(rows.label_end[fold.test], dated(bars)[1200:1210])
    assert missing.sum() == 10
    for losses in (mine, *said.values()):
        assert np.array_equal(np.isnan(losses), missing)
    without = {**SERIES, "AAA": bars[300:]}
    others = rivals.losses(without, rows_of(without), folds_of(without)[0])
    late = rows.symbol[fold.test] != 0
    late_others = rows_of(without).symbol[folds_of(without)[0].test] != 0
    for name in ("single Gaussian", "static mixture", "autoregression"):
        assert np.mean(np.abs(said[name][late] - others[name][late_others])) < 0.01, name


def test_labels_are_compared_on_the_days_that_both_knew(models: list[States]) -> None:
    """Session by session, by the filter of each window; days of the year between are counted by themselves."""
    folds, rows = folds_of(SERIES), rows_of(SERIES)
    days = (learnt_by(rows, folds[0]), learnt_by(rows, folds[1]))
    moved = models[1].hmm
    moved = replace(moved, means=moved.means[[1, 2, 0]], covariances=moved.covariances[[1, 2, 0]])
    other = replace(models[1], hmm=moved)
    stop = int(np.searchsorted(dated(SERIES["AAA"]), days[1], side="right"))
    late = {name: bars[stop - 330 : stop + 9] for name, bars in SERIES.items()}
    found = fits.kept_labels(late, days, (models[0], other), np.array([0, 2]), TIER)
    kept, counted = np.zeros(2), np.zeros(2)
    for bars in (late["AAA"], late["CCC"]):
        for at in range(TIER - 1, 330):
            read = windows(bars[: at + 1], TIER, 1)
            same = np.argmax(models[0].filter(read)[0]) == np.argmax(other.filter(read)[0])
            part = int(dated(bars)[at] > days[0])
            kept[part] += same
            counted[part] += 1
    assert np.array_equal(found["days"], counted)
    assert np.array_equal(found["kept"], kept)
    assert (counted > 0).all()
    assert not np.array_equal(kept, counted)


def test_a_fit_keeps_its_own_labels(models: list[States]) -> None:
    """Of all days, whichever they are."""
    folds, rows = folds_of(SERIES), rows_of(SERIES)
    days = (learnt_by(rows, folds[0]), learnt_by(rows, folds[1]))
    found = fits.kept_labels(SERIES, days, (models[0], models[0]), np.array([1]), TIER)
    assert np.array_equal(found["kept"], found["days"])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=60))
def test_duration_is_the_mean_length_of_runs(pairs: list[tuple[int, int]]) -> None:
    """Of one label of one symbol."""
    pairs = sorted(pairs, key=lambda pair: pair[1])
    lengths = [len(list(run)) for _, run in itertools.groupby(pairs)]
    label, symbol = (np.array(column) for column in zip(*pairs, strict=True))
    assert duration(label.astype(np.float64), symbol) == pytest.approx(np.mean(lengths))
