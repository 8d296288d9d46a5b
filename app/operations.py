"""An operation of the HTTP interface, as data: what it takes, what it answers, and who may call it.

Routing, the OpenAPI document and the list of open paths all come from these declarations. Endpoints are plain
Starlette functions from request to response: what FastAPI's own routes do for each request (dependency solving,
pydantic) costs as much as decoding 260 bars.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Literal, TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route, Router
from starlette.types import Receive, Scope, Send

from app import problems
from app.errors import ProblemError
from app.problems import ProblemType
from app.schemas.forms import Form
from models.typing import Json, JsonObject

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

JSON: Final = "application/json"
HTML: Final = "text/html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a POST takes.

    Attributes
    ----------
    struct : type of msgspec.Struct
        Declares the JSON body.
    forms : tuple of Form
        Which fields go together; empty: as the struct says.
    examples : mapping of str to JSON
        Bodies by name that are answered with success as they are.
    also : mapping of str to JSON schema
        Further media types, such as ``text/csv``.

    """

    struct: type[msgspec.Struct]
    forms: tuple[Form, ...] = ()
    examples: Mapping[str, JsonObject]
    also: Mapping[str, JsonObject] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of the path or the query, always text; ``example`` is one that is answered with success."""

    name: str
    place: Literal["path", "query"]
    description: str
    example: str
    schema: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path.

    Attributes
    ----------
    answer : type or None
        Struct of the JSON answer; None where ``media`` is something else.
    problems : tuple of ProblemType
        Problems of its own; those that any operation can have are added by `app.openapi`.
    open : bool
        Answered without the API key.
    admin : bool
        Answered to the admin key only.

    """

    method: Literal["GET", "POST"]
    path: str
    endpoint: Endpoint
    summary: str
    tag: str
    answer: type[msgspec.Struct] | None
    media: tuple[str, ...] = (JSON,)
    description: str = ""
    body: Body | None = None
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[ProblemType, ...] = ()
    open: bool = False
    admin: bool = False

    def route(self) -> Route:
        """Return the route that serves it."""
        endpoint = _for_admin(self.endpoint) if self.admin else self.endpoint
        return _Route(self, endpoint)


def _for_admin(endpoint: Endpoint) -> Endpoint:
    """Answer nobody but a caller that the boundary knows for an admin."""

    async def guarded(request: Request) -> Response:
        if not request.scope["state"].get("admin", False):
            raise _ADMIN_OFF if request.app.state.settings.admin_key is None else _NO_ADMIN
        return await endpoint(request)

    return guarded


_ADMIN_OFF: Final = ProblemError(
    problems.ADMIN_ONLY,
    "expected a service that was started with BARCAST_ADMIN_KEY, found one without; set it where the service runs, or "
    "use the command line there: barcast promote, barcast rollback",
)
_NO_ADMIN: Final = ProblemError(
    problems.ADMIN_ONLY,
    "expected the admin key, found none or another key; send it as header X-API-Key, or Authorization: Bearer",
)


class _Route(Route):
    """A route that leaves itself in the scope, where the boundary finds the template to count by.

    Errors are answered by the boundary, once: Starlette's own routes catch them a second time.
    """

    def __init__(self, operation: Operation, endpoint: Endpoint) -> None:
        super().__init__(operation.path, endpoint, methods=[operation.method], name=operation.endpoint.__name__)

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            response = await endpoint(Request(scope, receive, send))
            await response(scope, receive, send)

        self.app = answer

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["path"] != self.path and not (self.param_convertors or scope.get("root_path")):
            return Match.NONE, {}  # what most routes say of a request, without a regular expression
        match, found = super().matches(scope)
        if match is not Match.NONE:
            found["route"] = self
        return match, found


class Switch:
    """In front of a router: takes requests whose path has no variable part straight to their route.

    A router asks one route after the other, and copies what each of them found.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._straight = {
            (method, route.path): route
            for route in reversed(router.routes)  # of two that take the same request the first has it, as with a router
            if isinstance(route, _Route) and not route.param_convertors
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = None if scope.get("root_path") else self._straight.get((scope.get("method", ""), scope.get("path", "")))
        if route is None:
            await self._router(scope, receive, send)
        else:
            scope["route"] = route
            scope["path_params"] = {}
            await route.app(scope, receive, send)


_ENCODER: Final = msgspec.json.Encoder()


class _Json(Response):
    """JSON whose headers are given in the form in which they leave."""

    def __init__(self, body: bytes, status: HTTPStatus, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", JSON.encode()), *headers]


def json_response(answer: object, *headers: tuple[bytes, bytes], status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return an answer as JSON; names of further headers are in lower case."""
    return _Json(_ENCODER.encode(answer), status, headers)
