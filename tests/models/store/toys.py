"""A toy artifact."""

import datetime as dt
from pathlib import Path

from models.manifest import NO_LINEAGE, PROTOCOL, Draft, LeakCheck, Score, Target, TierManifest, without_figures
from models.store import Artifact, ArtifactStore
from tests.support.certificates import certified

MODEL = "toy_direction"
WEIGHTS = "weights.txt"


def draft(model: str = MODEL) -> Draft:
    """Return a small, valid draft."""
    score = Score(metric="log_loss_skill", value=0.01, ci95=(-0.02, 0.04), n=50, baseline="base_rate", verdict="none")
    tier = TierManifest(
        tier=1,
        features=(),
        weights=WEIGHTS,
        parameters={"depth": 3},
        head={},
        scores=(score,),
        coverage=None,
        calibration=None,
        ranges=None,
    )
    return Draft(
        protocol=PROTOCOL,
        model=model,
        task="direction",
        family="toy",
        created=dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC),
        git_commit="0" * 40,
        libraries={},
        symbols=("AAA", "BBB"),
        first_date=dt.date(2020, 1, 2),
        last_date=dt.date(2024, 4, 30),
        rows=50,
        data_fingerprint="ab" * 32,
        target=Target(name="up", definition="close[t+1] > close[t]", horizon=1),
        seed=7,
        tiers=(tier,),
        checks=(LeakCheck(name="shuffled_target", passed=True, detail=""),),
        gate=without_figures(promoted=False, reason="a toy"),
        config={"depth": 3},
        lineage=NO_LINEAGE,
    )


def files(tag: str) -> dict[str, bytes]:
    """Return the files of an artifact, each of which names the tag, with their certificate."""
    plain = {WEIGHTS: f"weights of {tag}\n".encode() * 8, "card.md": f"# {tag}\n".encode(), "golden.json": tag.encode()}
    return certified(draft(), plain)


def tag_of(artifact: Artifact) -> str:
    """Return the tag that all files of an artifact name, having checked that they name the same."""
    tag = artifact.files["golden.json"].decode()
    assert dict(artifact.files) == files(tag)
    return tag


def stocked(root: Path, versions: int) -> ArtifactStore:
    """Return a store with as many versions, tagged by their numbers from 1, each of which was promoted in turn."""
    store = ArtifactStore(root)
    for number in range(1, versions + 1):
        version = store.publish(draft(), files(str(number)), why="test").version
        store.promote(MODEL, version, why="test")
    return store
