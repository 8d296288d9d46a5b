"""Where the routes of this package find the desk."""

from starlette.requests import Request

from app.desk import Desk
from app.routers.health import serving


def desk(request: Request) -> Desk:
    """Return the desk; raises ``ProblemError`` not-ready while nothing serves yet."""
    found = serving(request)
    if not isinstance(found, Desk):
        raise TypeError(found)
    return found
