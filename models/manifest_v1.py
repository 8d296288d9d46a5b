"""Manifests of protocol 1, as they were written before verdicts of the gate held their figures.

Read here and turned into manifests of today; nothing writes this form any more.
"""

import datetime as dt
from typing import Annotated

import msgspec

from models import manifest as today
from models.manifest import (
    Count,
    FileEntry,
    LeakCheck,
    Manifest,
    ModelName,
    Sha256,
    Target,
    UtcTime,
    Version,
)
from models.manifest_v2 import TierManifestV2


class GateVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the promotion gate let the version through, and why."""

    promoted: bool
    reason: str


class ManifestV1(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
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
    version: Version
    files: tuple[FileEntry, ...]


def decode(data: bytes) -> Manifest:
    """Read a manifest of protocol 1; raises what msgspec does."""
    old = msgspec.json.decode(data, type=ManifestV1)
    fields = {name: getattr(old, name) for name in ManifestV1.__struct_fields__}
    gate = today.without_figures(promoted=old.gate.promoted, reason=old.gate.reason)
    return Manifest(
        **fields
        | {
            "protocol": today.PROTOCOL,
            "tiers": tuple(tier.as_today() for tier in old.tiers),
            "gate": gate,
            "config": {},
            "lineage": today.NO_LINEAGE,
        }
    )
