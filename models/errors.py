"""Errors of the artifact house.

::

    ArtifactError
    ├── ArtifactMissing        nothing by that name can be served: no such model, or no champion yet
    │   └── VersionUnknown     the model is there, that version is not
    ├── ArtifactQuarantined    the version failed earlier and stays refused until it is released
    ├── ArtifactUncertified    no audit vouches for the version: refused, and not quarantined, as it is not damaged
    ├── ArtifactUnsound        the version itself is at fault: it is quarantined
    │   ├── ManifestInvalid        manifest.json can't be read, or contradicts the place it lies in
    │   ├── FilesMismatch          a file is missing, extra, a link, or not of the size that the manifest states
    │   ├── HashMismatch           the bytes are not the ones that were published
    │   ├── GoldenMismatch         the loaded model does not answer its golden examples as it did when published
    │   ├── IncompatibleLibrary    it does not load, or answers otherwise, under other library versions than its own
    │   └── LoadFailed             the bytes are right and yet no model can be built from them
    └── StoreError             the store is at fault, not the version: nothing is quarantined
        ├── StoreBusy              another process holds the model's lock
        ├── ChampionChanged        another version serves than the one that was to be replaced
        ├── StoreUnreadable        the operating system refused a read, or a dependency is absent
        ├── StoreWriteFailed       the operating system refused a write; what was published before is as it was
        └── LedgerInvalid          ledger.jsonl is damaged before its last line

Every message says what was expected, what was found and what to do. ``slug`` is the stable name of the reason, for
ledgers, metrics and problem pages.
"""

from typing import ClassVar

from feature_mapper.errors import BarcastError


class ArtifactError(BarcastError):
    """An artifact can't be trusted, found or written."""

    slug: ClassVar[str] = "artifact-error"


class ArtifactMissing(ArtifactError):
    """Nothing by that name can be served: no such model, or none of its versions was promoted."""

    slug = "artifact-missing"


class VersionUnknown(ArtifactMissing):
    """The model is there and that version is not."""

    slug = "version-unknown"


class ArtifactQuarantined(ArtifactError):
    """The version failed earlier and stays refused until it is released."""

    slug = "quarantined"


class ArtifactUncertified(ArtifactError):
    """No certificate, or one that failed or is another artifact's. What lies on disk is what was published.

    The message holds no path, so that a client may read it.
    """

    slug = "uncertified"


class ArtifactUnsound(ArtifactError):
    """The version itself is at fault. Loading it again would fail again, so it is quarantined."""

    slug = "unsound"


class ManifestInvalid(ArtifactUnsound):
    """A manifest can't be read or written, or contradicts the place it lies in."""

    slug = "manifest-invalid"


class FilesMismatch(ArtifactUnsound):
    """The folder does not hold exactly the regular files, at the sizes, that its manifest states."""

    slug = "files-mismatch"


class HashMismatch(ArtifactUnsound):
    """The bytes of a file are not the ones that were published."""

    slug = "hash-mismatch"


class GoldenMismatch(ArtifactUnsound):
    """A loaded model does not answer its golden examples as it did when they were recorded."""

    slug = "golden-mismatch"


class IncompatibleLibrary(ArtifactUnsound):
    """The version does not load, or answers otherwise, under the library versions installed here."""

    slug = "incompatible-library"


class LoadFailed(ArtifactUnsound):
    """The bytes are the published ones and yet no model can be built from them."""

    slug = "load-failed"


class StoreError(ArtifactError):
    """The store or the machine is at fault, not the version. Trying again may succeed."""

    slug = "store-error"


class StoreBusy(StoreError):
    """Another process holds the lock of the model for longer than this one is willing to wait."""

    slug = "store-busy"


class ChampionChanged(StoreError):
    """Another version serves than the one that the caller meant to replace."""

    slug = "champion-changed"


class StoreUnreadable(StoreError):
    """The operating system refused a read, or a dependency that a load needs is absent."""

    slug = "store-unreadable"


class StoreWriteFailed(StoreError):
    """The operating system refused a write. What was published and promoted before is as it was."""

    slug = "store-write-failed"


class LedgerInvalid(StoreError):
    """A line of the ledger other than an unfinished last one is damaged."""

    slug = "ledger-invalid"
