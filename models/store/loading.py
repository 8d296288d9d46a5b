"""From proven bytes to a proven model: what a failure says, and whose fault it is."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Generic, TypeVar

from feature_mapper.errors import BarcastError
from models.errors import (
    ArtifactUncertified,
    ArtifactUnsound,
    GoldenMismatch,
    IncompatibleLibrary,
    LoadFailed,
    StoreError,
    StoreUnreadable,
)
from models.manifest import Manifest
from models.store.reading import Artifact

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Loaded(Generic[M]):
    """A model that may serve, and the manifest of the version that it is."""

    manifest: Manifest
    model: M

    @property
    def version(self) -> str:
        """The version that it is."""
        return self.manifest.version


def build_and_prove(artifact: Artifact, build: Callable[[Artifact], M], prove: Callable[[M, Artifact], None]) -> M:
    """Build the model and have it proven.

    Raises
    ------
    IncompatibleLibrary
        Either failed, and the libraries installed here are not those of the manifest.
    ArtifactUnsound
        Either failed under the very libraries of the manifest.
    ArtifactUncertified
        No audit vouches for the version, which is no fault of its bytes.
    StoreUnreadable
        The machine failed: no memory, no such module, a refusal of the operating system.

    """
    try:
        model = build(artifact)
        prove(model, artifact)
    except (StoreError, ArtifactUncertified):
        raise
    except (MemoryError, OSError, ImportError) as error:
        message = f"expected to load {artifact.name}, found {type(error).__name__}: {error}"
        raise StoreUnreadable(f"{message}; remove the cause and load it again, it is not quarantined") from error
    except Exception as error:  # parsers raise what they like, and none of it may reach a request
        # Our own errors name their cause, save that a changed golden answer makes a library the first suspect.
        suspect = isinstance(error, GoldenMismatch) or not isinstance(error, BarcastError)
        if suspect and (changed := changed_libraries(artifact.manifest)):
            message = f"{artifact.name}: expected {', '.join(f'{n} {made}' for n, made, _ in changed)}"
            found = ", ".join(f"{name} {here}" for name, _, here in changed)
            raise IncompatibleLibrary(f"{message}, found {found}; install those or train again ({error})") from error
        if isinstance(error, ArtifactUnsound):
            raise
        message = f"{artifact.name}: expected to build a model, found {type(error).__name__}: {error}"
        raise LoadFailed(f"{message}; train again") from error
    return model


def changed_libraries(manifest: Manifest) -> tuple[tuple[str, str, str], ...]:
    """Return (distribution, version in the manifest, version installed here) for each that differs."""
    pairs = [(name, made, _installed(name)) for name, made in sorted(manifest.libraries.items())]
    return tuple(pair for pair in pairs if pair[1] != pair[2])


def _installed(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "none"
