"""Leaks planted into a training run, each caught by the run's own checks: those that an artifact records."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from feature_mapper.bars import Bars
from feature_mapper.catalogue import CATALOGUE, select, within
from feature_mapper.feature import Feature
from feature_mapper.series import Series
from feature_mapper.typing import DateArray, FloatArray
from feature_mapper.windows import Values
from models.manifest import LeakCheck
from tests.training.kit.support import markets
from training.kit.audit_plants import Smoothed
from training.kit.checks import lookback, prefixes, purge, run_checks, target_horizon, truncation
from training.kit.panel import build
from training.kit.questions.registry import QUESTIONS
from training.kit.regime import Options, fit_states
from training.kit.spec import ModelSpec
from training.kit.splits import Fold, PurgedWalkForward
from training.kit.targets import NEXT_UP, RISK, Target, risk_class

SERIES: Mapping[str, Bars] = markets(700)
WIDTH = 20


def cheating(cheat: Callable[[pd.Series], pd.Series], width: int = WIDTH) -> Feature:
    """Return a feature that pandas makes from all closes at once; where it looks is up to the cheat."""

    def kernel(s: Series, rows: int) -> Values:
        values = cheat(pd.Series(s.close.values)).to_numpy(dtype=np.float64)[-rows:]
        return np.float64(values[0]) if rows == 1 else values

    return Feature(name="cheat", family="trend", unit="ratio", lookback=width, formula="", kernel=kernel)


def distance(close: pd.Series) -> pd.Series:
    """Return the honest feature that the cheats are made from."""
    return close / close.rolling(WIDTH).apply(np.mean, raw=True) - 1.0


def caught(check: LeakCheck, name: str) -> bool:
    """Tell whether a check failed and names the culprit."""
    return not check.passed and name in check.detail


@pytest.mark.parametrize("task", QUESTIONS)
def test_an_honest_run_passes(task: str) -> None:
    """Every check, over all features that a year of bars fills and each tabular question."""
    question, features = QUESTIONS[task], within(64)
    checks = run_checks(SERIES, features, question, build(SERIES, question, features, 64), PurgedWalkForward())
    names = [check.name for check in checks]
    assert names == ["truncation_invariance", "lookback_true", "target_horizon", "purged_splits"]
    assert all(check.passed for check in checks), checks


def test_honest_feature_of_pandas_passes() -> None:
    """So it is the cheat that is caught, not the way the feature is made."""
    honest = [cheating(distance)]
    assert truncation(SERIES, honest).passed
    assert lookback(SERIES, honest).passed


def test_centred_window_is_caught() -> None:
    """A mean around the bar."""
    leak = cheating(lambda close: close / close.rolling(WIDTH, center=True, min_periods=1).mean() - 1.0)
    assert caught(truncation(SERIES, [leak]), "cheat")


def test_backfill_is_caught() -> None:
    """A warm-up filled from later bars; past the warm-up it is honest."""
    leak = cheating(lambda close: distance(close).bfill().fillna(0.0), width=1)
    assert caught(truncation(SERIES, [leak, *select(["log_return_21"])]), "cheat")


def test_whole_sample_scaler_is_caught() -> None:
    """Mean and deviation of all rows, those of the future among them."""

    def leak(close: pd.Series) -> pd.Series:
        raw = distance(close)
        return (raw - float(raw.mean())) / float(raw.std())

    assert caught(truncation(SERIES, [cheating(leak)]), "cheat")


def test_shift_minus_one_is_caught() -> None:
    """Tomorrow's value today."""
    assert caught(truncation(SERIES, [cheating(lambda close: distance(close).shift(-1).ffill())]), "cheat")


def test_a_leak_is_named_among_all_features() -> None:
    """One bad feature in the catalogue fails the check, and only it is named."""
    check = truncation(SERIES, [*CATALOGUE, cheating(lambda close: distance(close).shift(-1).ffill())])
    assert check.detail.endswith("fails for cheat")


def test_history_beyond_the_lookback_is_caught() -> None:
    """A recursive mean sees no future, but what it says depends on how much history there was."""
    leak = cheating(lambda close: close / close.ewm(span=WIDTH, adjust=False).mean() - 1.0)
    assert truncation(SERIES, [leak]).passed
    assert caught(lookback(SERIES, [leak]), "cheat")


def test_label_of_the_last_rows_is_caught() -> None:
    """A label made up for rows whose future isn't there yet."""

    def filled(bars: Bars) -> FloatArray:
        return np.nan_to_num(NEXT_UP.values(bars))

    check = target_horizon(SERIES, replace(NEXT_UP, values=filled))
    assert caught(check, "label of the last 1 rows")


def test_label_beyond_its_horizon_is_caught() -> None:
    """A label of two sessions sold as one of one would slip through the purge."""

    def two_ahead(bars: Bars) -> FloatArray:
        return np.append(NEXT_UP.values(bars)[1:], np.nan)

    assert caught(target_horizon(SERIES, replace(NEXT_UP, values=two_ahead)), "label looks beyond 1 sessions")


def test_class_borders_of_the_whole_sample_are_caught() -> None:
    """Terciles over all rows, not over each row's past."""

    def hindsight(bars: Bars) -> FloatArray:
        ahead = RISK.values(bars)
        level = pd.Series(bars.close).pct_change().abs().rolling(5).mean().shift(-5).to_numpy(dtype=np.float64)
        low, high = np.nanquantile(level, (1 / 3, 2 / 3))
        classes = (level > low).astype(np.float64) + (level > high)
        return np.where(np.isnan(ahead), np.nan, classes)

    assert caught(target_horizon(SERIES, replace(RISK, values=hindsight)), "label looks beyond 5 sessions")


class Unpurged(PurgedWalkForward):
    """Splits by row: everything before the first test day trains, whatever its label reaches into."""

    def split(self, date: DateArray, label_end: DateArray) -> Iterator[Fold]:  # noqa: ARG002  that is the mistake
        """Forget that labels end later than they begin."""
        return PurgedWalkForward(self.folds, self.warm_up, 0).split(date, date)


@pytest.mark.parametrize("task", ["direction", "risk"])
def test_unpurged_split_is_caught(task: str) -> None:
    """Labels of one and of five sessions reach into the test."""
    panel = build(SERIES, QUESTIONS[task], within(22), 22)
    assert purge(panel, PurgedWalkForward()).passed
    assert caught(purge(panel, Unpurged()), "fold 0")


def test_understated_horizon_is_caught_by_the_check_of_targets() -> None:
    """A five-day label that claims one day passes the purge; the check of the target is what finds it."""
    short = Target("risk_class", RISK.definition, 1, risk_class)
    assert not target_horizon(SERIES, short).passed


def test_smoothed_regime_is_caught() -> None:
    """Filtered probabilities pass, smoothed ones of the very same states do not."""
    spec = ModelSpec(family="hmm", tiers=(1, 22, 253))
    honest = fit_states(list(SERIES.values()), spec, Options(states=2, starts=1))
    leak = Smoothed(honest.hmm, honest.habit)
    for tier in (1, 22, 253):
        assert prefixes(SERIES, honest, tier).passed
    assert caught(prefixes(SERIES, leak, 253), "S0, S1")
