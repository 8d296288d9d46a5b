"""Coverage and calibration: by hand, and what they say of bands that are wrong on purpose."""

import numpy as np
import pytest

from feature_mapper.catalogue import within
from tests.training.kit.support import FAST, MONDAY, markets, walk
from training.kit.coverage import calibration, coverage, of_band
from training.kit.panel import build
from training.kit.questions.registry import QUESTIONS
from training.kit.spec import ModelSpec
from training.kit.walk import scored_rows

N = 6000
SPEC = ModelSpec(family="lightgbm", parameters=FAST)


def test_shares_by_hand() -> None:
    """Overall, by year (those without rows left out), and by thirds of the forecast volatility."""
    held = np.array([True, False, True, True, False, True])
    date = np.array(
        ["2010-12-30", "2010-12-31", "2012-01-02", "2012-01-03", "2012-01-04", "2012-01-05"], "datetime64[D]"
    )
    found = coverage(0.9, held, date, np.array([0.03, 0.06, 0.01, 0.02, 0.05, 0.04]))
    assert (found.level, found.n) == (0.9, 6)
    assert found.overall == pytest.approx(4 / 6)
    assert [(year.year, year.n, year.share) for year in found.years] == [(2010, 2, 0.5), (2012, 4, 0.75)]
    assert found.terciles == (1.0, 1.0, 0.0)


def test_a_band_that_ignores_volatility_is_seen() -> None:
    """Of one width for all, it holds too much where it is calm and too little where it is rough."""
    rng = np.random.default_rng(1)
    scale = np.exp(rng.normal(-4.5, 0.7, N))
    y, date = scale * rng.normal(size=N), np.repeat(MONDAY + np.arange(N // 2), 2)
    half = np.quantile(np.abs(y), 0.9)
    found = of_band({"expected_return": 0 * y, "lower": 0 * y - half, "upper": 0 * y + half}, y, 0.9, date, scale)
    assert found is not None
    assert found.overall == pytest.approx(0.9, abs=0.01)
    assert found.terciles[0] > 0.99
    assert found.terciles[2] < 0.8


def test_volatility_is_compared_as_volatility() -> None:
    """The target is a variance; the band is of its root, and rows are told apart by the forecast itself."""
    y = np.array([0.0001, 0.0004, 0.0009])
    forecast = {"volatility": np.array([0.01, 0.02, 0.03]), "lower": np.full(3, 0.015), "upper": np.full(3, 0.025)}
    found = of_band(forecast, y, 0.9, MONDAY + np.arange(3), np.array([0.3, 0.2, 0.1]))
    assert found is not None
    assert found.terciles == (0.0, 1.0, 0.0)
    forecast["lower"], forecast["upper"] = forecast["upper"], forecast["lower"]
    swapped = of_band(forecast, y, 0.9, MONDAY + np.arange(3), np.ones(3))
    assert swapped is not None
    assert swapped.overall == 0


@pytest.mark.parametrize("task", QUESTIONS)
def test_of_rows_out_of_fold(task: str) -> None:
    """A band has a coverage near its level on the scored rows, probabilities a calibration; neither task has both."""
    question = QUESTIONS[task]
    panel = build(markets(1500), question, within(1), 1)
    out = walk(panel, question, SPEC)
    rows = scored_rows(panel, out)
    found = of_band(out.forecast, rows.y, SPEC.level, rows.date, out.scale[out.scored])
    if task in {"return", "volatility"}:
        assert found is not None
        assert found.n == sum(year.n for year in found.years) == len(rows)
        assert found.overall == pytest.approx(
            np.average([y.share for y in found.years], weights=[y.n for y in found.years])
        )
        assert found.overall == pytest.approx(np.mean(found.terciles), abs=0.002)
        assert found.overall == pytest.approx(question.figures(out.forecast, rows.y)["coverage"])
        assert found.overall == pytest.approx(SPEC.level, abs=0.03)
        assert calibration(out.forecast, rows.y) is None
    else:
        assert found is None
        error = calibration(out.forecast, rows.y)
        assert error is not None
        assert 0 < error < 0.1


def test_calibration_by_hand() -> None:
    """Ten rows are ten bins: the mean distance of 0.4 from what came. Of classes, the mean over them."""
    y = np.array([1.0] * 9 + [0.0])
    assert calibration({"probability_up": np.full(10, 0.4)}, y) == pytest.approx((9 * 0.6 + 0.4) / 10)
    sure = np.eye(3)[[0, 1, 2] * 10]
    assert calibration({"probabilities": sure}, np.array([0.0, 1.0, 2.0] * 10)) == 0
    assert calibration({"expected_return": y}, y) is None
