"""What people and machines read about the service: documentation, problem pages, OpenAPI document, metrics."""

from http import HTTPStatus
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from app import problems
from app.errors import ProblemError, shown
from app.metrics import MEDIA_TYPE, Metrics
from app.operations import HTML, JSON, Operation, Parameter
from app.ui import assets, pages


async def problem_list(_request: Request) -> Response:
    """List every problem type."""
    return Response(pages.problem_list_page(), media_type=HTML)


async def problem_page(request: Request) -> Response:
    """Explain one problem type."""
    slug = request.path_params["slug"]
    kind = problems.problem_type(slug)
    if kind is None:
        detail = f"expected the slug of a problem, found {shown(slug)!r}; GET /problems lists them"
        raise ProblemError(problems.NOT_FOUND, detail)
    return Response(pages.problem_page(kind), media_type=HTML)


async def openapi_document(request: Request) -> Response:
    """Return the OpenAPI document."""
    return Response(msgspec.json.encode(request.app.openapi()), media_type=JSON)


async def metrics(request: Request) -> Response:
    """Return all metrics."""
    counted: Metrics = request.app.state.metrics
    return Response(counted.render(), media_type=MEDIA_TYPE)


async def docs_page(_request: Request) -> Response:
    """Return the interactive page."""
    return Response(pages.docs_page(), media_type=HTML)


async def docs_asset(request: Request) -> Response:
    """Return a file of the pages; looked up by name in a closed list, so no path is ever made of it."""
    name = request.path_params["name"]
    asset = assets.find(name)
    if asset is None:
        raise ProblemError(problems.NOT_FOUND, f"expected the name of an asset, found {shown(name)!r}; see /docs")
    headers = {"Cache-Control": "no-cache", "ETag": asset.etag, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == asset.etag:
        return Response(None, HTTPStatus.NOT_MODIFIED, headers)
    if asset.gzipped and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.stored(), headers={**headers, "Content-Encoding": "gzip"}, media_type=asset.media_type)
    return Response(asset.content(), headers=headers, media_type=asset.media_type)


_SLUG: Final = Parameter(
    name="slug", place="path", description="Slug of a problem type.", example="invalid-input", schema={"type": "string"}
)
_NAME: Final = Parameter(
    name="name", place="path", description="Name of a file.", example="page.css", schema={"type": "string"}
)

OPERATIONS: Final = (
    Operation(
        method="GET", path="/problems", endpoint=problem_list, summary="Every problem type", tag="about",
        answer=None, media=(HTML,), open=True,
    ),
    Operation(
        method="GET", path="/problems/{slug}", endpoint=problem_page, summary="One problem type", tag="about",
        answer=None, media=(HTML,), parameters=(_SLUG,), problems=(problems.NOT_FOUND,), open=True,
    ),
    Operation(
        method="GET", path="/openapi.json", endpoint=openapi_document, summary="This document", tag="about",
        answer=None, media=(JSON,), open=True,
    ),
    Operation(
        method="GET", path="/metrics", endpoint=metrics, summary="Prometheus metrics", tag="about",
        answer=None, media=("text/plain",),
    ),
)  # fmt: skip

DOCS_OPERATIONS: Final = (
    Operation(
        method="GET", path="/docs", endpoint=docs_page, summary="Interactive documentation", tag="about",
        answer=None, media=(HTML,), open=True,
    ),
)  # fmt: skip
"""Served where the setting ``docs`` is on."""

ASSET_OPERATIONS: Final = (
    Operation(
        method="GET", path="/docs/assets/{name}", endpoint=docs_asset, summary="File of a page", tag="about",
        answer=None, media=("text/css", "text/javascript"), parameters=(_NAME,), problems=(problems.NOT_FOUND,),
        open=True,
    ),
)  # fmt: skip
"""Files that the pages need: the style sheet of every page among them."""
