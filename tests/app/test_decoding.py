"""Every form of every body, and every way to get it wrong."""

import json
from typing import Any

import pytest

from app.schemas import forms
from tests.app.support import JSON_HEADERS, OPERATIONS, call, make_app, make_settings, post, problem_of

APP = make_app()
PREDICT = "/probe/predict"
ROUTES = [operation.path for operation in OPERATIONS if operation.body and operation.path != "/probe/ignore"]

BAR = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.5, "volume": 10000.0}


def rows(n: int, **changed: Any) -> list[dict[str, Any]]:
    """Make n sound bars; ``changed`` replaces fields of the last."""
    bars = [{"date": f"2018-03-{day + 1:02d}", **BAR} for day in range(n)]
    bars[-1] = {**bars[-1], **changed}
    return bars


def columns(n: int, **changed: Any) -> dict[str, Any]:
    """Make the same by column; ``changed`` replaces columns."""
    return {**{name: [bar[name] for bar in rows(n)] for name in rows(1)[0]}, **changed}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (BAR, {"bars": 1, "close": 100.5, "last": None, "volume": 10000.0, "symbol": None, "as_of": None}),
        ({**BAR, "volume": None}, {"bars": 1, "volume": None}),
        ({**BAR, "date": "2018-03-26", "symbol": "BRK.B"}, {"last": "2018-03-26", "symbol": "BRK.B"}),
        ({"bars": rows(3)}, {"bars": 3, "close": 100.5, "last": "2018-03-03", "volume": 10000.0}),
        ({"bars": columns(3)}, {"bars": 3, "close": 100.5, "last": "2018-03-03", "volume": 10000.0}),
        ({"bars": columns(2, volume=[None, 5])}, {"bars": 2, "volume": 5.0}),
        (
            {"bars": [{k: v for k, v in BAR.items() if k != "volume"}], "symbol": "^GSPC"},
            {"volume": None, "symbol": "^GSPC"},
        ),
        ({"symbol": "AAPL"}, {"bars": 0, "symbol": "AAPL", "as_of": None}),
        ({"symbol": "AAPL", "as_of": "2012-06-29"}, {"bars": 0, "as_of": "2012-06-29"}),
    ],
)
def test_each_form_is_understood(content: object, expected: dict[str, Any]) -> None:
    """A body of any form becomes what it says."""
    answer = post(APP, PREDICT, content)
    assert answer.status_code == 200
    assert expected.items() <= answer.json().items()


def test_rows_and_columns_mean_the_same() -> None:
    """The two forms of a window give one answer, byte for byte."""
    assert post(APP, PREDICT, {"bars": rows(9)}).content == post(APP, PREDICT, {"bars": columns(9)}).content


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.body], ids=lambda o: o.path)
def test_every_example_is_answered(operation: Any) -> None:
    """What the documentation shows works as it is."""
    for example in operation.body.examples.values():
        assert post(APP, operation.path, example).status_code == 200


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        ({**BAR, "open": "1"}, "/open"),
        ({**BAR, "open": None}, "/open"),
        ({**BAR, "open": True}, "/open"),
        ({**BAR, "high": 100.2}, "/high"),
        ({**BAR, "low": -1}, "/low"),
        ({**BAR, "volume": -1}, "/volume"),
        ({"open": 1, "high": 1, "low": 1}, "/close"),
        ({"bars": rows(18, close=0)}, "/bars/17/close"),
        ({"bars": rows(18, date="2018-03-01")}, "/bars/17/date"),
        ({"bars": rows(18, date="2018-02-30")}, "/bars/17/date"),
        ({"bars": rows(2, date="20180302")}, "/bars/1/date"),
        ({"bars": rows(2, date=20180302)}, "/bars/1/date"),
        ({"bars": [BAR, *rows(1)]}, "/bars/0/date"),
        ({"bars": [{"open": 1}]}, "/bars/0/high"),
        ({"bars": columns(18, close=[100.5] * 17 + [0])}, "/bars/close/17"),
        ({"bars": columns(18, close=[100.5] * 17 + ["x"])}, "/bars/close/17"),
        ({"bars": columns(3, date=["2018-03-01", "2018-03-03", "2018-03-02"])}, "/bars/date/2"),
        ({"bars": columns(3, volume=[1, 2])}, "/bars/volume"),
        ({"bars": []}, "/bars"),
        ({"bars": {name: [] for name in BAR}}, "/bars"),
        ({"bars": 7}, "/bars"),
        ({"symbol": "../etc/passwd"}, "/symbol"),
        ({"symbol": ""}, "/symbol"),
        ({"symbol": "A" * 25}, "/symbol"),
        ({"symbol": "AAPL\n"}, "/symbol"),
        ({"symbol": "AAPL", "as_of": "yesterday"}, "/as_of"),
    ],
)
def test_a_wrong_value_is_named_by_its_pointer(content: object, pointer: str) -> None:
    """422, and the first error points at the value."""
    problem = problem_of(post(APP, PREDICT, content))
    assert (problem.status, problem.type) == (422, "/problems/invalid-input")
    assert problem.errors[0].pointer == pointer


