"""From the raw bytes of a body to a struct: strict, bounded, and every fault at its JSON Pointer.

msgspec stops at the first fault, so that a wrong body costs no more than a right one.
"""

import asyncio
import json
import re
from typing import Final, Generic, NoReturn, Protocol, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from app import problems
from app.errors import ProblemError, pointer, shown
from app.schemas.answers import Fault

BOM: Final = b"\xef\xbb\xbf"

_NOT_NUMBERS: Final = re.compile(rb"[+-]?(nan|inf(inity)?)\b", re.IGNORECASE)
_AT_BYTE: Final = re.compile(r"\(byte (\d+)\)$")
_AT_PATH: Final = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>\$[^`]*)`)?$", re.DOTALL)
_UNKNOWN: Final = re.compile(r"^Object contains unknown field `(?P<name>.*)`$", re.DOTALL)
_MISSING: Final = re.compile(r"^Object missing required field `(?P<name>\w+)`$")
_STEP: Final = re.compile(r"\.(?P<name>\w+)|\[(?P<index>\d+)\]")


def require_json(request: Request) -> None:
    """Refuse a body that is not said to be JSON: a browser can't send that header across sites without asking.

    Raises
    ------
    ProblemError
        unsupported-media-type.

    """
    found = request.headers.get("content-type", "")
    if found == "application/json":
        return
    media, _, parameters = found.lower().partition(";")
    if media.strip() == "application/json" and parameters.strip().replace('"', "") in {"", "charset=utf-8"}:
        return
    raise ProblemError(
        problems.UNSUPPORTED_MEDIA_TYPE,
        f"expected the header Content-Type: application/json, found {shown(found)!r}; "
        "with curl add -H 'Content-Type: application/json'",
    )


async def read_body(request: Request, timeout_seconds: float) -> bytes:
    """Return the whole body; its size is bounded by the boundary.

    Raises
    ------
    ProblemError
        request-timeout.
    ClientDisconnect
        The client went away before its body was whole.

    """
    message = await request.receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        whole: bytes = message.get("body", b"")
        return whole  # the common case: one message, no timer
    try:
        async with asyncio.timeout(timeout_seconds):
            body = bytearray(message.get("body", b""))  # not a list of parts: there can be millions of a byte each
            while message.get("more_body", False):
                message = await request.receive()
                body += message.get("body", b"")
    except TimeoutError:
        detail = f"expected the whole body within {timeout_seconds:g} s, found it unfinished; send it again"
        raise ProblemError(problems.REQUEST_TIMEOUT, detail, headers={"Connection": "close"}) from None
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return bytes(body)


class Keyed(Protocol):
    """A decoded body that knows how many keys it came from."""

    def keys(self) -> int:
        """Count the keys of the body, those of inner objects too."""
        ...


T = TypeVar("T", bound=Keyed)


class JsonDecoder(Generic[T]):
    """Decodes bodies of one type.

    JSON has one colon a key, so a body with more colons than keys holds a key twice, or a colon in a text: only then
    is it read again, key by key.
    """

    def __init__(self, body_type: type[T]) -> None:
        self._decode = msgspec.json.Decoder(body_type).decode

    def __call__(self, raw: bytes | msgspec.Raw) -> T:
        """Decode one body.

        Raises
        ------
        ProblemError
            malformed-json, duplicate-key, unknown-field or invalid-input.

        """
        try:
            body = self._decode(raw)
        except (ValueError, RecursionError) as error:  # msgspec's errors and UnicodeDecodeError are ValueErrors
            self._refuse(bytes(raw), error)
        if bytes(raw).count(b":") != body.keys():
            _refuse_duplicates(bytes(raw))
        return body

    def _refuse(self, raw: bytes, error: Exception) -> NoReturn:
        if isinstance(error, msgspec.ValidationError):
            raise _invalid(str(error)) from None
        where = _AT_BYTE.search(str(error))
        at = int(where[1]) if where else len(raw)
        # msgspec names the byte where it stopped: at the first letter, after a sign, or, as `nan` begins like `null`,
        # behind the four letters that it has read for that.
        literal = next((m for m in _NOT_NUMBERS.finditer(raw, max(0, at - 4), at + 10) if m.start() <= at), None)
        if literal is None:
            raise _malformed(raw, str(error)) from None
        # A value of a type that no field takes, put in its place, makes msgspec say where in the body that is.
        try:
            self._decode(raw[: literal.start()] + b"true" + raw[literal.end() :])
        except msgspec.ValidationError as located:
            place = _place(str(located))
        except (ValueError, RecursionError):
            place = ""
        else:
            place = ""
        found = shown(literal[0].decode())
        detail = f"expected a finite number, found {found}, which JSON does not have; send null for an unknown volume"
        raise ProblemError(problems.INVALID_INPUT, detail, [Fault(pointer=place, detail=detail)]) from None


def _malformed(raw: bytes, message: str) -> ProblemError:
    if not raw.strip():
        detail = "expected a JSON object, found an empty body"
    elif raw.startswith(BOM):
        detail = "expected JSON, found a byte order mark before it; save the body as UTF-8 without BOM"
    elif "codec can't decode" in message:
        detail = "expected UTF-8, found bytes that are not; encode the body as UTF-8"
    else:
        detail = f"expected one JSON object, found something else: {message}; check it with python -m json.tool"
    return ProblemError(problems.MALFORMED_JSON, detail)


def _place(message: str) -> str:
    """Return the JSON Pointer of the place that a message of msgspec names."""
    match = _AT_PATH.match(message)
    path = (match["path"] if match else None) or "$"
    return pointer(*(step["name"] or step["index"] for step in _STEP.finditer(path)))


def _invalid(message: str) -> ProblemError:
    match = _AT_PATH.match(message)
    what = match["what"] if match else message
    place = _place(message)
    if unknown := _UNKNOWN.match(what):
        name = unknown["name"]
        detail = f"expected only fields that the route knows, found {shown(name)!r}; take it out or correct its name"
        fault = Fault(pointer=place + pointer(name), detail="this field is not known here")
        return ProblemError(problems.UNKNOWN_FIELD, detail, [fault])
    if missing := _MISSING.match(what):
        place += pointer(missing["name"])
        what = "expected a value, found none"
    elif what == "Invalid RFC3339 encoded date":
        what = "expected a date that exists, as YYYY-MM-DD"
    else:
        what = (what[:1].lower() + what[1:]).replace("`", "")
    return ProblemError(
        problems.INVALID_INPUT, f"{place or 'the body'}: {what}; correct it", [Fault(pointer=place, detail=what)]
    )


def _refuse_duplicates(raw: bytes) -> None:
    def once(pairs: list[tuple[str, object]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                detail = f"expected each key once, found {shown(name)!r} twice in one object; take one of them out"
                raise ProblemError(problems.DUPLICATE_KEY, detail)
            seen.add(name)

    # The body was decoded before, so it is valid and shallow; numbers as text avoid the limit on digits of int().
    json.loads(raw, object_pairs_hook=once, parse_int=str, parse_float=str)
