"""Runs in MLflow: the real one, offline, in a folder, by several processes, and behind a real server on loopback."""

import datetime as dt
import json
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from models.manifest import MANIFEST_NAME, Manifest, decode
from models.store import ArtifactStore
from tests.models.store import toys
from tests.support.certificates import certified
from training.kit import mlflow_tracking, tracking
from training.kit.mlflow_tracking import MlflowTracking, embedded
from training.kit.tracking import ALIAS, NoTracking, TrackingFailed, content, record, tracker

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PNG = b"\x89PNG picture"

RECORDING = ("-m", "tests.training.kit.recording")


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the environment as it was, and temporary files (MLflow locks one) below the test's own folder."""
    for name, value in {**mlflow_tracking.FORCED, **mlflow_tracking.DEFAULTS}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(tracking.URI_VARIABLE, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database without runs; making one takes two seconds, copying it none."""
    folder = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        for name, value in mlflow_tracking.FORCED.items():
            patch.setenv(name, value)
        from mlflow.tracking import MlflowClient

        MlflowClient(embedded(folder)).search_experiments()
    return folder / "mlflow" / "mlflow.db"


@pytest.fixture
def place(empty_database: Path, tmp_path: Path) -> Path:
    """Return a folder whose database is there already."""
    (tmp_path / "mlflow").mkdir()
    shutil.copy(empty_database, tmp_path / "mlflow" / "mlflow.db")
    return tmp_path


def client_of(folder: Path) -> "MlflowClient":
    """Return MLflow's own client, to look with."""
    from mlflow.tracking import MlflowClient

    return MlflowClient(embedded(folder), registry_uri=embedded(folder))


def production(folder: Path) -> str | None:
    """Return the artifact version that the alias names, as MLflow tells it."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client_of(folder).get_model_version_by_alias(toys.MODEL, ALIAS).tags["barcast.version"])
    except MlflowException:
        return None


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    """Ask the database with nothing of MLflow."""
    connection = sqlite3.connect(folder / "mlflow" / "mlflow.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def published(store: ArtifactStore) -> Manifest:
    """Publish a version with nested parameters, a picture and an evaluation."""
    draft = toys.draft()
    tier = msgspec.structs.replace(
        draft.tiers[0], tier=22, parameters={"depth": 3, "grid": {"rate": 0.1, "on": [1, 2]}}
    )
    files = {**toys.files("1"), "plot.png": PNG, "evaluation.json": b"{}\n"}
    draft = msgspec.structs.replace(draft, tiers=(tier,))
    return store.publish(draft, certified(draft, files), why="test")


def test_what_is_recorded_of_a_version(tmp_path: Path) -> None:
    """Parameters by path, metrics with interval and count, and the ledger's own digest; pages, but no weights."""
    store = ArtifactStore(tmp_path)
    manifest = published(store)
    artifact = store.read(toys.MODEL, manifest.version)
    found = content(manifest, artifact.files)
    assert found.parameters["tier_022/parameters/grid/rate"] == "0.1"
    assert found.parameters["tier_022/parameters/grid/on"] == "[1,2]"
    assert found.parameters["symbols"] == "AAA, BBB"
    assert found.metrics == {
        "tier_022/log_loss_skill/base_rate": 0.01,
        "tier_022/log_loss_skill/base_rate/low": -0.02,
        "tier_022/log_loss_skill/base_rate/high": 0.04,
        "tier_022/log_loss_skill/base_rate/n": 50.0,
    }
    assert found.digest == store.history(toys.MODEL)[0].manifest_sha256
    assert set(found.files) == {"card.md", "plot.png", "evaluation.json", MANIFEST_NAME}
    assert decode(found.files[MANIFEST_NAME]) == manifest
    assert dt.datetime.fromtimestamp(found.created_ms / 1000, dt.UTC) == manifest.created
    assert content(manifest, dict(sorted(artifact.files.items(), reverse=True))) == found


def test_a_run_holds_what_is_recorded(place: Path) -> None:
    """Parameters, metrics, tags, files and times, by MLflow's client; and nothing outside its folder."""
    store = ArtifactStore(place / "store")
    manifest = published(store)
    artifact = store.read(toys.MODEL, manifest.version)
    run_id = tracker(place).track(manifest, artifact.files)
    assert run_id is not None
    wanted, client = content(manifest, artifact.files), client_of(place)
    run = client.get_run(run_id)
    assert run.data.params == wanted.parameters
    assert run.data.metrics == wanted.metrics
    assert wanted.tags.items() <= run.data.tags.items()
    assert (run.info.status, run.info.start_time, run.info.end_time) == (
        "FINISHED",
        wanted.created_ms,
        wanted.created_ms,
    )
    folder = Path(client.download_artifacts(run_id, "", str(place)))
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == wanted.files
    (version,) = client.search_model_versions(f"name='{toys.MODEL}'")
    assert (version.run_id, version.status, version.tags["barcast.version"]) == (run_id, "READY", "v000001")
    assert {path.name for path in place.iterdir()} == {"store", "mlflow", *wanted.files}


def test_nothing_is_recorded_twice(place: Path) -> None:
    """The same version again is the same run, also by another object, and also if its registration was lost."""
    store = toys.stocked(place / "store", 1)
    artifact = store.read(toys.MODEL)
    first = tracker(place).track(artifact.manifest, artifact.files)
    assert tracker(place).track(artifact.manifest, artifact.files) == first
    client_of(place).delete_model_version(toys.MODEL, "1")
    assert tracker(place).track(artifact.manifest, artifact.files) == first
    assert rows(place, "select run_uuid from runs") == [(first,)]
    assert tracker(place).sync(store) == {toys.MODEL: "v000001"}


def test_the_alias_follows_the_ledger(place: Path) -> None:
    """Promotions, rollbacks and candidates; what was missing is recorded on the way."""
    root = place / "store"
    store, mirror = toys.stocked(root, 3), tracker(place)
    assert mirror.sync(store) == {toys.MODEL: "v000003"}
    assert production(place) == "v000003"
    store.publish(toys.draft(), toys.files("4"), why="test")
    assert record(mirror, store, toys.MODEL)
    assert production(place) == "v000003"
    store.rollback(toys.MODEL, why="test")
    assert mirror.sync(store, [toys.MODEL]) == {toys.MODEL: "v000002"}
    assert production(place) == "v000002"
    versions = rows(place, "select value from model_version_tags where key = 'barcast.version' order by value")
    assert versions == [("v000001",), ("v000002",), ("v000003",), ("v000004",)]
    mirror.alias(toys.MODEL, "v000004")
    assert production(place) == "v000004"
    with pytest.raises(TrackingFailed, match="v000009 among the recorded"):
        mirror.alias(toys.MODEL, "v000009")


def test_without_a_promotion_there_is_no_alias(place: Path) -> None:
    """A candidate is recorded and not called production, even where that was said of it before."""
    store = ArtifactStore(place / "store")
    published(store)
    mirror = tracker(place)
    mirror.track(store.manifest(toys.MODEL, "v000001"), {})
    mirror.alias(toys.MODEL, "v000001")
    assert mirror.sync(store) == {toys.MODEL: None}
    assert production(place) is None


def test_a_quarantined_version_is_not_recorded(place: Path) -> None:
    """What failed its proof is no run to compare with."""
    store = toys.stocked(place / "store", 2)
    store.quarantine(toys.MODEL, "v000001", why="test")
    tracker(place).sync(store)
    assert rows(place, "select value from model_version_tags where key = 'barcast.version'") == [("v000002",)]


def test_a_version_that_rotted_keeps_none_from_being_recorded(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is said, and left out; a version recorded before it rotted stays."""
    store = toys.stocked(place / "store", 2)
    (place / "store" / toys.MODEL / "v000001" / toys.WEIGHTS).write_text("other bytes")
    assert record(tracker(place), store, toys.MODEL)
    assert "v000001 is not recorded" in caplog.text
    assert production(place) == "v000002"
    assert rows(place, "select value from model_version_tags where key = 'barcast.version'") == [("v000002",)]


@pytest.mark.parametrize("fault", ["not a database", "older schema"])
def test_a_database_that_cannot_be_used_stops_no_training(
    place: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Damaged, or made by another MLflow."""
    database = place / "mlflow" / "mlflow.db"
    if fault == "older schema":
        connection = sqlite3.connect(database)
        with connection:
            connection.execute("update alembic_version set version_num = '451aebb31d03'")
        connection.close()
    else:
        database.write_bytes(b"no database " * 1000)
    assert not record(tracker(place), toys.stocked(place / "store", 1), toys.MODEL)
    assert "the run is published and not recorded" in caplog.text
    assert fault.replace("older", "out-of-date database") in caplog.text


def test_a_promotion_in_between_is_not_overwritten(place: Path) -> None:
    """Another training promotes and sets the alias after this one read the ledger: the last word is the ledger's."""

    class Moving(ArtifactStore):
        moved = False

        def current(self, model: str) -> str | None:
            before = super().current(model)
            if not self.moved:
                self.moved = True
                other = ArtifactStore(self.root)
                other.promote(model, "v000001", why="another training")
                tracker(place).sync(other)
            return before

    toys.stocked(place / "store", 2)
    assert tracker(place).sync(Moving(place / "store")) == {toys.MODEL: "v000001"}
    assert production(place) == "v000001"


def test_runs_may_lie_inside_the_store(tmp_path: Path, empty_database: Path) -> None:
    """The store takes their folder for no model."""
    store = toys.stocked(tmp_path, 1)
    (tmp_path / "mlflow").mkdir()
    shutil.copy(empty_database, tmp_path / "mlflow" / "mlflow.db")
    assert record(tracker(tmp_path), store, toys.MODEL)
    assert store.models() == (toys.MODEL,)


@pytest.mark.long
def test_processes_that_end_together_lose_no_run(tmp_path: Path) -> None:
    """Three of them make the database, the experiment and the model at once; each run is there once, whole."""
    recorders, rounds = 3, 3
    command = [sys.executable, "-W", "error", *RECORDING, "record", str(tmp_path)]
    children = [
        subprocess.Popen([*command, f"s{number}", str(rounds)], stderr=subprocess.PIPE, env=bare_environment(tmp_path))
        for number in range(recorders)
    ]
    for child in children:
        _, errors = child.communicate(timeout=600)
        assert child.returncode == 0, errors.decode()
        assert b"WARNING" not in errors
        assert b"locked" not in errors
    wanted = {
        entry.manifest_sha256
        for number in range(recorders)
        for entry in ArtifactStore(tmp_path / f"s{number}").history(toys.MODEL)
    }
    assert len(wanted) == recorders * rounds
    key = "'barcast.manifest_sha256'"
    whole = "select run_uuid from runs where status = 'FINISHED'"
    runs = rows(tmp_path, f"select value from tags where key = {key} and run_uuid in ({whole})")  # noqa: S608  constants
    versions = rows(tmp_path, f"select value from model_version_tags where key = {key}")  # noqa: S608  a constant
    for found in (runs, versions):
        assert sorted(str(value) for (value,) in found) == sorted(wanted)
    assert len(rows(tmp_path, "select * from metrics")) == 4 * len(wanted)


def test_a_locked_database_is_waited_for(place: Path) -> None:
    """Somebody else writes for a while, outside of our lock: nothing fails, nothing is lost."""
    store = toys.stocked(place / "store", 1)
    holding, release = threading.Event(), threading.Event()

    def hold() -> None:
        connection = sqlite3.connect(place / "mlflow" / "mlflow.db", isolation_level=None)
        connection.execute("begin exclusive")
        holding.set()
        release.wait(1.5)
        connection.execute("commit")
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert holding.wait(10)
    try:
        assert record(tracker(place), store, toys.MODEL)
    finally:
        release.set()
        holder.join()
    assert production(place) == "v000001"


def test_an_operation_that_found_the_database_locked_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as there are pauses; anything else is not."""
    from mlflow.exceptions import MlflowException

    monkeypatch.setattr(mlflow_tracking, "WAITS_S", (0.0, 0.0))
    tried: list[str] = []

    def operation(fails: int, words: str) -> str:
        tried.append(words)
        if len(tried) <= fails:
            raise MlflowException(words)
        return "done"

    mirror = MlflowTracking("sqlite:///nowhere.db")
    assert mirror._do(lambda: operation(2, "(sqlite3.OperationalError) database is locked")) == "done"
    tried.clear()
    with pytest.raises(MlflowException, match="locked"):
        mirror._do(lambda: operation(3, "database is locked"))
    tried.clear()
    with pytest.raises(MlflowException, match="disk is full"):
        mirror._do(lambda: operation(1, "disk is full"))
    assert len(tried) == 1


def test_a_run_that_could_not_be_finished_is_made_up_for(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Files can't be written: training goes on, the run is marked as failed, and the next one records both."""
    store = toys.stocked(place / "store", 1)
    blocked = place / "mlflow" / "artifacts"
    blocked.write_text("a file where a folder belongs")
    assert not record(tracker(place), store, toys.MODEL)
    assert "the store has everything" in caplog.text
    assert rows(place, "select status from runs") == [("FAILED",)]
    assert rows(place, "select * from model_versions") == []
    blocked.unlink()
    assert record(tracker(place), store, toys.MODEL)
    assert production(place) == "v000001"


def test_a_path_that_is_no_address_is_refused(tmp_path: Path) -> None:
    """Everything after a question mark would be taken for options, and runs would go elsewhere."""
    store = toys.stocked(tmp_path / "store", 1)
    with pytest.raises(TrackingFailed, match="without \\? in its path"):
        tracker(tmp_path / "what?").sync(store)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_server_that_is_away_stops_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said in one line, without the password in the address."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    store = toys.stocked(tmp_path, 1)
    monkeypatch.setenv(tracking.URI_VARIABLE, f"http://user:secret@127.0.0.1:{free_port()}")
    with caplog.at_level(logging.WARNING):
        assert not record(tracker(tmp_path), store, toys.MODEL)
    assert "to look what is recorded of toy_direction in 127.0.0.1" in caplog.text
    assert "secret" not in caplog.text
    assert not (tmp_path / "mlflow").exists()


def test_without_mlflow_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One clear sentence a process, and no run."""
    monkeypatch.setitem(sys.modules, "mlflow", None)
    tracking._say_absent.cache_clear()
    store = toys.stocked(tmp_path, 1)
    with caplog.at_level(logging.WARNING):
        found = [tracker(tmp_path) for _ in range(3)]
    assert all(isinstance(one, NoTracking) for one in found)
    assert caplog.text.count("install requirements/lifecycle.txt") == 1
    assert record(found[0], store, toys.MODEL)
    assert found[0].track(store.manifest(toys.MODEL), {}) is None
    assert found[0].sync(store) == {toys.MODEL: None}


def bare_environment(folder: Path) -> dict[str, str]:
    """Return an environment in which MLflow takes itself for used, not for tested: it would report home otherwise."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.slow
def test_recording_calls_nobody_and_configures_nothing(tmp_path: Path) -> None:
    """No connection, no look-up of a name, no thread, no handler, no level changed, no file elsewhere, no warning."""
    done = {"lazy": True, "recorded": True, "events": [], "handlers": {}, "levels": True, "threads": 1}
    command = [sys.executable, *RECORDING, "audited", str(tmp_path)]
    child = subprocess.run(command, env=bare_environment(tmp_path), capture_output=True, text=True, check=False)
    assert (child.returncode, child.stderr) == (0, "")
    assert json.loads(child.stdout) == done


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Start MLflow's own server on loopback; yield its address."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    places = [
        "--backend-store-uri",
        f"sqlite:///{tmp_path / 'server.db'}",
        "--artifacts-destination",
        str(tmp_path / "kept"),
    ]
    environment = {
        **bare_environment(tmp_path),
        **mlflow_tracking.FORCED,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, *places], cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        for _ in range(1800):
            assert process.poll() is None, (tmp_path / "server.log").read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except (urllib.error.URLError, TimeoutError):
                time.sleep(0.1)
        else:
            pytest.fail((tmp_path / "server.log").read_text())
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.long
def test_a_tracking_server_holds_the_same(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its address in the environment: run, files, version and alias, which follows; nothing beside the store."""
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv(tracking.URI_VARIABLE, server)
    store = ArtifactStore(tmp_path / "store")
    manifest = published(store)
    store.promote(toys.MODEL, manifest.version, why="test")
    mirror = tracker(tmp_path / "store")
    assert mirror.sync(store) == {toys.MODEL: "v000001"}
    wanted = content(manifest, store.read(toys.MODEL).files)
    client = MlflowClient(server, registry_uri=server)
    version = client.get_model_version_by_alias(toys.MODEL, ALIAS)
    assert version.run_id is not None
    run = client.get_run(version.run_id)
    assert (run.data.params, run.data.metrics) == (wanted.parameters, wanted.metrics)
    folder = Path(client.download_artifacts(version.run_id, "", str(tmp_path)))
    assert (folder / "plot.png").read_bytes() == PNG
    store.promote(toys.MODEL, store.publish(toys.draft(), toys.files("2"), why="test").version, why="test")
    assert mirror.sync(store) == {toys.MODEL: "v000002"}
    assert client.get_model_version_by_alias(toys.MODEL, ALIAS).tags["barcast.version"] == "v000002"
    assert not (tmp_path / "store" / "mlflow").exists()
