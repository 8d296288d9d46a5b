"""The laws of the feature mapper as functions: each takes any features and raises AssertionError naming the breakers.

`test_feature_laws` runs them over the catalogue, `test_planted_leaks` over features that cheat.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from feature_mapper.bars import PRICES, Bars
from feature_mapper.feature import Feature
from feature_mapper.mapper import compute
from feature_mapper.typing import BoolArray, DateArray, FloatArray

Features = Sequence[Feature]


def causal(features: Features, bars: Bars, other: Bars, cuts: Iterable[int]) -> None:
    """Hold that deleting or altering the bars after t leaves every row up to t bit-identical."""
    whole = compute(bars, features)
    for cut in cuts:
        past = compute(bars[: cut + 1], features)
        _same_bits(features, past, whole[: cut + 1], f"bars after {cut} deleted")
        rewritten = compute(_rewritten(bars, other, cut), features)
        _same_bits(features, rewritten[: cut + 1], whole[: cut + 1], f"bars after {cut} altered")


def window_local(features: Features, bars: Bars, cuts: Iterable[int]) -> None:
    """Hold that row t from exactly `lookback` bars, wherever in memory, has the bits of the whole history."""
    whole = compute(bars, features)
    for cut in cuts:
        for lookback in sorted({feature.lookback for feature in features}):
            if lookback <= cut + 1:
                columns = [i for i, feature in enumerate(features) if feature.lookback == lookback]
                mine = [features[i] for i in columns]
                window = relocated(bars[cut + 1 - lookback : cut + 1], offset=cut % 17)
                _same_bits(mine, compute(window, mine), _expected(whole, window, cut, columns), f"window up to {cut}")
        for rows in {1, 2, cut // 2 + 1, cut + 1}:
            tail = compute(relocated(bars[: cut + 1], offset=rows % 13), features, rows=min(rows, cut + 1))
            _same_bits(features, tail, whole[cut + 1 - len(tail) : cut + 1], f"last {rows} rows up to {cut}")


def lookback_true(features: Features, bars: Bars) -> None:
    """Hold that one bar fewer than `lookback` gives NaN, and exactly `lookback` gives a finite number."""
    for feature in features:
        values = compute(bars[: feature.lookback], [feature])[:, 0]
        assert np.isnan(values[:-1]).all(), f"{feature.name}: expected NaN below {feature.lookback} bars"
        assert np.isfinite(values[-1]), f"{feature.name}: expected a number from {feature.lookback} bars"


def lookback_tight(features: Features, bars: Bars) -> None:
    """Hold that the oldest of the `lookback` bars matters: else the feature could serve shorter histories.

    It need not matter in every window: a quantile does not move with a value that stays on its side.
    """
    for feature in features:
        starts = np.linspace(0, len(bars) - feature.lookback, 12).astype(np.int64).tolist()
        windows = (bars[start : start + feature.lookback] for start in starts)
        moved = any(
            not same_bits(compute(_oldest_changed(window, factor), [feature], 1), compute(window, [feature], 1)).all()
            for window in windows
            for factor in (0.25, 4.0)
        )
        assert moved, f"{feature.name}: expected the oldest of its {feature.lookback} bars to matter"


def scale_free(features: Features, bars: Bars, prices: float, volumes: float) -> None:
    """Hold that scaling prices or volumes changes no bit for powers of two, else no more than 1e-9."""
    whole, scaled = compute(bars, features), compute(_scaled(bars, prices, volumes), features)
    if all(np.frexp(factor)[0] == 0.5 for factor in (prices, volumes)):
        _same_bits(features, scaled, whole, f"prices times {prices}, volumes times {volumes}")
        return
    apart = np.abs(scaled - whole) > 1e-9 * np.maximum(1.0, np.abs(whole))
    apart |= np.isnan(scaled) != np.isnan(whole)
    _none(features, apart, f"prices times {prices}, volumes times {volumes}")


def absent_column(features: Features, bars: Bars) -> None:
    """Hold that without volume, volume features are NaN and others keep their bits; for dates alike."""
    whole = compute(bars, features)
    for needs, without in (("volume", replace(bars, volume=None)), ("date", replace(bars, date=None))):
        values = compute(without, features)
        for i, feature in enumerate(features):
            if feature.needs == needs:
                assert np.isnan(values[:, i]).all(), f"{feature.name}: expected NaN without {needs}"
            else:
                _same_bits([feature], values[:, [i]], whole[:, [i]], f"no {needs}")


def unknown_volume(features: Features, bars: Bars, row: int) -> None:
    """Hold that an unknown volume spoils its own row, and no row whose window it is not in."""
    assert bars.volume is not None
    volume = bars.volume.copy()
    volume[row] = np.nan
    whole, values = compute(bars, features), compute(replace(bars, volume=volume), features)
    for i, feature in enumerate(features):
        spoiled = np.zeros((len(bars), 1), dtype=np.bool_)
        if feature.needs == "volume":
            assert np.isnan(values[row, i]), f"{feature.name}: expected NaN where the volume is unknown"
            spoiled[row : row + feature.lookback, 0] = np.isnan(values[row : row + feature.lookback, i])
        expected = np.where(spoiled, np.nan, whole[:, [i]])
        _same_bits([feature], values[:, [i]], expected, f"volume {row} unknown")


def relocated(bars: Bars, offset: int) -> Bars:
    """Return a copy whose columns start ``offset`` bytes into their memory, aligned or not."""

    def moved(values: FloatArray) -> FloatArray:
        memory = bytearray(offset + values.nbytes)
        memory[offset:] = values.tobytes()
        return np.frombuffer(memory, dtype=np.float64, offset=offset)

    return with_columns(bars, {name: moved(column) for name, column in bars.columns()})


def strided(bars: Bars) -> Bars:
    """Return a copy whose columns are columns of one table, not contiguous."""
    names = [name for name, _ in bars.columns()]
    table = np.column_stack([column for _, column in bars.columns()])
    return with_columns(bars, {name: table[:, i] for i, name in enumerate(names)})


def with_columns(bars: Bars, columns: dict[str, FloatArray], date: DateArray | None = None) -> Bars:
    """Return bars of other numbers, and of other dates if given."""
    prices = {name: columns[name] for name in PRICES}
    return Bars(**prices, volume=columns.get("volume"), date=bars.date if date is None else date, symbol=bars.symbol)


def same_bits(a: FloatArray, b: FloatArray) -> BoolArray:
    """Tell elementwise whether two values have the same bits, any NaN being equal to any other."""
    same: BoolArray = (a.view(np.int64) == b.view(np.int64)) | (np.isnan(a) & np.isnan(b))
    return same


def _expected(whole: FloatArray, window: Bars, cut: int, columns: list[int]) -> FloatArray:
    expected = np.full((len(window), len(columns)), np.nan)
    expected[-1] = whole[cut, columns]
    return expected


def _same_bits(features: Features, found: FloatArray, expected: FloatArray, deed: str) -> None:
    _none(features, ~same_bits(np.ascontiguousarray(found), np.ascontiguousarray(expected)), deed)


def _none(features: Features, differs: BoolArray, deed: str) -> None:
    breakers = [
        f"{feature.name} (row {int(column.argmax())})"
        for feature, column in zip(features, differs.T, strict=True)
        if column.any()
    ]
    assert not breakers, f"{deed}: changed {', '.join(breakers)}"


def _rewritten(bars: Bars, other: Bars, cut: int) -> Bars:
    """Return the bars with all after ``cut`` taken from another run, at a hundred times the price."""
    future = min(len(bars), len(other)) - cut - 1
    if future < 1:
        return bars[: cut + 1]

    def joined(mine: FloatArray, theirs: FloatArray) -> FloatArray:
        return np.concatenate([mine[: cut + 1], 100.0 * theirs[-future:]])

    mine, theirs = dict(bars.columns()), dict(other.columns())
    columns = {name: joined(mine[name], theirs[name]) for name in mine}
    date = (
        None if bars.date is None else bars.date[: cut + 1 + future] + np.maximum(0, np.arange(cut + 1 + future) - cut)
    )
    return with_columns(bars, columns, date)


def _oldest_changed(bars: Bars, factor: float) -> Bars:
    """Return the bars with the first run away: by this factor, from its one end to its other."""
    columns = {name: column.copy() for name, column in bars.columns()}
    start, end = ("low", "high") if factor > 1.0 else ("high", "low")
    columns["open"][0] = columns[start][0]
    columns[end][0] *= factor
    columns["close"][0] = columns[end][0]
    columns["volume"][0] *= factor
    date = None if bars.date is None else np.concatenate([bars.date[:1] - 40, bars.date[1:]])
    return with_columns(bars, columns, date)


def _scaled(bars: Bars, prices: float, volumes: float) -> Bars:
    factors = {"volume": volumes}
    return with_columns(bars, {name: column * factors.get(name, prices) for name, column in bars.columns()})
