"""The outermost layer: what holds for every request, whatever happens inside.

A request id, the API key, a bound on the body, headers that browsers heed, a count, and a readable answer to whatever
fails. Plain ASGI, as it runs on every request: it costs about as much as one dictionary of headers.
"""

import asyncio
import functools
import hashlib
import hmac
import ipaddress
import logging
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import errors, problems
from app.errors import ProblemError, shown
from app.metrics import Metrics
from app.settings import Settings, is_loopback
from app.tracing import REQUEST_ID

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
)

UNMATCHED: Final = "unmatched"
"""Route label of requests that no route took."""

LINGER_SECONDS: Final = 1.0
"""How long a refused upload is still read, so that its sender finds the answer instead of a reset connection."""

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenPaths:
    """Paths that are answered without the API key: by name, or by what they begin with."""

    exact: frozenset[str]
    prefixes: tuple[str, ...]

    def __contains__(self, path: str) -> bool:
        return path in self.exact or path.startswith(self.prefixes)


class _Exchange:
    """One request and its answer, as far as the boundary follows them."""

    __slots__ = ("refusal", "request_id", "send", "status", "unread")

    def __init__(self, request_id: bytes, send: Send) -> None:
        self.request_id = request_id
        self.send = send
        self.status = 0
        self.refusal: ProblemError | None = None
        self.unread = False

    async def answer(self, message: Message) -> None:
        """Pass a message of the application on, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            if self.refusal is not None:
                return  # whatever the application made of a body that it was not given
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS, (b"x-request-id", self.request_id)]
            if self.unread:  # answered before a body of unknown length was over: that upload may never end
                message["headers"].append((b"connection", b"close"))
        elif self.status == 0:
            return
        await self.send(message)

    async def refuse(self, error: ProblemError, *, final: bool = True) -> None:
        """Answer with a problem; ``final=False`` leaves the answer open, though nothing is missing from it."""
        body = errors.encoded(error, self.request_id.decode())
        self.refusal = None
        headers = [
            (b"content-type", errors.PROBLEM_MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            *((name.lower().encode(), value.encode()) for name, value in error.headers.items()),
        ]
        await self.answer({"type": "http.response.start", "status": error.kind.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": not final})


class Boundary:
    """ASGI layer around the whole application."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics, open_paths: OpenPaths) -> None:
        self._app = app
        self._metrics = metrics
        self._open_paths = open_paths
        self._limit = settings.max_body_bytes
        self._key, self._admin = _known(settings.api_key), _known(settings.admin_key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003, "reason": "this service speaks HTTP only"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8).encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        REQUEST_ID.set(request_id.decode())
        exchange = _Exchange(request_id, send)
        try:
            refusal = self._refusal(scope, headers)
            if refusal is not None:
                await self._turn_away(exchange, refusal, headers, receive)
            else:
                if b"content-length" not in headers:
                    chunked = b"transfer-encoding" in headers
                    receive = self._limited(
                        exchange, receive, chunked=chunked
                    )  # with a length, the server sees to it that it is true
                await self._app(scope, receive, exchange.answer)
        except Exception as error:  # whatever it was, the client gets a problem
            problem = errors.from_exception(error)
            if problem is errors.INTERNAL or exchange.status:  # nobody foresaw it: the log gets the stack
                log.exception("request %s failed: %s %s", REQUEST_ID.get(), scope["method"], shown(scope["path"]))
            if exchange.status == 0 and exchange.refusal is None:
                await exchange.refuse(errors.at_path(scope, problem))
        if exchange.refusal is not None:
            await self._turn_away(exchange, exchange.refusal, headers, receive)
        route = getattr(scope.get("route"), "path", UNMATCHED)
        self._metrics.observe(scope["method"], route, exchange.status, time.perf_counter() - begun)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> ProblemError | None:
        """Return why the request is turned away before anything looks at it, or None; note whether it is an admin's."""
        given = _given(headers)
        admin = _same(given, self._admin)
        scope["state"]["admin"] = admin
        if self._key is None:
            server = scope.get("server")
            if server is not None and not _is_this_machine(server[0]):
                return _EXPOSED
            if not _is_local_name(headers.get(b"host", b"localhost")):
                return _FOREIGN_HOST
        elif not admin and scope["path"] not in self._open_paths and not _same(given, self._key):
            return _NO_KEY
        return self._body_refusal(headers)

    def _body_refusal(self, headers: dict[bytes, bytes]) -> ProblemError | None:
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            return _ENCODED
        length = headers.get(b"content-length")
        if length is not None and not length.isdigit():
            return _NO_LENGTH
        # No more digits than a bound can have: int() of thousands of them is slow, and refuses at last.
        if length is not None and (len(length) > 18 or int(length) > self._limit):
            return self._too_large()
        return None

    def _too_large(self) -> ProblemError:
        detail = f"expected a body of at most {self._limit} bytes, found a larger one; send less, or split it"
        return ProblemError(problems.BODY_TOO_LARGE, detail, headers={"Connection": "close"})

    def _limited(self, exchange: _Exchange, receive: Receive, *, chunked: bool) -> Receive:
        """Count a body of unknown length as it arrives; beyond the bound, the application sees a client that left."""
        seen = 0
        exchange.unread = chunked

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen <= self._limit or exchange.status:
                exchange.unread = exchange.unread and message.get("more_body", False)
                return message
            exchange.refusal = self._too_large()
            return {"type": "http.disconnect"}

        return counted

    async def _turn_away(
        self, exchange: _Exchange, refusal: ProblemError, headers: dict[bytes, bytes], receive: Receive
    ) -> None:
        """Refuse, and read on for a moment if a body is on its way: closing at once would reset the connection."""
        body_coming = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
        exchange.unread = False  # what is left of it is read here
        await exchange.refuse(refusal, final=not body_coming)
        if body_coming:
            await self._drain(receive)
            await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _drain(self, receive: Receive) -> None:
        left = self._limit
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while left > 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return
        except TimeoutError:
            return


