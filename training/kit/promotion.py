"""From a candidate's verdict to service, against whatever serves at that moment."""

from typing import Final

from models.errors import ChampionChanged, StoreBusy
from models.manifest import GateVerdict, without_figures
from models.served import load_model, prove
from models.store import ArtifactStore
from training.kit.gate import judge, of_artifact

ROUNDS: Final = 8
"""How often a candidate is judged again because another one was promoted in the meantime."""


def settle(model: str, version: str, store: ArtifactStore) -> GateVerdict:
    """Let a published candidate serve if its verdict says so; return the verdict that holds.

    The verdict in the manifest speaks of the champion of that time. A yes is judged again if another version serves by
    now; a no stands, until somebody asks for a `review`. Before it serves it is loaded, and its golden examples are
    replayed.

    Raises
    ------
    ArtifactUnsound
        It does not answer as it did when it was published; it is quarantined, and what served serves.
    StoreError
        As `ArtifactStore.promote`.

    """
    verdict = store.manifest(model, version).gate
    if not verdict.promoted:
        return verdict
    store.load(model, version, load_model, prove)
    for _ in range(ROUNDS):
        try:
            store.promote(model, version, why=verdict.reason, instead_of=verdict.champion)
        except ChampionChanged:
            verdict = review(model, version, store)
            if not verdict.promoted:
                return verdict
        else:
            return verdict
    message = f"{model}: expected a champion that stays while {version} is judged, found {ROUNDS} new ones"
    raise StoreBusy(f"{message}; promote it once the others are done")


def review(model: str, version: str, store: ArtifactStore) -> GateVerdict:
    """Judge a published version against what serves now. The verdict in its manifest stays as it is."""
    artifact = store.read(model, version)
    candidate = of_artifact(artifact)
    if candidate is None:
        reason = f"{version} kept no losses to be judged by; train the model again"
        return without_figures(promoted=False, reason=reason)
    return judge(candidate, model, store)
