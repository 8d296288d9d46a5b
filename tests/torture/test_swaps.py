"""Versions that take turns under load: no request fails, no answer is of two versions, nothing old stays in memory.

`python -m tests.figures swaps` does this a thousand times, and measures memory and time too.
"""

import gc
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from app.lifecycle import Lifecycle
from app.schemas.requests import PromoteRequest
from app.watch import freeze
from models.store import ArtifactStore
from models.tabular import TabularModel
from tests.app.two_versions import FIRST, MODEL, PATH, SECOND
from tests.figures.crowd import Crowd, Tally, judge, percentile
from tests.figures.server import serving
from tests.figures.swaps import EACH_IN_STORE, bodies, oracle_of, propagate, slope, swap_under_load
from tests.support.in_process import InProcess

SWAPS = 40


@pytest.fixture
def store(two_version_store: Path, tmp_path: Path) -> Path:
    """Return a store of one's own with two versions."""
    return Path(shutil.copytree(two_version_store, tmp_path / "store"))


@pytest.mark.long
def test_forty_swaps_under_load_fail_and_mix_nothing(store: Path, tmp_path: Path) -> None:
    """By the admin's route and behind the server's back; every answer is, to the byte, that of the version it names."""
    done = swap_under_load(store, tmp_path, swaps=SWAPS, clients=2, steady=0.1)
    assert done.failed == []
    assert done.mixed == []
    assert done.stale == 0
    assert (done.swaps, done.in_store, len(done.memory)) == (SWAPS, SWAPS // EACH_IN_STORE, SWAPS)
    assert done.requests > SWAPS
    promoted = ArtifactStore(store).promotions(MODEL)
    assert [entry.version for entry in promoted[1:]] == [SECOND, FIRST] * (SWAPS // 2)


def test_both_workers_serve_what_the_store_says(store: Path, tmp_path: Path) -> None:
    """After a promotion, and after a rollback, each of many fresh connections is answered by the new version."""
    done = propagate(store, tmp_path, changes=1)
    assert len(done.promotions) == len(done.rollbacks) == 1
    assert max(done.promotions + done.rollbacks) < float("inf")
    assert done.least >= 1


def test_an_answer_of_another_version_is_told(store: Path, tmp_path: Path) -> None:
    """The crowd that is given the answers of the other version calls every answer mixed, and failures by status."""
    with serving(store, tmp_path) as server:
        right = oracle_of(server.port)
        wrong = {FIRST: right[SECOND], SECOND: right[FIRST]}
        with Crowd(server.port, PATH, bodies(), wrong, 1) as crowd:
            while crowd.requests() < 10:
                pass
        assert len(crowd.mixed()) == crowd.requests()
        assert crowd.failed() == []
        with Crowd(server.port, PATH, [b"{}"] * len(bodies()), right, 1) as crowd:
            while crowd.requests() < 10:
                pass
        assert len(crowd.failed()) == crowd.requests()
    tally, (one, other) = Tally(), (json.loads(right[version][0]) for version in (FIRST, SECOND))
    mixture = json.dumps({**one, "probability_up": other["probability_up"]}, separators=(",", ":")).encode()
    judge(tally, right, 0, 200, right[FIRST][0])
    assert tally.mixed == []
    judge(tally, right, 0, 200, mixture)
    assert len(tally.mixed) == 1


def alive() -> int:
    """Count the tabular models in this process, those out of sight of the collector too."""
    freeze()
    gc.unfreeze()
    return sum(type(each) is TabularModel for each in gc.get_objects())


def test_a_replaced_version_leaves_memory(store: Path, tmp_path: Path) -> None:
    """However often it is replaced, by route or by watch: what is alive at the end was alive at the beginning."""
    question = bodies()[0]
    with InProcess(store, tmp_path / "data") as service:
        lifecycle = Lifecycle(service.desk.serving)
        before = alive()
        for number in range(6):
            version = (SECOND, FIRST)[number % 2]
            asked = PromoteRequest(version=version, anyway=True)
            assert lifecycle.promote(MODEL, asked).serves
            assert service.post(PATH, question).status == 200
            assert alive() == before, version


def test_a_leak_is_told_from_the_noise_of_memory() -> None:
    """Growth by a version of 400 KiB a swap, by 3 KiB of something, by leaps; not one that wanders or leaps once."""
    wandering = 250_000 + np.cumsum(np.random.default_rng(1).choice([-1.0, 1.0], 750))
    once = wandering + 1900 * (np.arange(750) > 400)
    leaps = wandering + 1900 * (np.arange(750) // 300)
    assert not slope(wandering.tolist()).leaks
    assert not slope(once.tolist()).leaks
    assert slope(leaps.tolist()).leaks
    for kib in (3.0, 16.0, 400.0):
        found = slope((once + kib * np.arange(750)).tolist())
        assert found.leaks
        assert found.kib == pytest.approx(kib, abs=0.5)
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0
