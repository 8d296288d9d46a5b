"""Names of models tell tasks and routes."""

import pytest

from models.tasks.registry import EXPECTED_MODELS, TASKS, TaskUnknown, route_of, task_named, task_of
from training.kit.discover import model_names, spec_of


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
