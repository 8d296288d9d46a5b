"""Liveness, readiness, health, replay and the card, over a view of what serves."""

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import msgspec
import pytest
from fastapi import FastAPI

from app.metrics import Metrics
from app.schemas.answers import Skill
from app.schemas.status import Health, ModelCondition, ModelHealth, Ready, Replay, StatusCard
from app.settings import Settings
from models.errors import GoldenMismatch
from tests.app.support import call, make_app, problem_of

SKILL = Skill(
    metric="log_loss_skill",
    value=0.0018,
    ci95=(-0.0004, 0.0041),
    n=5210,
    baseline="base_rate",
    verdict="<none>",
    coverage=None,
    calibration=0.01,
)


class View:
    """What serves, as far as these tests need it."""

    def __init__(self, *conditions: ModelCondition) -> None:
        self.models = [
            ModelHealth(
                model=f"model{n}_direction",
                task="direction",
                path="/predict/direction",
                horizon=1,
                state=condition,
                version="v000003" if condition == "serving" else None,
                trained_to=dt.date(2013, 3, 1),
                reason=None if condition == "serving" else "<b>gone</b>",
                skill=SKILL if condition == "serving" else None,
            )
            for n, condition in enumerate(conditions)
        ]

    def health(self) -> Health:
        """Sum the models up."""
        count = sum(model.state == "serving" for model in self.models)
        whole: Literal["ok", "degraded"] = "ok" if count == len(self.models) else "degraded"
        return Health(status=whole if count else "unavailable", version="1", strict=False, models=self.models)

    def card(self) -> StatusCard:
        """Show them."""
        return StatusCard(health=self.health(), symbols=5, data_to=dt.date(2013, 3, 1))

    def replay(self, model: str) -> Replay | None:
        """Know one model, and one that is broken."""
        if model == "broken_direction":
            raise GoldenMismatch("/srv/private")
        if model != "model0_direction":
            return None
        return Replay(model=model, version="v000003", examples=16, identical=True, seconds=0.01)


def app_with(*conditions: ModelCondition) -> FastAPI:
    """Make an application that serves models in these conditions."""

    @asynccontextmanager
    async def open_serving(_settings: Settings, _metrics: Metrics) -> AsyncIterator[View]:
        yield View(*conditions)

    return make_app(open_serving=open_serving)


@pytest.mark.parametrize(
    ("conditions", "ready", "health", "status"),
    [
        (("serving", "serving"), 200, 200, "ok"),
        (("serving", "missing"), 200, 200, "degraded"),
        (("serving", "quarantined"), 200, 200, "degraded"),
        (("serving", "failed"), 200, 200, "degraded"),
        (("missing", "failed"), 503, 503, "unavailable"),
        ((), 503, 503, "unavailable"),
    ],
)
def test_health_tells_the_truth(conditions: tuple[ModelCondition, ...], ready: int, health: int, status: str) -> None:
    """Ready with one model that serves, and not with none; liveness depends on nothing."""
    app = app_with(*conditions)
    assert call(app, "GET", "/livez").json() == {"status": "alive"}
    assert call(app, "GET", "/readyz").status_code == ready
    for path in ("/health", "/health/"):
        answer = call(app, "GET", path)
        assert answer.status_code == health
        assert msgspec.json.decode(answer.content, type=Health).status == status


def test_readiness_counts_what_serves() -> None:
    """And is a problem where nothing does."""
    ready = msgspec.json.decode(call(app_with("serving", "failed"), "GET", "/readyz").content, type=Ready)
    assert ready.models == 1
    assert problem_of(call(app_with("failed"), "GET", "/readyz")).type == "/problems/not-ready"


@pytest.mark.parametrize("path", ["/", "/readyz", "/health", "/health/models/model0_direction"])
def test_before_the_start_nothing_is_ready(path: str) -> None:
    """An application that serves nothing yet says so, and lives."""
    app = make_app()
    assert problem_of(call(app, "GET", path)).type == "/problems/not-ready"
    assert call(app, "GET", "/livez").status_code == 200


def test_one_model_is_replayed() -> None:
    """200 with the outcome, 404 for a name that serves nothing, 503 for a model that fails."""
    app = app_with("serving")
    answer = call(app, "GET", "/health/models/model0_direction")
    assert msgspec.json.decode(answer.content, type=Replay).identical
    assert problem_of(call(app, "GET", "/health/models/..%2f..")).status == 404
    assert problem_of(call(app, "GET", "/health/models/zzz")).type == "/problems/unknown-model"
    broken = call(app, "GET", "/health/models/broken_direction")
    assert problem_of(broken).type == "/problems/model-unavailable"
    assert "/srv/private" not in broken.text


def test_the_card_is_a_page_for_browsers_and_json_for_others() -> None:
    """Both say the same; texts are escaped in the page."""
    app = app_with("serving", "failed")
    card = msgspec.json.decode(call(app, "GET", "/").content, type=StatusCard)
    assert card.symbols == 5
    page = call(app, "GET", "/", headers={"Accept": "text/html,application/xhtml+xml"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["vary"] == "Accept"
    for text in ("degraded", "1 of 2 models", "model0_direction", "v000003", "0.0018", "n = 5210", "2013-03-01"):
        assert text in page.text
    assert "&lt;b&gt;gone" in page.text
    assert "<b>" not in page.text
    assert "&lt;none&gt;" in page.text
