"""Answers about the service itself: status card, health, readiness, models, symbols."""

import datetime as dt
from typing import Annotated, Any, Literal

from msgspec import Meta

from app.schemas.answers import Model, Skill, Struct, Version
from models.manifest import Manifest

ModelCondition = Literal["serving", "missing", "corrupt", "incompatible", "uncertified", "quarantined", "failed"]
"""``missing``: nothing was promoted. ``corrupt``: the files are not those that were published. ``incompatible``: they
are, and this installation can't use them or answers otherwise. ``uncertified``: no audit vouches for them.
``quarantined``: by a person. ``failed``: the store or the machine did."""


class Alive(Struct, frozen=True):
    """The process answers."""

    status: Annotated[
        Literal["alive"], Meta(description="Always `alive`: liveness depends on no model, disk or network.")
    ]


class ModelHealth(Struct, frozen=True):
    """One model and the version that serves."""

    model: Model
    task: Annotated[str, Meta(description="Question that the model answers.", examples=["direction"])]
    path: Annotated[str, Meta(description="Where to ask it.", examples=["/predict/direction"])]
    horizon: Annotated[
        int,
        Meta(description="Sessions ahead, as `horizon` of a request; of a price path, of its first step.", ge=1),
    ]
    state: Annotated[
        ModelCondition, Meta(description="Anything but `serving` is answered by fallback, or 503 if strict.")
    ]
    version: Annotated[str | None, Meta(description="Version that serves; null if none does.")]
    trained_to: Annotated[dt.date | None, Meta(description="Last session that the version was trained on.")]
    reason: Annotated[str | None, Meta(description="What is wrong and what to do; null if it serves.")]
    skill: Annotated[Skill | None, Meta(description="Measured worth of its best predictor.")]


class Health(Struct, frozen=True):
    """All models, and whether the service as a whole is what it should be."""

    status: Annotated[
        Literal["ok", "degraded", "unavailable"],
        Meta(description="ok: every model serves what was promoted; degraded: some do not; unavailable: none serves."),
    ]
    version: Annotated[str, Meta(description="Version of the service.")]
    strict: Annotated[bool, Meta(description="Whether 503 is answered where a model can't.")]
    models: list[ModelHealth]


class Ready(Struct, frozen=True):
    """The service takes traffic. A service that is not ready answers with a problem of status 503."""

    status: Literal["ready"]
    models: Annotated[int, Meta(description="Models that serve.", ge=1)]


class Replay(Struct, frozen=True):
    """Outcome of replaying a model's golden examples now."""

    model: Model
    version: Version
    examples: Annotated[int, Meta(description="Golden examples replayed.", ge=1)]
    identical: Annotated[bool, Meta(description="Whether every answer was the recorded one.")]
    seconds: Annotated[float, Meta(description="Time taken.")]


class Symbol(Struct, frozen=True):
    """One stored history."""

    symbol: Annotated[str, Meta(description="Name to ask with.", examples=["AAPL"])]
    name: Annotated[str, Meta(description="What it is.")]
    calendar: Annotated[str, Meta(description="Exchange calendar that it follows.", examples=["XNYS"])]
    bars: Annotated[int, Meta(description="Sessions stored.")]
    first: Annotated[dt.date, Meta(description="First session.")]
    last: Annotated[dt.date, Meta(description="Last session, the latest as_of.")]
    adjustment: Annotated[str, Meta(description="What prices are freed of.", examples=["split+dividend"])]
    source: Annotated[str, Meta(description="Where it came from.", examples=["sample"])]
    volume: Annotated[bool, Meta(description="Whether volumes are stored.")]


class Symbols(Struct, frozen=True):
    """Every stored history."""

    symbols: list[Symbol]


class ModelList(Struct, frozen=True):
    """Every model that has a route."""

    models: list[ModelHealth]


class ModelDetail(Struct, frozen=True):
    """One model: what serves, how it was made and judged."""

    health: ModelHealth
    manifest: Annotated[Manifest | None, Meta(description="Manifest of the version that serves; null if none does.")]
    evaluation: Annotated[Any, Meta(description="Content of evaluation.json.")]  # Any: each task has its own figures
    card: Annotated[str | None, Meta(description="The model card, Markdown.")]


class ModelVersion(Struct, frozen=True):
    """One published version of a model."""

    model: Model
    version: Version
    created: Annotated[dt.datetime, Meta(description="When it was published, UTC.")]
    state: Annotated[str, Meta(description="candidate, champion, archived or quarantined.", examples=["champion"])]
    serves: Annotated[bool, Meta(description="Whether this process answers with it.")]
    verdict: Annotated[str, Meta(description="What the promotion gate said.")]
    quarantine: Annotated[str | None, Meta(description="Why it is refused; null if it is not.")]


class ModelVersions(Struct, frozen=True):
    """The published versions of a model, oldest first."""

    versions: list[ModelVersion]


class Promotion(Struct, frozen=True):
    """What a promotion, a rollback or a reload led to."""

    model: Model
    version: Annotated[str | None, Meta(description="Version that is to serve; null if nothing was promoted yet.")]
    before: Annotated[str | None, Meta(description="Version that served before the request.")]
    why: Annotated[str, Meta(description="What the ledger says about it.")]
    serves: Annotated[
        bool, Meta(description="Whether this process answers with it by now; the others follow within 2 s.")
    ]
    reason: Annotated[str | None, Meta(description="Why it does not serve here; null if it does.")]


class StatusCard(Struct, frozen=True):
    """What `GET /` shows: is it working, what does it know, where to go."""

    health: Health
    symbols: Annotated[int, Meta(description="Histories stored.")]
    data_to: Annotated[dt.date | None, Meta(description="Last session stored, over all symbols.")]
