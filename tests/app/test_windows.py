"""The express lane for windows by column: the usual reader, which shares no line with it, is its oracle."""

import json
import threading
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ProblemError
from app.queries import BarsQuery, Queries
from app.windows import LARGEST, read_window
from feature_mapper.bars import Bars
from tests.app.support import make_settings

QUERIES = Queries(make_settings())


def usual(raw: bytes) -> BarsQuery | None:
    """Read a body the usual way; None: it is refused."""
    try:
        return QUERIES.predict_item(raw)
    except ProblemError:
        return None


def agreed(raw: bytes) -> Bars | None:
    """Read a body by the lane; what it takes is what the usual way reads, to the last bit."""
    bars = read_window(raw)
    if bars is not None:
        query = usual(raw)
        assert query is not None, raw
        assert query.bars is not None
        assert (query.symbol, query.as_of, query.version) == (bars.symbol, None, None)
        assert bars.identical(query.bars), raw
    return bars


PRICES: Final = st.floats(1e-6, 1e6) | st.integers(1, 10**12) | st.floats(1e-300, 1e300)
VOLUMES: Final = st.integers(0, 2**63 - 1) | st.floats(0, 1e15)


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Any]:
    """Make a sound body by column: keys in any order, volume, dates and symbol or not."""
    n = draw(st.integers(1, 12))
    bars: dict[str, list[Any]] = {name: [] for name in ("open", "high", "low", "close")}
    for _ in range(n):
        low, one, other, high = sorted(draw(PRICES) for _ in range(4))
        for name, value in {"open": one, "high": high, "low": low, "close": other}.items():
            bars[name].append(value)
    if draw(st.booleans()):
        bars["volume"] = [draw(VOLUMES) for _ in range(n)]
    if draw(st.booleans()):
        bars["date"] = [str(day) for day in sorted(draw(st.sets(st.dates(), min_size=n, max_size=n)))]
    body: dict[str, Any] = {"bars": dict(draw(st.permutations(list(bars.items()))))}
    if draw(st.booleans()):
        body["symbol"] = draw(st.sampled_from(["AAPL", "^GSPC", "date", "bars", "EURUSD=X"]))
    return dict(draw(st.permutations(list(body.items()))))


SEPARATORS: Final = st.sampled_from([(",", ":"), (", ", ": "), (", ", ":")])


@given(windows(), SEPARATORS)
def test_what_programs_send_is_taken(body: dict[str, Any], separators: tuple[str, str]) -> None:
    """A sound window by column, as any JSON library writes it, takes the lane and keeps every bit."""
    raw = json.dumps(body, separators=separators).encode()
    assert agreed(raw) is not None


PIECES: Final = (
    *(b"%c" % byte for byte in b'{}[],:"\\0159.-+eE \n\t\x00\xff'),
    *(b"null", b"true", b"NaN", b"-0", b"-0.0", b"1e400", b"1e-400", b"9007199254740993", b"18446744073709551616"),
    *(b'"0000-01-01"', b'"2013-02-30"', b'"2013-2-3"', b'"2013-02-03T00:00"', b'"open":[1]', b'"date":[]', b"[[1]]"),
    *(b'"\\u006fpen"', b"\xef\xbb\xbf", b'"symbol":null,', b'"version":"v000001",', b'"as_of":"2013-02-01",', b",[2]"),
)


@given(st.data())
def test_a_damaged_body_is_read_as_usual_or_left(data: st.DataObject) -> None:
    """Whatever is cut out of a body or put into it: the lane leaves it, or reads what the usual way reads."""
    raw = json.dumps(data.draw(windows()), separators=data.draw(SEPARATORS)).encode()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(raw)))
        end = min(len(raw), start + data.draw(st.sampled_from([0, 1, 2, 5, 14])))
        raw = raw[:start] + data.draw(st.sampled_from((b"", *PIECES)) | st.binary(max_size=3)) + raw[end:]
    agreed(raw)


def written(**changed: str) -> bytes:
    """Write a body of two bars; ``changed`` gives the JSON of columns."""
    columns = {"open": "[1,2]", "high": "[3,3]", "low": "[1,1]", "close": "[2,2]", **changed}
    return ('{"bars":{' + ",".join(f'"{name}":{values}' for name, values in columns.items()) + "}}").encode()


@pytest.mark.parametrize(
    "raw",
    [
        written(volume="[null,5]"),
        written(volume="[5,18446744073709551616]"),
        b" " + written(),
        written().replace(b"open", b"o\\u0070en"),
        written(date='["2013-02-01" ,"2013-02-04"]'),
        written().replace(b"{", b'{"version":"v000001",', 1),
        json.dumps({"bars": [{"open": 1, "high": 2, "low": 1, "close": 1}]}).encode(),
        b'{"symbol":"AAPL"}',
        b'{"open":1,"high":2,"low":1,"close":1}',
        written(close="[2,2" + " " * LARGEST + "]"),
    ],
)
def test_sound_bodies_of_another_kind_are_left(raw: bytes) -> None:
    """What the lane does not know is right all the same, and the usual way's."""
    assert read_window(raw) is None
    assert usual(raw) is not None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{}{",
        b'{{"bars":1}}',
        b'{"bars":{}}',
        b'{"bars":{"open":1}}',
        b"\xef\xbb\xbf" + written(),
        written() + b"\x00",
        written(open="[[1],[2]]"),
        written(open="[1,[2]]"),
        written(open="[]"),
        written(open="3"),
        written(open='"3"'),
        written(open='["1","2"]'),
        written(open="[true,2]"),
        written(open="[1]"),
        written(open="[1,0]"),
        written(high="[3,1]"),
        written(more="[1,2]"),
        written(symbol='"AAPL"'),
        written(date="[1,2]"),
        written(date="3"),
        written(date="[]"),
        written(date='["2013-02-01"]'),
        written(date='["2013-02-01","2013-02-01"]'),
        written(date='["2013-02-01","2013-02-30"]'),
        written(date='["0000-02-01","2013-02-03"]'),
        written(date='["2013-02-0","22013-02-03"]'),
        written(date='["2013-02-01","NaT"]'),
        written(date='["2013-02-01","2013-02"]'),
        written(date='["2013-02   ","2013-02-03"]'),
        written(date='["+013-02-01","2013-02-03"]'),
        written(date='["-013-02-01","2013-02-03"]'),
        written(date='["2013/02/01","2013/02/03"]'),
        written(date='["2013-02-01","2013-02-\xb2\xb2"]'),
        written().replace(b'"low"', b'"open":[1,2],"low"'),
        written().replace(b"}}", b'},"bars":3}'),
        written().replace(b"{", b'{"symbol":null,', 1),
        written().replace(b"{", b'{"symbol":"","symbol":"AAPL",', 1),
        written().replace(b"{", b'{"symbol":"A/B",', 1),
        written().replace(b"{", b'{"other":"AAPL",', 1),
        written().replace(b"{", b'{"symbol":"AAPL\xff",', 1),
    ],
)
def test_wrong_bodies_are_left_to_be_refused(raw: bytes) -> None:
    """What is wrong is never taken."""
    assert read_window(raw) is None
    assert usual(raw) is None


def test_threads_read_side_by_side() -> None:
    """Each thread has a parser of its own."""
    bodies = [written(close=f"[2,1.{number}]") for number in range(4)]
    wrong: list[bytes] = []

    def read(raw: bytes) -> None:
        wrong.extend(raw for _ in range(500) if agreed(raw) is None)

    threads = [threading.Thread(target=read, args=(raw,)) for raw in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
