"""The six laws of the feature mapper, over the whole catalogue, on generated bars."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_mapper.bars import Bars
from feature_mapper.catalogue import CATALOGUE, TIERS, within
from feature_mapper.errors import FeatureMismatch
from feature_mapper.manifest import FeatureEntry, confirm, describe, resolve
from feature_mapper.mapper import compute
from tests.contract import feature_laws as laws
from tests.feature_mapper.generated import Market, long_runs, markets, runs

LONGEST = max(feature.lookback for feature in CATALOGUE)
ENTRIES = describe(CATALOGUE)

few = settings(max_examples=12, deadline=None)


@st.composite
def cuts(draw: st.DrawFn, bars: Bars) -> list[int]:
    """Cut points: some inside the warm-up of the longest feature, one anywhere, and the last row."""
    last = len(bars) - 1
    warm_up = st.integers(0, min(last, LONGEST - 2))
    return [draw(warm_up), draw(warm_up), draw(st.integers(0, last)), last]


@few
@given(data=st.data(), bars=runs, other=runs)
def test_law_1_causal(data: st.DataObject, bars: Bars, other: Bars) -> None:
    """Altering, deleting or adding bars after t leaves row t bit-identical."""
    laws.causal(CATALOGUE, bars, other, data.draw(cuts(bars)))


@few
@given(data=st.data(), bars=runs)
def test_law_2_window_local(data: st.DataObject, bars: Bars) -> None:
    """A row has the same bits from its window alone, as the last of few rows, and inside the whole history."""
    laws.window_local(CATALOGUE, bars, data.draw(cuts(bars)))


@few
@given(bars=runs)
def test_law_2_holds_for_columns_of_a_table(bars: Bars) -> None:
    """Strided columns give the bits of contiguous ones."""
    assert laws.same_bits(compute(laws.strided(bars), CATALOGUE), compute(bars, CATALOGUE)).all()


@few
@given(bars=long_runs)
def test_law_3_lookback_is_true(bars: Bars) -> None:
    """One bar fewer than `lookback` gives NaN, exactly `lookback` a finite number, degenerate windows included."""
    laws.lookback_true(CATALOGUE, bars)


@pytest.mark.parametrize("seed", [1, 2])
def test_law_3_lookback_is_not_overstated(seed: int) -> None:
    """The oldest bar of the window matters, so no feature asks for more history than it uses."""
    market = Market(seed=seed, volatility=0.01, price=80.0, tick=0.0, gappy=False, frozen=0.0, silent=0.0, halted=False)
    laws.lookback_tight(CATALOGUE, market.bars(2 * LONGEST))


@few
@given(bars=runs)
def test_law_3_every_full_window_gives_a_number(bars: Bars) -> None:
    """Past its warm-up a feature is finite on every bar."""
    values = compute(bars, CATALOGUE)
    for i, feature in enumerate(CATALOGUE):
        assert np.isfinite(values[feature.lookback - 1 :, i]).all(), feature.name


@few
@given(bars=runs, price=st.integers(-40, 40), volume=st.integers(-20, 20))
def test_law_4_scale_free_to_the_bit(bars: Bars, price: int, volume: int) -> None:
    """Powers of two times all prices or all volumes change no bit."""
    laws.scale_free(CATALOGUE, bars, 2.0**price, 2.0**volume)


@few
@given(bars=runs, price=st.floats(1e-4, 1e4), volume=st.floats(1e-4, 1e4))
def test_law_4_scale_free(bars: Bars, price: float, volume: float) -> None:
    """Any other constant changes no more than roundings."""
    laws.scale_free(CATALOGUE, bars, price, volume)


@given(order=st.permutations(range(len(ENTRIES))))
@few
def test_law_5_resolve_keeps_the_order_of_the_manifest(order: list[int]) -> None:
    """Features come back in the order of the entries, whatever that is."""
    assert resolve([ENTRIES[i] for i in order]) == tuple(CATALOGUE[i] for i in order)


@given(data=st.data())
@few
def test_law_5_permuted_names_are_refused(data: st.DataObject) -> None:
    """A predictor with the right names in another order is refused, naming the first that is out of place."""
    names = [entry.name for entry in ENTRIES]
    i, j = sorted(data.draw(st.lists(st.integers(0, len(names) - 1), min_size=2, max_size=2, unique=True)))
    names[i], names[j] = names[j], names[i]
    with pytest.raises(FeatureMismatch, match=f"another order: {names[i]} .*{names[j]}"):
        confirm(ENTRIES, names)


@pytest.mark.parametrize("entry", [ENTRIES[0], ENTRIES[-1]], ids=lambda entry: entry.name)
def test_law_5_missing_extra_and_repeated_names_are_refused(entry: FeatureEntry) -> None:
    """Nothing is padded: a name too few, too many or twice refuses the predictor by name."""
    names = [e.name for e in ENTRIES]
    with pytest.raises(FeatureMismatch, match=f"missing {entry.name}"):
        confirm(ENTRIES, [name for name in names if name != entry.name])
    with pytest.raises(FeatureMismatch, match="extra moon_phase"):
        confirm(ENTRIES, [*names, "moon_phase"])
    with pytest.raises(FeatureMismatch, match=f"extra {entry.name}"):
        confirm(ENTRIES, [*names, entry.name])
    with pytest.raises(FeatureMismatch, match=f"{entry.name} comes 2 times"):
        resolve([*ENTRIES, entry])
    confirm(ENTRIES, names)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "moon_phase"}, "moon_phase is not in this catalogue"),
        ({"lookback": 99}, "lookback 99 in the manifest"),
        ({"formula": "something else"}, "formula 'something else' in the manifest"),
        ({"unit": "furlong"}, "unit 'furlong' in the manifest"),
        ({"needs": "volume"}, "needs 'volume' in the manifest"),
        ({"digest": "0" * 64}, "its digest is not that of its definition"),
    ],
)
def test_law_5_redefined_features_are_refused(change: dict[str, str | int], said: str) -> None:
    """An unknown name or another definition under a known one refuses the artifact and says what differs."""
    entry = replace(ENTRIES[0], **change)  # type: ignore[arg-type]  # one field each, of its own type
    with pytest.raises(FeatureMismatch, match=said):
        resolve([entry, *ENTRIES[1:]])


@few
@given(bars=runs)
def test_law_6_absent_columns(bars: Bars) -> None:
    """Absent volume yields NaN in volume features only, absent dates in calendar features only."""
    laws.absent_column(CATALOGUE, bars)


@few
@given(data=st.data(), bars=runs)
def test_law_6_unknown_volume(data: st.DataObject, bars: Bars) -> None:
    """One unknown volume touches volume features only, and only where it is in the window."""
    laws.unknown_volume(CATALOGUE, bars, data.draw(st.integers(0, len(bars) - 1)))


def test_tiers_grow() -> None:
    """The first tier fills at least 8 features, each next one more, the last all of them."""
    sizes = [len(within(tier)) for tier in TIERS]
    assert sizes[0] >= 8
    assert sizes == sorted(set(sizes))
    assert within(TIERS[-1]) == CATALOGUE


@few
@given(market=markets)
def test_level_says_what_depends_on_the_level_of_volatility(market: Market) -> None:
    """Raising prices to the power 1.5 makes every move half as large again: features that are not of the level stay."""
    calm = replace(market, volatility=1e-3, tick=0.0, gappy=False, frozen=0.0, silent=0.0, price=1.0)
    bars = calm.bars(LONGEST + 40)
    columns = {name: column if name == "volume" else column**1.5 for name, column in bars.columns()}
    stretched = laws.with_columns(bars, columns)
    before, after = (compute(run, CATALOGUE)[LONGEST:] for run in (bars, stretched))
    sizes, changes = (np.median(np.abs(values), axis=0) for values in (before, after - before))
    for feature, size, change in zip(CATALOGUE, sizes, changes, strict=True):
        if feature.level:
            assert change > 0.4 * size > 0.0, f"{feature.name}: expected a value half as large again, moved {change}"
        else:
            assert change < 0.1 * max(size, 0.2), f"{feature.name}: expected a value that stays, moved {change}"
