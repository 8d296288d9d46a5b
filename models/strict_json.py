"""JSON that means what it says: a number that JSON has no word for is refused instead of being written as null."""

import math

import msgspec


class NotJson(ValueError):
    """A value has no exact form in JSON; the message names its place."""


def encode(value: object) -> bytes:
    """Return a struct or a plain value as JSON; equal values give equal bytes.

    Raises
    ------
    NotJson
        NaN, infinity, a lone surrogate, or a type that JSON does not know. msgspec alone would write NaN as null, and
        a skill of null would read as "not measured".

    """
    try:
        plain = msgspec.to_builtins(value)
        if fault := _not_finite(plain, "$"):
            raise NotJson(f"expected finite numbers, found {fault}; leave the value out or say null")
        return msgspec.json.encode(plain)
    except (msgspec.MsgspecError, TypeError, UnicodeEncodeError, OverflowError) as error:
        raise NotJson(f"expected a value that JSON can hold, found otherwise: {error}; convert it first") from error


def _not_finite(value: object, where: str) -> str | None:
    """Name the first number that is not finite, or None."""
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} at {where}"
    if isinstance(value, dict):
        parts = [(f"{where}.{key}", part) for key, part in value.items()]
    elif isinstance(value, list | tuple):
        parts = [(f"{where}[{i}]", part) for i, part in enumerate(value)]
    else:
        return None
    return next((fault for place, part in parts if (fault := _not_finite(part, place))), None)
