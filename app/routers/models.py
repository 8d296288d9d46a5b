"""What there is: models with their evaluations and cards, versions, stored symbols."""

from typing import Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from app import problems
from app.columns import to_date
from app.operations import Operation, Parameter, json_response
from app.routers.access import desk, model_of
from app.schemas.status import ModelDetail, ModelList, ModelVersion, ModelVersions, Symbol, Symbols
from app.serving import Serving, Slot
from models.errors import ArtifactError
from models.store import ArtifactStore


async def models(request: Request) -> Response:
    """List every model with what serves of it."""
    return json_response(ModelList(models=desk(request).serving.health().models))


async def model(request: Request) -> Response:
    """Describe one model: what serves, its evaluation and its card."""
    serving = desk(request).serving
    slot = serving.slot(model_of(request))
    return json_response(await run_in_threadpool(_detail, serving, slot))


async def model_versions(request: Request) -> Response:
    """List the published versions of one model."""
    serving = desk(request).serving
    slot = serving.slot(model_of(request))
    return json_response(await run_in_threadpool(_versions, serving, slot))


async def symbols(request: Request) -> Response:
    """List the stored histories."""
    store = desk(request).serving.bars
    return json_response(
        Symbols(
            symbols=[
                Symbol(
                    symbol=info.symbol,
                    name=info.name,
                    calendar=info.calendar,
                    bars=info.bars,
                    first=to_date(info.first),
                    last=to_date(info.last),
                    adjustment=info.adjustment.value,
                    source=info.source,
                    volume=store.bars(info.symbol).volume is not None,
                )
                for info in store.symbols()
            ]
        )
    )


def _detail(serving: Serving, slot: Slot) -> ModelDetail:
    health = next(entry for entry in serving.health().models if entry.model == slot.model)
    if slot.loaded is None:
        return ModelDetail(health=health, manifest=None, evaluation=None, card=None)
    files = serving.store.read(slot.model, slot.loaded.version).files
    return ModelDetail(
        health=health,
        manifest=slot.loaded.manifest,
        evaluation=msgspec.Raw(files["evaluation.json"]),
        card=files["card.md"].decode(),
    )


def _versions(serving: Serving, slot: Slot) -> ModelVersions:
    store, model = serving.store, slot.model
    return ModelVersions(
        versions=[
            ModelVersion(
                model=model,
                version=info.version,
                created=info.published,
                state=info.state,
                serves=slot.loaded is not None and slot.loaded.version == info.version,
                verdict=_verdict(store, model, info.version),
                quarantine=None if info.quarantine is None else info.quarantine.replace(f"{store.root}/", ""),
            )
            for info in store.versions(model)
        ]
    )


def _verdict(store: ArtifactStore, model: str, version: str) -> str:
    try:
        return store.manifest(model, version).gate.reason
    except ArtifactError as error:
        return f"unknown: {error.slug}"


MODEL: Final = Parameter(
    name="model",
    place="path",
    description="Name of the model.",
    example="lightgbm_direction",
    schema={"type": "string"},
)

_REFUSALS: Final = (problems.UNKNOWN_MODEL, problems.MODEL_UNAVAILABLE, problems.NOT_READY)

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/models",
        endpoint=models,
        summary="Every model",
        tag="models",
        answer=ModelList,
        problems=(problems.NOT_READY,),
    ),
    Operation(
        method="GET",
        path="/models/{model}",
        endpoint=model,
        summary="One model: manifest, evaluation, card",
        tag="models",
        answer=ModelDetail,
        parameters=(MODEL,),
        problems=_REFUSALS,
    ),
    Operation(
        method="GET",
        path="/models/{model}/versions",
        endpoint=model_versions,
        summary="Published versions of one model",
        tag="models",
        answer=ModelVersions,
        parameters=(MODEL,),
        problems=_REFUSALS,
    ),
    Operation(
        method="GET",
        path="/symbols",
        endpoint=symbols,
        summary="Stored histories",
        tag="data",
        answer=Symbols,
        problems=(problems.NOT_READY, problems.DATA_UNAVAILABLE),
    ),
)
