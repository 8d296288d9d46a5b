"""Manifests of protocol 2, as they were written before tiers recorded coverage, calibration and ranges of features.

Read here and turned into manifests of today; nothing writes this form any more.
"""

import datetime as dt
from typing import Annotated

import msgspec

from models import manifest as today
from models.manifest import (
    Count,
    FeatureEntryStruct,
    FileEntry,
    FileName,
    GateVerdict,
    LeakCheck,
    Lineage,
    Manifest,
    ModelName,
    Positive,
    Score,
    Sha256,
    Target,
    TierManifest,
    UtcTime,
    Version,
)
from models.typing import JsonObject


class TierManifestV2(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Field by field what `models.manifest.TierManifest` was."""

    tier: Positive
    features: tuple[FeatureEntryStruct, ...]
    weights: FileName
    parameters: JsonObject
    head: JsonObject
    scores: tuple[Score, ...]

    def as_today(self) -> TierManifest:
        """Return the tier with nothing recorded where nothing was."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return TierManifest(**fields, coverage=None, calibration=None, ranges=None)


class ManifestV2(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Field by field what `models.manifest.Manifest` was."""

    protocol: int
    model: ModelName
    task: str
    family: str
    created: UtcTime
    git_commit: str | None
    libraries: dict[str, str]
    symbols: tuple[str, ...]
    first_date: dt.date
    last_date: dt.date
    rows: Count
    data_fingerprint: Sha256
    target: Target
    seed: int
    tiers: Annotated[tuple[TierManifestV2, ...], msgspec.Meta(min_length=1)]
    checks: tuple[LeakCheck, ...]
    gate: GateVerdict
    config: JsonObject
    lineage: Lineage
    version: Version
    files: tuple[FileEntry, ...]


def decode(data: bytes) -> Manifest:
    """Read a manifest of protocol 2; raises what msgspec does."""
    old = msgspec.json.decode(data, type=ManifestV2)
    fields = {name: getattr(old, name) for name in ManifestV2.__struct_fields__}
    return Manifest(**fields | {"protocol": today.PROTOCOL, "tiers": tuple(tier.as_today() for tier in old.tiers)})
