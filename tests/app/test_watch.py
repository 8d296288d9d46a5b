"""What is tried again, and when: a failure of the machine ever more seldom, and whatever is new at once."""

import asyncio
import logging
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from app.loader import Loader
from app.metrics import Metrics
from app.serving import Serving
from app.watch import Patience, watch
from models.store import ArtifactStore
from tests.app.support import make_settings
from tests.app.two_versions import FIRST, MODEL, SECOND

INTERVAL = 0.02
TRIES = 8
PROMPT_S = 4.5
"""Less than the pause that follows so many tries in vain, and more than a load takes on a busy machine."""


@pytest.fixture
def store(two_version_store: Path, tmp_path: Path) -> ArtifactStore:
    """Return a store of one's own with two versions."""
    return ArtifactStore(Path(shutil.copytree(two_version_store, tmp_path / "store")), by="test")


@pytest.fixture
def serving(store: ArtifactStore, tmp_path: Path) -> Serving:
    """Return what serves that store, loaded."""
    serving = Serving(make_settings(artifacts_dir=store.root, data_dir=tmp_path / "data"), Metrics())
    serving.load()
    serving.histories.renew()
    return serving


def tries(patience: Patience, stamps: Sequence[object]) -> list[int]:
    """Return the looks at which something is tried that has these stamps; None: it has not changed."""
    return [look for look, stamp in enumerate(stamps) if list(patience.due({} if stamp is None else {"it": stamp}))]


def test_what_fails_is_tried_ever_more_seldom() -> None:
    """Pauses of 2, 4, 8 looks, up to the longest, however long it lasts."""
    assert tries(Patience(1.0, 8.0), ["a"] * 31) == [0, 2, 6, 14, 22, 30]
    assert len(tries(Patience(1.0, 2.0), ["a"] * 5000)) == 2500


def test_what_is_new_is_tried_at_once_and_begins_anew() -> None:
    """Another stamp ends the pause and its growth; so does a look at which nothing had changed."""
    assert tries(Patience(1.0), ["a"] * 8 + ["b"] * 8) == [0, 2, 6, 8, 10, 14]
    assert tries(Patience(1.0), ["a"] * 8 + [None] + ["a"] * 7) == [0, 2, 6, 9, 11, 15]


def test_each_name_has_its_own_patience() -> None:
    """One that fails doesn't hold up another."""
    patience = Patience(1.0)
    assert list(patience.due({"x": 1})) == ["x"]
    assert list(patience.due({"x": 1, "y": 1})) == ["y"]


def watched(serving: Serving, story: Callable[[], Awaitable[None]]) -> None:
    """Have the watch look while a story goes on."""

    async def both() -> None:
        loader = Loader()
        watching = asyncio.create_task(watch(serving, loader, INTERVAL))
        try:
            await story()
        finally:
            watching.cancel()
            loader.close()

    asyncio.run(both())


async def until(true: Callable[[], bool], patience_s: float = 60.0) -> float:
    """Wait for something, and return how long it took."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < patience_s, "expected it by now"
        await asyncio.sleep(INTERVAL / 2)
    return time.monotonic() - begun


def serves(serving: Serving) -> str | None:
    """Return the version that serves."""
    loaded = serving.slot(MODEL).loaded
    return None if loaded is None else loaded.version


def test_a_good_promotion_does_not_wait_out_the_pause_of_a_failure(
    serving: Serving, store: ArtifactStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The machine refused again and again; what is promoted then is served at once."""
    current = store.root / MODEL / "CURRENT"

    async def story() -> None:
        kept = current.read_bytes()
        current.unlink()
        current.mkdir()
        await until(lambda: caplog.text.count(f"{MODEL} can't serve") >= TRIES)
        assert serves(serving) == FIRST
        current.rmdir()
        current.write_bytes(kept)
        store.promote(MODEL, SECOND, why="the machine is well again")
        assert await until(lambda: serves(serving) == SECOND) < PROMPT_S

    watched(serving, story)


def test_refused_promotions_do_not_make_the_watch_slow(
    serving: Serving, store: ArtifactStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A quarantined version is tried once a promotion, however many there were; the next good one at once."""
    store.quarantine(MODEL, SECOND, why="a person looks at it")
    line = (store.root / MODEL / "CURRENT").read_bytes()
    other = ArtifactStore(store.root)
    other.release(MODEL, SECOND, why="only to promote it")
    other.promote(MODEL, SECOND, why="a test")
    other.quarantine(MODEL, SECOND, why="a person looks at it")
    assert line != (store.root / MODEL / "CURRENT").read_bytes()

    async def story() -> None:
        for times in range(1, TRIES + 1):
            told = f"{MODEL} can't serve"
            await until(lambda told=told, times=times: caplog.text.count(told) >= times)  # type: ignore[misc]
            await asyncio.sleep(5 * INTERVAL)
            assert caplog.text.count(told) == times
            store.renew(MODEL)
        store.release(MODEL, SECOND, why="it is fine")
        store.renew(MODEL)
        assert await until(lambda: serves(serving) == SECOND) < PROMPT_S

    with caplog.at_level(logging.ERROR):
        watched(serving, story)
