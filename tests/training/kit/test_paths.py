"""Rolling origins of the price forecast: nothing known too early, and what the run's own checks catch."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from tests.training.kit.support import after, markets, rewritten
from training.kit import paths
from training.kit.forecast import _checks, comparison
from training.kit.origins import HORIZONS, Options, plan
from training.kit.paths import Errors, Origins, average, evaluate, widths
from training.kit.progress import Progress
from training.kit.scores import conformal_quantile
from training.kit.spec import ModelSpec, SpecError

OPTIONS = Options(priors=(0.001, 0.05), history=260, step=110, teaching=2, least=150)
SPEC = ModelSpec(family="prophet", tiers=(1, 22))
SERIES = markets(700)


def origins_of(series: Mapping[str, Bars], options: Options = OPTIONS) -> Origins:
    """Walk the origins in silence."""
    return evaluate(series, SPEC, options, Progress("test", 0, stream=io.StringIO()))


@pytest.fixture(scope="module")
def watched() -> tuple[Origins, list[list[Errors]]]:
    """Return the origins of two generated markets, and what each choice of a prior was given."""
    asked: list[list[Errors]] = []
    original = paths.best_prior

    def spied(parts: Sequence[Errors], options: Options) -> float:
        asked.append(list(parts))
        return original(parts, options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "best_prior", spied)
        return origins_of(SERIES), asked


@pytest.fixture(scope="module")
def origins(watched: tuple[Origins, list[list[Errors]]]) -> Origins:
    """Return the origins of two generated markets."""
    return watched[0]


def test_honest_origins_pass(origins: Origins) -> None:
    """Both checks of the run."""
    assert [check.name for check in _checks(origins)] == ["forecasts_after_fit", "widths_before_origin"]
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
    """Widths of all errors, whenever they ended."""

    def limits(self, origin: int, tier: int, level: float) -> FloatArray:  # noqa: ARG002  that is the mistake
        """Forget the origin."""
        return widths(self.errors, self.tiers.index(tier), (level,))[:, 0]


def test_widths_of_later_errors_are_caught(origins: Origins) -> None:
    """Whose coverage would look better than it can be in service."""
    leak = Hindsight(*(getattr(origins, name) for name in Origins.__dataclass_fields__))
    (_, before_origin) = _checks(leak)
    assert not before_origin.passed


def test_later_bars_change_no_earlier_error(origins: Origins) -> None:
    """Markets that went elsewhere after an origin: the errors that had ended before it are the same bits."""
    border = origins.first_days[3]
    errors = origins.errors
    other = origins_of({symbol: rewritten(bars, after(bars, border)) for symbol, bars in SERIES.items()}).errors
    for name in ("error", "naive", "unseen", "by_prior", "scales"):
        mine, theirs = (getattr(part, name)[part.ends <= border] for part in (errors, other))
        assert np.array_equal(mine, theirs), name
    assert not np.array_equal(errors.error[errors.ends > border], other.error[other.ends > border])


def test_priors_are_chosen_by_forecasts_that_had_ended(watched: tuple[Origins, list[list[Errors]]]) -> None:
    """At each origin: of all earlier errors those, and only those, whose last horizon lies before it."""
    origins, asked = watched
    *at_origins, final = asked
    for start, parts in zip(origins.first_days, at_origins, strict=True):
        known = sum(len(part) for part in parts)
        assert known == np.count_nonzero(origins.errors.ends < start)
        assert all((part.ends < start).all() for part in parts)
    assert sum(len(part) for part in final) == len(origins.errors)


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
        found = widths(errors, tier, (0.5, 0.9))
        for column, horizon in enumerate(HORIZONS):
            scaled = np.abs(errors.error[:, column]) / errors.scales[:, tier] / np.sqrt(horizon)
            assert found[column] == pytest.approx([conformal_quantile(scaled, level) for level in (0.5, 0.9)])


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
    errors = origins_of(series, msgspec.structs.replace(OPTIONS, priors=(0.05,))).errors
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
    walked = origins_of(young, msgspec.structs.replace(options, priors=(0.05,))).errors
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
