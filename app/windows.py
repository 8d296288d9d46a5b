"""Windows by column, straight from JSON into arrays: the form that programs send, without an object for each number.

An express lane and no second reader: it takes a body that it knows in whole, or leaves it to `decoding` and `columns`,
which read the same bits and say what is wrong with the rest. So nothing is refused here.
"""

import re
import threading
from typing import Final

import numpy as np
import simdjson

from app.schemas.requests import SYMBOL_PATTERN
from feature_mapper.bars import PRICES, Bars
from feature_mapper.errors import InvalidBars
from feature_mapper.typing import DateArray, FloatArray

LARGEST: Final = 2**18
"""Bytes of the largest body that is read here, about 4,500 bars: the parser keeps several times as much for itself."""

_BODIES: Final = (frozenset({"bars"}), frozenset({"bars", "symbol"}))
_NEEDED: Final = frozenset(PRICES)
_ALLOWED: Final = _NEEDED | {"volume", "date"}
_SYMBOL: Final = re.compile(SYMBOL_PATTERN)

_DAYS: Final = {separator: np.frombuffer(b'"0000-00-00"' + separator, dtype=np.uint8) for separator in (b",", b", ")}
_SPANS: Final = {separator: np.where(day == ord("0"), 9, 0).astype(np.uint8) for separator, day in _DAYS.items()}
"""How far the bytes of a day may lie above those of `_DAYS`."""
_FIRST_DAY: Final = np.datetime64("0001-01-01", "D")


class _Unfamiliar(Exception):
    """The body is not known in whole."""


class _Parser(threading.local):
    """A parser for each thread: it holds the one document that it read last."""

    def __init__(self) -> None:
        self.parse = simdjson.Parser(LARGEST).parse


_PARSER: Final = _Parser()


def read_window(raw: bytes) -> Bars | None:
    """Return the bars of a body of nothing but a window by column, with or without a symbol; None for every other.

    None also means a body above `LARGEST`, an integer beyond 64 bits, a volume of null, a text with an escape: all of
    that is allowed, and rare enough to be read the usual way.
    """
    if not raw.startswith(b"{") or not _holds(raw, b"{", 2) or b"\\" in raw:
        return None
    try:
        return _window(raw)
    except (_Unfamiliar, ValueError, TypeError, RuntimeError, InvalidBars):  # also those of simdjson, numpy and `Bars`
        return None


def _window(raw: bytes) -> Bars:
    body = _PARSER.parse(raw)
    if not isinstance(body, simdjson.Object) or _keys(body) not in _BODIES:
        raise _Unfamiliar
    symbol = _symbol(body["symbol"]) if len(body) == 2 else None
    window = body["bars"]
    if not isinstance(window, simdjson.Object):
        raise _Unfamiliar
    names = _keys(window)
    if not _NEEDED <= names <= _ALLOWED or not _holds(raw, b"[", len(names)):  # more of them: lists in lists
        raise _Unfamiliar
    columns = {name: _numbers(window[name]) for name in names if name != "date"}
    return Bars.validated(**columns, date=_days(raw) if "date" in names else None, symbol=symbol)


def _keys(of: simdjson.Object) -> frozenset[str]:
    """Return the keys of an object; none of them if one is there twice."""
    names = list(of)
    unique = frozenset(names)
    return unique if len(unique) == len(names) else frozenset()


def _symbol(value: object) -> str:
    if not isinstance(value, str) or _SYMBOL.search(value) is None:
        raise _Unfamiliar
    return value


def _numbers(column: object) -> FloatArray:
    if not isinstance(column, simdjson.Array):
        raise _Unfamiliar
    return np.frombuffer(column.as_buffer(of_type="d"))


def _days(raw: bytes) -> DateArray:
    """Read the days where they lie in the body, all at once.

    No other column holds texts, so what has the shape of days is the column of that name.
    """
    start = raw.find(b"[", raw.find(b'"date":')) + 1
    separator = b", " if raw[start + 13 : start + 14] == b" " else b","
    rows = np.frombuffer(raw[start : raw.find(b"]", start)] + separator, dtype=np.uint8)
    rows = rows.reshape(-1, len(_DAYS[separator]))
    if np.logical_or.reduce(rows - _DAYS[separator] > _SPANS[separator], axis=None):
        raise _Unfamiliar
    days: DateArray = np.ascontiguousarray(rows[:, 1:11]).view("S10")[:, 0].astype("datetime64[D]")
    if days[0] < _FIRST_DAY:  # numpy knows a year 0, and JSON's dates do not
        raise _Unfamiliar
    return days


def _holds(raw: bytes, byte: bytes, times: int) -> bool:
    """Tell whether a byte occurs so many times. Four times as fast as counting it, as it is far between."""
    at = -1
    for _ in range(times):
        at = raw.find(byte, at + 1)
        if at < 0:
            return False
    return raw.find(byte, at + 1) < 0
