"""Real artifacts, really broken: what a disk, another release or a bad training run would leave behind.

Nothing here touches the code under test. A version that must get past hashes and golden examples is published anew with
the right ones, so that it fails where it would fail in earnest: while it answers.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec
import numpy as np

from models.certificate import CERTIFICATE_NAME
from models.families import forest
from models.golden import MIN_CASES, cases_of, record
from models.manifest import Draft, Manifest
from models.served import load_model
from models.store import Artifact, ArtifactStore
from models.typing import JsonObject
from tests.support.certificates import certified, plain_draft, published_before

TIER = 22
"""Tier that is broken where a version breaks only as it answers; golden examples are of the others."""


def remove(store: ArtifactStore, model: str) -> None:
    """Take the promotion away: nothing serves."""
    (store.root / model / "CURRENT").unlink()


def refuse(store: ArtifactStore, model: str) -> None:
    """Quarantine it as a person would."""
    version = store.current(model)
    assert version is not None
    store.quarantine(model, version, why="its answers looked wrong to us")


def flip(store: ArtifactStore, model: str) -> None:
    """Flip one bit in the middle of the weights."""
    manifest = store.manifest(model)
    path = store.root / model / manifest.version / manifest.tiers[0].weights
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def redefine(store: ArtifactStore, model: str) -> None:
    """Publish a version of another catalogue; without features, one whose golden answers are another release's."""
    artifact = store.read(model)
    tiers = artifact.manifest.tiers
    if not tiers[0].features:
        golden = re.sub(rb'"tier":\s*1\b', b'"tier":2', artifact.files["golden.json"])
        assert golden != artifact.files["golden.json"]
        publish(store, artifact.manifest, {**artifact.files, "golden.json": golden})
        return
    feature = msgspec.structs.replace(tiers[0].features[0], digest="0" * len(tiers[0].features[0].digest))
    tier = msgspec.structs.replace(tiers[0], features=(feature, *tiers[0].features[1:]))
    publish(store, msgspec.structs.replace(artifact.manifest, tiers=(tier, *tiers[1:])), artifact.files)


def uncertify(store: ArtifactStore, model: str) -> None:
    """Leave what a release left that knew no certificates: the same version without one, published and promoted."""
    artifact = store.read(model)
    files = {name: data for name, data in artifact.files.items() if name != CERTIFICATE_NAME}
    version = published_before(store.root, plain_draft(artifact.manifest), files).version
    store.promote(model, version, why="an earlier release")


def fail(store: ArtifactStore, model: str) -> None:
    """Publish a version that raises: on histories of tier `TIER`, of an untrained symbol, or of a single return."""
    artifact = store.read(model)
    manifest, files = artifact.manifest, dict(artifact.files)
    match manifest.task:
        case "forecast":
            del files["path_pooled.json"]
            if all(tier.weights == "path_pooled.json" for tier in manifest.tiers):
                own = next(name for name in files if name.startswith("path_"))
                tiers = tuple(msgspec.structs.replace(tier, weights=own) for tier in manifest.tiers)
                manifest = msgspec.structs.replace(manifest, tiers=tiers)
            trained = {name.removeprefix("path_").removesuffix(".json") for name in files}
            _republish(store, manifest, files, lambda case: _symbol(case) in trained)
        case "regime":
            manifest = msgspec.structs.replace(manifest, tiers=manifest.tiers[1:])
            _republish(store, manifest, files, lambda case: "open" in case)
        case _:
            tiers = tuple(
                msgspec.structs.replace(tier, features=tier.features[1:], ranges=None) if tier.tier == TIER else tier
                for tier in manifest.tiers
            )
            manifest = msgspec.structs.replace(manifest, tiers=tiers)
            _republish(store, manifest, files, _of_other_tiers(artifact))


def spoil(store: ArtifactStore, model: str) -> None:
    """Publish a tabular version whose trees of tier `TIER` end in NaN."""
    artifact = store.read(model)
    name = next(tier.weights for tier in artifact.manifest.tiers if tier.tier == TIER)
    files = {**artifact.files, name: _spoilt(artifact.files[name], artifact.manifest.family)}
    _republish(store, artifact.manifest, files, _of_other_tiers(artifact))


def _spoilt(weights: bytes, family: str) -> bytes:
    if family == "lightgbm":

        def nan(line: re.Match[bytes]) -> bytes:
            return b"leaf_value=" + b" ".join([b"nan"] * len(line[1].split()))

        sizes = b"tree_sizes="  # lengths in bytes that change with the leaves; LightGBM reads without them
        kept = b"\n".join(line for line in weights.split(b"\n") if not line.startswith(sizes))
        return re.sub(rb"leaf_value=(.*)", nan, kept)
    trees = forest.load(weights)
    for tree in trees._trees:
        tree.value[...] = np.nan
    return trees.dump()


def _of_other_tiers(artifact: Artifact) -> Callable[[JsonObject], bool]:
    tiers = {msgspec.json.encode(case.input): case.expected["tier"] for case in cases_of(artifact.files["golden.json"])}
    return lambda case: tiers[msgspec.json.encode(case)] != TIER


def _symbol(case: JsonObject) -> object:
    bars = case["bars"]
    return bars["symbol"] if isinstance(bars, dict) else None


def _republish(
    store: ArtifactStore, manifest: Manifest, files: Mapping[str, bytes], kept: Callable[[JsonObject], bool]
) -> None:
    """Publish with golden examples anew: of the inputs that are kept, some of them twice if they are too few."""
    inputs: Iterable[JsonObject] = [c.input for c in cases_of(files["golden.json"]) if kept(c.input)]
    enough = list(itertools.islice(itertools.cycle(inputs), MIN_CASES))
    golden = record(load_model(Artifact(manifest, files)), enough)
    publish(store, manifest, {**files, "golden.json": golden})


def publish(store: ArtifactStore, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Publish these bytes under this manifest, with right hashes, and promote them."""
    draft = Draft(**{name: getattr(manifest, name) for name in Draft.__struct_fields__})
    version = store.publish(draft, certified(draft, files), why="a test").version
    store.promote(manifest.model, version, why="a test")


def store_at(path: Path) -> ArtifactStore:
    """Return a store that may be written."""
    return ArtifactStore(path, by="a test")
