"""Served price forecasts: the anchor, the band, regressors and strangers, by hand where a hand can."""

import functools
import itertools
import math
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray
from models import strict_json
from models.families import prophet
from models.forecast import (
    POOLED,
    VOLUME,
    Filled,
    ForecastError,
    ForecastHead,
    ForecastModel,
    Source,
    path_file,
    path_symbol,
    to_regressor,
)
from models.golden import bars_to_json
from models.scale import HarScale
from models.store import Artifact
from models.typing import JsonObject
from tests.models.store import toys
from tests.training.kit.support import market

HORIZONS = (1, 5, 20)
LEVELS = (0.05, 0.5, 0.8, 0.95)
TIERS = (1, 22, 64)
WIDTHS = ((0.1, 0.7, 1.3, 2.0), (0.1, 0.7, 1.2, 1.9), (0.1, 0.6, 1.1, 1.8))
PULLS = ((0.0, 0.1, 0.1, 0.1), (0.0, -0.1, -0.02, 0.0), (0.3, 0.2, 0.2, 0.4))
BARS = market(300, 1, "AAA")
KNOWN = BARS[:250]


def sessions(periods: int) -> DateArray:
    """Return the weekdays after the known bars."""
    days: DateArray = np.busday_offset(dates(KNOWN)[-1], np.arange(1, periods + 1))
    return days


def dates(bars: Bars) -> DateArray:
    """Return the days of bars that have them."""
    assert bars.date is not None
    return bars.date


@functools.cache
def path(*, volume: bool) -> prophet.ProphetPath:
    """Return a path fitted to the known bars."""
    assert KNOWN.volume is not None
    regressors = {VOLUME: to_regressor(KNOWN.volume)} if volume else {}
    return prophet.fit(dates(KNOWN), np.log(KNOWN.close), regressors=regressors, changepoint_prior_scale=0.05, seed=3)


def heads() -> tuple[ForecastHead, ...]:
    """Return heads of three tiers, the shorter the wider."""
    scales = [HarScale((1,), (1.0,), 0.1), HarScale((1, 5, 21), (0.3, 0.4, 0.3), 0.0)]
    scales.append(HarScale((1, 5, 21, 63), (0.25, 0.25, 0.25, 0.25), 0.0))
    return tuple(
        ForecastHead(
            scale=scale,
            horizons=HORIZONS,
            levels=LEVELS,
            widths=tuple(tuple(width * more for width in row) for row in WIDTHS),
            pulls=PULLS,
            pulled_on=dates(KNOWN)[-1].item(),
            share=0.6,
            average_share=0.25,
        )
        for scale, more in zip(scales, (3.0, 2.0, 1.0), strict=True)
    )


@functools.cache
def artifact() -> Artifact:
    """Return an artifact with a path of its own for AAA, with volume, and one for strangers, without."""
    draft = toys.draft("prophet_forecast")
    (toy,) = draft.tiers
    tiers = tuple(
        msgspec.structs.replace(toy, tier=tier, weights=path_file(POOLED), head=msgspec.to_builtins(head))
        for tier, head in zip(TIERS, heads(), strict=True)
    )
    manifest = msgspec.structs.replace(draft, task="forecast", tiers=tiers).published("v000001", ())
    weights = {path_file("AAA"): path(volume=True).dump(), path_file(POOLED): path(volume=False).dump()}
    return Artifact(manifest=manifest, files=weights)


def model() -> ForecastModel:
    """Load the model."""
    return ForecastModel.from_artifact(artifact())


def test_path_hangs_on_the_last_close() -> None:
    """A share of the path's own change since the last bar, times the last close, by Prophet's path itself."""
    days = sessions(10)
    assert KNOWN.volume is not None
    last = to_regressor(KNOWN.volume[-1:])
    fitted = path(volume=True)
    ahead = fitted.path(days, {VOLUME: np.full(10, last)})
    here = fitted.path(dates(KNOWN)[-1:], {VOLUME: last})
    found = model().forecast(KNOWN, days, level=0.8, regressors={})
    assert found.path == pytest.approx(KNOWN.close[-1] * np.exp(0.6 * (ahead - here)), rel=1e-12)
    assert found.sessions is days
    assert (found.own_path, found.tier, found.level) == (True, 64, 0.8)


