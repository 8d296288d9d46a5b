"""Names of models tell tasks and routes."""

import pytest

from models.tasks.registry import (
    EXPECTED_MODELS,
    LONGEST_HORIZON,
    TASKS,
    TaskUnknown,
    base_of,
    route_of,
    task_named,
    task_of,
)
from skill.judge import LAG
from training.kit import audit_null
from training.kit.discover import model_names, spec_of
from training.kit.scores import BLOCK


@pytest.mark.parametrize(
    ("model", "task", "route"),
    [
        ("lightgbm_return", "return", "/predict/return/lightgbm"),
        ("random_forest_return", "return", "/predict/return/random-forest"),
        ("lightgbm_direction", "direction", "/predict/direction"),
        ("lightgbm_small_direction", "direction", "/predict/direction/lightgbm-small"),
        ("lightgbm_volatility", "volatility", "/predict/volatility"),
        ("random_forest_risk", "risk", "/predict/risk"),
        ("hmm_regime", "regime", "/predict/regime"),
        ("prophet_forecast", "forecast", "/forecast/price"),
        ("lightgbm_return_5", "return", "/predict/return/lightgbm"),
        ("lightgbm_direction_5", "direction", "/predict/direction"),
        ("lightgbm_small_direction_21", "direction", "/predict/direction/lightgbm-small"),
        ("lightgbm_volatility_2", "volatility", "/predict/volatility"),
    ],
)
def test_name_tells_task_and_route(model: str, task: str, route: str) -> None:
    """The first model of a task has the task's own path, every other one its variant in it."""
    assert task_of(model).identity.name == task
    assert route_of(model) == route


@pytest.mark.parametrize(
    "name", ["", "direction", "_direction", "lightgbm", "lightgbm_directions", "lightgbm-direction"]
)
def test_names_without_a_task_are_refused(name: str) -> None:
    """With the endings that there are."""
    with pytest.raises(TaskUnknown, match="_return, _direction, _volatility, _risk, _regime, _forecast"):
        task_of(name)


@pytest.mark.parametrize("model", ["lightgbm_return", "lightgbm_direction", "lightgbm_volatility"])
@pytest.mark.parametrize("horizon", [2, 5, 21])
def test_a_name_tells_the_horizon(model: str, horizon: int) -> None:
    """The same task, asked of so many sessions; a complete installation need not have it."""
    usual, later = task_of(model).identity, task_of(f"{model}_{horizon}").identity
    assert (later.name, later.route, later.variants) == (usual.name, usual.route, usual.variants)
    assert (usual.horizon, later.horizon, later.models) == (1, horizon, ())
    assert f"{horizon} sessions" in later.question
    assert base_of(f"{model}_{horizon}") == model == base_of(model)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lightgbm_return_1", "from 2 to 21 sessions"),
        ("lightgbm_direction_22", "from 2 to 21 sessions"),
        ("random_forest_risk_5", "behind one of _return, _direction, _volatility only"),
        ("hmm_regime_5", "behind one of _return, _direction, _volatility only"),
        ("lightgbm_return_05", "ends with its task"),
        ("lightgbm_return_\u0665", "ends with its task"),
        ("lightgbm_return_5_5", "ends with its task"),
        ("direction_5", "ends with its task"),
        ("lightgbm_5", "ends with its task"),
    ],
)
def test_horizons_that_nothing_is_asked_of_are_refused(name: str, said: str) -> None:
    """One that goes without saying, one that intervals of skills don't allow for, one of a task that has its own."""
    with pytest.raises(TaskUnknown, match=said):
        task_of(name)


def test_the_longest_horizon_is_what_tests_of_skill_allow_for() -> None:
    """Losses of that many days share labels: blocks of the bootstrap are longer, and the lags of the report reach."""
    assert min(LAG, audit_null.BLOCK, BLOCK // 3) >= LONGEST_HORIZON


def test_routes_are_distinct() -> None:
    """No two models answer on one path."""
    assert len({route_of(model) for model in EXPECTED_MODELS}) == len(EXPECTED_MODELS)


def test_tasks_are_found_by_name() -> None:
    """Each under its own, nothing under another."""
    assert [task_named(task.identity.name) for task in TASKS] == list(TASKS)
    with pytest.raises(TaskUnknown, match="found 'weather'"):
        task_named("weather")


def test_every_expected_model_has_a_folder() -> None:
    """And each folder a declaration that its task can be trained by."""
    assert set(EXPECTED_MODELS) <= set(model_names())
    for model in model_names():
        assert spec_of(model).tiers[0] == 1
