"""Why a model can't serve, in words that a client may read."""

from collections.abc import Mapping
from typing import Final

from app.schemas.status import ModelCondition
from models.errors import (
    ArtifactError,
    ArtifactMissing,
    ArtifactQuarantined,
    ArtifactUncertified,
    FilesMismatch,
    GoldenMismatch,
    HashMismatch,
    IncompatibleLibrary,
    LoadFailed,
    ManifestInvalid,
    VersionUnknown,
)
from models.store import ArtifactStore

CONDITIONS: Final[Mapping[str, ModelCondition]] = {
    ArtifactMissing.slug: "missing",
    VersionUnknown.slug: "missing",
    FilesMismatch.slug: "corrupt",
    HashMismatch.slug: "corrupt",
    ManifestInvalid.slug: "corrupt",
    GoldenMismatch.slug: "incompatible",
    IncompatibleLibrary.slug: "incompatible",
    LoadFailed.slug: "incompatible",
    ArtifactQuarantined.slug: "quarantined",
    ArtifactUncertified.slug: "uncertified",
}
"""Condition of a model by the slug of the error that keeps it from serving; any other is the store's or machine's."""


def why(store: ArtifactStore, model: str, error: ArtifactError) -> tuple[ModelCondition, str]:
    """Return the condition of a model that can't serve, and the cause with what to do about it.

    A message of the store may hold paths of the server, so a client is told the name of the cause only. For a version
    that was quarantined for a fault, that is the name of the fault. Of a version that no audit vouches for, the message
    itself says what is amiss; it holds no path.
    """
    slug = error.slug
    if isinstance(error, ArtifactUncertified):
        looks = f"python -m barcast audit {model}"
        return CONDITIONS[slug], f"{slug}: {error}; look at it ({looks}) or train it: python -m barcast train {model}"
    cause = slug
    if isinstance(error, ArtifactQuarantined) and (fault := _quarantined_for(store, model)):
        slug, cause = fault, f"{fault} (quarantined)"
    return CONDITIONS.get(slug, "failed"), f"{cause}; train it: python -m barcast train {model}"


def _quarantined_for(store: ArtifactStore, model: str) -> str | None:
    """Return the slug of the fault that the promoted version was quarantined for; None if a person did it."""
    try:
        current = store.current(model)
        told = next((info.quarantine for info in store.versions(model) if info.version == current), None)
    except ArtifactError:
        return None
    slug = (told or "").partition(":")[0]
    return slug if slug in CONDITIONS else None
