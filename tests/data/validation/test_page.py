"""The page in a real browser, under a policy that forbids everything but its own style."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, Page

from data.validation.report import Validation
from data.validation.run import validate_bars
from tests.app.test_docs_page import browser
from tests.data.validation.made import NEW_YORK, Frame, day, quiet
from tests.data.validation.test_report import damaged

__all__ = ["browser"]  # a fixture, which is found by its name

pytestmark = pytest.mark.browser

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
ADDRESS = "http://report.test/"


def many(series: int) -> Validation:
    """Return a validation with eight findings in each of many series: four that were judged, by turns and renamed."""

    def bad(seed: int) -> Frame:
        frame = quiet(seed=seed)
        frame.loc[10, "close"] = -1.0
        frame.loc[20, "low"] = frame.loc[20, "high"]
        frame.loc[30, "open"] = float("nan")
        frame.loc[40:48, "volume"] = 0.0
        frame.loc[50, "volume"] = -1.0
        frame.loc[60, "high"] = 400.0
        frame.loc[71, "date"] = frame.loc[70, "date"]
        return frame

    found = {f"SYMBOL{number}": bad(number) for number in range(4)}
    judged = validate_bars(found, lambda _symbol: NEW_YORK, day("2024-06-24"))
    renamed = (replace(judged.series[number % 4], symbol=f"SYMBOL{number}") for number in range(series))
    return replace(judged, series=tuple(renamed))


MADE: dict[str, Callable[[], Validation]] = {
    "damaged": damaged,
    "clean": lambda: validate_bars({"CLEAN": quiet()}, lambda _symbol: NEW_YORK, None),
    "many": lambda: many(63),
}


@cache
def html(name: str) -> str:
    """Return a page, made once."""
    return MADE[name]().html()


@pytest.fixture(params=[(390, "dark"), (1280, "light")], ids=["narrow", "wide"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """Open a tab that answers nothing but what a test gives it."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", MADE)
def test_it_fits_and_loads_nothing(name: str, page: Page) -> None:
    """No sideways scroll, no complaint of the policy, no dialog, no other request; the verdict is seen first."""
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": POLICY}
    page.route("**/*", lambda route: route.fulfill(headers=headers, body=html(name)))
    page.goto(ADDRESS)

    assert [url for url in asked if not url.endswith("favicon.ico")] == [ADDRESS]
    assert wrong == []
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.locator("html").evaluate("node => node.scrollWidth") <= width
    box = page.locator(".verdict").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 400


def test_links_lead_to_the_series_by_keyboard(page: Page) -> None:
    """Of many series, each is one step away; samples unfold with the keyboard."""
    page.set_content(html("many"))
    first = page.locator(".names a").first
    first.focus()
    page.keyboard.press("Enter")
    box = page.locator("#s0").bounding_box()
    assert box is not None
    assert -5 <= box["y"] < 100

    summary = page.locator("#s0 summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("#s0 details[open] table").first.is_visible()


def test_colours_have_contrast(page: Page) -> None:
    """Text of either severity stands out from its card by 4.5 to 1, light and dark."""
    page.set_content(html("damaged"))

    ratios = page.evaluate(
        """() => {
          const channel = value => {
            const share = value / 255;
            return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4 };
          const light = text => { const [r, g, b] = text.match(/[\\d.]+/g).map(Number);
            return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b) };
          const card = light(getComputedStyle(document.querySelector('.series')).backgroundColor);
          return ['.series td.error', '.series td.warning', '.series .soft', '.series td.main'].map(name => {
            const ink = light(getComputedStyle(document.querySelector(name)).color);
            return (Math.max(ink, card) + 0.05) / (Math.min(ink, card) + 0.05) })
        }"""
    )

    assert min(ratios) >= 4.5
