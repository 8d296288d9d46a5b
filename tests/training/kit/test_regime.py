"""Training of regimes: densities judged one session ahead, by fits that end before their fold."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray
from feature_mapper.volatility import garman_klass_variance
from models import strict_json
from models.regime import WEIGHTS, RegimeModel
from models.sessions import observations, windows
from models.states import States
from models.tasks.regime import REGIMES
from tests.models.trained import artifact_of
from tests.training.kit.support import after, closes_alone, market, rewritten
from training.kit.exports import regime_exports
from training.kit.panel import dated
from training.kit.progress import Progress
from training.kit.regime import Densities, Options, _known, _purge_check, _window_cases, fit_states, unbroken, walk
from training.kit.spec import ModelSpec, SpecError
from training.kit.splits import Fold, PurgedWalkForward

OPTIONS = Options(states=2, starts=1, stickiness=0.5)
SPEC = ModelSpec(family="hmm", tiers=(1, 22))
SPLITTER = PurgedWalkForward(folds=2)
SERIES = {"S0": market(500, 1, "S0"), "S1": market(500, 2, "S1")[200:]}


def losses_of(series: Mapping[str, Bars]) -> Densities:
    """Walk two folds in silence."""
    return walk(SPEC, OPTIONS, series, SPLITTER, Progress("test", 0, stream=io.StringIO()))


@pytest.fixture(scope="module")
def losses() -> Densities:
    """Return the losses of two generated markets, one of them listed late."""
    return losses_of(SERIES)


def test_later_bars_change_no_earlier_density(losses: Densities) -> None:
    """Markets that went elsewhere after a day: the densities of all sessions before it are the same bits."""
    border = dated(SERIES["S0"])[440]
    other = losses_of({symbol: rewritten(bars, after(bars, border)) for symbol, bars in SERIES.items()})
    early = losses.date < border
    assert early.any()
    for name in losses.rivals:
        assert np.array_equal(losses.rivals[name][early], other.rivals[name][early]), name
    for tier in SPEC.tiers:
        for found, rewrote in ((losses.tiers, other.tiers), (losses.naive, other.naive)):
            assert np.array_equal(found[tier][early], rewrote[tier][early]), tier
        assert not np.array_equal(losses.tiers[tier][~early], other.tiers[tier][~early])


def test_rivals_by_scipy(losses: Densities) -> None:
    """The single Gaussian is that of the training rows of all symbols; the first fold, by scipy."""
    pooled = np.concatenate([dated(bars)[1:] for bars in SERIES.values()])
    first, _ = SPLITTER.split(pooled, pooled)
    last = pooled[first.train].max()
    seen = np.concatenate([observations(bars)[1:][dated(bars)[1:] <= last] for bars in SERIES.values()])
    gaussian = multivariate_normal(seen.mean(axis=0), np.cov(seen.T))
    mine = (losses.symbol == 0) & (losses.date <= first.last)
    bars = SERIES["S0"]
    at = np.searchsorted(dated(bars), losses.date[mine])
    assert losses.rivals["single_gaussian"][mine] == pytest.approx(-gaussian.logpdf(observations(bars)[at + 1]))


def test_a_loss_is_the_density_of_the_coming_session(losses: Densities) -> None:
    """Of the first fold, from a fit to what it knew: the filter of a window, a step on by the chain."""
    pooled = np.concatenate([dated(bars)[1:] for bars in SERIES.values()])
    first, _ = SPLITTER.split(pooled, pooled)
    known = _known(SERIES, pooled[first.train].max())
    states = fit_states([SERIES[name][:count] for name, count in known.items() if count > 1], SPEC, OPTIONS)
    bars = SERIES["S0"]
    for row in np.flatnonzero((losses.symbol == 0) & (losses.date <= first.last))[[0, 5, -1]]:
        stop = int(np.searchsorted(dated(bars), losses.date[row])) + 1
        read, coming = windows(bars[:stop], 22, 1), observations(bars)[stop : stop + 1]
        density = np.exp(states.log_densities(coming, read)[0])
        now = states.filter(read)[0]
        assert losses.tiers[22][row] == pytest.approx(-np.log(now @ states.hmm.transitions @ density), rel=1e-9)
        assert losses.naive[22][row] == pytest.approx(-np.log(states.hmm.start @ density), rel=1e-9)


def test_symbol_without_a_bar_at_the_border_leaks_none() -> None:
    """Bars up to a day, and not the first one after it, where the symbol did not trade on that day."""
    bars = SERIES["S0"]
    day = dated(bars)[300]
    kept = np.delete(np.arange(500), [300])
    halted = Bars(bars.open[kept], bars.high[kept], bars.low[kept], bars.close[kept], date=dated(bars)[kept])
    assert _known({"S0": bars, "S1": halted}, day) == {"S0": 301, "S1": 300}
    assert _known({"S0": bars[400:]}, day) == {"S0": 0}
    assert _purge_check({"S0": bars, "S1": halted}, SPLITTER).passed


def test_stretches_end_where_a_range_is_missing() -> None:
    """Rows without NaN, those that follow each other together, in order; where none is whole, no rows."""
    rows = np.arange(12.0).reshape(6, 2)
    assert [part.tolist() for part in unbroken(rows)] == [rows.tolist()]
    rows[[0, 3]] = np.nan
    assert [part.tolist() for part in unbroken(rows)] == [rows[1:3].tolist(), rows[4:].tolist()]
    assert [part.shape for part in unbroken(np.full((3, 2), np.nan))] == [(0, 2)]


def test_sessions_without_a_range_make_no_state_of_their_own() -> None:
    """A fit to bars of which a sixth has closes alone is that to the others; with tiny ranges it is not."""
    part = {name: slice(0, len(bars) // 6) for name, bars in SERIES.items()}
    fitted = fit_states([closes_alone(bars, part[name]) for name, bars in SERIES.items()], SPEC, OPTIONS)
    rest = fit_states([bars[len(bars) // 6 - 1 :] for bars in SERIES.values()], SPEC, OPTIONS)
    assert fitted.habit.usual == rest.habit.usual
    assert fitted.habit.variety == pytest.approx(rest.habit.variety, rel=1e-12)
    assert fitted.hmm.means == pytest.approx(rest.hmm.means, rel=1e-6)
    assert fitted.hmm.covariances == pytest.approx(rest.hmm.covariances, rel=1e-6)
    tiny = fit_states([narrow(bars, part[name]) for name, bars in SERIES.items()], SPEC, OPTIONS)
    assert tiny.habit.usual < fitted.habit.usual - 0.5
    assert tiny.hmm.means != pytest.approx(fitted.hmm.means, abs=0.1)


def narrow(bars: Bars, part: slice) -> Bars:
    """Return bars of which some have hardly a range, and no night before it."""
    high, low, opened, close = (getattr(bars, name).copy() for name in ("high", "low", "open", "close"))
    close[part] = close[part.start]
    opened[part], high[part], low[part] = close[part], close[part] * (1 + 1e-6), close[part]
    return replace(bars, open=opened, high=high, low=low, close=close)


def test_a_habit_is_the_mean_of_symbols_and_what_sessions_differ_by() -> None:
    """By hand, from windows of 21 sessions before each; a symbol counts once, however long it is."""
    habit = fit_states(list(SERIES.values()), SPEC, OPTIONS).habit
    logs = [observations(bars)[1:, 1] for bars in SERIES.values()]
    assert habit.usual == pytest.approx(np.mean([values.mean() for values in logs]))
    squares, nights = [], []
    for values in logs:
        for at in range(len(values)):
            window = values[max(at - 21, 0) : at]
            level = (window.sum() + OPTIONS.weight * habit.usual) / (len(window) + OPTIONS.weight)
            squares.append((values[at] - level) ** 2)
    for bars, values in zip(SERIES.values(), logs, strict=True):
        nights.append(values - 0.5 * np.log(garman_klass_variance(bars))[1:])
    assert habit.variety == pytest.approx(np.sqrt(np.mean(squares)))
    assert habit.night == pytest.approx(np.concatenate(nights).mean())
    assert habit.weight == OPTIONS.weight


def test_sessions_of_one_size_are_refused() -> None:
    """What would be told apart is rounding."""
    price = np.full(300, 100.0)
    flat = Bars(price, price * 1.01, price / 1.01, price, date=dated(SERIES["S0"])[:300])
    with pytest.raises(SpecError, match="expected sessions of different sizes, found log volatilities within"):
        fit_states([flat, flat], SPEC, OPTIONS)


def test_folds_without_a_range_are_refused() -> None:
    """There is nothing to score where only the first bars have one."""
    pooled = np.concatenate([dated(bars)[1:] for bars in SERIES.values()])
    first, _ = SPLITTER.split(pooled, pooled)
    starts = {name: int(np.searchsorted(dated(bars), first.first)) for name, bars in SERIES.items()}
    bare = {name: closes_alone(bars, slice(starts[name], None)) for name, bars in SERIES.items()}
    with pytest.raises(SpecError, match="expected sessions with a range in the test folds, found none"):
        losses_of(bare)


def test_closes_alone_are_refused() -> None:
    """Before EM is asked, with what to give."""
    bare = [closes_alone(bars, slice(None)) for bars in SERIES.values()]
    with pytest.raises(SpecError, match="expected bars with high above low, found no two of them in a row in 2 series"):
        fit_states(bare, SPEC, OPTIONS)


def test_golden_windows_have_no_gap() -> None:
    """They are of the longest stretch, also where the first series begins with closes alone."""
    series = {**SERIES, "S0": closes_alone(SERIES["S0"], slice(0, 300))}
    for case in _window_cases(series):
        strict_json.encode(case)
        numbers = msgspec.convert(case["volatility_window"], list[float])
        assert min(numbers) > 1e-5


def test_a_session_without_a_range_is_not_asked_about() -> None:
    """All losses are numbers, of the rows before other sessions, and so are their transforms."""
    bars = closes_alone(SERIES["S0"], slice(430, 440))
    losses = losses_of({**SERIES, "S0": bars})
    everything = [*losses.tiers.values(), *losses.naive.values(), *losses.settled.values(), *losses.rivals.values()]
    assert all(np.isfinite(values).all() for values in everything)
    assert np.isfinite(losses.transforms).all()
    coming = np.searchsorted(dated(bars), losses.date[losses.symbol == 0]) + 1
    assert sorted(set(range(coming.min(), coming.max() + 1)) - set(coming.tolist())) == [*range(430, 440)]


def test_unpurged_folds_are_caught() -> None:
    """A splitter that promises an embargo and keeps none."""

    class Careless(PurgedWalkForward):
        def split(self, date: DateArray, label_end: DateArray) -> Iterator[Fold]:
            return PurgedWalkForward(folds=2, embargo=0).split(date, label_end)

    check = _purge_check(SERIES, Careless(folds=2, embargo=5))
    assert not check.passed
    assert "fold 0" in check.detail


def test_exports_are_what_the_model_says() -> None:
    """Transition matrix, statistics and the regime of each day, by parsing them again."""
    artifact = artifact_of("hmm_regime")
    states, bars = States.load(artifact.files[WEIGHTS]), SERIES["S0"]
    fitted = states.hmm
    files = regime_exports(states, {"S0": bars}, 64)
    matrix = list(csv.reader(io.StringIO(files["transition_matrix.csv"].decode())))
    assert np.array([[float(cell) for cell in row[1:]] for row in matrix[1:]]).tolist() == fitted.transitions.tolist()
    stats = msgspec.json.decode(files["regime_stats.json"])
    assert set(stats["states"]) == set(fitted.states) <= set(REGIMES)
    assert sum(state["share_of_time"] for state in stats["states"].values()) == pytest.approx(1.0)
    assert [s["mean_log_volatility_in_spreads"] for s in stats["states"].values()] == fitted.means[:, 1].tolist()
    assert stats["habit"] == msgspec.to_builtins(states.habit)
    days = list(csv.DictReader(io.StringIO(files["regimes.csv"].decode())))
    assert len(days) == len(bars) - 1
    served = RegimeModel.from_artifact(artifact)
    for number in (64, 200, 480):
        assert days[number]["regime"] == served.answer(bars[: number + 2])[0].fields["regime"]
        assert days[number]["date"] == str(dated(bars)[number + 1])
