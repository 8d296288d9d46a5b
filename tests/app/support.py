"""An application with routes that show what the decoders understood, and a client that needs no socket."""

import asyncio
from collections.abc import Mapping
from datetime import date
from typing import Any

import httpx2
import msgspec
import numpy as np
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from app.decoding import read_body, require_json
from app.main import OpenServing, Service, create_shell
from app.operations import Body, Operation, json_response
from app.queries import BarsQuery, Observations, Queries
from app.schemas import forms
from app.schemas.answers import Problem
from app.schemas.requests import BatchRequest, ForecastRequest, PredictRequest, RegimeRequest
from app.settings import Settings
from feature_mapper.bars import Bars

JSON_HEADERS = {"Content-Type": "application/json"}


class Understood(msgspec.Struct, frozen=True):
    """What a decoder made of a body."""

    bars: int
    close: float | None
    last: str | None
    volume: float | None
    symbol: str | None
    as_of: date | None


class Items(msgspec.Struct, frozen=True):
    """What the batch decoder made of each item: bars, or the pointer of its first fault."""

    items: list[int | str]


def understood(bars: Bars | None, symbol: str | None, as_of: date | None = None) -> Understood:
    """Describe a query; a volume of NaN is null."""
    if bars is None:
        return Understood(0, None, None, None, symbol, as_of)
    volume = None if bars.volume is None or np.isnan(bars.volume[-1]) else float(bars.volume[-1])
    last = None if bars.date is None else str(bars.date[-1])
    return Understood(len(bars), float(bars.close[-1]), last, volume, bars.symbol, as_of)


async def body(request: Request) -> bytes:
    """Read a JSON body as routers do."""
    require_json(request)
    return await read_body(request, request.app.state.settings.body_timeout_seconds)


async def predict(request: Request) -> Response:
    """Show a query of `/predict/*`."""
    queries: Queries = request.app.state.queries
    query = queries.predict(await body(request))
    return json_response(understood(query.bars, query.symbol, query.as_of))


async def regime(request: Request) -> Response:
    """Show a query of `/predict/regime`."""
    queries: Queries = request.app.state.queries
    query = queries.regime(await body(request))
    if isinstance(query, Observations):
        return json_response(Understood(len(query.returns), None, None, None, query.symbol, None))
    return json_response(understood(query.bars, query.symbol, query.as_of))


async def forecast(request: Request) -> Response:
    """Show a query of `/forecast/price`."""
    queries: Queries = request.app.state.queries
    query = queries.forecast(await body(request))
    return json_response(understood(query.history, query.symbol))


async def batch(request: Request) -> Response:
    """Show the items of a batch."""
    queries: Queries = request.app.state.queries
    items = queries.batch(await body(request))
    return json_response(
        Items(
            [
                (0 if item.bars is None else len(item.bars)) if isinstance(item, BarsQuery) else item.faults[0].pointer
                for item in items
            ]
        )
    )


async def fail(_request: Request) -> Response:
    """Fail as no route should."""
    raise RuntimeError("the secret of /srv/private")


async def ignore(_request: Request) -> Response:
    """Answer without a look at the body."""
    return json_response(Items([]))


def examples(chosen: tuple[forms.Form, ...]) -> dict[str, forms.Body]:
    """Gather the examples of forms."""
    return {name: example for form in chosen for name, example in form.examples.items()}


OPERATIONS = (
    Operation(
        method="POST",
        path="/probe/predict",
        endpoint=predict,
        summary="Say what was understood",
        tag="probe",
        answer=Understood,
        body=Body(struct=PredictRequest, forms=forms.PREDICT_FORMS, examples=examples(forms.PREDICT_FORMS)),
    ),
    Operation(
        method="POST",
        path="/probe/regime",
        endpoint=regime,
        summary="Say what was understood",
        tag="probe",
        answer=Understood,
        body=Body(struct=RegimeRequest, forms=forms.REGIME_FORMS, examples=examples(forms.REGIME_FORMS)),
    ),
    Operation(
        method="POST",
        path="/probe/forecast",
        endpoint=forecast,
        summary="Say what was understood",
        tag="probe",
        answer=Understood,
        body=Body(struct=ForecastRequest, examples=forms.FORECAST_EXAMPLES),
    ),
    Operation(
        method="POST",
        path="/probe/batch",
        endpoint=batch,
        summary="Say what was understood",
        tag="probe",
        answer=Items,
        body=Body(struct=BatchRequest, examples={"two": {"items": [forms.FLAT_BAR, {"symbol": "AAPL"}]}}),
    ),
    Operation(method="GET", path="/probe/fail", endpoint=fail, summary="Fail", tag="probe", answer=Items),
    Operation(
        method="POST",
        path="/probe/ignore",
        endpoint=ignore,
        summary="Ignore the body",
        tag="probe",
        answer=Items,
        body=Body(struct=BatchRequest, examples={"one": {"items": [forms.FLAT_BAR]}}),
    ),
)


def make_app(settings: Settings | None = None, open_serving: OpenServing | None = None) -> Service:
    """Make the application with the probing routes, apart from the environment of whoever runs the tests."""
    settings = Settings.model_construct(**_defaults()) if settings is None else settings
    return create_shell(settings, operations=OPERATIONS, open_serving=open_serving)


def make_settings(**changed: Any) -> Settings:
    """Make settings from the defaults and these changes."""
    return Settings.model_construct(**{**_defaults(), **changed})


def _defaults() -> dict[str, Any]:
    return {name: field.get_default() for name, field in Settings.model_fields.items()}


def call(
    app: FastAPI,
    method: str,
    path: str,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    base_url: str = "http://127.0.0.1:8000",
) -> httpx2.Response:
    """Send one request to the application, in this process; what escapes it would fail the test."""

    async def send() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url=base_url) as client,
        ):
            return await client.request(method, path, content=content, headers=dict(headers or {}))

    return asyncio.run(send())


def post(app: FastAPI, path: str, content: bytes | object) -> httpx2.Response:
    """Post a JSON body; what is not bytes is encoded."""
    raw = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return call(app, "POST", path, raw, JSON_HEADERS)


def problem_of(response: httpx2.Response) -> Problem:
    """Return the problem of an answer, which must be one in every respect."""
    assert response.headers["content-type"] == "application/problem+json"
    assert len(response.content) <= 16 * 1024
    problem = msgspec.json.decode(response.content.decode("utf-8", "strict"), type=Problem)
    assert problem.status == response.status_code
    assert problem.type.startswith("/problems/")
    assert problem.request_id == response.headers["x-request-id"]
    assert problem.detail
    return problem
