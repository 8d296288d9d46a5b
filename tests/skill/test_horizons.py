"""A model of five sessions in the report: its own rivals, its own rows, and no target that is about one session."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest

from feature_mapper.bars import Bars
from skill import tabular
from skill.report import report
from skill.schedule import MODES, Schedule
from skill.shelf import Shelf
from skill.tabular import Result
from skill.targets import verdicts
from skill.universe import Universe
from tests.training.kit.support import market
from training.kit.panel import dated

SERIES: Mapping[str, Bars] = {symbol: market(1700, number) for number, symbol in enumerate(("AAA", "BBB"))}
UNIVERSE = Universe("markets", SERIES, {}, len(SERIES))
SCHEDULE = Schedule(groups=2)


@pytest.fixture(scope="module")
def found() -> dict[str, list[Result]]:
    """Return what the shortest tier did, of each task that has horizons, by model."""
    models = ("lightgbm_return_5", "lightgbm_direction_5", "lightgbm_volatility", "lightgbm_volatility_5")
    shelf = Shelf(None, "")
    return {model: tabular.results(model, (1,), UNIVERSE, SCHEDULE, shelf, 1, lambda _: None) for model in models}


@pytest.mark.slow
def test_every_task_is_judged_against_its_rivals(found: dict[str, list[Result]]) -> None:
    """Forward in time and on unseen symbols, by all measures, on rows whose five sessions are known."""
    garches = {"GARCH", "GJR-GARCH"}
    kinds = {
        "lightgbm_return_5": {"mse": {"training_mean", "zero"} | garches, "interval_score": garches, "crps": garches},
        "lightgbm_direction_5": {"log_loss": {"base_rate", "logistic regression"}},
        "lightgbm_volatility_5": {
            "qlike": {"own_bar", "rolling_mean", "long_run", "RiskMetrics"}
            | {"HAR of the symbol", "log HAR of the symbol"}
            | garches
        },
    }
    known = {symbol: dated(bars)[-6] for symbol, bars in SERIES.items()}
    for model, measures in kinds.items():
        assert {(result.mode, result.metric) for result in found[model]} == {
            (mode, metric) for mode in MODES for metric in measures
        }
        for result in found[model]:
            assert set(result.scored.rivals) == measures[result.metric]
            assert result.scored.date.max() == max(known.values())
            for name, losses in result.scored.rivals.items():
                assert np.isfinite(losses).all(), (model, name)


@pytest.mark.slow
def test_five_sessions_are_steadier_than_one(found: dict[str, list[Result]]) -> None:
    """Rivals of a mean of five lose less than those of one: they were asked about that, not about one session."""
    one, five = (found[model][0].scored.rivals for model in ("lightgbm_volatility", "lightgbm_volatility_5"))
    for name in ("HAR of the symbol", "log HAR of the symbol", "GARCH", "GJR-GARCH", "RiskMetrics"):
        assert five[name].mean() < 0.7 * one[name].mean(), name


@pytest.mark.slow
def test_targets_are_about_one_session(found: dict[str, list[Result]]) -> None:
    """What the project has set itself for the next session is not held against models of five."""
    judged = report(
        UNIVERSE, SCHEDULE, [result for results in found.values() for result in results], 1.0, 1.0, resumed=False
    )
    assert {verdict.model for verdict in verdicts(judged)} == {"lightgbm_volatility"}
    renamed = [dataclasses.replace(result, model="lightgbm_return") for result in found["lightgbm_return_5"]]
    assert list(verdicts(report(UNIVERSE, SCHEDULE, renamed, 1.0, 1.0, resumed=False)))
