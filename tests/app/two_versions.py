"""A store with two versions of one model that answer differently: that of the sample, and one of a made-up market."""

import shutil
from pathlib import Path

from models.store import ArtifactStore
from tests.models.trained import SPECS, TIERS
from tests.training.kit.support import markets
from training.kit.ritual import run

MODEL = "lightgbm_direction"
PATH = "/predict/direction"
FIRST, SECOND = "v000001", "v000002"


def two_versions(trained: Path, root: Path) -> ArtifactStore:
    """Return a store in which the first version serves and the second, which the gate can't compare, is a candidate."""
    shutil.copytree(trained / MODEL, root / MODEL)
    store = ArtifactStore(root, by="test")
    manifest = run(MODEL, SPECS[MODEL], markets(900), store)
    assert (manifest.version, manifest.gate.promoted) == (SECOND, False)
    assert [tier.tier for tier in manifest.tiers] == list(TIERS)
    return store
