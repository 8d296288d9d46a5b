"""The document survives its JSON, the text is for a terminal, the page is inert."""

from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest

from data.sources.sample import read_sample
from data.validation.chart import chart
from data.validation.engine import Accepted
from data.validation.report import MESSAGE_SHOWN, Severity, Stage, Validation
from data.validation.run import OUTLINE_POINTS, outlined, validate_bars, validate_features
from feature_mapper.catalogue import within
from tests.data.validation.made import NEW_YORK, bars_of, day, quiet

EVIL = '<script>alert("1")</script>&<img src=x onerror=alert(2)>'


def damaged() -> Validation:
    """Return a validation with errors, warnings, an accepted place and names that a browser would run."""
    first, second = quiet(), quiet(seed=2)
    first.loc[60, "close"] = -1.0
    first.loc[20:30, "volume"] = 0.0
    second["date"] = second["date"].map(str)
    second.loc[len(second) - 1, "date"] = EVIL
    second = second.sort_index(ascending=False)
    third = quiet(seed=3)
    for column in ("open", "high", "low", "close"):
        third.loc[60:, column] *= 0.5
    at = str(third.loc[60, "date"])[:10]
    return validate_bars(
        {"FIRST": first, EVIL: second, "THIRD": third, "FOURTH": quiet(seed=4)},
        lambda _symbol: NEW_YORK,
        day("2024-06-24"),
        accepted=[Accepted(symbol="THIRD", expectation="suspected-split", day=at, reason=EVIL)],
    )


class Elements(HTMLParser):
    """The elements of a page, with their attributes, and a check that they nest."""

    VOID = ("meta", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that is closed at once, as of SVG."""
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Check that it closes the newest open one."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Collect what is read."""
        self.text += data


def test_the_document_survives_its_json() -> None:
    """Encoded and decoded it is the same, with infinite and missing cells as text."""
    frame = quiet()
    frame.loc[20, "open"] = np.inf
    frame.loc[30, "close"] = np.nan
    found = validate_bars({"X": frame}, lambda _symbol: NEW_YORK, None).merged(
        validate_features({"X": bars_of(quiet())}, within(22))
    )

    assert found.errors == 2
    assert msgspec.json.decode(msgspec.json.encode(found), type=Validation) == found
    assert {one.stage for one in found.series} == {Stage.BARS, Stage.FEATURES}


def test_counts_agree_with_what_is_listed() -> None:
    """Errors, warnings, verdict and the sentence are of one story."""
    found = damaged()

    listed = [finding.severity for one in found.series for finding in one.findings]
    assert found.errors == listed.count(Severity.ERROR) == 2
    assert found.warnings == listed.count(Severity.WARNING) == 1
    assert found.halts
    assert found.verdict() == "halted: bars of 4 series, 2 errors and 1 warning in 2"


def test_warnings_do_not_halt() -> None:
    """A person should see them; nothing stops."""
    frame = quiet()
    frame.loc[20:30, "volume"] = 0.0

    found = validate_bars({"X": frame}, lambda _symbol: NEW_YORK, None)

    assert (found.errors, found.warnings, found.halts) == (0, 1, False)
    assert found.verdict().startswith("passed")


def test_the_text_has_a_line_for_each_finding() -> None:
    """Errors come first, no line is long, no character moves the cursor."""
    frame = quiet()
    frame.loc[60, "close"] = -1.0
    frame.loc[20:30, "volume"] = 0.0
    frame.loc[40:110:3, "open"] = -1.0

    lines = validate_bars({"A\x1b[2JB": frame}, lambda _symbol: NEW_YORK, None).text().splitlines()

    rows = [line for line in lines if line.startswith(("error", "warning"))]
    assert [line.split()[3] for line in rows] == ["price-not-positive", "zero-volume-run"]
    assert all(len(line) < MESSAGE_SHOWN + 60 for line in lines)
    assert all(line.isprintable() for line in lines)


def test_a_clean_text_is_one_line() -> None:
    """There is nothing to say."""
    found = validate_bars({"X": quiet()}, lambda _symbol: NEW_YORK, None)

    assert found.text() == "passed: bars of 1 series, nothing found\n"


def test_the_page_is_inert() -> None:
    """Names, cells and reasons are text: no script, no image, no handler, no link out; elements nest."""
    page = Elements(damaged().html())

    assert page.open == []
    tags = {tag for tag, _ in page.found}
    assert tags.isdisjoint({"script", "img", "link", "iframe", "object", "form"})
    for _, attributes in page.found:
        assert not [name for name in attributes if name.startswith("on") or name in {"src", "style"}]
        assert (attributes.get("href") or "#").startswith("#")
    assert EVIL in page.text
    assert "url(" not in damaged().html()


def test_a_picture_is_inert() -> None:
    """What a finding says is text in the picture, too."""
    (finding,) = validate_bars({"X": quiet()}, lambda _symbol: NEW_YORK, day("2024-07-01")).series[0].findings
    told = msgspec.structs.replace(finding, expectation=EVIL, message=EVIL)
    outline = outlined(np.arange(day("2024-06-01"), day("2024-06-11")), np.linspace(1.0, 2.0, 10))

    picture = Elements(chart(outline, [told]))

    assert picture.open == []
    assert {tag for tag, _ in picture.found} == {
        "figure",
        "div",
        "span",
        "svg",
        "rect",
        "title",
        "polyline",
        "figcaption",
    }
    assert picture.text.count(EVIL) == 2


@pytest.mark.parametrize("n", [0, 1])
def test_a_picture_needs_two_days(n: int) -> None:
    """Where there is no line there is no frame either."""
    days = np.arange(day("2024-06-01"), day("2024-06-01") + n)

    assert chart(outlined(days, np.ones(n)), []) == ""


def test_the_page_tells_all_findings() -> None:
    """Every expectation, message and remedy is on it, and a mark where there is a day."""
    found = damaged()
    page = Elements(found.html())

    told = " ".join(page.text.split())
    for one in found.series:
        for finding in one.findings:
            assert finding.expectation in told
            assert all(" ".join(place.split()) in told for place in finding.message.split("; "))
            assert finding.remedy in told
    marks = [attributes["class"] for tag, attributes in page.found if tag == "rect"]
    assert sorted(filter(None, marks)) == ["error", "warning"]


@pytest.mark.parametrize("n", [1, 2, 3, OUTLINE_POINTS, OUTLINE_POINTS + 1, 5000])
def test_an_outline_keeps_ends_and_extremes(n: int) -> None:
    """Few points, ascending, with the first, the last, the highest and the lowest close."""
    rng = np.random.default_rng(n)
    close = np.exp(rng.normal(0, 0.02, n).cumsum())
    days = np.arange(day("2000-01-01"), day("2000-01-01") + n)

    outline = outlined(days, close)

    assert len(outline.days) == len(outline.close) <= OUTLINE_POINTS + 2
    assert list(outline.days) == sorted(set(outline.days))
    assert (outline.days[0], outline.days[-1]) == (str(days[0]), str(days[-1]))
    assert outline.close[0] == pytest.approx(close[0], rel=1e-5)
    assert (min(outline.close), max(outline.close)) == pytest.approx((close.min(), close.max()), rel=1e-5)


def test_the_sample_passes() -> None:
    """The series that are shipped are fit to train on; one real crash is shown to a person."""
    series = read_sample().bars

    found = validate_bars(series, lambda _symbol: NEW_YORK, day("2013-03-04"), previous=series)

    assert not found.halts
    assert [(one.symbol, finding.expectation) for one in found.series for finding in one.findings] == [("AAPL", "jump")]