@pytest.mark.parametrize("tier", TIERS)
def test_band_by_hand(tier: int) -> None:
    """Pulled width of the horizon times volatility times its root; volatility from the tier's window alone."""
    head = heads()[TIERS.index(tier)]
    found = model().forecast(KNOWN.tail(tier), sessions(20), level=0.8, regressors={})
    volatility = float(head.scale.volatility(KNOWN.tail(tier), 1)[0])
    for step in HORIZONS:
        row, column = HORIZONS.index(step), LEVELS.index(0.8)
        half = head.widths[row][column] * math.exp(PULLS[row][column]) * volatility * math.sqrt(step)
        assert found.upper[step - 1] == pytest.approx(found.path[step - 1] * math.exp(half))
        assert found.lower[step - 1] == pytest.approx(found.path[step - 1] * math.exp(-half))
    assert found.tier == tier


def test_widths_between_and_beyond_what_was_measured() -> None:
    """Interpolated between horizons and between levels, held beyond the last horizon."""
    head, day = msgspec.structs.replace(heads()[2], pulls=((0.0,) * 4,) * 3), dates(KNOWN)[-1]
    assert head.width(np.array([1.0, 5.0, 20.0]), 0.8, day).tolist() == [1.3, 1.2, 1.1]
    assert head.width(np.array([3.0, 500.0]), 0.8, day) == pytest.approx([1.25, 1.1])
    assert head.width(np.array([1.0]), 0.65, day) == pytest.approx([1.0])


def test_pulls_fade_with_the_distance_from_their_day() -> None:
    """By half in three months, before as after: a width of one evening is not that of the next year or of the last."""
    head, day, at = heads()[2], dates(KNOWN)[-1], np.array([1.0, 5.0, 20.0])
    pull, settled = np.array(PULLS)[:, LEVELS.index(0.8)], np.array(WIDTHS)[:, LEVELS.index(0.8)]
    for days, left in ((0, 1.0), (90, 0.5), (-90, 0.5), (180, 0.25), (36500, 0.0)):
        assert head.width(at, 0.8, day + days) == pytest.approx(settled * np.exp(left * pull))


def test_heads_of_before_believe_all_of_a_path_and_pull_nothing() -> None:
    """Those of an earlier release have neither shares nor pulls."""
    now = msgspec.to_builtins(heads()[2])
    before = msgspec.convert({name: now[name] for name in ("scale", "horizons", "levels", "widths")}, ForecastHead)
    assert (before.share, before.average_share) == (1.0, 1.0)
    assert before.width(np.array([1.0, 5.0, 20.0]), 0.8, dates(KNOWN)[-1]) == pytest.approx([1.3, 1.2, 1.1])


def test_no_band_is_nearer_for_a_later_session() -> None:
    """Where a week's widths were pulled in and a day's were not, the week's band is as wide as the day's."""
    odd = tuple(msgspec.structs.replace(head, pulls=((0.0,) * 4, (-2.0,) * 4, (-2.0,) * 4)) for head in heads())
    loaded = ForecastModel(artifact().manifest, model()._paths, odd)
    found = loaded.forecast(KNOWN, sessions(20), level=0.8, regressors={})
    assert (np.diff(np.log(found.upper / found.path)) >= -1e-12).all()


def test_a_wider_level_is_never_the_narrower_band() -> None:
    """Where levels were pulled past each other, the wider one has the width of the narrower one."""
    wild = msgspec.structs.replace(heads()[2], pulls=((0.0, 1.5, -1.5, 0.0),) * 3)
    found = [wild.width(np.array([5.0]), level, dates(KNOWN)[-1])[0] for level in LEVELS]
    assert found == sorted(found)
    assert found[2] == found[1] == pytest.approx(0.7 * math.exp(1.5))


