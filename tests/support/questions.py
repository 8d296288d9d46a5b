"""Questions whose answers can be compared byte for byte: one of each form for each route."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from app.settings import PROJECT
from tests.support.contract import Contract

Question = tuple[str, bytes]
"""Path and body."""

WINDOW = 260


def questions(contract: Contract) -> tuple[Question, ...]:
    """Return every documented body, and a window of 260 bars by column, for every POST; batches as JSON."""
    return tuple((path, msgspec.json.encode(body)) for path, body in _bodies(contract))


def sample_columns(bars: int, symbol: str = "AAPL") -> dict[str, list[Any]]:
    """Return the last bars of a shipped symbol, by column, without its name: a plain window."""
    lines = (PROJECT / "data" / "sample" / f"{symbol}.csv").read_text().splitlines()
    names = lines[0].lower().split(",")
    rows = [line.split(",") for line in lines[-bars:]]
    table = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    numbers = {name: [float(value) for value in table[name]] for name in ("open", "high", "low", "close", "volume")}
    return {"date": table["date"], **numbers}


def _bodies(contract: Contract) -> Iterator[tuple[str, Mapping[str, Any]]]:
    window = {"bars": sample_columns(WINDOW)}
    for promise in contract.promises("POST"):
        yield from ((promise.path, body) for body in promise.examples().values())
        if promise.path == "/forecast/price":
            rows = [dict(zip(("ds", "y"), pair, strict=True)) for pair in zip(*_dated(window), strict=True)]
            yield promise.path, {"periods": 60, "history": rows, "level": 0.8}
        elif promise.path.startswith("/what-if"):
            *known, last = zip(*window["bars"].values(), strict=True)
            before = dict(zip(window["bars"], map(list, zip(*known, strict=True)), strict=True))
            yield promise.path, {"bars": before, "what_if": dict(zip(window["bars"], last, strict=True))}
        elif "batch" in promise.path:
            yield promise.path, {"items": [window, {"symbol": "IBM"}]}
        else:
            yield promise.path, window


def _dated(window: Mapping[str, Any]) -> tuple[list[str], list[float]]:
    return window["bars"]["date"], window["bars"]["close"]
