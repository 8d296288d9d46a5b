"""Price forecasts in the report: what is measured, by whose errors bands are made, and nothing known too early."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray, IntArray
from models.families import prophet
from skill import heads
from skill.fits import prices as fits
from skill.fits.rows import known, learnt_by, sequence_rows
from skill.heads import Outcomes, PathForecast, price_heads
from skill.prices import held, interval_scores, outcomes, scaled_errors
from skill.rivals.prices import LEVELS, SHOWN, Fan
from skill.schedule import MODES, Mode, Schedule, blocks_of
from skill.universe import Universe
from tests.training.kit.support import after, market, rewritten
from training.kit.origins import HORIZONS, Options
from training.kit.panel import dated
from training.kit.path_bands import ScaledErrors, units
from training.kit.paths import Ahead, average, fit_path
from training.kit.questions.base import Rows
from training.kit.spec import ModelSpec
from training.kit.splits import Fold

SPEC = ModelSpec(family="prophet", tiers=(1, 22))
OPTIONS = Options(history=260)
SERIES = {name: market(1500, seed, name) for seed, name in enumerate(("AAA", "BBB", "CCC", "DDD"))}
SCHEDULE = Schedule(groups=2)
UNIVERSE = Universe("made", SERIES, {}, len(SERIES))

Walked = list[tuple[Fold, dict[str, FloatArray]]]
"""Folds, each with what its paths were off by."""

modes = pytest.mark.parametrize("mode", MODES)


def rows_of(series: Mapping[str, Bars]) -> Rows:
    """Return the rows of a market."""
    return sequence_rows(series, max(SPEC.tiers), max(HORIZONS))


def fold_of(mode: Mode, number: int = 1) -> Fold:
    """Return a fold."""
    return SCHEDULE.folds(rows_of(SERIES), tuple(SERIES), mode)[number]


def paths_of(series: Mapping[str, Bars], fold: Fold) -> dict[str, FloatArray]:
    """Return errors of the paths of a fold."""
    rows = rows_of(series)
    block = np.flatnonzero((rows.date >= fold.first) & (rows.date <= fold.last))
    return fits.paths(series, rows, fold, block, SPEC, OPTIONS)


def place(rows: Rows, row: int) -> tuple[Bars, int]:
    """Return the bars that a row is of, and its position in them."""
    bars = tuple(SERIES.values())[rows.symbol[row]]
    return bars, int(np.searchsorted(dated(bars), rows.date[row]))


def test_outcomes_and_units_are_those_of_pandas() -> None:
    """Moves over each horizon, and the mean absolute move over as many sessions up to the row."""
    rows = rows_of(SERIES)
    came, unit = outcomes(UNIVERSE, rows)
    for number, bars in enumerate(SERIES.values()):
        log = pd.Series(np.log(bars.close))
        at = rows.context["place"][rows.symbol == number].astype(int)
        for column, step in enumerate(HORIZONS):
            assert np.allclose(came.moves[rows.symbol == number, column], (log.shift(-step) - log).to_numpy()[at])
            assert np.array_equal(came.known[rows.symbol == number, column], dated(bars)[at + step])
        for column, step in enumerate(SHOWN):
            past = log.diff(step).abs().expanding().mean().to_numpy()
            assert np.allclose(unit[rows.symbol == number, column], past[at])


def test_the_last_close_is_off_by_the_move() -> None:
    """So its mean absolute scaled error over the past is 1: on the last day of a series nearly that."""
    rows = rows_of(SERIES)
    came, unit = outcomes(UNIVERSE, rows)
    shown = came.moves[:, [HORIZONS.index(step) for step in SHOWN]]
    errors = scaled_errors(replace(Fan.silent(len(rows)), centre=np.zeros_like(shown)), shown, unit)
    assert np.allclose(errors, np.abs(shown) / unit)


@modes
def test_an_error_is_that_of_the_anchored_path(mode: Mode) -> None:
    """What a served model would say on the day, against the close that came so many sessions later."""
    fold, rows = fold_of(mode), rows_of(SERIES)
    error = paths_of(SERIES, fold)["error"]
    past = known(SERIES, fold, learnt_by(rows, fold))
    for row in (0, len(fold.test) // 2, len(fold.test) - 1):
        bars, at = place(rows, int(fold.test[row]))
        learnt = past[bars.symbol or ""] if mode == "forward" else average(past)
        path = fit_path(learnt.tail(OPTIONS.history), SPEC, OPTIONS)
        assert path.train_end < fold.first
        for number, step in enumerate(HORIZONS):
            volume = {name: path.last_values[name] for name in path.regressors}
            said = path.anchored_path(
                dated(bars)[[at + step]],
                {name: np.array([value]) for name, value in volume.items()},
                last_close=float(bars.close[at]),
                as_of=dated(bars)[at],
                regressors_as_of=volume,
            )
            expected = np.log(bars.close[at + step] / said[0])
            assert error[row, number] == pytest.approx(expected, abs=1e-9)


def test_the_average_is_asked_of_all() -> None:
    """Of every row of the block, whosever it is: where it is all there is, it is the error itself."""
    fold = fold_of("unseen")
    arrays, rows = paths_of(SERIES, fold), rows_of(SERIES)
    block = np.flatnonzero((rows.date >= fold.first) & (rows.date <= fold.last))
    assert arrays["average"].shape == (len(block), len(HORIZONS))
    assert len(block) > len(fold.test)
    assert np.array_equal(arrays["average"][np.isin(block, fold.test)], arrays["error"])
    assert not arrays["own"].any()
    forward = paths_of(SERIES, fold_of("forward"))
    assert forward["own"].all()
    assert not np.allclose(forward["average"], forward["error"])


def is_causal(mode: Mode) -> bool:
    """Tell whether forecasts of the first half of a fold are the same whatever follows, outcomes apart."""
    fold, rows = fold_of(mode), rows_of(SERIES)
    day = np.sort(rows.date[fold.test])[len(fold.test) // 2]
    later = {name: rewritten(bars, after(bars, day)) for name, bars in SERIES.items()}
    said = []
    for series in (SERIES, later):
        came, _ = outcomes(Universe("made", series, {}, len(series)), rows_of(series))
        arrays = paths_of(series, fold)
        at = rows.date[fold.test] <= day
        block = np.flatnonzero((rows.date >= fold.first) & (rows.date <= fold.last))
        early = rows.date[block] <= day
        centres = (came.moves[fold.test] - arrays["error"])[at], (came.moves[block] - arrays["average"])[early]
        said.append((*centres, arrays["scale"][early]))
    return all(np.allclose(one, other, atol=1e-12) for one, other in zip(*said, strict=True))


@modes
def test_later_bars_change_nothing(mode: Mode) -> None:
    """Neither centres nor scales."""
    assert is_causal(mode)


def test_an_origin_that_sees_the_next_close_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that is hung on tomorrow's close knows how far it will be off."""

    class Seeing(Ahead):
        def errors(self, path: prophet.ProphetPath) -> FloatArray:
            honest = super().errors(path)
            return np.asarray(honest - self.moves[:, :1])

    monkeypatch.setattr(fits, "Ahead", Seeing)
    assert not is_causal("forward")


