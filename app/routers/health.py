"""Is it alive, is it ready, what serves? And the card at `/`."""

from http import HTTPStatus
from typing import Final, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from app import problems
from app.errors import ProblemError, shown
from app.operations import HTML, JSON, Operation, Parameter, json_response
from app.schemas.status import Alive, Health, Ready, Replay, StatusCard
from app.ui import pages


class ServingView(Protocol):
    """What the health routes need to know of what serves; none of it but `replay` may block."""

    def health(self) -> Health:
        """Return the state of every model."""
        ...

    def card(self) -> StatusCard:
        """Return what the status card shows."""
        ...

    def replay(self, model: str) -> Replay | None:
        """Replay a model's golden examples, which takes a while; None if there is no such model.

        Raises
        ------
        ProblemError, ArtifactError
            The model does not serve, or does not answer as it did when it was published.

        """
        ...


async def livez(_request: Request) -> Response:
    """Answer, and that is all: liveness depends on no model, no disk and no network."""
    return json_response(Alive(status="alive"))


async def readyz(request: Request) -> Response:
    """Tell whether to send traffic here."""
    health = serving(request).health()
    count = sum(model.state == "serving" for model in health.models)
    if count == 0:
        detail = "expected at least one model that serves, found none; GET /health says why"
        raise ProblemError(problems.NOT_READY, detail, headers={"Retry-After": "5"})
    return json_response(Ready(status="ready", models=count))


async def health(request: Request) -> Response:
    """Return the state of every model; 200 as long as one serves."""
    found = serving(request).health()
    unavailable = found.status == "unavailable"
    return json_response(found, status=HTTPStatus.SERVICE_UNAVAILABLE if unavailable else HTTPStatus.OK)


async def health_with_slash(request: Request) -> Response:
    """Do as `health`, for probes that are set up with a slash at the end."""
    return await health(request)


async def model_health(request: Request) -> Response:
    """Replay one model's golden examples now."""
    name = request.path_params["model"]
    replay = await run_in_threadpool(serving(request).replay, name)
    if replay is None:
        detail = f"expected the name of a model, found {shown(name)!r}; GET /health lists them"
        raise ProblemError(problems.UNKNOWN_MODEL, detail)
    return json_response(replay)


async def status_card(request: Request) -> Response:
    """Return the card: a page for browsers, JSON for everyone else."""
    card = serving(request).card()
    if HTML in request.headers.get("accept", ""):
        return Response(pages.status_page(card), media_type=HTML, headers={"Vary": "Accept"})
    response = json_response(card)
    response.headers["Vary"] = "Accept"
    return response


def serving(request: Request) -> ServingView:
    """Return what serves; raises ``ProblemError`` not-ready while nothing does yet."""
    view: ServingView | None = getattr(request.app.state, "serving", None)
    if view is None:
        detail = "expected a service that has started, found one that loads or stops; ask again in a moment"
        raise ProblemError(problems.NOT_READY, detail, headers={"Retry-After": "1"})
    return view


_MODEL: Final = Parameter(
    name="model",
    place="path",
    description="Name of the model.",
    example="lightgbm_direction",
    schema={"type": "string"},
)

OPERATIONS: Final = (
    Operation(
        method="GET", path="/", endpoint=status_card, summary="Status card", tag="status", answer=StatusCard,
        media=(JSON, HTML), problems=(problems.NOT_READY,), open=True,
    ),
    Operation(
        method="GET", path="/livez", endpoint=livez, summary="Liveness", tag="status", answer=Alive, open=True,
    ),
    Operation(
        method="GET", path="/readyz", endpoint=readyz, summary="Readiness", tag="status", answer=Ready,
        problems=(problems.NOT_READY,), open=True,
    ),
    Operation(
        method="GET", path="/health", endpoint=health, summary="Health of every model", tag="status", answer=Health,
        problems=(problems.NOT_READY,), open=True,
    ),
    Operation(
        method="GET", path="/health/", endpoint=health_with_slash, summary="Health of every model", tag="status",
        answer=Health, problems=(problems.NOT_READY,), open=True,
    ),
    Operation(
        method="GET", path="/health/models/{model}", endpoint=model_health, summary="Golden replay of one model",
        tag="status", answer=Replay, parameters=(_MODEL,), open=True,
        problems=(problems.UNKNOWN_MODEL, problems.MODEL_UNAVAILABLE, problems.NOT_READY),
    ),
)  # fmt: skip
