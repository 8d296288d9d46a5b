"""From a verdict to service: against what serves now, not against what served when the verdict was made."""

import itertools
import threading
from pathlib import Path

import pytest

from models.errors import ArtifactUnsound, ChampionChanged
from models.store import ArtifactStore
from tests.training.kit.test_ritual import SERIES, SPECS
from training.kit.promotion import review, settle
from training.kit.ritual import run

MODEL = "lightgbm_return"
SPEC = SPECS[MODEL]
SHORTER = {symbol: bars[:-20] for symbol, bars in SERIES.items()}


def published(store: ArtifactStore, count: int) -> list[str]:
    """Publish candidates that know ever later days; each was judged when nothing served."""
    return [
        run(MODEL, SPEC, {symbol: bars[: -10 * (count - n)] for symbol, bars in SERIES.items()}, store).version
        for n in range(count)
    ]


def test_candidate_is_judged_again_if_another_was_promoted_meanwhile(tmp_path: Path) -> None:
    """Its own verdict speaks of an empty store; the ledger then holds the one that was made against the champion."""
    store = ArtifactStore(tmp_path)
    older, newer = published(store, 2)
    assert settle(MODEL, older, store).champion is None
    verdict = settle(MODEL, newer, store)
    assert verdict.champion == older
    assert store.manifest(MODEL, newer).gate.champion is None
    assert verdict.reason.startswith("not worse than v000001: tier 22, ")
    assert [entry.why for entry in store.promotions(MODEL)][1:] == [verdict.reason]
    assert review(MODEL, older, store).champion == newer


def test_a_champion_that_cannot_serve_is_replaced(tmp_path: Path) -> None:
    """A quarantined one is in the ledger still; the promotion says that it replaces that one."""
    store = ArtifactStore(tmp_path)
    older, newer = published(store, 2)
    settle(MODEL, older, store)
    store.quarantine(MODEL, older, why="test")
    verdict = settle(MODEL, newer, store)
    assert (verdict.promoted, verdict.champion) == (True, older)
    assert store.current(MODEL) == newer
    third = run(MODEL, SPEC, SERIES, store)
    store.quarantine(MODEL, newer, why="test")
    assert settle(MODEL, third.version, store).promoted
    assert store.read(MODEL).manifest.version == third.version


def test_older_data_do_not_replace_newer_ones_in_silence(tmp_path: Path) -> None:
    """The same model on the same rows, with fewer days: kept, though its own verdict was yes."""
    store = ArtifactStore(tmp_path)
    first, again = (run(MODEL, SPEC, SERIES, store).version for _ in range(2))
    settle(MODEL, first, store)
    assert store.manifest(MODEL, again).gate.promoted
    verdict = settle(MODEL, again, store)
    assert not verdict.promoted
    assert "the same as v000001" in verdict.reason
    assert store.current(MODEL) == first


def test_what_does_not_answer_as_published_never_serves(tmp_path: Path) -> None:
    """The golden examples are replayed before the promotion; the champion stays."""
    store = ArtifactStore(tmp_path)
    first, second = published(store, 2)
    settle(MODEL, first, store)
    weights = tmp_path / MODEL / second / "tier_001.txt"
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes() + b"\n")
    with pytest.raises(ArtifactUnsound):
        settle(MODEL, second, store)
    assert store.current(MODEL) == first


def test_a_promotion_names_what_it_replaces(tmp_path: Path) -> None:
    """If that is not what serves, nothing changes."""
    store = ArtifactStore(tmp_path)
    first, second = published(store, 2)
    with pytest.raises(ChampionChanged, match="expected v000009 to serve, found none"):
        store.promote(MODEL, first, why="test", instead_of="v000009")
    store.promote(MODEL, first, why="test", instead_of=None)
    with pytest.raises(ChampionChanged, match=r"expected no version to serve, found v000001; judge"):
        store.promote(MODEL, second, why="test", instead_of=None)
    assert store.current(MODEL) == first
    assert len(store.promotions(MODEL)) == 1


def test_many_candidates_at_once_leave_a_chain_of_judged_promotions(tmp_path: Path) -> None:
    """Each promotion's reason was given against the very version that it replaced."""
    store = ArtifactStore(tmp_path)
    versions = published(store, 4)
    threads = [
        threading.Thread(target=settle, args=(MODEL, version, ArtifactStore(tmp_path, by=version)))
        for version in versions
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
