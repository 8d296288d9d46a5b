"""The server process: a socket, uvicorn, a banner, and a clean end."""

import argparse
import json
import os
import shlex
import signal
import socket
import sys
from types import FrameType
from typing import Final, NoReturn

import uvicorn

from app.main import Service, create_app
from app.settings import Settings, SettingsError, env_example, is_loopback, load_settings

GRACE_SECONDS: Final = 3
"""How long requests in flight may take after a signal to stop."""

EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130


class _Server(uvicorn.Server):
    """Says where it listens once it does."""

    def __init__(self, config: uvicorn.Config, banner: str) -> None:
        super().__init__(config)
        self._banner = banner

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self._banner, flush=True)  # noqa: T201  said to the person who started it


def main() -> NoReturn:
    """Run the service until it is told to stop; exit 0 on SIGTERM, 130 on Ctrl-C, 2 if it can't start."""
    _no_arguments()
    signal.signal(signal.SIGTERM, _leave)
    try:
        settings = load_settings()
        listener = _listen(settings)
    except (SettingsError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201  said to the person who started it
        sys.exit(EXIT_USAGE)
    try:
        _serve(create_app(settings), settings, listener)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    finally:
        listener.close()
    sys.exit(0)


def _no_arguments() -> None:
    """Refuse arguments, which would go unheard, and list the settings for ``--help``."""
    argparse.ArgumentParser(
        prog="python -m app",
        usage="python -m app [-h], with settings in the environment",
        description="Serve the models until Ctrl-C.",
        epilog=env_example(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()


def _serve(app: Service, settings: Settings, listener: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        log_level=settings.log_level,
        access_log=settings.log_level == "debug",
        server_header=False,
        proxy_headers=False,  # nobody here asks for the client's address, nor believes a header about it
        timeout_graceful_shutdown=GRACE_SECONDS,
        loop="auto",
        http="auto",
    )
    server = _Server(config, _banner(app, settings, listener))
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(1)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise OSError(
            f"expected to listen on {settings.host}:{settings.port}, found: {os.strerror(error.errno or 0)}; "
            f"stop what listens there, or choose another port: export PORT={settings.port + 1}"
        ) from error
    return listener


def _banner(app: Service, settings: Settings, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    host = settings.host if is_loopback(settings.host) else "127.0.0.1"
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    rows = [("status", "/"), *([("try it out", "/docs")] if settings.docs else []), ("health", "/health")]
    links = "\n".join(f"  {name:<11}{base}{path}" for name, path in rows)
    curl = _curl(app, settings, base)
    return f"\nBarcast listens on {settings.host}:{port}\n\n{links}\n\n  {curl}\n\n  Ctrl-C stops it.\n"


def _curl(app: Service, settings: Settings, base: str) -> str:
    """Return a command that works as it is printed: the first prediction that is served, else liveness."""
    key = "" if settings.api_key is None else '-H "X-API-Key: $BARCAST_API_KEY" '
    for operation in app.operations:
        if operation.body is not None and operation.body.examples:
            body = json.dumps(next(iter(operation.body.examples.values())))
            kind = "-H 'Content-Type: application/json'"
            return f"curl -s -X POST {base}{operation.path} {key}{kind} -d {shlex.quote(body)}"
    return f"curl -s {base}/livez"


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)
