"""The interactive page in a real browser: no other origin, no error, and it sends requests."""

import os
import shutil
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from playwright.sync_api import Browser, sync_playwright

from tests.app.support import OPERATIONS, make_app
from tests.app.test_health import app_with

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)

pytestmark = pytest.mark.browser


class Server(uvicorn.Server):
    """A server in a thread, whose signals stay with pytest."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: object = None) -> None:  # noqa: ARG002  uvicorn's signature
        """Start, and say so."""
        await super().startup()
        self.ready.set()

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}"


def served(app: object) -> Iterator[str]:
    """Serve an application from a thread and give its address."""
    server = Server(uvicorn.Config(app, port=0, log_level="warning"))  # type: ignore[arg-type]  # any ASGI application
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.ready.wait(20)
        yield server.url
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def docs() -> Iterator[str]:
    """Serve the probing routes."""
    yield from served(make_app())


@pytest.fixture
def card() -> Iterator[str]:
    """Serve a view with one model that serves and one that does not."""
    yield from served(app_with("serving", "failed"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Launch Chromium; its absence is a failure where CI promises it."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("expected chromium on this machine, found none; install it (apt-get install chromium)")
        pytest.skip("needs chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--lang=en-US"])
        yield launched
        launched.close()


def test_the_docs_page_works_without_the_internet(docs: str, browser: Browser) -> None:
    """It lists every operation, and "Execute" shows the answer of the service; nothing is asked of another origin."""
    page = browser.new_page()
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{docs}/docs")
    page.wait_for_selector(".opblock")

    shown = page.locator(".opblock .opblock-summary-path").all_inner_texts()
    assert {operation.path for operation in OPERATIONS} <= {path.replace("\u200b", "") for path in shown}

    block = page.locator(".opblock-post", has_text="/probe/predict")
    block.locator(".opblock-summary-control").click()
    block.locator("button.execute").click()
    answer = block.locator(".live-responses-table tbody .response-col_status").first
    answer.wait_for()
    assert answer.inner_text().startswith("200")
    assert '"bars": 1' in block.locator(".live-responses-table").inner_text()

    assert wrong == []
    assert all(url.startswith((docs, "data:")) for url in asked)
    assert any(url == f"{docs}/probe/predict" for url in asked)
    page.close()


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("path", ["/", "/problems", "/problems/invalid-input"])
def test_pages_fit_and_load_nothing_else(path: str, width: int, card: str, browser: Browser) -> None:
    """No sideways scroll on a phone, no error, no other origin, readable without JavaScript."""
    context = browser.new_context(viewport={"width": width, "height": 800}, java_script_enabled=False)
    page = context.new_page()
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto(f"{card}{path}")
    assert page.locator("h1").bounding_box() is not None
    box = page.locator("main").bounding_box()
    assert box is not None
    assert box["width"] <= width
    assert page.locator("html").evaluate("node => node.scrollWidth") <= width
    assert wrong == []
    assert all(url.startswith(card) for url in asked)
    context.close()
