"""The gate between a candidate and service."""

from models.errors import ArtifactMissing, ArtifactQuarantined, ArtifactUnsound
from models.manifest import GateVerdict, Manifest, Score
from models.store import ArtifactStore
from training.kit.outcome import Outcome


def judge(model: str, outcome: Outcome, store: ArtifactStore) -> GateVerdict:
    """Decide whether a candidate may serve.

    It may not if a leak check failed. It may if nothing sound serves yet, whatever its skill, as every answer states
    it. Against a champion that was trained for the same target and judged by the same scores it must not be clearly
    worse: in every tier that both have, its headline skill must reach the lower end of the champion's interval.

    Raises
    ------
    StoreError
        Whether there is a champion could not be found out, so none may be replaced.
    """
    failed = [check.name for check in outcome.checks if not check.passed]
    if failed:
        return GateVerdict(promoted=False, reason=f"leak checks failed: {', '.join(failed)}")
    champion = _champion(model, store)
    if champion is None:
        return GateVerdict(promoted=True, reason="first sound version")
    if champion.target != outcome.target:
        return GateVerdict(promoted=True, reason=f"new target {outcome.target.name}; {champion.version} had another")
    before = {tier.tier: headline(tier.scores) for tier in champion.tiers}
    reasons: list[str] = []
    for tier in outcome.tiers:
        new, old = headline(tier.scores), before.get(tier.tier)
        if old is None:
            continue
        if (old.metric, old.baseline) != (new.metric, new.baseline):
            words = f"judged by {new.metric} against {new.baseline}"
            return GateVerdict(
                promoted=True, reason=f"{words}; {champion.version} by {old.metric} against {old.baseline}"
            )
        floor = old.value if old.ci95 is None else old.ci95[0]
        figures = f"{new.metric} {new.value:.4f} against {old.value:.4f} of {champion.version}"
        words = f"tier {tier.tier}: {figures} (at least {floor:.4f} wanted)"
        if new.value < floor:
            return GateVerdict(promoted=False, reason=words)
        reasons.append(words)
    return GateVerdict(promoted=True, reason=reasons[-1] if reasons else "no tier in common with the champion")


def headline(scores: tuple[Score, ...]) -> Score:
    """Return the score that answers quote: the first."""
    return scores[0]


def _champion(model: str, store: ArtifactStore) -> Manifest | None:
    """Return the manifest of the version that serves, or None if there is none that can."""
    try:
        return store.read(model).manifest
    except (ArtifactMissing, ArtifactQuarantined, ArtifactUnsound):
        return None
