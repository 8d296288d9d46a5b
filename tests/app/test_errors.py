"""Every exception becomes one shape of answer, and every problem has its page."""

import msgspec
import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from app import problems
from app.errors import MAX_ANSWER_BYTES, MAX_FAULTS, ProblemError, encoded, from_exception, pointer, shown
from app.problems import CATALOGUE
from app.schemas.answers import Fault, Problem
from data.errors import DataError, NoSuchDate, UnknownSymbol, UnreadableFile
from feature_mapper.errors import BarcastError, BarFault, FeatureMismatch, InvalidBars
from models.errors import ArtifactError, HashMismatch
from tests.app.support import call, make_app, problem_of

APP = make_app()


@pytest.mark.parametrize(
    ("error", "slug", "told"),
    [
        (InvalidBars((BarFault(3, "close", "bar 3, close: expected more"),), 1), "invalid-input", True),
        (FeatureMismatch("/srv/private"), "model-unavailable", False),
        (ArtifactError("/srv/private"), "model-unavailable", False),
        (HashMismatch("/srv/private"), "model-unavailable", False),
        (UnknownSymbol("ZZZ", ["AAPL"], "the store"), "unknown-symbol", True),
        (NoSuchDate("nothing before 2000"), "no-such-date", True),
        (UnreadableFile("expected a header", line=3), "csv-unreadable", True),
        (DataError("/srv/private"), "data-unavailable", False),
        (HTTPException(404), "not-found", True),
        (HTTPException(405), "method-not-allowed", True),
        (HTTPException(418, "teapot"), "bad-request", True),
        (HTTPException(507), "internal-error", True),
        (RequestValidationError([{"loc": ("query", "n"), "msg": "not a number"}]), "invalid-input", False),
        (BarcastError("/srv/private"), "internal-error", False),
        (RuntimeError("/srv/private"), "internal-error", False),
        (KeyError("/srv/private"), "internal-error", False),
    ],
)
def test_the_table(error: Exception, slug: str, told: bool) -> None:  # noqa: FBT001  a column of the table
    """Each class has its problem; messages that may hold paths of the server are not told."""
    problem = from_exception(error)
    text = encoded(problem, "id").decode()
    assert problem.kind.slug == slug
    assert "/srv/private" not in text
    if told:
        message = error.detail if isinstance(error, HTTPException) else str(error)
        assert problem.detail == message


def test_faults_of_bars_become_pointers() -> None:
    """Row and field of a fault are its place."""
    problem = from_exception(InvalidBars((BarFault(3, "close", "wrong"), BarFault(None, "open", "short")), 2))
    assert [fault.pointer for fault in problem.faults] == ["/3/close", "/open"]


@given(
    detail=st.text(st.characters(), max_size=3000),
    places=st.lists(
        st.tuples(st.text(st.characters(), max_size=200), st.text(st.characters(), max_size=400)), max_size=40
    ),
)
def test_an_answer_is_bounded_valid_utf8(detail: str, places: list[tuple[str, str]]) -> None:
    """Whatever texts an error carries, lone surrogates and control characters too."""
    faults = [Fault(pointer=pointer(*place), detail=text) for *place, text in places]
    raw = encoded(ProblemError(problems.INVALID_INPUT, detail, faults), "id")
    problem = msgspec.json.decode(raw, type=Problem)
    assert len(raw) <= MAX_ANSWER_BYTES
    assert len(problem.errors) <= MAX_FAULTS


def test_the_largest_answer_is_bounded() -> None:
    """Also where every character takes four bytes."""
    wide = "\U0001f600" * 5000
    raw = encoded(ProblemError(problems.INVALID_INPUT, wide, [Fault(pointer=wide, detail=wide)] * 100), "id")
    assert len(raw) <= MAX_ANSWER_BYTES
    assert msgspec.json.decode(raw, type=Problem).errors


@given(st.text(st.characters(), max_size=100))
def test_what_is_shown_of_input_is_short_and_printable(text: str) -> None:
    """At most 40 characters, none of which moves a cursor."""
    assert len(shown(text)) <= 40
    assert shown(text).isprintable()


@given(
    st.text(st.characters(codec="utf-8", categories=["L", "N"]) | st.sampled_from("~/"), max_size=30),
    st.integers(0, 99),
)
def test_pointers_can_be_read_back(name: str, row: int) -> None:
    """RFC 6901: `~` and `/` in names are escaped."""
    first, second = pointer(name, row).removeprefix("/").split("/")
    assert (first.replace("~1", "/").replace("~0", "~"), second) == (name, str(row))


def test_slugs_are_unique_and_in_order() -> None:
    """A slug is one page; the catalogue is listed by status."""
    slugs = [kind.slug for kind in CATALOGUE]
    assert len(set(slugs)) == len(slugs)
    assert [kind.status for kind in CATALOGUE] == sorted(kind.status for kind in CATALOGUE)


def test_every_problem_type_is_in_the_catalogue() -> None:
    """A type that is declared and not listed would have no page."""
    declared = {value.slug for value in vars(problems).values() if isinstance(value, problems.ProblemType)}
    assert declared == {kind.slug for kind in CATALOGUE}


@pytest.mark.parametrize("kind", CATALOGUE, ids=lambda kind: kind.slug)
def test_every_type_is_a_page_that_is_served(kind: problems.ProblemType) -> None:
    """The page says what the problem is and what to do, and loads nothing from elsewhere."""
    answer = call(APP, "GET", kind.uri)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert kind.title in answer.text.replace("&#x27;", "'")
    assert "http://" not in answer.text.replace("http://127.0.0.1", "")
    assert "https://" not in answer.text
    assert kind.uri in call(APP, "GET", "/problems").text


@pytest.mark.parametrize("slug", ["conflict", "%2e%2e", "<script>", "a" * 300, "%00", "%ff"])
def test_an_unknown_slug_is_404(slug: str) -> None:
    """It is looked up in the catalogue and never becomes a path."""
    assert problem_of(call(APP, "GET", f"/problems/{slug}")).status == 404


def test_a_wrong_path_is_told_the_near_one() -> None:
    """404 names a path that is served."""
    assert "did you mean /probe/predict?" in problem_of(call(APP, "GET", "/probe/predcit")).detail
    assert problem_of(call(APP, "GET", "/livez/")).status == 404  # no redirect: a POST would lose its body


def test_a_wrong_method_is_told_the_right_ones() -> None:
    """405 lists them, in the header too."""
    answer = call(APP, "DELETE", "/probe/predict")
    assert problem_of(answer).status == 405
    assert answer.headers["allow"] == "POST"
    assert call(APP, "POST", "/livez").headers["allow"] == "GET, HEAD"
    assert call(APP, "HEAD", "/livez").status_code == 200
