"""Bodies that hypothesis makes up: sound ones of every form, extreme ones, damaged ones, and plain junk."""

import datetime as dt
import json
import random
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

TOKENS = {
    f"<{name}>": token
    for name, token in {
        **{t: t for t in ("1e999", "-1e999", "9e99", "NaN", "Infinity", "-Infinity", "-0", "1E+308", "5e-324")},
        "400 digits": "9" * 400,
        "4300 digits": "9" * 4300,
        "4301 digits": "9" * 4301,
    }.items()
}
"""Texts that stand for JSON tokens which Python's own encoder would not write."""

NAMES = (
    "AAPL", "../", "..", "../../etc/passwd", "..\\", "%2e%2e", "%2e%2e%2f", "/etc/passwd", "a/b", "A" * 99,
    "\uff21\uff21\uff30\uff2c", "AAPL\n", "AAPL\x00", "", " ", ".", "-rf", "CON", "\u202eLPAA", "💥", "aapl", "^GSPC",
    "\ud800", "lightgbm_direction", "v000001",
)  # fmt: skip
HOSTILE: list[object] = [
    *TOKENS, *NAMES, "NaN", "1e999", None, True, [], {}, [[]], {"a": {}}, 0, -1, 10**9, 10**18,
    0.5, -0.0, 1e308, -1e308, 5e-324, 1e-300, "2013-03-01", "9999-12-31", "0001-01-01", "2013-02-30",
]  # fmt: skip

Body = Mapping[str, Any]


def encoded(body: object) -> bytes:
    """Return a body as JSON with its raw tokens; lone surrogates stay what they are, as escapes."""
    text = json.dumps(body)
    for name, token in TOKENS.items():
        text = text.replace(f'"{name}"', token)
    return text.encode()


def bars(seed: int, count: int, scale: float, spread: float) -> list[dict[str, Any]]:
    """Return a sound walk of prices from ``10**scale`` with steps of ``spread`` decades; some bars without range."""
    chance = random.Random(seed)  # noqa: S311  repeatable on purpose
    exponent, found = scale, []
    day = dt.date(1990, 1, 1) + dt.timedelta(days=chance.randrange(12000))
    by_chance = zip(  # drawn a column at a time, which is most of what a body takes
        chance.choices([1.0, 1 + 1e-9, 1.01], k=count),
        chance.choices([1.0, 1.02], k=count),
        chance.choices([1.0, 0.98], k=count),
        chance.choices([0.0, 5e-324, 1e6, 1e300], k=count),
        chance.choices([False, True], k=count),
        chance.choices([1, 1, 1, 3, 40], k=count),
        strict=True,
    )
    for body, above, below, volume, falls, days in by_chance:
        exponent = min(max(exponent + chance.gauss(0, spread), -306.0), 307.0)
        level: float = 10.0**exponent
        ends = (level, level * body)
        open_, close = ends[::-1] if falls else ends
        top, bottom = ends[1] * above, level * below
        found.append({"date": str(day), "open": open_, "high": top, "low": bottom, "close": close, "volume": volume})
        day += dt.timedelta(days=days)
    return found


RUNS = st.builds(
    bars,
    st.integers(0, 2**32),
    st.sampled_from([1, 2, 3, 6, 21, 22, 23, 64, 253, 300]),
    st.sampled_from([2.0, 2.0, 0.0, -300.0, 300.0, -306.0, 307.0]),
    st.sampled_from([0.0, 0.005, 0.005, 0.5, 150.0]),
)
EXPLAIN = st.sampled_from([True, True, False])
LISTED = st.fixed_dictionaries({}, optional={"symbol": st.sampled_from(NAMES), "explain": EXPLAIN})


