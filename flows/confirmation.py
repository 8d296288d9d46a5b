"""Last step: ask a running service whether all of it serves what was promoted."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from flows.plan import Plan

if TYPE_CHECKING:
    import httpx

CONFIRM_S: Final = 10.0
"""How long a service may take to serve what was promoted, and to say so often enough; it should need 2, and 1 to 2."""

AGREEING: Final = 10
"""Answers in a row that have to name a version. A connection is one worker's; of two, one that lags behind is missed by
so many fresh ones once in a thousand times."""

PAUSE_S: Final = 0.1
"""Between two questions: the row lasts longer than a worker takes to look for promotions again."""


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a running service answers with what serves in the store."""

    model: str
    version: str
    served: bool
    said: str


def confirm(plan: Plan, promoted: Mapping[str, str], patience_s: float = CONFIRM_S) -> tuple[Confirmed, ...]:
    """Ask a running service until `AGREEING` answers in a row name what was promoted, or for long enough."""
    if plan.service is None or not promoted:
        return ()
    until = time.monotonic() + patience_s
    agreed = dict.fromkeys(promoted, 0)
    said = dict.fromkeys(promoted, "")
    with _client() as client:
        while (left := until - time.monotonic()) > 0 and min(agreed.values()) < AGREEING:
            serving, trouble = _asked(client, plan.service, max(left, PAUSE_S))
            for model, version in promoted.items():
                if serving.get(model) == version:
                    agreed[model] += 1
                else:
                    agreed[model] = 0
                    said[model] = trouble or f"serves {serving.get(model) or 'nothing'}"
            time.sleep(PAUSE_S)
    return tuple(
        Confirmed(
            model=model,
            version=version,
            served=agreed[model] >= AGREEING,
            said=f"serves {version}" if agreed[model] >= AGREEING else _doubt(agreed[model], said[model], patience_s),
        )
        for model, version in promoted.items()
    )


def _client() -> "httpx.Client":
    """Return a client that asks each time by a connection of its own."""
    import httpx

    return httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))


def _asked(client: "httpx.Client", service: str, left_s: float) -> tuple[dict[str, str | None], str]:
    """Ask once; return the version of each model, or what went wrong."""
    import httpx

    try:
        health = client.get(f"{service.rstrip('/')}/health", timeout=left_s).json()
        return {entry["model"]: entry["version"] for entry in health["models"]}, ""
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        return {}, f"{type(error).__name__}: {error}"


def _doubt(agreed: int, said: str, patience_s: float) -> str:
    if not agreed:
        return said
    last = f"; before, {said}" if said else ""
    return f"expected {AGREEING} answers in a row that name it within {patience_s:g} s, found {agreed}{last}; ask again"
