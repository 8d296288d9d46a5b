"""Promote, roll back, reload, for whoever holds the admin key."""

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app import problems
from app.decoding import JsonDecoder, read_body, require_json
from app.desk import Desk
from app.operations import Body, Operation, json_response
from app.routers.access import desk, model_of, require_query
from app.routers.models import MODEL
from app.schemas.requests import PromoteRequest, ReloadRequest, RollbackRequest
from app.schemas.status import Promotion

_PROMOTE: Final = JsonDecoder(PromoteRequest)
_ROLLBACK: Final = JsonDecoder(RollbackRequest)
_RELOAD: Final = JsonDecoder(ReloadRequest)


async def promote(request: Request) -> Response:
    """Let a version serve."""
    at, model = desk(request), model_of(request)
    asked = _PROMOTE(await _json(request))
    return await _done(at, lambda: at.lifecycle.promote(model, asked))


async def rollback(request: Request) -> Response:
    """Let the version serve that served before."""
    at, model = desk(request), model_of(request)
    asked = _ROLLBACK(await _json(request))
    return await _done(at, lambda: at.lifecycle.rollback(model, asked))


async def reload(request: Request) -> Response:
    """Load what is promoted again."""
    at, model = desk(request), model_of(request)
    _RELOAD(await _json(request))
    return await _done(at, lambda: at.lifecycle.reload(model))


async def _json(request: Request) -> bytes:
    require_query(request)
    require_json(request)
    return await read_body(request, desk(request).body_timeout_seconds)


async def _done(at: Desk, change: Callable[[], Promotion]) -> Response:
    return json_response(await at.loader.run(change))


_COMMON: Final = (problems.UNKNOWN_MODEL, problems.NOT_READY, problems.STORE_UNAVAILABLE)

OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/models/{model}/promote",
        endpoint=promote,
        summary="Let a version serve",
        description="The version is loaded and its golden examples are replayed first. Every worker serves it within "
        "2 s. A version that the gate kept as a candidate needs `anyway`.",
        tag="lifecycle",
        answer=Promotion,
        body=Body(struct=PromoteRequest, examples={"the first version": {"version": "v000001", "why": "a rehearsal"}}),
        parameters=(MODEL,),
        problems=(*_COMMON, problems.UNKNOWN_VERSION, problems.GATE_SAID_NO, problems.PROMOTION_CONFLICT),
        admin=True,
    ),
    Operation(
        method="POST",
        path="/models/{model}/rollback",
        endpoint=rollback,
        summary="Let the version serve that served before",
        description="A rollback takes back what it undid: after 1, 2, 3 and two rollbacks, 1 serves. The version is "
        "loaded and its golden examples are replayed first. With `instead_of`, a rollback that is sent twice is made "
        "once.",
        tag="lifecycle",
        answer=Promotion,
        body=Body(struct=RollbackRequest, examples={}),
        parameters=(MODEL,),
        problems=(*_COMMON, problems.PROMOTION_CONFLICT),
        admin=True,
    ),
    Operation(
        method="POST",
        path="/models/{model}/reload",
        endpoint=reload,
        summary="Load what is promoted again",
        description="The worker that answers has done so by then; the others do within a second, where the store can "
        "be written. A promotion needs no reload; a version that was released from its quarantine does.",
        tag="lifecycle",
        answer=Promotion,
        body=Body(struct=ReloadRequest, examples={"no words": {}}),
        parameters=(MODEL,),
        problems=_COMMON,
        admin=True,
    ),
)