def columns(run: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return rows by column."""
    return {name: [row[name] for row in run] for name in run[0]}


def undated(run: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows without their days."""
    return [{name: value for name, value in row.items() if name != "date"} for row in run]


WINDOWS = st.builds(lambda run, rest: {"bars": run, **rest}, RUNS | RUNS.map(columns) | RUNS.map(undated), LISTED)
FLAT = st.builds(lambda run, rest: {**run[0], **rest}, RUNS, LISTED)
STORED = st.fixed_dictionaries(
    {"symbol": st.sampled_from(["AAPL", "IBM", "MSFT", *NAMES])},
    optional={"as_of": st.dates().map(str), "explain": EXPLAIN},
)
PREDICT = FLAT | WINDOWS | STORED
NUMBERS = st.lists(st.floats() | st.floats(-0.1, 0.1), max_size=8)
SUPPOSED = st.builds(
    lambda body, run, dated: {**body, "what_if": run[0] if dated else undated(run)[0]},
    PREDICT,
    RUNS,
    st.sampled_from([True, False, False]),
)
OBSERVED = st.builds(
    lambda returns, volatility, rest: {
        "returns_window": returns,
        "volatility_window": volatility[: len(returns)],
        **rest,
    },
    st.lists(st.floats(-0.1, 0.1) | st.floats(allow_nan=False, allow_infinity=False), max_size=8),
    st.lists(st.floats(1e-9, 0.1) | st.floats(5e-324, 1e308), min_size=8, max_size=8),
    LISTED,
)
HISTORY = RUNS.map(lambda run: [{"ds": row["date"], "y": row["close"], "volume": row["volume"]} for row in run])
LEVELS = st.sampled_from([0.5, 0.8, 0.9, 0.95])
SOUND_FORECAST = st.fixed_dictionaries(
    {"periods": st.sampled_from([1, 5, 60, 365])},
    optional={"symbol": st.sampled_from(["AAPL", "IBM"]), "level": LEVELS, "explain": EXPLAIN},
) | st.fixed_dictionaries(
    {"periods": st.integers(1, 9), "history": HISTORY}, optional={"level": LEVELS, "explain": EXPLAIN}
)
ODD_FORECAST = st.fixed_dictionaries(
    {"periods": st.integers() | st.sampled_from([1, 0, -1, 366, 10**9, "<9e99>", "<1e999>", 1.5, "5", None])},
    optional={
        "symbol": st.sampled_from(NAMES),
        "history": HISTORY | RUNS,
        "regressors": st.dictionaries(st.sampled_from(["volume", *NAMES]), NUMBERS, max_size=2),
        "level": st.floats() | st.sampled_from([0, 1]),
    },
)
FORECAST = SOUND_FORECAST | ODD_FORECAST
INTERVAL = st.builds(
    lambda body, level: {**body, "level": level},
    PREDICT,
    LEVELS | st.floats() | st.sampled_from([0.5, 0.505, 0.99, 1, 0, "0.9", None]),
)
FIELDS = (
    "bars", "open", "close", "symbol", "items", "periods", "history", "as_of", "explain", "what_if", "level",
    *NAMES[:4],
)  # fmt: skip
JUNK = st.recursive(
    st.sampled_from(HOSTILE) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def copied(value: Any) -> Any:
    """Return a copy of a JSON value; several times faster than `copy.deepcopy`, which would dominate a test."""
    if isinstance(value, dict):
        return {key: copied(inner) for key, inner in value.items()}
    return [copied(inner) for inner in value] if isinstance(value, list) else value


def damaged(body: Any, hurts: list[tuple[int, object]]) -> Any:
    """Return a body with some of its places, found by number, overwritten, doubled or taken out."""
    whole = copied(body)
    for number, hostile in hurts:
        value = copied(hostile)  # the next hurt may be done to this one
        places = list(_places(whole))
        if places:
            inside, key = places[number % len(places)]
            if isinstance(inside, list) and number % 3 == 0:
                inside.append(value)
            elif number % 5 == 0:
                del inside[key]
            else:
                inside[key] = value
    return whole


def _places(value: Any) -> Any:
    """Yield every container and key of a JSON value; of long lists, the first and last few."""
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value))) if len(value) < 8 else [0, 1, len(value) // 2, len(value) - 1]
    for key in keys:
        yield value, key
        yield from _places(value[key])


def hurt(sound: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Return bodies of a kind: as they are, with one to three hurts, and junk; as bytes, some of them spliced."""
    hurts = st.lists(st.tuples(st.integers(0, 4000), st.sampled_from(HOSTILE)), min_size=1, max_size=3)
    whole = (sound | st.builds(damaged, sound, hurts) | JUNK).map(encoded)
    return whole | st.builds(spliced, whole, st.integers(0, 2000), st.binary(max_size=6))


def spliced(body: bytes, at: int, piece: bytes) -> bytes:
    """Return a body with some bytes in place of others."""
    at %= len(body) + 1
    return body[:at] + piece + body[at + len(piece) :]


def csv(run: list[dict[str, Any]], order: random.Random) -> bytes:
    """Return rows as a file, in an order of columns and with separators, line ends and quotes by chance."""
    names = order.sample(list(run[0]), len(run[0]))
    comma, end, quote = order.choice(",,,;\t"), order.choice(["\n", "\r\n", "\r"]), order.choice(["", "", '"'])
    lines = [names, *([row[name] for name in names] for row in run)]
    text = end.join(comma.join(f"{quote}{value}{quote}" for value in line) for line in lines)
    return (order.choice(["", "", "\ufeff"]) + text + end).encode()


FILES = st.builds(csv, RUNS, st.randoms(use_true_random=False))
FILE_HURTS = st.sampled_from(
    [b"\x00", b'"', b",,,,", b"\n\n", b"\xff\xfe", b"nan", b"1e999", b"=1+1", b"<html>", b"\r", b"-5", b"9" * 400]
) | st.binary(max_size=6)
CSV = FILES | st.builds(spliced, FILES, st.integers(0, 2000), FILE_HURTS) | st.binary(max_size=200)

KINDS = {
    "predict": hurt(PREDICT),
    "interval": hurt(PREDICT | INTERVAL),
    "what-if": hurt(SUPPOSED),
    "regime": hurt(OBSERVED | PREDICT),
    "forecast": hurt(FORECAST),
    "batch": hurt(st.lists(PREDICT | JUNK, max_size=3).map(lambda items: {"items": items})),
}
