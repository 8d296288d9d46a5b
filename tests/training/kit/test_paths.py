"""Rolling origins of the price forecast: nothing known too early, and what the run's own checks catch."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from models.forecast import ForecastHead
from tests.training.kit.support import after, markets, rewritten
from training.kit import paths
from training.kit.forecast import _checks, comparison, train
from training.kit.origins import HORIZONS, Options, plan
from training.kit.panel import dated
from training.kit.path_bands import PathBands, widths
from training.kit.path_errors import SHARES, Errors, Origins, Shares, best_share
from training.kit.paths import average, evaluate
from training.kit.progress import Progress
from training.kit.scores import conformal_quantile
from training.kit.spec import ModelSpec, SpecError

OPTIONS = Options(prior=0.01, history=260, step=110, teaching=2, least=150)
SPEC = ModelSpec(family="prophet", tiers=(1, 22))
SERIES = markets(700)


def origins_of(series: Mapping[str, Bars], options: Options = OPTIONS) -> Origins:
    """Walk the origins in silence."""
    return evaluate(series, SPEC, options, Progress("test", 0, stream=io.StringIO()))


@pytest.fixture(scope="module")
def watched() -> tuple[Origins, list[list[Errors]]]:
    """Return the origins of two generated markets, and what each choice of shares was given."""
    asked: list[list[Errors]] = []
    original = Shares.of

    def spied(parts: Sequence[Errors]) -> Shares:
        asked.append(list(parts))
        return original(parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Shares, "of", spied)
        return origins_of(SERIES), asked


@pytest.fixture(scope="module")
def origins(watched: tuple[Origins, list[list[Errors]]]) -> Origins:
    """Return the origins of two generated markets."""
    return watched[0]


def test_honest_origins_pass(origins: Origins) -> None:
    """Both checks of the run."""
    assert [check.name for check in _checks(origins)] == ["forecasts_after_fit", "bands_of_the_evening"]
    assert all(check.passed for check in _checks(origins))


def test_path_that_had_seen_the_future_is_caught(origins: Origins) -> None:
    """One fit to a day after the one that it forecast from is enough."""
    errors = origins.errors
    seen = errors.fitted_to.copy()
    seen[7] = errors.date[7] + 1
    (after_fit, _) = _checks(replace(origins, errors=replace(errors, fitted_to=seen)))
    assert not after_fit.passed
    assert str(errors.date[7]) in after_fit.detail


class Hindsight(Origins):
    """Settled widths of all errors, whenever they ended."""

    def _reaches(self, origin: int, tier: int, levels: Sequence[float]) -> FloatArray:
        """Forget the origin."""
        column, first = self.tiers.index(tier), self.first_days[origin]
        now = self.errors.take(self.errors.origin == origin)
        bands = PathBands.learnt(self.errors.scaled(column, 0.5), slice(None), first, levels)
        return bands.reaches(now.scales[:, column], now.date)


class TomorrowKnown(Origins):
    """Widths that follow errors an evening before they came about, those of two sessions and more."""

    def _reaches(self, origin: int, tier: int, levels: Sequence[float]) -> FloatArray:
        """Shift the days."""
        early = replace(self.errors, known=self.errors.known - (np.array(HORIZONS) > 1))
        return Origins._reaches(replace(self, errors=early), origin, tier, levels)


@pytest.mark.parametrize("leaking", [Hindsight, TomorrowKnown])
def test_bands_that_know_later_errors_are_caught(origins: Origins, leaking: type[Origins]) -> None:
    """Whose coverage would look better than it can be in service."""
    leak = leaking(*(getattr(origins, field.name) for field in fields(Origins) if field.init))
    (_, of_the_evening) = _checks(leak)
    assert not of_the_evening.passed


def test_later_bars_change_no_earlier_error(origins: Origins) -> None:
    """Markets that went elsewhere after an origin: the errors that had ended before it are the same bits."""
    border = origins.first_days[3]
    errors = origins.errors
    other = origins_of({symbol: rewritten(bars, after(bars, border)) for symbol, bars in SERIES.items()}).errors
    for name in ("known", "error", "unseen", "naive", "of_path", "of_average", "scales"):
        mine, theirs = (getattr(part, name)[part.ends <= border] for part in (errors, other))
        assert np.array_equal(mine, theirs), name
    assert not np.array_equal(errors.error[errors.ends > border], other.error[other.ends > border])


def test_shares_are_chosen_by_forecasts_that_had_ended(watched: tuple[Origins, list[list[Errors]]]) -> None:
    """At each origin: of all earlier errors those, and only those, whose last horizon lies before it."""
    origins, asked = watched
    *at_origins, final = asked
    for start, parts in zip(origins.first_days, at_origins, strict=True):
        known = sum(len(part) for part in parts)
        assert known == np.count_nonzero(origins.errors.ends < start)
        assert all((part.ends < start).all() for part in parts)
    assert sum(len(part) for part in final) == len(origins.errors)


def test_errors_are_those_of_the_share_chosen_at_their_origin(origins: Origins) -> None:
    """Between the error of the whole path and that of the last close, for own paths and for strangers."""
    errors = origins.errors
    for origin, shares in enumerate(origins.shares):
        now = errors.take(errors.origin == origin)
        assert now.error == pytest.approx((1 - shares.own) * now.naive + shares.own * now.of_path)
        assert now.unseen == pytest.approx((1 - shares.average) * now.naive + shares.average * now.of_average)
    assert not np.array_equal(errors.of_path, errors.of_average)


@given(share=st.sampled_from(SHARES), seed=st.integers(0, 99))
@settings(max_examples=30)
def test_the_share_that_made_the_moves_is_found(share: float, seed: int) -> None:
    """Moves that are a share of the path's and a little noise; of what has no errors yet, nothing is believed."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(400, len(HORIZONS)))
    moves = share * drawn + 0.05 * rng.normal(size=drawn.shape)
    assert best_share(moves - drawn, moves) == share
    assert best_share(drawn[:0], moves[:0]) == 0.0


