"""Runs for people to compare: what is recorded of a version, and whom it is told to.

The store of artifacts stays the truth. A tracker mirrors it, so that a run that could not be recorded is made up for by
the next one that can (`Tracker.sync`), and training never fails because of it (`record`).
"""

import functools
import importlib.util
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from feature_mapper.errors import BarcastError
from models import strict_json
from models.errors import ArtifactError
from models.manifest import MANIFEST_NAME, Manifest, encode
from models.store import ArtifactStore
from models.typing import Json

ALIAS: Final = "production"
"""Alias of the version that serves."""

SHOWN: Final = (".png", ".md")
"""Endings of the files that a run shows; with evaluation and manifest. Weights stay in the store, and only there."""

URI_VARIABLE: Final = "MLFLOW_TRACKING_URI"

_logger = logging.getLogger(__name__)


class TrackingFailed(BarcastError):
    """A run could not be recorded, or an alias not be set. Nothing is lost: the store knows it, `sync` repeats it."""


class Tracker(Protocol):
    """Where runs are recorded."""

    def track(self, manifest: Manifest, files: Mapping[str, bytes]) -> str | None:
        """Record a published version, once; return the id of its run, or None if nothing is recorded here.

        Raises
        ------
        TrackingFailed
            It is not recorded.

        """
        ...

    def alias(self, model: str, version: str) -> None:
        """Let `ALIAS` of a model name a recorded version.

        Raises
        ------
        TrackingFailed
            That version is not recorded, or the alias could not be set.

        """
        ...

    def sync(self, store: ArtifactStore, models: Sequence[str] | None = None) -> dict[str, str | None]:
        """Record what is missing of the store, and set each alias as its ledger says.

        Parameters
        ----------
        store : ArtifactStore
            The truth. Quarantined versions are not recorded anew.
        models : sequence of str or None
            None: all that the store has.

        Returns
        -------
        dict of str to str or None
            Version that the alias of each model names now; None: no alias, as nothing was promoted, or no tracking.

        Raises
        ------
        TrackingFailed
            Some of it is not done.
        ArtifactError
            The store can't be read.

        """
        ...


class NoTracking:
    """Records nothing."""

    def track(self, manifest: Manifest, files: Mapping[str, bytes]) -> str | None:  # noqa: ARG002  as in `Tracker`
        """Do nothing."""
        return None

    def alias(self, model: str, version: str) -> None:
        """Do nothing."""

    def sync(self, store: ArtifactStore, models: Sequence[str] | None = None) -> dict[str, str | None]:
        """Do nothing."""
        return dict.fromkeys(store.models() if models is None else models)


def tracker(folder: Path, uri: str | None = None) -> Tracker:
    """Return what records runs; it imports MLflow and opens anything only when it is first used.

    Parameters
    ----------
    folder : Path
        Runs go to ``<folder>/mlflow``: the database ``mlflow.db``, and files beside it.
    uri : str or None
        Address of a tracking server instead; None: ``MLFLOW_TRACKING_URI``, if that is set.

    """
    if importlib.util.find_spec("mlflow") is None:
        _say_absent()
        return NoTracking()
    from training.kit.mlflow_tracking import MlflowTracking, embedded

    return MlflowTracking(uri or os.environ.get(URI_VARIABLE) or embedded(folder))


@functools.cache  # said once a process
def _say_absent() -> None:
    _logger.warning(
        "expected MLflow to record runs with, found none installed; training goes on, and the store keeps everything; "
        "install requirements/lifecycle.txt to have runs recorded, later ones and those that are missing"
    )


