"""Runs and versions in MLflow: a database in a folder, or a tracking server.

Importing MLflow takes two to three seconds and 210 MB, a new database 1.5 s more, a run 0.1 s. So it is imported when
something is recorded, at the end of a training, and never by the service.

A registered model stands for each Barcast model, with one version of it for each artifact version. Its source is its
run, which holds pages and pictures and no weights: nothing can be loaded from here, least of all a pickle.
"""

import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from models.errors import ArtifactUnsound, StoreBusy
from models.manifest import Manifest, encode
from models.store import ArtifactStore
from models.store.lock import locked
from training.kit.tracking import ALIAS, Recorded, TrackingFailed, content

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

T = TypeVar("T")

FORCED: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",  # it would put handlers of its own on the loggers of others
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""Environment that MLflow reads on import. Processes that this one starts get it too."""

DEFAULTS: Final = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
"""The same, unless set: a server that is away costs seconds at the end of a training, not MLflow's four minutes."""

LOCK_S: Final = 120.0
"""How long a training waits for others to record theirs."""

WAITS_S: Final = (0.1, 0.3, 1.0, 3.0)
"""Pauses before an operation is repeated that found the database locked, as by a page that somebody is clicking in.
SQLite refuses at once, whatever its time-out, where waiting could only end in a deadlock."""

BATCH: Final = 100
"""Parameters and tags that MLflow takes at once; metrics may be more."""

SCHEME: Final = "sqlite:///"

_logger = logging.getLogger(__name__)


def embedded(folder: Path) -> str:
    """Return the address of the database below a folder."""
    return f"{SCHEME}{folder.resolve() / 'mlflow' / 'mlflow.db'}"


@dataclass(frozen=True, slots=True)
class _Known:
    """A version that MLflow has: its number there, the artifact's version, the manifest's digest, the run."""

    number: str
    version: str
    digest: str
    run: str


