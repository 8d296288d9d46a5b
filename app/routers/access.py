"""Where the routes of this package find the desk."""

from collections.abc import Collection

from starlette.requests import Request

from app import problems
from app.desk import Desk
from app.errors import ProblemError, shown
from app.routers.health import serving


def require_query(request: Request, known: Collection[str] = ()) -> None:
    """Refuse query parameters that a route does not know: ignored, a mistyped one would change the answer in silence.

    Raises
    ------
    ProblemError
        unknown-field.

    """
    if not request.scope["query_string"]:
        return
    for name in request.query_params:
        if name not in known:
            allowed = ", ".join(sorted(known)) or "none"
            detail = f"expected query parameters of this route ({allowed}), found {shown(name)!r}; take it out"
            raise ProblemError(problems.UNKNOWN_FIELD, detail)


def model_of(request: Request) -> str:
    """Return the model that the path names; raises ``ProblemError`` unknown-model where there is none."""
    name: str = request.path_params["model"]
    if name not in desk(request).serving.models:
        detail = f"expected the name of a model, found {shown(name)!r}; GET /models lists them"
        raise ProblemError(problems.UNKNOWN_MODEL, detail)
    return name


def desk(request: Request) -> Desk:
    """Return the desk; raises ``ProblemError`` not-ready while nothing serves yet."""
    found = serving(request)
    if not isinstance(found, Desk):
        raise TypeError(found)
    return found