@settings(max_examples=40)
@given(
    n=st.integers(1, 250),
    periods=st.sampled_from([1, 2, 20, 250, 5000, 100_000]),
    level=st.floats(0.05, 0.95),
    symbol=st.sampled_from(["AAA", "ZZZ", None]),
)
def test_band_holds_the_path(n: int, periods: int, level: float, symbol: str | None) -> None:
    """Ordered, lower <= path <= upper, all finite and above 0, wider with each session, at any distance."""
    found = model().forecast(replace(KNOWN.tail(n), symbol=symbol), sessions(periods), level=level, regressors={})
    for column in (found.lower, found.path, found.upper):
        assert column.shape == (periods,)
        assert np.isfinite(column).all()
        assert (column > 0).all()
    assert (found.lower <= found.path).all()
    assert (found.path <= found.upper).all()
    edges = np.finfo(np.float64)
    inside = (found.lower > edges.tiny) & (found.upper < edges.max)
    width = np.log(found.upper[inside] / found.path[inside])
    assert (np.diff(width) >= -1e-9).all()


@pytest.mark.parametrize("price", [1e-300, 1e300])
def test_band_survives_the_edges_of_numbers(price: float) -> None:
    """Wild bars at absurd prices a thousand years ahead: held at what a float can say, without a warning."""
    wild = np.exp(np.random.default_rng(0).normal(0, 2.0, 64))
    close = price * wild / wild[-1]
    bars = Bars.validated(open=close, high=close * 8, low=close / 8, close=close, date=dates(KNOWN)[-64:])
    found = model().forecast(bars, sessions(250_000), level=0.95, regressors={})
    assert (found.lower <= found.path).all()
    assert (found.path <= found.upper).all()
    assert np.isfinite(found.upper).all()
    assert (found.lower > 0).all()


def test_higher_level_wider_band() -> None:
    """And the same path."""
    bands = [model().forecast(KNOWN, sessions(5), level=level, regressors={}) for level in LEVELS]
    for narrow, wide in itertools.pairwise(bands):
        assert np.array_equal(narrow.path, wide.path)
        assert (wide.upper > narrow.upper).all()
        assert (wide.lower < narrow.lower).all()


@pytest.mark.parametrize("level", [0.0, 0.049, 0.951, 1.0, math.nan])
def test_levels_that_were_not_measured_are_refused(level: float) -> None:
    """With the levels there are."""
    assert model().levels == (0.05, 0.95)
    with pytest.raises(ForecastError, match=r"level from 0\.05 to 0\.95, found"):
        model().forecast(KNOWN, sessions(1), level=level, regressors={})


def test_bars_without_dates_are_refused() -> None:
    """A path is a function of days."""
    with pytest.raises(ForecastError, match="give each row its date"):
        model().forecast(replace(KNOWN, date=None), sessions(1), level=0.8, regressors={})


def test_stranger_gets_the_pooled_path_and_is_told() -> None:
    """By no name or an unknown one; its regressors are those of the pooled path: none."""
    for symbol in (None, "ZZZ", POOLED):
        found = model().forecast(replace(KNOWN, symbol=symbol), sessions(5), level=0.8, regressors={})
        expected = path(volume=False).anchored_path(
            sessions(5), {}, last_close=float(KNOWN.close[-1]), as_of=dates(KNOWN)[-1], regressors_as_of={}, share=0.25
        )
        assert np.array_equal(found.path, expected)
        assert found.regressors == ()
        assert not found.own_path


SOURCES: tuple[Source, ...] = ("request", "history", "training")


@pytest.mark.parametrize("there", [s for n in range(4) for s in itertools.combinations(SOURCES, n)], ids="+".join)
@pytest.mark.parametrize("unknown", [False, True])
def test_regressors_are_filled_from_the_best_there_is(there: tuple[str, ...], unknown: bool) -> None:  # noqa: FBT001  a parameter of the test
    """The request before the history before the training before 0, whichever of them there are; and it is said which.

    A history whose volumes are all unknown is none.
    """
    fitted = path(volume=True)
    if "training" not in there:
        fitted = replace(fitted, last_values={})
    served = ForecastModel(artifact().manifest, {"AAA": fitted, POOLED: path(volume=False)}, heads())
    volume: FloatArray | None = KNOWN.volume
    if "history" not in there:
        volume = np.full(len(KNOWN), np.nan) if unknown else None
    given_values = {VOLUME: np.array([5e5, 6e5, 7e5])} if "request" in there else {}
    found = served.forecast(replace(KNOWN, volume=volume), sessions(3), level=0.8, regressors=given_values)
    assert KNOWN.volume is not None
    expected = {
        "request": (5e5, 6e5, 7e5),
        "history": (float(KNOWN.volume[-1]),) * 3,
        "training": (math.exp(path(volume=True).last_values[VOLUME]),) * 3,
        "zero": (0.0,) * 3,
    }
    best: Source = next((source for source in SOURCES if source in there), "zero")
    assert found.regressors == (Filled(VOLUME, expected[best], best),)


