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


def desk(request: Request) -> Desk:
    """Return the desk; raises ``ProblemError`` not-ready while nothing serves yet."""
    found = serving(request)
    if not isinstance(found, Desk):
        raise TypeError(found)
    return found
