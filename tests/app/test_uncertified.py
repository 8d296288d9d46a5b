"""A version that no audit vouches for does not serve: by name of the cause, with what to do, and without quarantine."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from models import certificate
from models.certificate import CERTIFICATE_NAME
from models.manifest import Draft
from models.store import ArtifactStore
from tests.app.served import SAMPLE, as_columns, ask, service_of
from tests.support.certificates import certificate_of, certified, plain_draft, published_before
from tests.support.in_process import InProcess

MODEL = "lightgbm_direction"
PATH = "/predict/direction"
ADMIN = "an admin key of sixteen or more"
HEADERS = {"content-type": "application/json", "x-api-key": ADMIN}
WINDOW = {"bars": as_columns(SAMPLE.bars("IBM").tail(30))}

Spoil = Callable[[Draft, Mapping[str, bytes]], dict[str, bytes]]


def without(_draft: Draft, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Leave the certificate out, as earlier releases did."""
    return {name: data for name, data in files.items() if name != CERTIFICATE_NAME}


def unreadable(_draft: Draft, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Write one that is none."""
    return {**files, CERTIFICATE_NAME: b'{"protocol":1'}


def failed(draft: Draft, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Write one that found a leak."""
    return certified(draft, files, failed=("truncation_invariance",))


def another(draft: Draft, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Take the certificate of an artifact with one weight less."""
    fewer = dict(list(without(draft, files).items())[1:])
    return {**files, CERTIFICATE_NAME: certificate.encode(certificate_of(draft, fewer))}


def incomplete(draft: Draft, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Write one of an audit that planted nothing."""
    whole = certificate_of(draft, files)
    checks = tuple(check for check in whole.checks if check.name != "planted_leaks")
    return {**files, CERTIFICATE_NAME: certificate.encode(type(whole)(**fields(whole) | {"checks": checks}))}


def fields(whole: certificate.Certificate) -> dict[str, Any]:
    """Return the fields of a certificate."""
    return {name: getattr(whole, name) for name in whole.__struct_fields__}


CAUSES: dict[str, tuple[Spoil, str]] = {
    "without": (without, "found none: an earlier release published it"),
    "unreadable": (unreadable, "found one that can't be read"),
    "failed": (failed, "found that truncation_invariance failed"),
    "another": (another, "found one of another artifact"),
    "incomplete": (incomplete, "found none of planted_leaks"),
}
every_cause = pytest.mark.parametrize("cause", CAUSES)


@pytest.fixture
def store(trained_store: Path, tmp_path: Path) -> ArtifactStore:
    """Return a store of one model that may be written."""
    shutil.copytree(trained_store / MODEL, tmp_path / "artifacts" / MODEL)
    return ArtifactStore(tmp_path / "artifacts", by="a test")


def publish(store: ArtifactStore, cause: str) -> str:
    """Publish the champion again, its certificate spoilt, and return the version."""
    artifact = store.read(MODEL)
    draft = plain_draft(artifact.manifest)
    return published_before(store.root, draft, CAUSES[cause][0](draft, artifact.files)).version


def health(service: InProcess) -> dict[str, Any]:
    """Return what health says of the model."""
    models: list[dict[str, Any]] = json.loads(service.get("/health").body)["models"]
    return next(entry for entry in models if entry["model"] == MODEL)


@every_cause
def test_it_is_refused_with_its_reason(store: ArtifactStore, tmp_path: Path, cause: str) -> None:
    """At the start: a marked fallback; health says why and what to do; the version is not quarantined."""
    version = publish(store, cause)
    store.promote(MODEL, version, why="an earlier release")
    with service_of(store.root, tmp_path) as service:
        entry = health(service)
        assert (entry["state"], entry["version"]) == ("uncertified", None)
        assert CAUSES[cause][1] in entry["reason"]
        assert f"barcast audit {MODEL}" in entry["reason"]
        assert f"barcast train {MODEL}" in entry["reason"]
        assert str(tmp_path) not in entry["reason"]
        answer = ask(service, PATH, WINDOW)
        assert (answer["source"], answer["reason"]) == ("fallback", "uncertified")
    assert store.may_serve(MODEL, version)
    assert store.versions(MODEL)[-1].state == "champion"


@every_cause
def test_what_serves_goes_on_serving(store: ArtifactStore, tmp_path: Path, cause: str) -> None:
    """A promotion of it while the service runs: the version in memory answers as before, and health tells."""
    with service_of(store.root, tmp_path) as service:
        before = ask(service, PATH, WINDOW)
        store.promote(MODEL, publish(store, cause), why="by a release that looks at no certificate")
        slot = service.desk.serving.reload(MODEL)
        assert slot.loaded is not None
        assert ask(service, PATH, WINDOW) == before
        entry = health(service)
        assert (entry["state"], entry["version"]) == ("serving", before["model_version"])
        assert CAUSES[cause][1] in entry["reason"]
        assert json.loads(service.get("/health").body)["status"] == "degraded"


@every_cause
def test_nobody_promotes_it_over_http(store: ArtifactStore, tmp_path: Path, cause: str) -> None:
    """Whatever the gate said and whoever knows better."""
    version = publish(store, cause)
    with service_of(store.root, tmp_path, admin_key=SecretStr(ADMIN)) as service:
        body = json.dumps({"version": version, "anyway": True}).encode()
        refused = service.post(f"/models/{MODEL}/promote", body, HEADERS)
        assert refused.status == 409
        assert CAUSES[cause][1] in json.loads(refused.body)["detail"]
        assert health(service)["state"] == "serving"
    assert store.current(MODEL) == "v000001"


def test_a_rollback_does_not_lead_to_it(store: ArtifactStore, tmp_path: Path) -> None:
    """The champion stays, and the answer says why."""
    old = publish(store, "without")
    store.promote(MODEL, old, why="an earlier release")
    store.promote(MODEL, "v000001", why="certified")
    with service_of(store.root, tmp_path, admin_key=SecretStr(ADMIN)) as service:
        refused = service.post(f"/models/{MODEL}/rollback", b"{}", HEADERS)
        assert refused.status == 409
        assert "found none: an earlier release published it" in json.loads(refused.body)["detail"]
    assert store.current(MODEL) == "v000001"


def test_a_question_about_it_is_answered_with_a_problem(store: ArtifactStore, tmp_path: Path) -> None:
    """Asked by its version, whatever serves."""
    version = publish(store, "failed")
    with service_of(store.root, tmp_path) as service:
        refused = service.post(PATH, json.dumps({**WINDOW, "version": version}).encode())
        assert refused.status == 503
        assert "uncertified" in json.loads(refused.body)["detail"]
        assert ask(service, PATH, WINDOW)["source"] == "model"