def record(to: Tracker, store: ArtifactStore, model: str) -> bool:
    """Record what is new of a model after a training, and let the alias follow; tell whether that was done.

    A failure is logged, and no reason for a training to fail: the version is published already.
    """
    try:
        to.sync(store, (model,))
    except (TrackingFailed, ArtifactError) as error:
        _logger.warning("%s: the run is published and not recorded: %s", model, error)
        return False
    return True


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a run shows of a version. The same manifest and files give the same content.

    Attributes
    ----------
    digest : str
        SHA-256 of the manifest: what tells versions apart, also those of different stores.
    created_ms : int
        When the version was made, in milliseconds since 1970: time of the run and of every metric.
    parameters, tags : dict of str to str
        By name, ascending.
    metrics : dict of str to float
        ``tier_022/log_loss_skill/base_rate``, with ``/low``, ``/high`` and ``/n``.
    files : dict of str to bytes
        Plots, card, evaluation and manifest.

    """

    digest: str
    created_ms: int
    parameters: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    files: dict[str, bytes]


def content(manifest: Manifest, files: Mapping[str, bytes]) -> Recorded:
    """Return what is recorded of a version."""
    data = encode(manifest)
    digest = sha256(data).hexdigest()
    kept = {name: body for name, body in files.items() if name.endswith(SHOWN) or name == "evaluation.json"}
    return Recorded(
        digest=digest,
        created_ms=round(manifest.created.timestamp() * 1000),
        parameters=dict(sorted(_parameters(manifest))),
        metrics=dict(sorted(_metrics(manifest))),
        tags=dict(sorted(_tags(manifest, digest))),
        files={**dict(sorted(kept.items())), MANIFEST_NAME: data},
    )


def _parameters(manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield "family", manifest.family
    yield "seed", str(manifest.seed)
    yield "rows", str(manifest.rows)
    yield "symbols", ", ".join(manifest.symbols)
    yield "first_date", str(manifest.first_date)
    yield "last_date", str(manifest.last_date)
    yield "target", manifest.target.name
    yield "horizon", str(manifest.target.horizon)
    for library, version in manifest.libraries.items():
        yield f"library/{library}", version
    for tier in manifest.tiers:
        yield f"{_tier(tier.tier)}/features", str(len(tier.features))
        yield from _flat(f"{_tier(tier.tier)}/parameters", tier.parameters)


def _flat(name: str, value: Json) -> Iterator[tuple[str, str]]:
    """Yield the leaves of objects by their paths; lists and scalars as JSON, strings as they are."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _flat(f"{name}/{key}", part)
    else:
        yield name, value if isinstance(value, str) else strict_json.encode(value).decode()


def _metrics(manifest: Manifest) -> Iterator[tuple[str, float]]:
    for tier in manifest.tiers:
        for score in tier.scores:
            name = f"{_tier(tier.tier)}/{score.metric}/{score.baseline}"
            yield name, score.value
            yield f"{name}/n", float(score.n)
            if score.ci95 is not None:
                yield f"{name}/low", score.ci95[0]
                yield f"{name}/high", score.ci95[1]


def _tags(manifest: Manifest, digest: str) -> Iterator[tuple[str, str]]:
    failed = [check.name for check in manifest.checks if not check.passed]
    yield "barcast.model", manifest.model
    yield "barcast.task", manifest.task
    yield "barcast.version", manifest.version
    yield "barcast.manifest_sha256", digest
    yield "barcast.data_fingerprint", manifest.data_fingerprint
    yield "barcast.seed", str(manifest.seed)
    yield "barcast.gate", "promoted" if manifest.gate.promoted else "kept as candidate"
    yield "barcast.gate_reason", manifest.gate.reason
    yield "barcast.leak_checks", f"failed: {', '.join(failed)}" if failed else "passed"
    yield "barcast.verdict", manifest.tiers[-1].scores[0].verdict if manifest.tiers[-1].scores else "not scored"
    if manifest.git_commit is not None:
        yield "barcast.git_commit", manifest.git_commit
        yield "mlflow.source.git.commit", manifest.git_commit  # what MLflow's own pages show
    yield "mlflow.source.name", f"training.{manifest.model}.train"
    yield "mlflow.source.type", "LOCAL"


def _tier(bars: int) -> str:
    return f"tier_{bars:03d}"
