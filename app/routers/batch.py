"""Batches: CSV or JSON in, CSV or JSON out."""

import asyncio
from typing import Final, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app import problems
from app.batch_csv import as_csv
from app.columns import invalid
from app.decoding import read_body, require_json
from app.desk import Desk
from app.errors import ProblemError, shown
from app.operations import JSON, Body, Operation, Parameter
from app.routers.access import desk, require_query
from app.schemas import forms
from app.schemas.batch import BatchAnswer
from app.schemas.requests import AskedLevel, BatchRequest, Horizon

CSV: Final = "text/csv"
MULTIPART: Final = "multipart/form-data"
MAX_FIELDS: Final = 8

N = TypeVar("N", int, float)

_ENCODE: Final = msgspec.json.Encoder().encode


async def predict_batch(request: Request) -> Response:
    """Answer each row of a file, or each item, by itself."""
    at = desk(request)
    models, wants_csv, level = _models(request, at), _wants_csv(request), _number(request, "level", AskedLevel)
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    request_id = request.scope["state"]["request_id"]
    if media in {CSV, MULTIPART}:
        data = await (_uploaded if media == MULTIPART else read_body)(request, at.body_timeout_seconds)
        symbol = request.query_params.get("symbol")
        answer = await run_in_threadpool(at.batches.table, data, models, symbol, request_id, level)
    else:
        require_json(request)
        queries = at.queries.batch(await read_body(request, at.body_timeout_seconds))
        answer = await run_in_threadpool(at.batches.items, queries, models, request_id, level)
    if wants_csv:
        return Response(await run_in_threadpool(as_csv, answer), media_type=CSV)
    return Response(await run_in_threadpool(_ENCODE, answer), media_type=JSON)


async def predict_batch_alias(request: Request) -> Response:
    """Do as `predict_batch`, under the name that other services use."""
    return await predict_batch(request)


def _models(request: Request, at: Desk) -> tuple[str, ...]:
    """Return the models that the query names, by name or by horizon; if by neither, the usual one of each path."""
    require_query(request, {parameter.name for parameter in _PARAMETERS})
    horizon = _number(request, "horizon", Horizon)
    names = [name for value in request.query_params.getlist("model") for name in value.split(",") if name]
    for name in names:
        if name not in at.bar_models:
            detail = f"expected models of bars ({', '.join(at.bar_models)}), found {shown(name)!r}"
            raise ProblemError(problems.UNKNOWN_MODEL, detail)
    if names and horizon is not None:
        detail = "expected models or a horizon, found both; a model's name tells its horizon"
        raise invalid("", f"{detail}: take the horizon out of the query")
    return tuple(dict.fromkeys(names)) or tuple(filter(at.bar_models.__contains__, at.models_at("", horizon)))


async def _uploaded(request: Request, timeout_seconds: float) -> bytes:
    """Return the file of a multipart form."""
    try:
        async with asyncio.timeout(timeout_seconds), request.form(max_files=1, max_fields=MAX_FIELDS) as form:
            files = [value for value in form.values() if isinstance(value, UploadFile)]
            if len(files) != 1:
                detail = f"expected one file in the form, found {len(files)}; with curl: -F file=@bars.csv"
                raise ProblemError(problems.BAD_REQUEST, detail)
            return await files[0].read()
    except TimeoutError:
        detail = f"expected the whole form within {timeout_seconds:g} s, found it unfinished; send it again"
        raise ProblemError(problems.REQUEST_TIMEOUT, detail, headers={"Connection": "close"}) from None
    except HTTPException as error:
        detail = f"expected a multipart form with one file, found: {shown(str(error.detail))}"
        raise ProblemError(problems.BAD_REQUEST, f"{detail}; with curl: -F file=@bars.csv") from None


def _wants_csv(request: Request) -> bool:
    wanted = request.query_params.get("format", "")
    if wanted not in {"", "csv", "json"}:
        raise invalid("", f"expected format csv or json, found {shown(wanted)!r}")
    return wanted == "csv" or (not wanted and CSV in request.headers.get("accept", ""))


def _number(request: Request, name: str, kind: type[N]) -> N | None:
    """Return a number that the query names, checked as one of a body is."""
    wanted = request.query_params.get(name)
    if wanted is None:
        return None
    try:
        return msgspec.convert(wanted, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid("", f"expected {_NUMBERS[name]}, found {shown(wanted)!r}; correct the query") from error


_NUMBERS: Final = {"level": "a level from 0.5 to 0.99", "horizon": "a horizon in sessions, 1 or more"}
"""What the query's numbers are, as answers say it."""


_FILE: Final = {"type": "string", "format": "binary", "description": "A CSV file of bars; see the data guide."}

_BODY: Final = Body(
    struct=BatchRequest,
    examples={"items": {"items": [forms.FLAT_BAR, {"symbol": "AAPL"}]}},
    also={
        CSV: {"type": "string"},
        MULTIPART: {"type": "object", "properties": {"file": _FILE}, "required": ["file"]},
    },
)

_PARAMETERS: Final = (
    Parameter(
        name="model",
        place="query",
        description="Models to ask, by comma; if left out, all that answer from bars, of each path the usual one.",
        example="lightgbm_direction",
        schema={"type": "string"},
    ),
    Parameter(
        name="format",
        place="query",
        description="Form of the answer; the header Accept decides if left out.",
        example="json",
        schema={"type": "string", "enum": ["json", "csv"]},
    ),
    Parameter(
        name="symbol",
        place="query",
        description="Which symbol of the file is meant, or what its rows are of.",
        example="AAPL",
        schema={"type": "string"},
    ),
    Parameter(
        name="level",
        place="query",
        description="Share of outcomes that intervals shall hold, of items too that name none.",
        example="0.5",
        schema={"type": "number", "minimum": 0.5, "maximum": 0.99},
    ),
    Parameter(
        name="horizon",
        place="query",
        description="Exchange sessions ahead: asks all models of that horizon, and no others.",
        example="5",
        schema={"type": "integer", "minimum": 1},
    ),
)

_REFUSALS: Final = (
    problems.BAD_REQUEST,
    problems.UNKNOWN_MODEL,
    problems.UNKNOWN_SYMBOL,
    problems.CSV_UNREADABLE,
    problems.MODEL_UNAVAILABLE,
    problems.NOT_READY,
)

OPERATIONS: Final = tuple(
    Operation(
        method="POST",
        path=path,
        endpoint=endpoint,
        summary=summary,
        description="Each row of a file is answered as of that row, exactly as the single route would answer the rows "
        "of its symbol in the file up to it; each item as the single route would. A wrong one is reported and harms "
        "no other.",
        tag="batch",
        answer=BatchAnswer,
        media=(JSON, CSV),
        body=_BODY,
        parameters=_PARAMETERS,
        problems=_REFUSALS,
    )
    for path, endpoint, summary in (
        ("/predict/batch", predict_batch, "Many rows or items"),
        ("/predict_batch", predict_batch_alias, "Many rows or items (alias)"),
    )
)