def open_paths(paths: Iterable[str]) -> OpenPaths:
    """Return the open paths of these route templates; a template is open with all that its parameters can be."""
    templates = tuple(paths)
    return OpenPaths(
        frozenset(path for path in templates if "{" not in path),
        tuple(path.partition("{")[0] for path in templates if "{" in path),
    )


_EXPOSED: Final = ProblemError(
    problems.FORBIDDEN_EXPOSURE,
    "expected a request from this machine, found one by a network address; "
    "set BARCAST_API_KEY where the service runs, or call it at http://127.0.0.1",
)
_FOREIGN_HOST: Final = ProblemError(
    problems.FORBIDDEN_EXPOSURE,
    "expected a Host header that names this machine (localhost, 127.0.0.1), found another one; "
    "set BARCAST_API_KEY where the service runs to have it answer by other names",
)
_NO_KEY: Final = ProblemError(
    problems.UNAUTHORIZED,
    "expected the API key of this service, found none or another one; send header X-API-Key, or Authorization: Bearer",
    headers={"WWW-Authenticate": "Bearer"},
)
_NO_LENGTH: Final = ProblemError(
    problems.BAD_REQUEST, "expected digits in the header Content-Length, found something else; send the body's length"
)
_ENCODED: Final = ProblemError(
    problems.UNSUPPORTED_MEDIA_TYPE, "expected a body without Content-Encoding, found a compressed one; send it plain"
)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _known(key: SecretStr | None) -> bytes | None:
    return None if key is None else _digest(key.get_secret_value().encode())


def _given(headers: dict[bytes, bytes]) -> bytes | None:
    """Return the digest of the key that a request brings, None if it brings none."""
    given = headers.get(b"x-api-key")
    if given is None:
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return None
    return _digest(given.strip())


def _same(given: bytes | None, known: bytes | None) -> bool:
    # Digests are of one length, so the comparison takes the same time whatever was given.
    return given is not None and known is not None and hmac.compare_digest(given, known)


@functools.lru_cache(maxsize=64)
def _is_this_machine(address: str) -> bool:
    """Tell whether a server address is not that of a network; a name is no address (test clients, sockets of Unix)."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return True
    return is_loopback(address)


@functools.lru_cache(maxsize=256)
def _is_local_name(host: bytes) -> bool:
    """Tell whether a Host header can't be a page on the internet whose name was bound to this machine's address.

    Such a page needs a public name, and those have a dot.
    """
    name = host.decode("latin-1").rsplit(":", 1)[0] if not host.endswith(b"]") else host.decode("latin-1")
    name = name.strip("[]").rstrip(".").lower()
    return is_loopback(name) or name.endswith(".localhost") or ("." not in name and ":" not in name)
