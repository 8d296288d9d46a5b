"""Ranges of training rows: learnt of the rows they say, and how often they cry wolf, by simulation and by planting."""

import numpy as np
import pytest

from models.vitals import RANGE, VOLATILITY, of_tier
from tests.training.kit.support import MONDAY, market, markets, rewritten
from training.kit.panel import build
from training.kit.questions.registry import QUESTIONS
from training.kit.ranges import TAIL, learn, ranges_of_market, vitals_of
from training.kit.spec import ModelSpec, Splits
from training.kit.splits import Fold

N = 20_000
FEATURES = 30


def halves(n: int) -> list[Fold]:
    """Return a single fold: learn on the first half, ask the second."""
    at = np.arange(n)
    return [Fold(0, at[: n // 2], at[n // 2 :], MONDAY, MONDAY)]


def test_what_was_learnt_by_hand() -> None:
    """Quantiles of each feature, unknown values left out; none for one that nobody has; extremes of the vitals."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N, 3))
    x[::2, 1], x[:, 2] = np.nan, np.nan
    vitals = rng.exponential(size=(N, 1))
    found = learn(x, (RANGE,), vitals, halves(N))
    assert found.lower[:2] == pytest.approx([np.quantile(x[:, 0], TAIL), np.quantile(x[1::2, 1], TAIL)])
    assert found.upper[:2] == pytest.approx([np.quantile(x[:, 0], 1 - TAIL), np.quantile(x[1::2, 1], 1 - TAIL)])
    assert (found.lower[2], found.upper[2]) == (None, None)
    assert found.vitals == {RANGE: (vitals.min(), vitals.max())}
    assert found.most == 1


def test_rows_like_those_of_training_hardly_alarm() -> None:
    """One in a thousand by the count of features, one in ten thousand by a vital."""
    rng = np.random.default_rng(2)
    common = rng.normal(size=(N, 1))
    x = 0.6 * common + 0.8 * rng.normal(size=(N, FEATURES))
    found = learn(x, (RANGE,), rng.exponential(size=(N, 1)), halves(N))
    assert found.most >= 1
    assert found.false_alarms < 0.003


def test_false_alarms_are_counted_on_the_rows_of_the_fold() -> None:
    """A world that changes for good in the second half is strange to who learnt on the first, and says so."""
    rng = np.random.default_rng(3)
    x, vitals = rng.normal(size=(N, FEATURES)), rng.exponential(size=(N, 1))
    x[N // 2 :] += 8
    assert learn(x, (RANGE,), vitals, halves(N)).false_alarms == 1
    x[N // 2 :] -= 8
    vitals[: N // 2] = vitals[: N // 2].clip(0.5, 2)
    share = np.mean((vitals[N // 2 :] < 0.5) | (vitals[N // 2 :] > 2))
    assert learn(x, (RANGE,), vitals, halves(N)).false_alarms == pytest.approx(share, abs=0.002)


@pytest.mark.parametrize("tier", [1, 22])
def test_vitals_are_those_of_the_panels_rows(tier: int) -> None:
    """Row for row, whichever rows a panel leaves out."""
    series = markets(700)
    panel = build(series, QUESTIONS["direction"], ModelSpec(family="lightgbm", parameters={}).features_of(tier), tier)
    found = vitals_of(series, tier, of_tier(tier)).of(panel.rows)
    assert len(found) == len(panel.rows)
    for at in (0, 17, len(found) // 2, len(found) - 1):
        bars = list(series.values())[panel.rows.symbol[at]]
        assert bars.date is not None
        day = int(np.searchsorted(bars.date, panel.rows.date[at]))
        assert found[at, 0] == pytest.approx(np.log(bars.high[day] / bars.low[day]))
        if tier > 1:
            returns = np.diff(np.log(bars.close[day - 21 : day + 1]))
            assert found[at, 1] == pytest.approx(np.sqrt(np.mean(returns**2)))


def test_a_market_is_known_by_its_bars_alone() -> None:
    """For models without features; a stretch that is ten times as wild widens the range. Nothing to measure: none."""
    calm = market(900, 5, "CALM")
    known, wilder = (
        ranges_of_market({"CALM": bars}, 22, of_tier(22), Splits())
        for bars in (calm, rewritten(calm, slice(400, 420), 10.0))
    )
    assert known is not None
    assert wilder is not None
    assert (known.lower, known.most) == ((), 0)
    assert wilder.vitals[VOLATILITY][1] > 3 * known.vitals[VOLATILITY][1]
    assert ranges_of_market({"CALM": calm}, 1, (), Splits()) is None
