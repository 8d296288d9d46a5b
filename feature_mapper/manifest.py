"""The feature manifest: what an artifact was trained on, and the refusal to serve it on anything else."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from feature_mapper.catalogue import CATALOGUE
from feature_mapper.errors import FeatureMismatch
from feature_mapper.feature import Feature, Needs


@dataclass(frozen=True, slots=True)
class FeatureEntry:
    """One feature as an artifact remembers it.

    ``digest`` is the sha256 of the definition: name, unit, lookback, formula and needs. A kernel that changed under an
    unchanged formula is beyond a digest; replaying an artifact's golden examples finds it.
    """

    name: str
    family: str
    unit: str
    lookback: int
    needs: Needs
    formula: str
    digest: str


_DEFINITION = ("unit", "lookback", "needs", "formula")


def describe(features: Sequence[Feature]) -> tuple[FeatureEntry, ...]:
    """Return the manifest of the features, in their order."""
    return tuple(FeatureEntry(f.name, f.family, f.unit, f.lookback, f.needs, f.formula, _digest(f)) for f in features)


def resolve(entries: Sequence[FeatureEntry]) -> tuple[Feature, ...]:
    """Return the features of this catalogue that the entries mean, in the order of the entries.

    Raises
    ------
    FeatureMismatch
        An entry comes twice, names no feature of the catalogue, or was defined otherwise. The message names them all.

    """
    by_name = {feature.name: feature for feature in CATALOGUE}
    complaints = [f"{name} comes {n} times" for name, n in Counter(e.name for e in entries).items() if n > 1]
    for entry in entries:
        feature = by_name.get(entry.name)
        if feature is None:
            complaints.append(f"{entry.name} is not in this catalogue")
        elif not _digest(feature) == _digest(entry) == entry.digest:
            complaints.append(f"{entry.name} was defined otherwise ({_difference(entry, feature)})")
    if complaints:
        raise FeatureMismatch(
            f"expected features as this catalogue defines them, found: {'; '.join(complaints)}; "
            "train the model anew with this version, or serve it with the version that trained it"
        )
    return tuple(by_name[entry.name] for entry in entries)


def confirm(entries: Sequence[FeatureEntry], names: Sequence[str]) -> None:
    """Refuse a predictor whose own feature names are not those of the manifest, in that order.

    Raises
    ------
    FeatureMismatch
        Names are missing, extra, repeated or in another order.

    """
    expected, found = [entry.name for entry in entries], list(names)
    if found == expected:
        return
    missing, extra = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
    complaints = []
    if missing:
        complaints.append(f"missing {', '.join(missing.elements())}")
    if extra:
        complaints.append(f"extra {', '.join(extra.elements())}")
    if not complaints:
        place = next(i for i, (a, b) in enumerate(zip(expected, found, strict=True)) if a != b)
        complaints.append(f"another order: {found[place]} where the manifest has {expected[place]} (column {place})")
    raise FeatureMismatch(
        f"expected the {len(expected)} features of the manifest in its order, found {'; '.join(complaints)}; "
        "the artifact contradicts itself: publish it anew"
    )


def _digest(definition: Feature | FeatureEntry) -> str:
    parts = (definition.name, definition.unit, str(definition.lookback), definition.formula, definition.needs)
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def _difference(entry: FeatureEntry, feature: Feature) -> str:
    differing = [
        f"{field} {getattr(entry, field)!r} in the manifest, {getattr(feature, field)!r} here"
        for field in _DEFINITION
        if getattr(entry, field) != getattr(feature, field)
    ]
    return "; ".join(differing) or "its digest is not that of its definition"
