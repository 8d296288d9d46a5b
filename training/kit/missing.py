"""Which models have no champion that can serve."""

from feature_mapper.errors import FeatureMismatch
from feature_mapper.manifest import resolve
from models.errors import ArtifactError, StoreError
from models.features import to_entries
from models.manifest import Manifest
from models.served import certify, load_model, prove
from models.store import ArtifactStore
from models.store.loading import changed_libraries
from training.kit.discover import model_names


def missing(store: ArtifactStore) -> tuple[str, ...]:
    """Return the models of ``training`` without a sound champion: none, a quarantined one, one whose bytes changed.

    Nor is one sound that no audit vouches for, as those of releases before there were certificates.
    A champion that other code or other libraries made is loaded and proven, and quarantined if it fails: better now,
    when it can be trained again, than in the service.

    Raises
    ------
    StoreError
        The store can't be read, so nobody knows.

    """
    return tuple(model for model in model_names() if not _sound(model, store))


def _sound(model: str, store: ArtifactStore) -> bool:
    try:
        artifact = store.read(model)
        certify(artifact)
        if not _made_by_this_code(artifact.manifest):
            store.load(model, None, load_model, prove)
    except StoreError:
        raise
    except ArtifactError:
        return False
    return True


def _made_by_this_code(manifest: Manifest) -> bool:
    try:
        for tier in manifest.tiers:
            resolve(to_entries(tier.features))
    except FeatureMismatch:
        return False
    return not changed_libraries(manifest)
