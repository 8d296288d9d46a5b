"""The whole application in this process, called as a server calls it: no socket, no client, little time a call."""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from starlette.types import Message

from app.desk import Desk
from app.main import create_app
from app.settings import Settings
from tests.support.contract import Answer

JSON = {"content-type": "application/json"}


class InProcess:
    """An application between start and stop, and the event loop that it runs on."""

    def __init__(self, artifacts: Path, data: Path, **changed: object) -> None:
        defaults = {name: field.get_default() for name, field in Settings.model_fields.items()}
        settings = Settings.model_construct(**{**defaults, "artifacts_dir": artifacts, "data_dir": data, **changed})
        self.app = create_app(settings)
        self._runner = asyncio.Runner()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._runner)
        lifespan = self.app.router.lifespan_context(self.app)
        self._runner.run(lifespan.__aenter__())
        self._stack.callback(lambda: self._runner.run(lifespan.__aexit__(None, None, None)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def desk(self) -> Desk:
        """What the endpoints work with."""
        desk: Desk = self.app.state.serving
        return desk

    def wait(self, seconds: float) -> None:
        """Let the application do what it does by itself, for so long."""
        self._runner.run(asyncio.sleep(seconds))

    def post(self, path: str, body: bytes, headers: Mapping[str, str] = JSON, query: str = "") -> Answer:
        """Post a body."""
        return self.call("POST", path, body, headers, query)

    def get(self, path: str) -> Answer:
        """Get a path, which may hold percent escapes."""
        return self.call("GET", path)

    def call(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, query: str = ""
    ) -> Answer:
        """Send one request; an exception that escapes the application escapes this too."""
        # Not by `Runner.run`, which sets and resets a signal handler around each call: a fifth of what a call takes.
        return self._runner.get_loop().run_until_complete(self._call(method, path, body, headers or {}, query))

    async def _call(self, method: str, path: str, body: bytes, headers: Mapping[str, str], query: str) -> Answer:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [
                (b"host", b"localhost"),
                (b"content-length", b"%d" % len(body)),
                *((name.encode(), value.encode("latin-1")) for name, value in headers.items()),
            ],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
        }
        incoming = iter([{"type": "http.request", "body": body, "more_body": False}])
        sent: list[Message] = []

        async def receive() -> Message:
            return next(incoming, {"type": "http.disconnect"})

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        start = sent[0]
        found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]}
        return Answer(start["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))
