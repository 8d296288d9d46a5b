"""The application. `python app/main.py`, `python -m app` and `uvicorn app.main:app` start it from any directory.

Importing this module does nothing: ``app`` is made when it is first asked for.
"""

import functools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeAlias

from fastapi import FastAPI
from starlette.types import ASGIApp

from app import openapi
from app.boundary import Boundary, open_paths
from app.metrics import Metrics
from app.operations import Operation, Switch
from app.queries import Queries
from app.routers import health, pages
from app.routers.health import ServingView
from app.settings import Settings, load_settings
from app.version import service_version

OpenServing: TypeAlias = Callable[[Settings, Metrics], AbstractAsyncContextManager[ServingView]]
"""Opens what serves: loads the models on entry, lets go of them on exit."""

ROUTERS: Final = (health.OPERATIONS, pages.OPERATIONS, pages.ASSET_OPERATIONS)


class Service(FastAPI):
    """A FastAPI application whose routes are `Operation` declarations, inside a `Boundary`. It serves no other routes.

    Endpoints share ``state.settings``, ``state.metrics`` and ``state.queries``; ``state.serving`` is what serves, from
    start to stop.
    """

    def __init__(
        self, settings: Settings, operations: Sequence[Operation], open_serving: OpenServing | None = None
    ) -> None:
        @asynccontextmanager
        async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
            if open_serving is None:
                yield
                return
            async with open_serving(settings, self.state.metrics) as serving:
                self.state.serving = serving
                try:
                    yield
                finally:
                    self.state.serving = None

        super().__init__(
            title="Barcast",
            version=service_version(),
            lifespan=lifespan,
            openapi_url=None,  # served as an operation, like everything else
            redirect_slashes=False,  # a redirected POST loses its body in many clients
            telemetry={"tracing": False, "metrics": False, "logs": False},  # asked for on each request; see `Metrics`
        )
        self.operations = tuple(operations)
        self.state.settings = settings
        self.state.metrics = Metrics()
        self.state.queries = Queries(settings)
        self.state.serving = None
        self.router.routes.extend(operation.route() for operation in operations)

    def build_middleware_stack(self) -> ASGIApp:
        """Put the boundary around the routes.

        Inside are the layers that were added, and none of FastAPI's own: the boundary answers errors itself, and what
        the others look after (telemetry, dependencies that end with the request) is not used here.
        """
        inner: ASGIApp = Switch(self.router)
        for layer, args, kwargs in reversed(self.user_middleware):
            inner = layer(inner, *args, **kwargs)
        paths = open_paths(operation.path for operation in self.operations if operation.open)
        return Boundary(inner, self.state.settings, self.state.metrics, paths)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made once."""
        if self.openapi_schema is None:
            locked = self.state.settings.api_key is not None
            self.openapi_schema = openapi.document(self.operations, self.version, locked=locked)
        return self.openapi_schema


def create_app(settings: Settings | None = None) -> Service:
    """Make the application: every model that is expected or published has its route, and none is read yet.

    Raises
    ------
    SettingsError
        The environment can't be used.

    """
    from app.desk import open_desk
    from app.routers.index import operations

    settings = load_settings() if settings is None else settings
    return create_shell(settings, operations=operations(settings), open_serving=open_desk)


def create_shell(
    settings: Settings,
    *,
    operations: Sequence[Operation] = (),
    open_serving: OpenServing | None = None,
) -> Service:
    """Make an application of the routes that need no model, and of others that are given.

    Parameters
    ----------
    settings : Settings
        Of this application.
    operations : sequence of Operation
        Served beside those of this package.
    open_serving : callable or None
        Opens what serves when the application starts; None: nothing does, and health says so.

    """
    own = [operation for router in ROUTERS for operation in router]
    if settings.docs:
        own += pages.DOCS_OPERATIONS
    return Service(settings, [*operations, *own], open_serving)  # what people come for stands first in the document


@functools.cache
def _app() -> Service:
    return create_app()


def __getattr__(name: str) -> Service:
    """Make ``app`` on first use, for `uvicorn app.main:app`."""
    if name == "app":
        return _app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    from app.server import main

    main()
