"""Every feature against its formula: written again in plain Python, by pandas, and by hand."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike

from feature_mapper.bars import Bars
from feature_mapper.catalogue import CATALOGUE, select
from feature_mapper.feature import Feature
from feature_mapper.mapper import compute
from feature_mapper.typing import FloatArray
from tests.feature_mapper.generated import Market, of_closes
from tests.feature_mapper.oracles import Past, oracle

MARKETS = (
    Market(seed=5, volatility=0.01, price=100.0, tick=0.0, gappy=False, frozen=0.0, silent=0.0, halted=False),
    Market(seed=6, volatility=0.03, price=8.0, tick=1e-4, gappy=True, frozen=0.0, silent=0.1, halted=True),
)
ROWS = (508, 509, 530, 559)


def _flat(n: int = 509, price: float = 7.3, volume: float = 0.0) -> Bars:
    """Return bars of one price."""
    prices = np.full(n, price)
    return Bars.validated(open=prices, high=prices, low=prices, close=prices, volume=np.full(n, volume))


def _of(name: str, close: ArrayLike) -> float:
    """Return a feature of closes alone on the last bar."""
    return float(compute(of_closes(close), select([name]), rows=1)[0, 0])


@pytest.fixture(scope="module")
def pasts() -> list[tuple[FloatArray, Past]]:
    """Rows of features with the bars that they were made from."""
    return [
        (compute(bars, CATALOGUE)[row], Past.of(bars[: row + 1]))
        for bars in (market.bars(560) for market in MARKETS)
        for row in ROWS
    ]


@pytest.mark.parametrize("feature", CATALOGUE, ids=lambda feature: feature.name)
def test_feature_is_its_formula(feature: Feature, pasts: list[tuple[FloatArray, Past]]) -> None:
    """Plain Python from the formula gives the same number; a feature without an oracle fails here."""
    column = CATALOGUE.index(feature)
    for row, past in pasts:
        assert row[column] == pytest.approx(oracle(feature.name, past), rel=1e-9, abs=1e-12)


def test_moving_average_distances_by_hand() -> None:
    """Closes 1 to 10 have the mean 5.5; closes 1 to 50 the mean 25.5."""
    assert _of("ma_distance_10", [*range(1, 11)]) == pytest.approx(10 / 5.5 - 1, rel=1e-15)
    assert _of("ma_distance_50", [*range(1, 51)]) == pytest.approx(50 / 25.5 - 1, rel=1e-15)


def test_rsi_by_hand() -> None:
    """Ten rises of 1 and four falls of 2: 10 of 18 parts rise; only rises 100, only falls 0."""
    steps = np.array([1.0] * 5 + [-2.0] * 2 + [1.0] * 5 + [-2.0] * 2)
    assert _of("rsi_14", 50.0 + np.concatenate([[0.0], np.cumsum(steps)])) == pytest.approx(100 * 10 / 18, rel=1e-15)
    assert _of("rsi_14", [*range(1, 16)]) == 100.0
    assert _of("rsi_14", [*range(15, 0, -1)]) == 0.0


def test_rsi_forgets() -> None:
    """Cutler's RSI is of the last 14 changes: a crash 15 changes ago has left it, as Wilder's would not have."""
    calm = [10.0, *np.linspace(50.0, 51.0, 15)]
    crash = [900.0, *np.linspace(50.0, 51.0, 15)]
    assert _of("rsi_14", calm) == _of("rsi_14", crash) == 100.0


def test_standard_deviation_by_hand() -> None:
    """Log returns that alternate between a and -a, 21 of them: mean a/21, variance (21 a^2 - a^2/21) / 20."""
    a = 0.02
    close = np.exp(np.cumsum([0.0] + [a, -a] * 10 + [a]))
    assert _of("realised_volatility_21", close) == pytest.approx(np.sqrt((21 * a**2 - a**2 / 21) / 20), rel=1e-12)


@pytest.mark.parametrize("width", [21, 63, 252])
def test_standard_deviation_is_that_of_pandas(width: int) -> None:
    """The rolling standard deviation of pandas agrees on the whole history, warm-up included."""
    bars = MARKETS[0].bars(300)
    close = pd.Series(bars.close)
    returns = pd.Series(np.log(close / close.shift()))
    expected = returns.rolling(width).std()
    found = compute(bars, select([f"realised_volatility_{width}"]))[:, 0]
    np.testing.assert_allclose(found, expected.to_numpy(), rtol=1e-9)


@pytest.mark.parametrize("width", [5, 10, 20, 50, 200])
def test_moving_average_is_that_of_pandas(width: int) -> None:
    """The rolling mean of pandas agrees on the whole history, warm-up included."""
    bars = MARKETS[0].bars(300)
    close = pd.Series(bars.close)
    found = compute(bars, select([f"ma_distance_{width}"]))[:, 0]
    np.testing.assert_allclose(found, (close / close.rolling(width).mean() - 1).to_numpy(), rtol=1e-9, atol=1e-13)


def test_finite_ema_is_that_of_pandas_on_the_window() -> None:
    """The exponential mean is pandas' adjusted one of the last 64 closes."""
    close = MARKETS[0].bars(64).close
    expected = close[-1] / pd.Series(close).ewm(span=21, adjust=True).mean().iloc[-1] - 1
    assert _of("ema_distance_21", close) == pytest.approx(expected, rel=1e-9)


def test_constant_price_and_no_trade() -> None:
    """Where nothing moves and nobody trades, features have the values that their formulas state."""
    stated = {"rsi_5": 50.0, "rsi_14": 50.0, "stochastic_14": 50.0, "stochastic_63": 50.0, "stochastic_252": 50.0}
    stated |= {"up_share_10": 0.5, "up_share_21": 0.5, "money_flow_14": 50.0}
    silence = [
        f.name for f in CATALOGUE if f.name.startswith(("volume_log_ratio", "volume_trend", "volume_a_", "illiquidity"))
    ]
    stated |= dict.fromkeys(silence, float(np.log(0.01)))
    features = [feature for feature in CATALOGUE if feature.needs != "date"]
    values = compute(_flat(), features, rows=1)[0]
    for feature, value in zip(features, values, strict=True):
        assert value == pytest.approx(stated.get(feature.name, 0.0), abs=1e-9), feature.name


def test_constant_volume() -> None:
    """Steady trade neither correlates with anything nor varies."""
    names = ["price_volume_correlation_21", "volume_variation_21", "volume_log_ratio_63", "volume_trend_5_63"]
    np.testing.assert_allclose(compute(_flat(volume=0.1), select(names), rows=1)[0], 0.0, atol=1e-9)


def test_a_straight_line_has_a_bounded_t() -> None:
    """A t-statistic without residuals would be infinite; it stops at sqrt(n - 2) / 0.1."""
    assert _of("trend_t_21", np.linspace(10.0, 20.0, 21)) == pytest.approx(np.sqrt(19.0) / 0.1, rel=1e-9)
    assert _of("trend_t_21", np.linspace(20.0, 10.0, 21)) == pytest.approx(-np.sqrt(19.0) / 0.1, rel=1e-9)


def test_ties_count_from_the_latest() -> None:
    """Of two equal highs, and of two equal lows, the later one counts."""
    close = np.full(21, 5.0)
    close[[3, 15]], close[[6, 18]] = 9.0, 1.0
    assert _of("sessions_since_high_21", close) == 5.0
    assert _of("sessions_since_low_21", close) == 2.0
