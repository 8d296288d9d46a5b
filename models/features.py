"""Between the catalogue's entries and those of a manifest: the same fields, once as a value, once as JSON."""

from collections.abc import Iterable

from feature_mapper.manifest import FeatureEntry
from models.manifest import FeatureEntryStruct


def to_structs(entries: Iterable[FeatureEntry]) -> tuple[FeatureEntryStruct, ...]:
    """Return entries for a manifest."""
    return tuple(
        FeatureEntryStruct(
            name=entry.name,
            family=entry.family,
            unit=entry.unit,
            lookback=entry.lookback,
            needs=entry.needs,
            formula=entry.formula,
            digest=entry.digest,
        )
        for entry in entries
    )


def to_entries(structs: Iterable[FeatureEntryStruct]) -> tuple[FeatureEntry, ...]:
    """Return the entries of a manifest, for ``feature_mapper.manifest.resolve``."""
    return tuple(
        FeatureEntry(
            name=struct.name,
            family=struct.family,
            unit=struct.unit,
            lookback=struct.lookback,
            needs=struct.needs,
            formula=struct.formula,
            digest=struct.digest,
        )
        for struct in structs
    )