def test_a_fit_that_sees_its_own_year_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that was fitted to the end of the asked days."""
    monkeypatch.setattr(fits, "learnt_by", lambda rows, fold: rows.date[fold.test].max())
    assert not is_causal("forward")


def test_a_symbol_without_a_path_of_its_own_gets_the_average() -> None:
    """As one that is kept apart does, and as a served model answers."""
    rows = rows_of(SERIES)
    fold = fold_of("forward")
    begins = int(np.searchsorted(dated(SERIES["DDD"]), learnt_by(rows, fold))) - prophet.MIN_SESSIONS + 5
    late = {**SERIES, "DDD": SERIES["DDD"][begins:]}
    asked = SCHEDULE.folds(rows_of(late), tuple(late), "forward")[1]
    arrays, mine = paths_of(late, asked), rows_of(late).symbol[asked.test] == 3
    assert np.array_equal(arrays["own"] == 1, ~mine)
    error = arrays["error"][mine]
    alone = replace(asked, apart=(3,), test=asked.test[rows_of(late).symbol[asked.test] == 3])
    with_few = average(known(late, asked, learnt_by(rows_of(late), asked)))
    path = fit_path(with_few.tail(OPTIONS.history), SPEC, OPTIONS)
    at = rows_of(late).context["place"][alone.test].astype(int)
    expected = Ahead(late["DDD"], int(at[0]), int(at[-1]) + 1).errors(path)
    assert np.allclose(error, expected)


def made(mode: Mode, seed: int = 2) -> tuple[Rows, Outcomes, Walked, Walked]:
    """Return rows, outcomes, and folds with errors of paths that know half of what comes and draw as much too far.

    So half of their moves is the best share; what then is left is normal, 0.01 times the root of the horizon.
    """
    rng = np.random.default_rng(seed)
    rows, root = rows_of(SERIES), np.sqrt(np.array(HORIZONS))
    came, _ = outcomes(UNIVERSE, rows)
    told, left = 0.01 * rng.normal(size=(2, len(rows), len(HORIZONS))) * root
    came = replace(came, moves=told + left)
    forward = SCHEDULE.folds(rows, tuple(SERIES), "forward")
    blocks = {fold.first: fold.test for fold in forward}

    def walked(folds: list[Fold]) -> Walked:
        return [(fold, drawn(fold, blocks[fold.first])) for fold in folds]

    def drawn(fold: Fold, block: IntArray) -> dict[str, FloatArray]:
        off = left - told  # the path said twice what was told
        return {
            "error": off[fold.test],
            "own": np.full(len(fold.test), float(not fold.apart)),
            "average": off[block],
            "scale": np.full(len(block), 0.01),
        }

    return rows, came, walked(forward), walked(SCHEDULE.folds(rows, tuple(SERIES), mode))


@modes
def test_bands_hold_what_they_promise(mode: Mode) -> None:
    """Of errors that are alike every year; the first block teaches, and half of the paths is believed."""
    rows, came, forward, walked = made(mode)
    said = price_heads(rows, came, forward, walked)
    first = min(fold.first for fold, _ in walked)
    asked = np.concatenate([fold.test for fold, _ in walked])
    assert np.array_equal(np.flatnonzero(said.scored), np.sort(asked[~np.isin(asked, forward[0][0].test)]))
    assert (rows.date[said.scored] > first).all()
    at = np.flatnonzero(said.scored)
    shown = came.moves[at][:, [HORIZONS.index(step) for step in SHOWN]]
    for row, level in enumerate(LEVELS):
        inside = held(said.fan.take(at), shown, row).mean(axis=0)
        assert np.abs(inside - level).max() < 0.05  # three standard errors of 700 rows
    errors = shown - said.fan.centre[at]
    assert np.allclose(errors.std(axis=0), 0.01 * np.sqrt(np.array(SHOWN)), rtol=0.1)


def test_strangers_have_a_share_of_their_own() -> None:
    """Where the average tells nothing, symbols without a path get their last close, and the others half of theirs."""
    rows, came, _, walked = made("forward")
    silent: Walked = []
    for fold, arrays in walked:
        stranger = rows.symbol[fold.test] == 3
        noise = np.random.default_rng(1).normal(size=arrays["error"].shape)
        average = came.moves[fold.test] - noise
        error = np.where(stranger[:, None], average, arrays["error"])
        silent.append((fold, {**arrays, "error": error, "own": 1.0 - stranger, "average": average}))
    said = price_heads(rows, came, silent, silent)
    centre = said.fan.centre
    assert (centre[said.scored & (rows.symbol == 3)] == 0).all()
    drawn = np.full_like(came.moves, np.nan)
    for fold, arrays in silent:
        drawn[fold.test] = came.moves[fold.test] - arrays["error"]
    own = said.scored & (rows.symbol != 3)
    assert np.allclose(centre[own], 0.5 * drawn[own][:, [HORIZONS.index(step) for step in SHOWN]])


def test_widths_are_of_own_paths_alone() -> None:
    """Errors of symbols that were answered by the average move no width, however large."""
    rows, came, _, walked = made("forward")

    def with_strangers(by: float) -> PathForecast:
        changed: Walked = []
        for fold, arrays in walked:
            stranger = rows.symbol[fold.test] == 3
            error = np.where(stranger[:, None], by * arrays["error"], arrays["error"])
            changed.append((fold, {**arrays, "error": error, "own": 1.0 - stranger}))
        return price_heads(rows, came, changed, changed)

    one, other = with_strangers(1.0), with_strangers(50.0)
    assert one.scored.any()
    assert np.allclose(one.fan.upper - one.fan.lower, other.fan.upper - other.fan.lower, equal_nan=True)


def knows_too_much(mode: Mode) -> bool:
    """Tell whether errors that were not known on an evening, or those of symbols kept apart, move its band."""
    rows, came, forward, walked = made(mode)
    truth = price_heads(rows, came, forward, walked)
    fold, blocks = walked[-1][0], blocks_of([fold for fold, _ in walked])
    others = np.isin(rows.symbol, fold.apart)

    def moved(evening: np.datetime64) -> bool:
        def falsified(of: Fold, arrays: dict[str, FloatArray]) -> dict[str, FloatArray]:
            unknown = (came.known[of.test] > evening) | others[of.test][:, None]
            return {**arrays, "error": np.where(unknown, 50 * arrays["error"], arrays["error"])}

        def strangers(of: Fold, arrays: dict[str, FloatArray]) -> dict[str, FloatArray]:
            unknown = (came.known[blocks[of.first]] > evening) | others[blocks[of.first]][:, None]
            return {**arrays, "average": np.where(unknown, 50 * arrays["average"], arrays["average"])}

        other = [(of, falsified(of, arrays)) for of, arrays in forward]
        again = price_heads(rows, came, other, other if mode == "forward" else walked)
        shares = price_heads(rows, came, forward, [(of, strangers(of, arrays)) for of, arrays in walked])
        at = fold.test[rows.date[fold.test] <= evening]
        one, two = (said.fan.upper[at] - said.fan.lower[at] for said in (truth, again))
        return not np.allclose(one, two, rtol=1e-12) or not np.array_equal(truth.fan.centre[at], shares.fan.centre[at])

    return any(moved(np.unique(rows.date[fold.test])[day]) for day in (0, 20))


@modes
def test_bands_know_no_error_before_its_day(mode: Mode) -> None:
    """Nor one of a symbol that is kept apart."""
    assert not knows_too_much(mode)


@modes
def test_bands_that_settle_on_all_earlier_rows_are_caught(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows by their day: their horizons reach into the asked days, and all symbols are among them."""

    def greedy(fold: Fold, scale: FloatArray) -> IntArray:
        rows = rows_of(SERIES)
        return np.flatnonzero((rows.date <= fold.last) & ~np.isnan(scale))

    monkeypatch.setattr(heads, "learnt_from", greedy)
    assert knows_too_much(mode)