@pytest.mark.parametrize(
    "spelling", ["NaN", "nan", "-NaN", "Infinity", "-Infinity", "+Infinity", "inf", "1e999", "-1e400"]
)
@pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume"])
def test_a_number_that_is_none_is_named_by_its_pointer(spelling: str, field: str) -> None:
    """NaN and its kin are wrong values at a place, in every float field and both windows."""
    as_rows = json.dumps({"bars": rows(18, **{field: "HERE"})}).replace('"HERE"', spelling)
    by_column = json.dumps({"bars": columns(18, **{field: [*columns(17)[field], "HERE"]})}).replace('"HERE"', spelling)

    for content, pointer in ((as_rows, f"/bars/17/{field}"), (by_column, f"/bars/{field}/17")):
        problem = problem_of(post(APP, PREDICT, content.encode()))
        assert (problem.status, problem.errors[0].pointer) == (422, pointer)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"as_of": "2012-06-29"},
        {"open": 1, "close": 1},
        {**BAR, "bars": rows(1)},
        {"bars": rows(1), "as_of": "2012-06-29"},
        {"symbol": "AAPL", "close": 1},
        {"volume": 1},
    ],
)
def test_a_body_is_of_exactly_one_form(content: object) -> None:
    """Anything else is refused with the forms spelled out."""
    problem = problem_of(post(APP, PREDICT, content))
    assert problem.status == 422
    assert "exactly one form" in problem.detail
    assert json.dumps(forms.FLAT_BAR, separators=(",", ":")) in problem.detail


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        ({**BAR, "opne": 1}, "/opne"),
        ({"bars": [{**BAR, "adj": 1}]}, "/bars/0/adj"),
        ({"bars": columns(1, adj=[1])}, "/bars/adj"),
        ({"a/b~c": 1}, "/a~1b~0c"),
        ({"\u202e`\n\u0007": 1}, "/?`??"),
    ],
)
def test_an_unknown_field_is_refused_by_name(content: object, pointer: str) -> None:
    """A mistyped field is not ignored, and its name is repeated harmlessly."""
    problem = problem_of(post(APP, PREDICT, content))
    assert (problem.type, problem.errors[0].pointer) == ("/problems/unknown-field", pointer)


