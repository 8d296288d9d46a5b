"""The store of artifacts: publish, prove, load, promote, roll back, quarantine, and a ledger of it all."""

from models.store.ledger import CURRENT_NAME, Entry
from models.store.loading import Loaded
from models.store.reading import Artifact, Limits
from models.store.store import ArtifactStore, VersionInfo

__all__ = ["CURRENT_NAME", "Artifact", "ArtifactStore", "Entry", "Limits", "Loaded", "VersionInfo"]
