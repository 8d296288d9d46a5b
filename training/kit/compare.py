"""Two versions of one model, side by side, for a person who has to choose."""

from collections.abc import Iterator
from typing import Final

from models.manifest import Manifest
from models.store import Artifact, ArtifactStore
from training.kit.gate import LEVEL, of_artifact, paired
from training.kit.spec import SpecError

SHOWN: Final = 4
"""Symbols that a line names."""


def compare(store: ArtifactStore, model: str, one: str, other: str) -> str:
    """Return what differs between two versions, and how they fare on the rows that both forecast.

    Raises
    ------
    ArtifactError
        One of them is not there, or not what was published.
    SpecError
        It is the same version twice.

    """
    if one == other:
        raise SpecError(f"expected two versions of {model}, found {one} twice; name another one")
    return "\n".join(_lines(store.read(model, one), store.read(model, other)))


def _lines(one: Artifact, other: Artifact) -> Iterator[str]:
    left, right = one.manifest, other.manifest
    rows = [("", left.version, right.version), *_facts(left, right)]
    width = max(len(first) for _, first, _ in rows)
    for name, first, second in rows:
        yield f"{name:<12} {first:<{width}}  {second}".rstrip()
    candidate, incumbent = of_artifact(one), of_artifact(other)
    if candidate is None or incumbent is None:
        lacking = left.version if candidate is None else right.version
        yield f"no comparison row by row: {lacking} kept no losses"
        return
    found = paired(candidate, incumbent)
    if not found:
        yield "no comparison row by row: they forecast too few days in common"
    for comparison in found:
        low, high = comparison.interval
        word = f"{comparison.verdict} {'as' if comparison.verdict == 'the same' else 'than'} {right.version}"
        figures = f"{comparison.metric} {comparison.gain:+.5f} [{low:+.5f}, {high:+.5f}]"
        yield f"tier {comparison.tier:>3}: {left.version} is {word}: {figures}, {comparison.n:,} rows"
    if found:
        yield f"each end of an interval holds at a level of {LEVEL:g} over all tiers together"


def _facts(left: Manifest, right: Manifest) -> Iterator[tuple[str, str, str]]:
    yield from ((name, told, _told(right)[name]) for name, told in _told(left).items())
    for first in left.tiers:
        second = next((tier for tier in right.tiers if tier.tier == first.tier), None)
        scores = [
            "-" if tier is None else f"{tier.scores[0].value:+.4f}, {len(tier.features)} features"
            for tier in (first, second)
        ]
        yield f"tier {first.tier}", f"{first.scores[0].metric} {scores[0]}", scores[1]
    yield "libraries", _libraries(left), _libraries(right)


def _told(manifest: Manifest) -> dict[str, str]:
    symbols, gate = manifest.symbols, manifest.gate
    more = " ..." if len(symbols) > SHOWN else ""
    return {
        "published": f"{manifest.created:%Y-%m-%d %H:%M}",
        "commit": (manifest.git_commit or "none")[:12],
        "symbols": f"{len(symbols)}: {', '.join(symbols[:SHOWN])}{more}",
        "data": f"{manifest.first_date} to {manifest.last_date}, {manifest.rows:,} rows",
        "fingerprint": manifest.data_fingerprint[:12],
        "target": f"{manifest.target.name}, {manifest.target.horizon} ahead",
        "family": manifest.family,
        "gate": f"{'yes' if gate.promoted else 'no'}, {gate.label}",
    }


def _libraries(manifest: Manifest) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(manifest.libraries.items()))
