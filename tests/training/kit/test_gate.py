"""The gate: who may serve, and why not."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from models.errors import StoreUnreadable
from models.manifest import LeakCheck, Score
from models.store import ArtifactStore
from tests.models.store import toys
from training.kit.gate import judge
from training.kit.outcome import Outcome

BARRED = LeakCheck(name="truncation_invariance", passed=False, detail="fails for moon_phase")


def outcome(skill: float) -> Outcome:
    """Return an outcome with this headline skill, for the toys' target."""
    draft = toys.draft()
    score = msgspec.structs.replace(draft.tiers[0].scores[0], value=skill, ci95=(skill - 0.01, skill + 0.01))
    return Outcome(
        tiers=(msgspec.structs.replace(draft.tiers[0], scores=(score,)),),
        weights={},
        target=draft.target,
        evaluation={},
        plots={},
        cases=(),
        checks=draft.checks,
        rows=draft.rows,
        first=draft.first_date,
        last=draft.last_date,
        libraries=(),
    )


def test_first_sound_version_serves_whatever_its_skill(tmp_path: Path) -> None:
    """An honest answer without skill is worth more than none; also where the champion is quarantined."""
    store = ArtifactStore(tmp_path)
    assert judge(toys.MODEL, outcome(-0.5), store).promoted
    stocked = toys.stocked(tmp_path, 1)
    stocked.quarantine(toys.MODEL, "v000001", why="test")
    assert judge(toys.MODEL, outcome(-0.5), stocked).promoted


def test_failed_leak_check_bars_even_the_first(tmp_path: Path) -> None:
    """By its name."""
    leaking = replace(outcome(0.9), checks=(BARRED,))
    verdict = judge(toys.MODEL, leaking, ArtifactStore(tmp_path))
    assert not verdict.promoted
    assert verdict.reason == "leak checks failed: truncation_invariance"


@pytest.mark.parametrize(("skill", "promoted"), [(0.02, True), (0.0, True), (-0.02, True), (-0.021, False)])
def test_candidate_must_reach_the_champions_interval(tmp_path: Path, skill: float, promoted: bool) -> None:  # noqa: FBT001  a parameter of the test
    """The toys' champion has a skill of 0.01, from -0.02 to 0.04."""
    verdict = judge(toys.MODEL, outcome(skill), toys.stocked(tmp_path, 1))
    assert verdict.promoted is promoted
    assert "v000001 (at least -0.0200 wanted)" in verdict.reason


def test_scores_of_other_targets_and_metrics_are_not_compared(tmp_path: Path) -> None:
    """A skill in log loss says nothing about one in variance, nor one over five days about one over one."""
    store = toys.stocked(tmp_path, 1)
    other = replace(outcome(-0.5), target=msgspec.structs.replace(outcome(0).target, horizon=5))
    assert judge(toys.MODEL, other, store).promoted
    tier = outcome(-0.5).tiers[0]
    metric: Score = msgspec.structs.replace(tier.scores[0], metric="brier_skill")
    renamed = replace(outcome(-0.5), tiers=(msgspec.structs.replace(tier, scores=(metric,)),))
    verdict = judge(toys.MODEL, renamed, store)
    assert verdict.promoted
    assert "brier_skill" in verdict.reason


def test_store_that_cannot_be_read_promotes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A champion that nobody can see at the moment may still be there."""

    def refused(*_: object) -> None:
        raise StoreUnreadable("expected to read, found: input/output error")

    store = toys.stocked(tmp_path, 1)
    monkeypatch.setattr(store, "read", refused)
    with pytest.raises(StoreUnreadable):
        judge(toys.MODEL, outcome(0.9), store)
