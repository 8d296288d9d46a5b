"""Features that cheat, each caught by the very functions that the catalogue passes.

Every cheat is the 20-session mean distance, done wrongly. The first test shows that the honest one passes, so what is
caught is the cheat and not the feature.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from feature_mapper.bars import Bars
from feature_mapper.feature import Feature
from feature_mapper.series import Series
from feature_mapper.typing import FloatArray
from tests.contract import feature_laws as laws
from tests.feature_mapper.generated import Market

WIDTH = 20
CUTS = (0, 7, 18, 25, 60, 119)
"""Inside the warm-up, just past it, in the middle, and the last bar: no single cut catches every leak."""


def _run(seed: int) -> Bars:
    market = Market(seed=seed, volatility=0.02, price=50.0, tick=1e-4, gappy=True, frozen=0.1, silent=0.1, halted=True)
    return market.bars(120)


BARS, OTHER = _run(1), _run(2)

LAWS: dict[str, Callable[[list[Feature]], None]] = {
    "causal": lambda features: laws.causal(features, BARS, OTHER, CUTS),
    "window_local": lambda features: laws.window_local(features, BARS, CUTS),
    "lookback_true": lambda features: laws.lookback_true(features, BARS),
    "lookback_tight": lambda features: laws.lookback_tight(features, BARS),
    "scale_free_bits": lambda features: laws.scale_free(features, BARS, 8.0, 0.25),
    "scale_free": lambda features: laws.scale_free(features, BARS, 3.7, 11.0),
}


def broken(lookback: int, cheat: Callable[[pd.Series], pd.Series]) -> set[str]:
    """Return the laws that a feature made by pandas from the closes breaks."""

    def kernel(s: Series, rows: int) -> FloatArray:
        return cheat(pd.Series(s.close.values)).to_numpy(dtype=np.float64)[-rows:]

    feature = Feature(name="cheat", family="trend", unit="ratio", lookback=lookback, formula="", kernel=kernel)
    caught = set()
    for name, law in LAWS.items():
        try:
            law([feature])
        except AssertionError as broken_law:
            assert "cheat" in str(broken_law)  # noqa: PT017  the law must name the breaker
            caught.add(name)
    return caught


def _distance(close: pd.Series) -> pd.Series:
    """Return the honest feature; a window by itself, as `apply` takes it, carries no running sum."""
    return close / close.rolling(WIDTH).apply(np.mean, raw=True) - 1.0


def test_the_honest_feature_passes() -> None:
    """The laws have nothing against the feature that the cheats are made from."""
    assert broken(WIDTH, _distance) == set()


def test_centred_window_is_caught() -> None:
    """A window around the bar sees the bars after it."""

    def cheat(close: pd.Series) -> pd.Series:
        return close / close.rolling(WIDTH, center=True, min_periods=1).apply(np.mean, raw=True) - 1.0

    assert {"causal", "window_local"} <= broken(WIDTH, cheat)


def test_backfill_is_caught() -> None:
    """A warm-up filled from later bars; past the warm-up it is honest, so only early cuts see it."""
    assert {"causal", "window_local"} <= broken(1, lambda close: _distance(close).bfill().fillna(0.0))


def test_backfill_is_missed_by_late_cuts() -> None:
    """The reason for cuts inside the warm-up: without them the causal law passes a backfill."""

    def kernel(s: Series, rows: int) -> FloatArray:
        return _distance(pd.Series(s.close.values)).bfill().to_numpy(dtype=np.float64)[-rows:]

    feature = Feature(name="cheat", family="trend", unit="ratio", lookback=1, formula="", kernel=kernel)
    laws.causal([feature], BARS, OTHER, [60, 90, 119])


def test_whole_sample_z_score_is_caught() -> None:
    """A scaler fitted on all rows knows the mean and spread of the future."""

    def cheat(close: pd.Series) -> pd.Series:
        distance = _distance(close)
        scaled = (distance - float(distance.mean())) / float(distance.std(ddof=0))
        return scaled.fillna(0.0)

    assert {"causal", "window_local"} <= broken(WIDTH, cheat)


def test_whole_sample_min_max_is_caught() -> None:
    """So does one fitted on the extremes of all rows."""

    def cheat(close: pd.Series) -> pd.Series:
        distance = _distance(close)
        low, high = float(distance.min()), float(distance.max())
        return ((distance - low) / (high - low)).fillna(0.0)

    assert {"causal", "window_local"} <= broken(WIDTH, cheat)


def test_shift_minus_one_is_caught() -> None:
    """Tomorrow's value in today's row."""
    assert {"causal", "window_local"} <= broken(WIDTH, lambda close: _distance(close).shift(-1).ffill())


def test_recursive_ema_is_caught() -> None:
    """An exponential mean over all history is causal, but its row depends on how much history there was."""
    caught = broken(WIDTH, lambda close: close / close.ewm(span=WIDTH, adjust=False).mean() - 1.0)
    assert "window_local" in caught
    assert "causal" not in caught


def test_running_sum_is_caught() -> None:
    """A rolling mean as a difference of cumulative sums is right but for its last bits, which depend on the history."""

    def cheat(close: pd.Series) -> pd.Series:
        total = close.cumsum()
        return close / ((total - total.shift(WIDTH).fillna(0.0)) / WIDTH) - 1.0

    caught = broken(WIDTH, cheat)
    assert "window_local" in caught
    assert "causal" not in caught


def test_pandas_rolling_is_caught() -> None:
    """The rolling mean of pandas carries a compensated running sum: still not the bits of the window alone."""

    def cheat(close: pd.Series) -> pd.Series:
        return close / close.rolling(WIDTH).mean() - 1.0

    assert "window_local" in broken(WIDTH, cheat)


def test_price_level_is_caught() -> None:
    """A price is not a feature: another currency would change it."""
    assert broken(1, lambda close: close) == {"scale_free", "scale_free_bits"}


def test_log_difference_is_caught_to_the_bit() -> None:
    """A difference of logs is scale-free on paper only; a log of the ratio is so to the bit."""

    def cheat(close: pd.Series) -> pd.Series:
        return pd.Series(np.log(close.to_numpy())).diff()

    assert "scale_free_bits" in broken(2, cheat)


def test_understated_lookback_is_caught() -> None:
    """A lookback one bar short: the window alone can't fill what the whole history fills."""
    assert {"window_local", "lookback_true"} <= broken(WIDTH - 1, _distance)


def test_overstated_lookback_is_caught() -> None:
    """A lookback one bar long turns away histories that would do."""
    assert broken(WIDTH + 1, _distance) == {"lookback_tight"}
