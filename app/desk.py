"""What the routes of predictions work with, put together once a start, and which routes there are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.batch import Batches
from app.coherence import flags
from app.columns import invalid
from app.context import resolve
from app.forecasting import SHORT, Forecaster
from app.horizons import by_path, horizon_of, unknown_horizon
from app.lifecycle import Lifecycle
from app.loader import Loader
from app.metrics import Metrics
from app.plane import Answer, Plane
from app.queries import BarsQuery, ForecastQuery, Observations, Queries
from app.schemas.requests import AT_AS_OF
from app.schemas.status import Health, Replay, StatusCard
from app.serving import Serving
from app.settings import Settings
from app.versions import Versions
from app.watch import freeze, watch
from app.what_if import WhatIf
from models.tasks.registry import task_of


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that an endpoint hands a request to."""

    serving: Serving
    versions: Versions
    lifecycle: Lifecycle
    loader: Loader
    plane: Plane
    forecaster: Forecaster
    what_if: WhatIf
    batches: Batches
    queries: Queries
    body_timeout_seconds: float

    @classmethod
    def of(cls, serving: Serving, loader: Loader, settings: Settings, metrics: Metrics) -> "Desk":
        """Put it together."""
        plane, versions = Plane(serving, metrics), Versions(serving)
        return cls(
            serving=serving,
            versions=versions,
            lifecycle=Lifecycle(serving),
            loader=loader,
            plane=plane,
            forecaster=Forecaster(plane, versions),
            what_if=WhatIf(plane, versions),
            batches=Batches(plane, settings.max_batch_rows),
            queries=Queries(settings),
            body_timeout_seconds=settings.body_timeout_seconds,
        )

    @property
    def bar_models(self) -> tuple[str, ...]:
        """Models that answer from bars alone."""
        return tuple(model for model in self.serving.models if task_of(model).identity.name != "forecast")

    def models_at(self, place: str, horizon: int | None) -> tuple[str, ...]:
        """Return the models of a question to all of them: those of a horizon, or the usual one of each path.

        Price paths are asked of as many sessions as a request says, so they are of no horizon.

        Raises
        ------
        ProblemError
            No model is of that horizon; ``place`` says where it was named.

        """
        if horizon is None:
            return tuple(sharing.usual for sharing in by_path(self.serving.models).values())
        found = tuple(model for model in self.bar_models if horizon_of(model) == horizon)
        if not found:
            raise unknown_horizon(place, map(horizon_of, self.bar_models), horizon)
        return found

    def predict(self, model: str, query: BarsQuery) -> Answer:
        """Answer one question about bars by one model."""
        asked = resolve(query, self.serving.bars)
        slot = self.versions.slot(model, query.version, query.as_of or asked.as_of)
        return self.plane.predict(slot, asked, level=query.level, explain=query.explain)

    def regime_of(self, model: str, seen: Observations) -> Answer:
        """Answer from ready-made observations instead of bars."""
        return self.plane.regime_of(self.versions.slot(model, seen.version, None), seen)

    def together(self, question: BarsQuery) -> Answer:
        """Answer one question by every model of its horizon, with the contradictions between them."""
        if question.version not in {None, AT_AS_OF}:
            detail = f"expected {AT_AS_OF!r} or no version, as every model is asked; take it out"
            raise invalid("/version", detail)
        models = self.models_at("/horizon", question.horizon)
        asked = resolve(question, self.serving.bars)
        day = question.as_of or asked.as_of
        slots = {model: self.versions.slot(model, question.version, day) for model in models}
        of_bars = [slots[model] for model in models if model in self.bar_models]
        answers = self.plane.together(of_bars, asked, level=question.level, explain=question.explain)
        query = ForecastQuery(
            periods=SHORT,
            symbol=asked.symbol,
            history=asked.bars,
            regressors={},
            level=question.level,
            explain=question.explain,
        )
        for model, slot in slots.items():
            if model not in answers:
                answers[model] = self.forecaster.path(slot, asked, query)
        return {
            "symbol": asked.symbol,
            "as_of": asked.as_of,
            "answers": {model: answers[model] for model in slots},
            "coherence": flags(answers, float(asked.bars.close[-1])),
            "warnings": list(asked.warnings),
        }

    # What the health routes show

    def health(self) -> Health:
        """Return the state of every model."""
        return self.serving.health()

    def card(self) -> StatusCard:
        """Return what the status card shows."""
        return self.serving.card()

    def replay(self, model: str) -> Replay | None:
        """Replay a model's golden examples; None if there is no such model."""
        return self.serving.replay(model)


@asynccontextmanager
async def open_desk(settings: Settings, metrics: Metrics) -> AsyncIterator[Desk]:
    """Load everything before the first request."""
    serving = Serving(settings, metrics)
    serving.load()
    serving.histories.renew()
    freeze()
    loader = Loader()
    watching = asyncio.create_task(watch(serving, loader))
    try:
        yield Desk.of(serving, loader, settings, metrics)
    finally:
        watching.cancel()
        loader.close()