MALFORMED = {
    "empty": b"",
    "blank": b" \n",
    "text": b"hello",
    "byte order mark": b'\xef\xbb\xbf{"symbol":"A"}',
    "UTF-16": '{"symbol":"A"}'.encode("utf-16"),
    "not UTF-8": b'{"symbol":"\xff"}',
    "binary": bytes(range(256)),
    "NUL": b"\x00",
    "lone surrogate": b'{"symbol":"\\ud800"}',
    "lone surrogate within": b'{"symbol":"a\\ud800bcdefgh"}',
    "surrogate bytes": b'{"symbol":"\xed\xa0\x80"}',
    "cut": b'{"symbol":"A"',
    "two": b'{"symbol":"A"}{}',
    "comma": b'{"symbol":"A",}',
    "comment": b'{"symbol":"A"} // a',
    "leading zero": b'{"open":01}',
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_json_is_400(content: bytes) -> None:
    """Whatever is wrong with it, the answer itself is valid UTF-8."""
    problem = problem_of(post(APP, PREDICT, content))
    assert (problem.status, problem.type) == (400, "/problems/malformed-json")


@pytest.mark.parametrize("path", ROUTES)
def test_every_route_refuses_what_is_not_json(path: str) -> None:
    """Malformed JSON is 400 on every route, unless a field before the fault is wrong already: then 422."""
    for content in MALFORMED.values():
        assert problem_of(post(APP, path, content)).status in {400, 422}


@pytest.mark.parametrize("content", [b"[]", b"1", b'"text"', b"null", b"true", b"[" * 3 + b"]" * 3])
@pytest.mark.parametrize("path", ROUTES)
def test_what_is_no_object_is_422(path: str, content: bytes) -> None:
    """Arrays and scalars are JSON, but no body."""
    assert problem_of(post(APP, path, content)).status == 422


DUPLICATES = [
    b'{"symbol":"A","symbol":"B"}',
    b'{"symbol":"A","s\\u0079mbol":"B"}',
    b'{"open":1,"high":1,"low":1,"close":1,"close":1}',
    b'{"bars":[],"bars":[{"open":1,"high":1,"low":1,"close":1}]}',
    b'{"bars":[{"open":1,"high":1,"low":1,"close":1,"close":1}]}',
    b'{"bars":{"open":[1],"high":[1],"low":[1],"close":[1],"close":[1]}}',
]


@pytest.mark.parametrize("content", DUPLICATES)
def test_a_key_that_appears_twice_is_400(content: bytes) -> None:
    """In the outer object and in every inner one; which of the two was meant can't be known."""
    problem = problem_of(post(APP, PREDICT, content))
    assert (problem.status, problem.type) == (400, "/problems/duplicate-key")


def test_a_colon_in_a_text_is_no_key() -> None:
    """The count of colons only raises the question; the answer comes from the keys."""
    content = b'{"periods":1,"regressors":{"a:b":[1]}}'
    assert post(APP, "/probe/forecast", content).status_code == 200
    twice = b'{"periods":1,"regressors":{"a:b":[1],"a:b":[1]}}'
    assert problem_of(post(APP, "/probe/forecast", twice)).type == "/problems/duplicate-key"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('Application/JSON;charset="UTF-8"', 200),
        ("application/json; charset=latin-1", 415),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("text/json", 415),
        ("application/jsonp", 415),
        ("", 415),
    ],
)
def test_only_json_is_read(header: str, status: int) -> None:
    """Any other type is 415, and the answer names the header to send."""
    answer = call(APP, "POST", PREDICT, json.dumps(BAR).encode(), {"Content-Type": header} if header else {})
    assert answer.status_code == status
    if status == 415:
        assert "-H 'Content-Type: application/json'" in problem_of(answer).detail


