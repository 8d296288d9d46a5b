"""From a verdict to service: against what serves now, not against what served when the verdict was made."""

import itertools
import shutil
import threading
from pathlib import Path

import pytest

from feature_mapper.bars import Bars
from models.errors import ArtifactUnsound, ChampionChanged
from models.store import ArtifactStore
from tests.training.kit.test_ritual import SERIES, SPECS
from training.kit.promotion import review, settle
from training.kit.ritual import run

MODEL = "lightgbm_return"
SPEC = SPECS[MODEL]
CANDIDATES = 4
VERSIONS = tuple(f"v{number:06}" for number in range(1, CANDIDATES + 1))


def known(number: int) -> dict[str, Bars]:
    """Return what the candidate of this number knows: each knows ten days more than the one before."""
    return {symbol: bars[: 10 * (number - CANDIDATES - 1)] for symbol, bars in SERIES.items()}


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of candidates that know ever later days; each was judged when nothing served."""
    store = ArtifactStore(tmp_path_factory.mktemp("candidates"))
    for number in range(1, CANDIDATES + 1):
        run(MODEL, SPEC, known(number), store)
    return store.root


@pytest.fixture
def store(candidates: Path, tmp_path: Path) -> ArtifactStore:
    """Return a store of these that a test may change."""
    shutil.copytree(candidates, tmp_path, dirs_exist_ok=True)
    return ArtifactStore(tmp_path)


def test_candidate_is_judged_again_if_another_was_promoted_meanwhile(store: ArtifactStore) -> None:
    """Its own verdict speaks of an empty store; the ledger then holds the one that was made against the champion."""
    older, newer = VERSIONS[:2]
    assert settle(MODEL, older, store).champion is None
    verdict = settle(MODEL, newer, store)
    assert verdict.champion == older
    assert store.manifest(MODEL, newer).gate.champion is None
    assert verdict.reason.startswith("not worse than v000001: tier 22, ")
    assert [entry.why for entry in store.promotions(MODEL)][1:] == [verdict.reason]
    assert review(MODEL, older, store).champion == newer


def test_a_champion_that_cannot_serve_is_replaced(store: ArtifactStore) -> None:
    """A quarantined one is in the ledger still; the promotion says that it replaces that one."""
    older, newer = VERSIONS[:2]
    settle(MODEL, older, store)
    store.quarantine(MODEL, older, why="test")
    verdict = settle(MODEL, newer, store)
    assert (verdict.promoted, verdict.champion) == (True, older)
    assert store.current(MODEL) == newer
    store.quarantine(MODEL, newer, why="test")
    assert settle(MODEL, VERSIONS[2], store).promoted
    assert store.read(MODEL).manifest.version == VERSIONS[2]


def test_older_data_do_not_replace_newer_ones_in_silence(store: ArtifactStore) -> None:
    """The same model on the same rows, and no later day: kept, though its own verdict was yes."""
    first, again = VERSIONS[0], run(MODEL, SPEC, known(1), store).version
    settle(MODEL, first, store)
    assert store.manifest(MODEL, again).gate.promoted
    verdict = settle(MODEL, again, store)
    assert not verdict.promoted
    assert "the same as v000001" in verdict.reason
    assert store.current(MODEL) == first


def test_what_does_not_answer_as_published_never_serves(store: ArtifactStore) -> None:
    """The golden examples are replayed before the promotion; the champion stays."""
    first, second = VERSIONS[:2]
    settle(MODEL, first, store)
    weights = store.root / MODEL / second / "tier_001.txt"
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes() + b"\n")
    with pytest.raises(ArtifactUnsound):
        settle(MODEL, second, store)
    assert store.current(MODEL) == first


def test_a_promotion_names_what_it_replaces(store: ArtifactStore) -> None:
    """If that is not what serves, nothing changes."""
    first, second = VERSIONS[:2]
    with pytest.raises(ChampionChanged, match="expected v000009 to serve, found none"):
        store.promote(MODEL, first, why="test", instead_of="v000009")
    store.promote(MODEL, first, why="test", instead_of=None)
    with pytest.raises(ChampionChanged, match=r"expected no version to serve, found v000001; look at what changed"):
        store.promote(MODEL, second, why="test", instead_of=None)
    assert store.current(MODEL) == first
    assert len(store.promotions(MODEL)) == 1


def test_many_candidates_at_once_leave_a_chain_of_judged_promotions(store: ArtifactStore) -> None:
    """Each promotion's reason was given against the very version that it replaced."""
    threads = [
        threading.Thread(target=settle, args=(MODEL, version, ArtifactStore(store.root, by=version)))
        for version in VERSIONS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    promotions = store.promotions(MODEL)
    assert promotions
    assert promotions[0].why.startswith("first sound version")
    for before, after in itertools.pairwise(promotions):
        assert before.version in after.why