def test_what_is_filled_in_does_not_move_the_path() -> None:
    """A regressor held at its last known value has no effect, whatever that value is: only news has."""
    assert KNOWN.volume is not None
    held = model().forecast(KNOWN, sessions(3), level=0.8, regressors={})
    doubled = model().forecast(replace(KNOWN, volume=2 * KNOWN.volume), sessions(3), level=0.8, regressors={})
    assert doubled.path == pytest.approx(held.path, rel=1e-12)
    news = {VOLUME: np.full(3, 30 * KNOWN.volume[-1])}
    assert model().forecast(KNOWN, sessions(3), level=0.8, regressors=news).path != pytest.approx(held.path, rel=1e-9)


def test_only_the_last_known_volume_counts() -> None:
    """An unknown volume of the last session is passed over."""
    assert KNOWN.volume is not None
    volume = KNOWN.volume.copy()
    volume[-2:] = np.nan
    (filled,) = model().forecast(replace(KNOWN, volume=volume), sessions(2), level=0.8, regressors={}).regressors
    assert filled.values == (float(volume[-3]),) * 2


@pytest.mark.parametrize("tier", TIERS[1:])
def test_older_bars_than_the_tier_do_not_matter(tier: int) -> None:
    """The same answer from the window and from a longer history of the same tier."""
    one, other = (
        model().forecast(KNOWN.tail(tier + extra), sessions(9), level=0.9, regressors={}) for extra in (0, 30)
    )
    assert np.array_equal(one.path, other.path)
    assert np.array_equal(one.upper, other.upper)


def test_golden_answer_is_the_forecast() -> None:
    """A case of JSON gives JSON, with the numbers of the forecast."""
    days = sessions(5)
    case: JsonObject = {"bars": bars_to_json(KNOWN.tail(64)), "sessions": [str(day) for day in days], "level": 0.8}
    answer = model().golden_answer(case)
    strict_json.encode(answer)
    found = model().forecast(KNOWN.tail(64), days, level=0.8, regressors={})
    assert answer["path"] == found.path.tolist()
    assert (answer["tier"], answer["regressors"]) == (64, {VOLUME: "history"})


@given(symbol=st.text("ABCXYZabcxyz019.-^=/é ", min_size=1, max_size=20))
def test_file_names_tell_their_symbol(symbol: str) -> None:
    """Any symbol makes a plain file name that leads back to it, and to no other."""
    name = path_file(symbol)
    assert path_symbol(name) == symbol
    assert name.isascii()
    assert set("/ ^").isdisjoint(name)


@settings(max_examples=40)
@given(
    n=st.integers(1, 250),
    periods=st.sampled_from([1, 5, 250]),
    symbol=st.sampled_from(["AAA", "ZZZ", None]),
    volume=st.sampled_from([None, 0.0, 1e6]),
)
def test_components_add_up_to_the_path(n: int, periods: int, symbol: str | None, volume: float | None) -> None:
    """Of each session: the parts to their total, and the last close times its exponential to the price answered."""
    bars, days = replace(KNOWN.tail(n), symbol=symbol), sessions(periods)
    future = {} if volume is None or symbol != "AAA" else {VOLUME: np.full(periods, volume)}
    said: Any = model().explain(bars, days, regressors=future)
    strict_json.encode(said)
    found = model().forecast(bars, days, level=0.8, regressors=future)
    for price, row in zip(found.path.tolist(), said["components"], strict=True):
        parts = [row["trend"], *row["seasonalities"].values(), *row["regressors"].values()]
        assert sum(parts) == pytest.approx(row["total"], abs=1e-9)
        assert math.log(said["last_close"]) + row["total"] == pytest.approx(math.log(price), abs=1e-9)
        assert list(row["regressors"]) == ([VOLUME] if symbol == "AAA" else [])


def test_undated_bars_are_not_explained() -> None:
    """As they are not answered."""
    with pytest.raises(ForecastError, match="dated bars"):
        model().explain(replace(KNOWN, date=None), sessions(1), regressors={})