@pytest.mark.parametrize(
    ("path", "content", "kind", "pointer"),
    [
        ("/probe/forecast", {}, "invalid-input", "/periods"),
        ("/probe/forecast", {"periods": 0}, "invalid-input", "/periods"),
        ("/probe/forecast", {"periods": 1.5}, "invalid-input", "/periods"),
        ("/probe/forecast", b'{"periods":9e99}', "invalid-input", "/periods"),
        ("/probe/forecast", b'{"periods":' + b"9" * 5000 + b"}", "invalid-input", "/periods"),
        ("/probe/forecast", b'{"periods":' + b"9" * 4300 + b"}", "horizon-too-far", "/periods"),
        ("/probe/forecast", {"periods": 10**9}, "horizon-too-far", "/periods"),
        ("/probe/forecast", {"periods": 366}, "horizon-too-far", "/periods"),
        ("/probe/forecast", {"periods": 1, "level": 1}, "invalid-input", "/level"),
        ("/probe/forecast", {"periods": 2, "regressors": {"volume": [1]}}, "invalid-input", "/regressors/volume"),
        ("/probe/forecast", {"periods": 1, "history": []}, "invalid-input", "/history"),
        ("/probe/forecast", {"periods": 1, "history": [{"ds": "2018-01-01"}]}, "invalid-input", "/history/0"),
        (
            "/probe/forecast",
            {"periods": 1, "history": [{"ds": "2018-01-01", "date": "2018-01-01", "y": 1}]},
            "invalid-input",
            "/history/0",
        ),
        (
            "/probe/forecast",
            {"periods": 1, "history": [{"ds": "2018-01-01", "y": 0}]},
            "invalid-input",
            "/history/0/open",
        ),
        (
            "/probe/forecast",
            {"periods": 1, "history": [{"ds": "2018-01-02", "y": 1}, {"ds": "2018-01-01", "y": 1}]},
            "invalid-input",
            "/history/1/ds",
        ),
        ("/probe/regime", {"returns_window": [0.1]}, "invalid-input", "/volatility_window"),
        ("/probe/regime", {"returns_window": [0.1], "volatility_window": []}, "invalid-input", "/volatility_window"),
        ("/probe/regime", {"returns_window": [], "volatility_window": []}, "invalid-input", "/volatility_window"),
        ("/probe/regime", {"returns_window": [0.1], "volatility_window": [0]}, "invalid-input", "/volatility_window/0"),
        ("/probe/predict", {"returns_window": [0.1]}, "unknown-field", "/returns_window"),
        ("/probe/batch", {"items": []}, "invalid-input", "/items"),
    ],
)
def test_rules_of_the_other_bodies(path: str, content: object, kind: str, pointer: str) -> None:
    """Forecast, regime and batch name what breaks their rules."""
    problem = problem_of(post(APP, path, content))
    assert (problem.type, problem.errors[0].pointer) == (f"/problems/{kind}", pointer)


@pytest.mark.parametrize(
    "row", [{"ds": "2018-01-01", "y": 7.5}, {"date": "2018-01-01", "close": 7.5, "open": 7, "volume": 5}]
)
def test_a_history_takes_both_vocabularies(row: dict[str, Any]) -> None:
    """Prophet's names and the market's mean the same."""
    answer = post(APP, "/probe/forecast", {"periods": 1, "history": [row]})
    assert {"bars": 1, "close": 7.5, "last": "2018-01-01"}.items() <= answer.json().items()


def test_a_wrong_item_harms_no_other() -> None:
    """Each item of a batch is read by itself; a fault is placed in the whole body."""
    items = [BAR, {"bars": rows(3, close=0)}, 7, {"symbol": "AAPL", "symbol2": 1}, {"bars": rows(2)}]
    answer = post(APP, "/probe/batch", {"items": items})
    assert answer.json() == {"items": [1, "/items/1/bars/2/close", "/items/2", "/items/3/symbol2", 2]}


def test_a_batch_that_holds_its_items_twice_is_400() -> None:
    """The keys of the outer object are watched also where the inner ones are read later."""
    assert (
        problem_of(post(APP, "/probe/batch", b'{"items":[],"items":[{"symbol":"A"}]}')).type
        == "/problems/duplicate-key"
    )


def test_bounds_on_bars_and_items() -> None:
    """More bars or items than the settings allow are refused in every form."""
    small = make_app(make_settings(max_bars=3, max_batch_rows=2))
    assert post(small, PREDICT, {"bars": rows(3)}).status_code == 200
    for path, content in (
        (PREDICT, {"bars": rows(4)}),
        (PREDICT, {"bars": columns(4)}),
        ("/probe/regime", {"returns_window": [0.1] * 4, "volatility_window": [0.1] * 4}),
        ("/probe/forecast", {"periods": 1, "history": [{"ds": f"2018-01-0{n}", "y": 1} for n in range(1, 5)]}),
        ("/probe/batch", {"items": [BAR] * 3}),
    ):
        assert (
            "at most 3" in problem_of(post(small, path, content)).detail
            or "1 to 2" in problem_of(post(small, path, content)).detail
        )


def test_type_is_checked_before_the_body() -> None:
    """A form of a browser never reaches the decoder."""
    answer = call(APP, "POST", PREDICT, b"open=1", {**JSON_HEADERS, "Content-Type": "multipart/form-data; boundary=x"})
    assert problem_of(answer).type == "/problems/unsupported-media-type"