def test_errors_by_hand(origins: Origins) -> None:
    """The naive error is the log move itself; days run from each origin to the next, and end before the data does."""
    errors, bars = origins.errors, SERIES["S0"]
    assert bars.date is not None
    mine = errors.take(errors.symbol == 0)
    at = np.searchsorted(bars.date, mine.date)
    for column, horizon in enumerate(HORIZONS):
        assert mine.naive[:, column] == pytest.approx(np.log(bars.close[at + horizon] / bars.close[at]))
    assert np.array_equal(mine.ends, bars.date[at + max(HORIZONS)])
    assert np.array_equal(at, np.arange(at[0], len(bars) - max(HORIZONS)))
    assert mine.date[0] == origins.first_days[0]


def test_widths_are_conformal_quantiles(origins: Origins) -> None:
    """Of absolute errors over volatility times root horizon."""
    errors = origins.errors
    for tier in (0, 1):
        found = widths(errors.scaled(tier, 0.3).error, (0.5, 0.9))
        for column, horizon in enumerate(HORIZONS):
            error = 0.7 * errors.naive[:, column] + 0.3 * errors.of_path[:, column]
            scaled = np.abs(error) / errors.scales[:, tier] / np.sqrt(horizon)
            assert found[column] == pytest.approx([conformal_quantile(scaled, level) for level in (0.5, 0.9)])


def test_the_tail_is_of_days_whose_longest_horizon_has_not_ended(origins: Origins) -> None:
    """Nineteen of each series, each horizon up to the last bar, by the path and the yardstick of the last origin."""
    tail = origins.tail
    for number, bars in enumerate(SERIES.values()):
        mine = tail.take(tail.symbol == number)
        at = np.arange(len(bars) - max(HORIZONS), len(bars) - 1)
        assert np.array_equal(mine.date, dated(bars)[at])
        for column, horizon in enumerate(HORIZONS):
            came = at + horizon < len(bars)
            assert np.array_equal(np.isnat(mine.known[:, column]), ~came)
            assert np.array_equal(np.isnan(mine.of_path[:, column]), ~came)
            assert np.array_equal(mine.known[came, column], dated(bars)[at[came] + horizon])
            moves = np.log(bars.close[at[came] + horizon] / bars.close[at[came]])
            assert mine.naive[came, column] == pytest.approx(moves)
    assert not np.isnan(tail.scales).any()
    assert tail.last == max(dated(bars)[-1] for bars in SERIES.values())


def test_a_served_band_is_that_of_the_last_evening() -> None:
    """What a model says of the last bar: settled widths of all errors, pulled by every one that has come about."""
    options = msgspec.to_builtins(OPTIONS)
    outcome = train(
        "prophet_forecast", replace(SPEC, options=options), SERIES, Progress("test", 0, stream=io.StringIO())
    )
    origins = origins_of(SERIES)
    for tier, manifest in zip(SPEC.tiers, outcome.tiers, strict=True):
        head = msgspec.convert(manifest.head, ForecastHead)
        assert head.pulled_on == origins.tail.last.item()
        assert (head.share, head.average_share) == (origins.chosen.own, origins.chosen.average)
        everything = Errors.joined((origins.errors, origins.tail))
        scaled = everything.scaled(SPEC.tiers.index(tier), head.share)
        after_last = origins.tail.last + 1
        bands = PathBands.learnt(scaled, everything.ended, after_last, (0.8,))
        assert all(days[-1] == origins.tail.last for days in bands.days)
        reach = bands.reaches(np.ones(1), np.array([origins.tail.last]))[0, :, 0]
        steps = np.array(HORIZONS, np.float64)
        assert head.width(steps, 0.8, origins.tail.last) * np.sqrt(steps) == pytest.approx(reach)


