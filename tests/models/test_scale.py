"""The yardstick: level-free, window-local, by hand."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.scale import FLOOR, HarScale, log_levels
from tests.feature_mapper.generated import Market, markets
from tests.models.trained import quiet
from tests.training.kit.support import market

HAR = HarScale((1, 5, 21), (0.2, 0.3, 0.5), 0.1)
ONE_BAR = HarScale((1,), (1.0,), 0.4)
every_scale = pytest.mark.parametrize("scale", [HAR, ONE_BAR], ids=["month", "one bar"])


def needed(scale: HarScale) -> int:
    """Return the bars that one forecast reads."""
    return 1 if scale.widths == (1,) else max(scale.widths) + 1


@given(generated=markets, extra=st.integers(0, 40))
def test_forecast_equals_plain_python(generated: Market, extra: int) -> None:
    """Logs of mean session variances, weighed, by one float at a time."""
    bars = generated.bars(22 + extra)

    def variance(at: int) -> float:
        high_low, close_open = math.log(bars.high[at] / bars.low[at]), math.log(bars.close[at] / bars.open[at])
        gap = math.log(bars.open[at] / bars.close[at - 1])
        return 0.5 * high_low**2 - (2 * math.log(2) - 1) * close_open**2 + gap**2

    total, last = HAR.intercept, len(bars) - 1
    for width, weight in zip(HAR.widths, HAR.weights, strict=True):
        mean = math.fsum(variance(day) for day in range(last - width + 1, last + 1)) / width
        total += weight * math.log(max(mean, FLOOR))
    assert HAR.volatility(bars, 1)[0] == pytest.approx(math.exp(total / 2), rel=1e-9)


@every_scale
@given(rows=st.integers(1, 60), offset=st.integers(0, 30))
def test_rows_are_windows(scale: HarScale, rows: int, offset: int) -> None:
    """Many rows at once, or each from the bars that it reads and no other: the same bits."""
    bars = market(150, 4)[offset : offset + rows + needed(scale) - 1]
    singles = [scale.volatility(bars[row : row + needed(scale)], 1)[0] for row in range(rows)]
    assert scale.volatility(bars, rows).tolist() == singles
    assert scale.from_logs(log_levels(bars, scale.widths, rows)).tolist() == singles


@every_scale
@pytest.mark.parametrize("factor", [0.25, 3.0])
def test_a_wilder_market_has_a_wider_forecast(scale: HarScale, factor: float) -> None:
    """Every log move times a factor: the forecast times that factor, as no level is known."""
    bars = market(80, 5)
    names = ("open", "high", "low", "close")
    moved = {name: 7.0 * (getattr(bars, name) / bars.close[0]) ** factor for name in names}
    wilder = type(bars)(**moved)
    assert scale.volatility(wilder, 30) == pytest.approx(factor * scale.volatility(bars, 30), rel=1e-9)


@every_scale
def test_a_market_that_stands_still_has_the_least_forecast(scale: HarScale) -> None:
    """Finite and above 0."""
    expected = math.sqrt(FLOOR * math.exp(scale.intercept))
    assert scale.volatility(quiet(30), 2) == pytest.approx([expected] * 2)


@every_scale
def test_json_carries_every_bit(scale: HarScale) -> None:
    """And only a yardstick is read as one."""
    text = msgspec.json.encode(scale.as_json())
    assert HarScale.parse(msgspec.json.decode(text)) == scale
    with pytest.raises(msgspec.ValidationError):
        HarScale.parse({**scale.as_json(), "sepal_length": 1.0})
    with pytest.raises(msgspec.ValidationError):
        HarScale.parse({"widths": [1], "weights": [1.0]})