class MlflowTracking:
    """Records in MLflow; see `training.kit.tracking.Tracker`.

    Parameters
    ----------
    uri : str
        Of a tracking server, or ``sqlite:///`` with the path of a database, whose folder is made when it is needed.

    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._database = Path(uri.removeprefix(SCHEME)).absolute() if uri.startswith(SCHEME) else None

    def track(self, manifest: Manifest, files: Mapping[str, bytes]) -> str | None:
        """Record a published version, once, and return the id of its run."""
        with self._writing(f"to record {manifest.model} {manifest.version}"):
            recorded = content(manifest, files)
            for known in self._known(manifest.model):
                if known.digest == recorded.digest:
                    return known.run
            run = self._finished(manifest, recorded) or self._record(manifest, recorded)
            self._register(manifest, recorded, run)
            return run

    def alias(self, model: str, version: str) -> None:
        """Let `ALIAS` name a recorded version; of several stores' versions of that number, the newest."""
        with self._writing(f"to set the alias {ALIAS} of {model}"):
            numbers = [known.number for known in self._known(model) if known.version == version]
            if not numbers:
                message = f"expected {model} {version} among the recorded versions, found it missing"
                raise TrackingFailed(f"{message}; record it first, or all that is missing by `sync`")
            self._do(lambda: self._client.set_registered_model_alias(model, ALIAS, max(numbers, key=int)))

    def sync(self, store: ArtifactStore, models: Sequence[str] | None = None) -> dict[str, str | None]:
        """Record what is missing of the store, and set each alias as its ledger says."""
        return {model: self._sync(store, model) for model in (store.models() if models is None else models)}

    def _sync(self, store: ArtifactStore, model: str) -> str | None:
        with self._writing(f"to look what is recorded of {model}"):
            there = {known.digest: known.number for known in self._known(model)}
        for info in store.versions(model):
            if info.state == "quarantined":
                continue
            try:
                if _digest(store.manifest(model, info.version)) in there:
                    continue
                artifact = store.read(model, info.version)
            except ArtifactUnsound as error:  # an old version that rotted is no reason to forget the new ones
                _logger.warning("%s %s is not recorded: %s", model, info.version, error)
                continue
            self.track(artifact.manifest, artifact.files)
        current = self._follow(store, model)
        # Between reading the ledger and setting the alias, another training may have promoted and set it.
        while current != (now := store.current(model)):
            current = self._follow(store, model)
        return now

    def _follow(self, store: ArtifactStore, model: str) -> str | None:
        current = store.current(model)
        digest = None if current is None else _digest(store.manifest(model, current))
        with self._writing(f"to set the alias {ALIAS} of {model}"):
            known = self._known(model)
            numbers = [one.number for one in known if one.digest == digest]
            if numbers:
                self._do(lambda: self._client.set_registered_model_alias(model, ALIAS, max(numbers, key=int)))
            elif known:  # nothing was promoted, or what serves is quarantined and was never recorded
                self._do(lambda: self._client.delete_registered_model_alias(model, ALIAS))
        return current

    @cached_property
    def _client(self) -> "MlflowClient":
        from mlflow.tracking import MlflowClient

        return MlflowClient(self._uri, registry_uri=self._uri)

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        """Be the one of our processes that writes into the database; turn what fails into `TrackingFailed`."""
        place = urlsplit(self._uri).hostname or self._database or "MLflow"  # no address whole: it may hold a password
        if self._database is not None and "?" in str(self._database):  # what follows it would not be part of the path
            raise TrackingFailed(f"expected {what} in a folder without ? in its path, found {self._database}; move it")
        try:
            guard: AbstractContextManager[None] = nullcontext()
            if self._database is not None:
                self._database.parent.mkdir(parents=True, exist_ok=True)
                guard = locked(self._database.with_name(".lock"), LOCK_S)
            with guard:
                os.environ.update(FORCED)
                for name, value in DEFAULTS.items():
                    os.environ.setdefault(name, value)
                from mlflow.exceptions import MlflowException
                from sqlalchemy.exc import SQLAlchemyError

                try:
                    _ = self._client  # opens the database, which may be damaged or of an older MLflow
                    yield
                except (MlflowException, SQLAlchemyError) as error:
                    raise TrackingFailed(_words(what, place, error)) from error
        except (OSError, StoreBusy, ImportError) as error:  # those of requests are OSErrors
            raise TrackingFailed(_words(what, place, error)) from error

    def _do(self, operation: Callable[[], T]) -> T:
        """Do it, again where the database was locked: what failed so has changed nothing."""
        from mlflow.exceptions import MlflowException

        for pause in WAITS_S:
            try:
                return operation()
            except MlflowException as error:
                if "database is locked" not in str(error):
                    raise
            time.sleep(pause)
        return operation()

    def _known(self, model: str) -> list[_Known]:
        found: list[_Known] = []
        token = None
        while True:
            page = self._do(partial(self._client.search_model_versions, f"name='{model}'", page_token=token))
            found += [
                _Known(
                    number=str(version.version),
                    version=version.tags.get("barcast.version", ""),
                    digest=version.tags.get("barcast.manifest_sha256", ""),
                    run=version.run_id or "",
                )
                for version in page
            ]
            token = page.token
            if not token:
                return found

    def _experiment(self, model: str) -> str:
        name = f"barcast/{model}"
        found = self._do(lambda: self._client.get_experiment_by_name(name))
        if found is not None:
            return str(found.experiment_id)
        place = None if self._database is None else (self._database.parent / "artifacts" / model).as_uri()
        return str(
            self._once(lambda: self._client.create_experiment(name, artifact_location=place)) or self._experiment(model)
        )

    def _once(self, create: Callable[[], T]) -> T | None:
        """Create what another process may create at the same moment; None if it did."""
        from mlflow.exceptions import MlflowException

        try:
            return self._do(create)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return None

    def _finished(self, manifest: Manifest, recorded: Recorded) -> str | None:
        """Return the run of this very version that is whole and, by an accident, not registered."""
        experiment = self._experiment(manifest.model)
        wanted = f"tags.`barcast.manifest_sha256` = '{recorded.digest}' and attributes.status = 'FINISHED'"
        runs = self._do(lambda: self._client.search_runs([experiment], wanted, max_results=1))
        return str(runs[0].info.run_id) if runs else None

    def _record(self, manifest: Manifest, recorded: Recorded) -> str:
        from mlflow.entities import Metric, Param
        from mlflow.exceptions import MlflowException

        client, when = self._client, recorded.created_ms
        experiment = self._experiment(manifest.model)
        title = f"{manifest.model} {manifest.version}"
        run = str(self._do(lambda: client.create_run(experiment, when, recorded.tags, title)).info.run_id)
        try:
            parameters = [Param(name, value) for name, value in recorded.parameters.items()]
            for start in range(0, len(parameters), BATCH):
                part = parameters[start : start + BATCH]
                self._do(partial(client.log_batch, run, params=part))
            metrics = [Metric(name, value, when, 0) for name, value in recorded.metrics.items()]
            self._do(lambda: client.log_batch(run, metrics=metrics))
            with tempfile.TemporaryDirectory() as folder:
                for name, body in recorded.files.items():
                    (Path(folder) / name).write_bytes(body)
                client.log_artifacts(run, folder)
            self._do(lambda: client.set_terminated(run, "FINISHED", when))
        except BaseException:  # also Ctrl-C: a run that is not whole says so
            with suppress(MlflowException, OSError):
                client.set_terminated(run, "FAILED", when)
            raise
        return run

    def _register(self, manifest: Manifest, recorded: Recorded, run: str) -> None:
        client, model = self._client, manifest.model
        tags = {name: value for name, value in recorded.tags.items() if name.startswith("barcast.")}
        self._once(
            lambda: client.create_registered_model(model, description=f"{manifest.task}: {manifest.target.definition}")
        )
        words = f"{manifest.version}: {recorded.tags['barcast.gate']} ({manifest.gate.reason})"
        self._do(lambda: client.create_model_version(model, f"runs:/{run}/", run, tags, description=words))


def _digest(manifest: Manifest) -> str:
    return sha256(encode(manifest)).hexdigest()


def _words(what: str, place: object, error: Exception) -> str:
    told = re.sub(r"//[^/@\s]+@", "//", str(error))  # MLflow names the address whole, with the password in it
    found = " ".join(told.split())[:300] or type(error).__name__
    return f"expected {what} in {place}, found: {found}; see to it and record again, the store has everything"