def test_bands_that_follow_symbols_kept_apart_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every evening's errors, whosever they are."""
    original = heads.evenings
    monkeypatch.setattr(heads, "evenings", lambda mine, scale: original(mine | True, scale))
    assert knows_too_much("unseen")


@modes
def test_bands_that_follow_before_the_day_are_caught(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors that count as known the day after the forecast, whatever their horizon."""

    def hasty(error: FloatArray, scale: FloatArray, known: DateArray, date: DateArray) -> ScaledErrors:
        return ScaledErrors(np.abs(error) / units(scale), np.repeat(date[:, None] + 1, known.shape[1], axis=1), date)

    monkeypatch.setattr(ScaledErrors, "of", hasty)
    assert knows_too_much(mode)


def test_the_interval_score_is_least_for_the_true_quantiles() -> None:
    """And is what its formula says, inside and outside."""
    from scipy.stats import norm

    outcome = np.random.default_rng(0).normal(size=(40_000, 3))

    def scored(half: float, row: int) -> float:
        band = np.full((len(outcome), 2, 3), half)
        fan = Fan(np.zeros_like(outcome), -band, band)
        return float(interval_scores(fan, outcome, np.ones_like(outcome), row).mean())

    for row, level in enumerate(LEVELS):
        true = float(norm.ppf((1 + level) / 2))
        assert scored(true, row) < min(scored(0.85 * true, row), scored(1.15 * true, row))
    one = Fan(np.zeros((1, 3)), np.full((1, 2, 3), -1.0), np.full((1, 2, 3), 1.0))
    told = interval_scores(one, np.array([[0.5, 1.5, -2.0]]), np.full((1, 3), 2.0), 0)
    assert np.allclose(told, [[1.0, (2 + 10 * 0.5) / 2, (2 + 10 * 1.0) / 2]])
    assert np.array_equal(held(one, np.array([[1.0, 1.5, -2.0]]), 0), [[1, 0, 0]])
    assert np.isnan(held(Fan.silent(1), np.zeros((1, 3)), 0)).all()
