"""What a store holds and held, as text for a terminal."""

import datetime as dt

from models.errors import ArtifactError
from models.manifest import Manifest
from models.store.store import ArtifactStore, VersionInfo


def versions(store: ArtifactStore, model: str) -> str:
    """Return a line a published version, newest first: state, age of its data, headline score, the gate's words."""
    lines = [_version(store, model, info) for info in reversed(store.versions(model))]
    return "\n".join(lines) or f"{model}: nothing is published"


def _version(store: ArtifactStore, model: str, info: VersionInfo) -> str:
    start = f"{model} {info.version}  {info.state:<11} {info.published:%Y-%m-%d %H:%M}"
    if info.quarantine is not None:
        return f"{start}  {info.quarantine}"
    try:
        manifest = store.manifest(model, info.version)
    except ArtifactError as error:
        return f"{start}  {error}"
    return f"{start}  to {manifest.last_date}  {headline(manifest)}  {manifest.gate.reason}"


def headline(manifest: Manifest) -> str:
    """Say what the best predictor of a version is worth."""
    score = manifest.tiers[-1].scores[0]
    interval = "" if score.ci95 is None else f" [{score.ci95[0]:+.4f}, {score.ci95[1]:+.4f}]"
    return f"{score.metric} {score.value:+.4f}{interval}"


def history(store: ArtifactStore, model: str) -> str:
    """Return a line an event of the ledger, oldest first; one that a crash left without effect says so."""
    real = {entry.sequence for entry in store.promotions(model)}
    lines = []
    for entry in store.history(model):
        moved = entry.event in {"promote", "rollback"}
        note = "  (without effect: the writer died)" if moved and entry.sequence not in real else ""
        when = f"{entry.when:%Y-%m-%d %H:%M:%S}"
        lines.append(f"{model} {when}  {entry.event:<10} {entry.version}  by {entry.by}: {entry.why}{note}")
    return "\n".join(lines) or f"{model}: nothing has happened"


def served_at(store: ArtifactStore, model: str, when: dt.datetime) -> str:
    """Say which version served at a time, by the ledger alone."""
    version = store.served_at(model, when)
    told = "nothing served" if version is None else f"{version} served"
    return f"{model} {when:%Y-%m-%d %H:%M:%S%z}  {told}"
