"""From an exception, any exception, to one RFC 9457 answer. No other file of the service maps errors to statuses."""

import difflib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from app import problems
from app.problems import ProblemType
from app.schemas.answers import Fault, Problem
from app.tracing import REQUEST_ID
from data.errors import DataError, InvalidSymbol, NoSuchDate, OutsideCalendar, UnknownSymbol, UnreadableFile
from feature_mapper.errors import FeatureMismatch, InvalidBars
from models.errors import ArtifactError

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
MAX_FAULTS: Final = 20
MAX_ANSWER_BYTES: Final = 16 * 1024
MAX_SHOWN: Final = 40
MAX_DETAIL: Final = 2000
MAX_FAULT_DETAIL: Final = 300
MAX_POINTER: Final = 160

log = logging.getLogger(__name__)


class ProblemError(Exception):
    """A request that ends with a problem.

    ``detail`` says what was expected, what was found and what to do; ``faults`` point at places in the body.
    """

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        faults: Iterable[Fault] = (),
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.kind = kind
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})
        super().__init__(detail)

    def below(self, pointer: str) -> "ProblemError":
        """Return the same problem of a part of a larger body that lies at ``pointer``."""
        faults = (Fault(pointer=pointer + fault.pointer, detail=fault.detail) for fault in self.faults)
        return ProblemError(self.kind, self.detail, faults, headers=self.headers)


def shown(text: str, limit: int = MAX_SHOWN) -> str:
    """Return text from a request as an answer may repeat it: printable, valid UTF-8, at most ``limit`` characters."""
    cut = text if len(text) <= limit else f"{text[: limit - 3]}..."
    return "".join(char if char.isprintable() else "?" for char in cut)


def pointer(*parts: str | int) -> str:
    """Return the JSON Pointer (RFC 6901) of a place; a name that the client made up is cut to what may be repeated."""
    names = (shown(str(part)).replace("~", "~0").replace("/", "~1") for part in parts)
    return "".join(f"/{name}" for name in names)


def problem(error: ProblemError, request_id: str) -> Problem:
    """Return the body of the answer, within all bounds."""
    faults = [
        Fault(pointer=shown(fault.pointer, MAX_POINTER), detail=shown(fault.detail, MAX_FAULT_DETAIL))
        for fault in error.faults[:MAX_FAULTS]
    ]
    return Problem(
        type=error.kind.uri,
        title=error.kind.title,
        status=error.kind.status,
        detail=shown(error.detail, MAX_DETAIL),
        request_id=request_id,
        errors=faults,
    )


def encoded(error: ProblemError, request_id: str) -> bytes:
    """Return the answer's bytes, never more than `MAX_ANSWER_BYTES`."""
    body = problem(error, request_id)
    answer = msgspec.json.encode(body)
    while len(answer) > MAX_ANSWER_BYTES and body.errors:
        body = msgspec.structs.replace(body, errors=body.errors[: len(body.errors) // 2])
        answer = msgspec.json.encode(body)
    return answer


INTERNAL: Final = ProblemError(
    problems.INTERNAL_ERROR, "The service failed on this request. Report the request_id to whoever runs it."
)


def from_exception(error: Exception) -> ProblemError:
    """Return the problem of any exception; what no row of the table knows is an internal error.

    A message of the artifact or data house may hold paths of the server: it goes to the log, not to the client.
    """
    for kind, translate in _TABLE:
        if isinstance(error, kind):
            return translate(error)
    return INTERNAL


def _bars(error: Exception) -> ProblemError:
    faults = error.faults if isinstance(error, InvalidBars) else ()
    return ProblemError(
        problems.INVALID_INPUT,
        str(error),
        (Fault(pointer=pointer(*(p for p in (f.row, f.field) if p is not None)), detail=f.message) for f in faults),
    )


def _model(error: Exception) -> ProblemError:
    log.error("request %s: model unavailable: %s: %s", REQUEST_ID.get(), type(error).__name__, error)
    return ProblemError(
        problems.MODEL_UNAVAILABLE,
        "expected a model that can be loaded and trusted, found none; GET /health says which one and why",
    )


def _data(error: Exception) -> ProblemError:
    log.error("request %s: market data unavailable: %s: %s", REQUEST_ID.get(), type(error).__name__, error)
    return ProblemError(
        problems.DATA_UNAVAILABLE, "expected a stored series that can be read, found none; send the bars themselves"
    )


def _said(kind: ProblemType) -> Callable[[Exception], ProblemError]:
    """Return a row's translation for errors whose message is about the request alone."""
    return lambda error: ProblemError(kind, str(error))


def _parameters(error: Exception) -> ProblemError:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    faults = [Fault(pointer=pointer(*item["loc"]), detail=str(item["msg"])) for item in found[:MAX_FAULTS]]
    return ProblemError(problems.INVALID_INPUT, f"{len(found)} parameter(s) break a rule; see errors", faults)


def _gone(_error: Exception) -> ProblemError:
    detail = "expected the whole body, found that the client closed the connection; send it again"
    return ProblemError(problems.BAD_REQUEST, detail)


def _http(error: Exception) -> ProblemError:
    if not isinstance(error, HTTPException):
        return INTERNAL
    kind = next((k for k in problems.CATALOGUE if k.status == error.status_code), None)
    if kind is None:
        server_side = error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        kind = problems.INTERNAL_ERROR if server_side else problems.BAD_REQUEST
    return ProblemError(kind, str(error.detail), headers=error.headers)


def _itself(error: Exception) -> ProblemError:
    return error if isinstance(error, ProblemError) else INTERNAL


_TABLE: Final[tuple[tuple[type[Exception], Callable[[Exception], ProblemError]], ...]] = (
    (ProblemError, _itself),
    (InvalidBars, _bars),
    (FeatureMismatch, _model),
    (ArtifactError, _model),
    (UnreadableFile, _said(problems.CSV_UNREADABLE)),
    (InvalidSymbol, _said(problems.INVALID_INPUT)),
    (UnknownSymbol, _said(problems.UNKNOWN_SYMBOL)),
    (NoSuchDate, _said(problems.NO_SUCH_DATE)),
    (OutsideCalendar, _said(problems.NO_SUCH_DATE)),
    (DataError, _data),
    (RequestValidationError, _parameters),
    (ClientDisconnect, _gone),
    (HTTPException, _http),
)
"""The table: the first row whose class fits decides."""


def at_path(scope: Scope, error: ProblemError) -> ProblemError:
    """Say what would have worked, where the router itself found no route or no method."""
    path, routes = scope["path"], scope["app"].routes
    if error.kind is problems.NOT_FOUND and error.detail == HTTPStatus.NOT_FOUND.phrase:
        paths = sorted({known for route in routes if (known := getattr(route, "path", None))})
        near = difflib.get_close_matches(path[:200], paths, n=1)
        hint = f"did you mean {near[0]}?" if near else "GET /docs lists every path"
        return ProblemError(error.kind, f"expected a path of this service, found {shown(path)!r}; {hint}")
    if error.kind is problems.METHOD_NOT_ALLOWED:
        allowed = sorted(_methods(scope, routes))
        found = shown(scope["method"])
        detail = f"expected {' or '.join(allowed)}, found {found}; send the request with that method"
        return ProblemError(error.kind, detail, headers={"Allow": ", ".join(allowed)})
    return error


def _methods(scope: Scope, routes: Sequence[BaseRoute]) -> set[str]:
    matching = (route for route in routes if route.matches(scope)[0] is not Match.NONE)
    return {method for route in matching for method in getattr(route, "methods", None) or ()}