def test_comparison_is_relative_to_the_last_close(origins: Origins) -> None:
    """MASE of our path by hand, on the scored days only."""
    scored = origins.scored
    assert scored.origin.min() == OPTIONS.teaching
    for column, row in enumerate(comparison(origins, 22)):
        assert isinstance(row, dict)
        mase = np.abs(scored.error[:, column]).mean() / np.abs(scored.naive[:, column]).mean()
        anchored = row["anchored"]
        assert isinstance(anchored, dict)
        assert (row["horizon"], anchored["n"]) == (HORIZONS[column], len(scored))
        assert anchored["mase"] == pytest.approx(mase)
        assert 0 <= float(str(anchored["coverage"])) <= 1


def test_average_is_the_mean_of_those_that_trade() -> None:
    """Log returns of one symbol before the other is listed, of both afterwards; nothing after the day asked for."""
    early, late = SERIES["S0"][:100], SERIES["S1"][60:100]
    market = average({"A": early, "B": late})
    moves = np.diff(np.log(market.close))
    one, other = np.diff(np.log(early.close)), np.diff(np.log(late.close))
    assert moves[:60] == pytest.approx(one[:60])
    assert moves[60:] == pytest.approx((one[60:] + other) / 2)
    assert early.date is not None
    cut = average({"A": early, "B": late}, early.date[70])
    assert np.array_equal(cut.close, market.close[:71])


def test_late_listing_joins_when_it_has_history() -> None:
    """A symbol is forecast from the first origin at which it has the least history, and is missed by nobody before."""
    series = {**SERIES, "S9": SERIES["S1"][300:]}
    errors = origins_of(series, OPTIONS).errors
    joined = errors.take(errors.symbol == 2)
    assert joined.origin.min() > errors.origin.min()
    assert len(joined)


def test_a_series_that_is_alone_for_years_is_no_origin() -> None:
    """Teaching begins where two symbols have the least history, and each stretch is what the walk forecasts."""
    young = {"OLD": SERIES["S0"], "NEW": SERIES["S1"][200:]}
    new, old = young["NEW"].date, young["OLD"].date
    assert new is not None
    assert old is not None
    options = msgspec.structs.replace(OPTIONS, step=60)
    origins = plan(young, options)
    first = origins[0][0]
    assert np.searchsorted(new, first, side="right") >= options.least
    all_starts = old[options.history : -max(HORIZONS) : options.step]
    assert [start for start, _ in origins] == [start for start in all_starts if start >= first]
    assert np.searchsorted(new, all_starts[all_starts < first][-1], side="right") < options.least
    walked = origins_of(young, options).errors
    for origin, (start, stretches) in enumerate(origins):
        assert [number for number, _, _ in stretches] == [0, 1]
        for number, begin, end in stretches:
            days = (old, new)[number][begin:end]
            mine = walked.take((walked.origin == origin) & (walked.symbol == number))
            assert np.array_equal(mine.date, days)
            assert days[0] >= start


def test_what_cannot_be_scored_is_known_before_the_first_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk takes hours on many series; too few of them with a history must not be found at its end."""
    fits: list[object] = []
    monkeypatch.setattr(paths, "fit_path", lambda *args: fits.append(args))
    with pytest.raises(SpecError, match=r"symbols with 650 of them before 3 origins or more, found 700 .* and 0 such"):
        origins_of(SERIES, msgspec.structs.replace(OPTIONS, least=650))
    assert not fits


@pytest.mark.parametrize("changed", [{"step": 5}, {"teaching": 0}])
def test_teaching_must_have_ended_before_anything_is_scored(changed: dict[str, int]) -> None:
    """Or no width would be known at the first origin; the history is long enough, and that is not what is asked for."""
    with pytest.raises(SpecError, match=r"teaching origins to end, 20 sessions ahead, .*; raise teaching or step"):
        plan(SERIES, msgspec.structs.replace(OPTIONS, **changed))
    assert plan(SERIES, msgspec.structs.replace(OPTIONS, step=5, teaching=5))


@pytest.mark.parametrize(
    ("series", "said"),
    [
        ({"S0": SERIES["S0"]}, "two symbols or more"),
        (
            {symbol: bars[:500] for symbol, bars in SERIES.items()},
            "expected at least 610 sessions of history, .* found 500 sessions and 2 such origins",
        ),
        ({symbol: replace(bars, date=None) for symbol, bars in SERIES.items()}, "give each bar its date"),
    ],
)
def test_what_cannot_be_judged_is_refused(series: dict[str, Bars], said: str) -> None:
    """With what to do."""
    with pytest.raises(SpecError, match=said):
        origins_of(series)
