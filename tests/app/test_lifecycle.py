"""Promotion, rollback and reload over HTTP, and questions to versions that do not serve."""

import datetime as dt
import itertools
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app import serving
from app.errors import ProblemError
from models.manifest import Draft
from models.store import ArtifactStore, Loaded
from models.store.lock import locked
from tests.app.served import found
from tests.app.two_versions import FIRST, MODEL, PATH, SECOND
from tests.support.certificates import certified
from tests.support.contract import Answer, Contract
from tests.support.in_process import InProcess

ADMIN = "correct-horse-battery-staple"
KEY = "another-horse-in-the-stable"
BAR = {"open": 100, "high": 101, "low": 99, "close": 100.5, "volume": 10000}
STORED = {"symbol": "AAPL", "as_of": "2012-06-29"}


@pytest.fixture
def store(two_version_store: Path, tmp_path: Path) -> ArtifactStore:
    """Return a store of one's own with two versions."""
    return ArtifactStore(Path(shutil.copytree(two_version_store, tmp_path / "store")), by="test")


@pytest.fixture
def service(store: ArtifactStore, tmp_path: Path) -> Iterator[InProcess]:
    """Return a service over that store, with an admin key."""
    with InProcess(store.root, tmp_path / "data", admin_key=SecretStr(ADMIN)) as running:
        yield running


def change(service: InProcess, what: str, body: object = None, model: str = MODEL) -> Answer:
    """Ask for a change of what serves, as an admin."""
    headers = {"content-type": "application/json", "x-api-key": ADMIN}
    return service.post(f"/models/{model}/{what}", json.dumps(body or {}).encode(), headers)


def said(service: InProcess, body: object, path: str = PATH) -> dict[str, Any]:
    """Ask a question that is answered."""
    return found(service.post(path, json.dumps(body).encode()))


def refused(service: InProcess, answer: Answer, status: int, slug: str) -> str:
    """Check that an answer is a problem of this kind, and documented; return its detail."""
    contract = Contract(found(service.get("/openapi.json")))
    problem = contract.problem(answer)
    assert (answer.status, problem["type"]) == (status, f"/problems/{slug}"), problem
    detail: str = problem["detail"]
    return detail


def test_a_promotion_is_served_at_once_and_a_rollback_takes_it_back(service: InProcess, store: ArtifactStore) -> None:
    """Every answer names the version that computed it; the ledger says what was done against whose advice."""
    before = said(service, BAR)
    assert before["model_version"] == FIRST
    detail = refused(service, change(service, "promote", {"version": SECOND}), 409, "gate-said-no")
    assert "days that v000001 forecast as well" in detail
    assert '"anyway": true' in detail
    assert store.current(MODEL) == FIRST
    done = found(change(service, "promote", {"version": SECOND, "anyway": True, "why": "a rehearsal"}))
    assert (done["version"], done["before"], done["serves"], done["reason"]) == (SECOND, FIRST, True, None)
    after = said(service, BAR)
    assert after["model_version"] == SECOND
    assert after["probability_up"] != before["probability_up"]
    assert store.promotions(MODEL)[-1].why.startswith("a rehearsal (against the gate: expected 252 days")
    back = found(change(service, "rollback", {"why": "it was one"}))
    assert (back["version"], back["before"], back["serves"]) == (FIRST, SECOND, True)
    assert said(service, BAR) == before
    assert store.promotions(MODEL)[-1].why == "it was one"
    refused(service, change(service, "rollback"), 409, "promotion-conflict")
    assert said(service, BAR) == before


def test_a_rollback_leads_to_no_version_that_can_not_be_loaded(service: InProcess, store: ArtifactStore) -> None:
    """Its bytes are sound and it served once, but it no longer says what it said: the champion stays."""
    artifact = store.read(MODEL, FIRST)
    draft = Draft(**{name: getattr(artifact.manifest, name) for name in Draft.__struct_fields__})
    golden = artifact.files["golden.json"].replace(b'"probability_up":0.5', b'"probability_up":0.6')
    kept = {name: data for name, data in artifact.files.items() if name != "manifest.json"}
    other = store.publish(draft, certified(draft, {**kept, "golden.json": golden}), why="test").version
    store.promote(MODEL, other, why="test")
    found(change(service, "promote", {"version": SECOND, "anyway": True}))
    promoted = store.promotions(MODEL)
    refused(service, change(service, "rollback"), 409, "promotion-conflict")
    assert store.promotions(MODEL) == promoted
    assert said(service, BAR)["model_version"] == SECOND == store.current(MODEL)
    assert found(change(service, "rollback"))["version"] == FIRST  # the next one passes it over


def test_a_rollback_that_is_sent_twice_is_made_once(service: InProcess, store: ArtifactStore) -> None:
    """If it names what it takes back."""
    found(change(service, "promote", {"version": SECOND, "anyway": True}))
    found(change(service, "promote", {"version": FIRST, "anyway": True}))
    assert found(change(service, "rollback", {"instead_of": FIRST}))["version"] == SECOND
    detail = refused(service, change(service, "rollback", {"instead_of": FIRST}), 409, "promotion-conflict")
    assert f"expected {FIRST} to serve, found {SECOND}" in detail
    assert store.current(MODEL) == SECOND


def test_a_promotion_may_name_what_it_replaces(service: InProcess, store: ArtifactStore) -> None:
    """If another version serves, nothing changes."""
    body = {"version": SECOND, "anyway": True, "instead_of": "v000007"}
    detail = refused(service, change(service, "promote", body), 409, "promotion-conflict")
    assert "expected v000007 to serve, found v000001" in detail
    assert store.current(MODEL) == FIRST
    assert found(change(service, "promote", {**body, "instead_of": FIRST}))["version"] == SECOND


def test_a_verdict_against_another_champion_is_none(service: InProcess, store: ArtifactStore) -> None:
    """The first version was judged when nothing served; now it takes one against what does, or an explicit word."""
    found(change(service, "promote", {"version": SECOND, "anyway": True}))
    detail = refused(service, change(service, "promote", {"version": FIRST}), 409, "gate-said-no")
    assert f"expected a verdict against {SECOND}, which serves, found one against none" in detail
    assert store.current(MODEL) == SECOND
    assert found(change(service, "promote", {"version": FIRST, "anyway": True}))["version"] == FIRST


def test_what_can_not_serve_is_not_promoted(service: InProcess, store: ArtifactStore) -> None:
    """Unknown, quarantined or damaged: the version that serves goes on, and no path of the server is told."""
    refused(service, change(service, "promote", {"version": "v000009"}), 404, "unknown-version")
    refused(service, change(service, "promote", {"version": "latest"}), 422, "invalid-input")
    refused(service, change(service, "promote", {"version": FIRST}, model="nobody"), 404, "unknown-model")
    weights = store.root / MODEL / SECOND / "tier_001.txt"
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-9])
    for _ in range(2):
        answer = change(service, "promote", {"version": SECOND, "anyway": True})
        detail = refused(service, answer, 409, "promotion-conflict")
        assert str(store.root) not in detail
    assert store.current(MODEL) == FIRST
    assert said(service, BAR)["model_version"] == FIRST


def test_a_store_that_can_not_be_written_is_503(service: InProcess, store: ArtifactStore) -> None:
    """Nothing has changed, and the answer says so."""
    (store.root / MODEL / ".lock").unlink()
    (store.root / MODEL / ".lock").mkdir()
    answer = change(service, "promote", {"version": SECOND, "anyway": True})
    detail = refused(service, answer, 503, "store-unavailable")
    assert "what served before still does" in detail
    assert answer.headers["retry-after"] == "5"
    assert store.current(MODEL) == FIRST


def test_reload_brings_a_released_version_back(service: InProcess, store: ArtifactStore) -> None:
    """One that was promoted elsewhere and is refused: the reason is told; released and reloaded, it serves."""
    store.promote(MODEL, SECOND, why="elsewhere")
    store.quarantine(MODEL, SECOND, why="a person looks at it")
    held = found(change(service, "reload"))
    assert (held["version"], held["serves"]) == (SECOND, False)
    assert "quarantined" in held["reason"]
    assert said(service, BAR)["model_version"] == FIRST
    store.release(MODEL, SECOND, why="it is fine")
    assert found(change(service, "reload"))["serves"]
    assert said(service, BAR)["model_version"] == SECOND


def test_a_reload_reaches_every_worker(service: InProcess, store: ArtifactStore, tmp_path: Path) -> None:
    """Another process sees that it has to look at the champion again, and nothing in the store says anything else."""
    with InProcess(store.root, tmp_path / "other") as other:
        worker = other.desk.serving
        history, current = store.history(MODEL), (store.root / MODEL / "CURRENT").read_bytes()
        assert worker.changed() == ()
        assert found(change(service, "reload"))["why"] == "reloaded"
        assert worker.changed() == (MODEL,)
        assert store.history(MODEL) == history
        assert (store.root / MODEL / "CURRENT").read_bytes() == current


def test_what_serves_is_loaded_in_one_thread(
    service: InProcess, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether an admin promotes or reloads it, or the watch finds it promoted in the store."""
    threads: list[str] = []
    load = ArtifactStore.load

    def noted(self: ArtifactStore, *given: Any) -> Loaded[Any]:
        threads.append(threading.current_thread().name)
        return load(self, *given)

    monkeypatch.setattr(ArtifactStore, "load", noted)
    change(service, "reload")
    change(service, "promote", {"version": SECOND, "anyway": True})
    assert len(threads) == 3  # a promotion proves what it promotes, and then serves it
    store.promote(MODEL, FIRST, why="elsewhere")
    for _ in range(100):
        if said(service, BAR)["model_version"] == FIRST:
            break
        service.wait(0.1)
    assert len(threads) == 4
    assert {name.partition("_")[0] for name in threads} == {"loader"}


def test_a_writer_elsewhere_does_not_hold_up_an_admin(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every change waits in one line, so none waits long for a lock; a reload loads all the same, and says so."""
    monkeypatch.setattr(serving, "LOCK_SECONDS", 0.05)
    with (
        InProcess(store.root, tmp_path / "data", admin_key=SecretStr(ADMIN)) as service,
        locked(store.root / MODEL / ".lock", 1.0),
    ):
        answer = found(change(service, "reload"))
        assert (answer["serves"], "store-busy" in answer["why"]) == (True, True)
        refusal = change(service, "promote", {"version": SECOND, "anyway": True})
        refused(service, refusal, 503, "store-unavailable")


def test_a_reload_without_write_access_says_whom_it_reached(service: InProcess, store: ArtifactStore) -> None:
    """The worker that answers loads the champion again; the others can't be told."""
    (store.root / MODEL / ".lock").unlink()
    (store.root / MODEL / ".lock").mkdir()
    answer = found(change(service, "reload"))
    assert answer["serves"]
    assert "by this worker alone" in answer["why"]


def test_only_the_admin_key_changes_what_serves(store: ArtifactStore, tmp_path: Path) -> None:
    """Each admin operation: off without a key for it, closed to every other key; the admin key opens all else too."""
    body = json.dumps({"version": SECOND, "anyway": True}).encode()
    keys = {"api_key": SecretStr(KEY), "admin_key": SecretStr(ADMIN)}
    sent_to: tuple[tuple[dict[str, SecretStr], dict[str | None, tuple[int, str]]], ...] = (
        ({}, {None: (403, "admin-only")}),
        ({"api_key": keys["api_key"]}, {KEY: (403, "admin-only")}),
        ({"admin_key": keys["admin_key"]}, dict.fromkeys((None, KEY), (403, "admin-only"))),
        (
            keys,
            {
                **dict.fromkeys((None, ADMIN[:-1], ADMIN + "x"), (401, "unauthorized")),
                KEY: (403, "admin-only"),
            },
        ),
    )
    for settings, expected in sent_to:
        with InProcess(store.root, tmp_path / "data", **settings) as service:
            paths = {operation.path for operation in service.app.operations if operation.admin}
            assert len(paths) == 3
            for path, (sent, (status, slug)) in itertools.product(paths, expected.items()):
                headers = {"content-type": "application/json", **({} if sent is None else {"x-api-key": sent})}
                answer = service.post(path.replace("{model}", MODEL), body, headers)
                assert answer.status == status, (settings, path)
                assert json.loads(answer.body)["type"] == f"/problems/{slug}"
    assert [entry.version for entry in store.promotions(MODEL)] == [FIRST]
    with InProcess(store.root, tmp_path / "data", **keys) as service:
        for name, value in (("x-api-key", ADMIN), ("authorization", f"Bearer {ADMIN}")):
            headers = {"content-type": "application/json", name: value}
            assert found(service.post(PATH, json.dumps(BAR).encode(), headers))["model_version"] == FIRST
            assert service.post(f"/models/{MODEL}/reload", b"{}", headers).status == 200


def test_each_operation_has_its_row_in_the_matrix_of_keys(store: ArtifactStore, tmp_path: Path) -> None:
    """Without a key only what is declared open is answered; a new route is closed until it says otherwise."""
    settings = {"api_key": SecretStr(KEY), "admin_key": SecretStr(ADMIN)}
    with InProcess(store.root, tmp_path / "data", **settings) as service:
        for operation in service.app.operations:
            path = operation.path.replace("{model}", MODEL).replace("{slug}", "not-found").replace("{name}", "page.css")
            statuses = {
                who: service.call(operation.method, path, b"", {} if key is None else {"x-api-key": key}).status
                for who, key in {"nobody": None, "reader": KEY, "admin": ADMIN}.items()
            }
            assert (statuses["nobody"] == 401) is not operation.open, operation.path
            assert (statuses["reader"] == 403) is operation.admin, operation.path
            assert statuses["admin"] not in {401, 403}, operation.path


def test_a_version_answers_that_is_named(service: InProcess) -> None:
    """As it does when it serves, to the byte, whichever serves now; on every form of input."""
    first = said(service, BAR)
    assert said(service, {**BAR, "version": FIRST}) == first
    second = said(service, {**BAR, "version": SECOND})
    assert second["model_version"] == SECOND
    found(change(service, "promote", {"version": SECOND, "anyway": True}))
    assert said(service, BAR) == second
    assert said(service, {**BAR, "version": FIRST}) == first
    for body in (STORED, {"bars": [BAR, BAR]}, {"symbol": "AAPL"}):
        assert said(service, {**body, "version": FIRST})["model_version"] == FIRST


def test_a_version_is_loaded_once_for_many_who_ask_at_a_time(
    service: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others wait for it; so do those who come for one that can't be loaded, and nothing of it is left."""
    versions, loads, together = service.desk.versions, list[str](), threading.Barrier(8)
    original = versions._load

    def counted(model: str, version: str) -> serving.Slot:
        loads.append(version)
        return original(model, version)

    monkeypatch.setattr(versions, "_load", counted)
    answers: list[str] = []

    def ask(version: str) -> None:
        together.wait()
        try:
            loaded = versions.slot(MODEL, version, None).loaded
            answers.append("" if loaded is None else loaded.version)
        except ProblemError as error:
            answers.append(error.kind.slug)

    for version, expected in ((SECOND, SECOND), ("v000009", "unknown-version")):
        answers.clear()
        threads = [threading.Thread(target=ask, args=(version,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [expected] * 8
    assert loads.count(SECOND) == 1
    assert not versions._loading


def test_a_version_that_is_not_there_is_refused(service: InProcess, store: ArtifactStore) -> None:
    """By name, and as of a day on which nothing served; never by a fallback."""

    def asked(**more: object) -> Answer:
        return service.post(PATH, json.dumps({**STORED, **more}).encode())

    refused(service, asked(version="v000009"), 404, "unknown-version")
    refused(service, asked(version="../v000001"), 422, "invalid-input")
    detail = refused(service, asked(version="at-as-of"), 404, "no-version-then")
    assert "served on 2012-06-29, found none: the first was promoted on 20" in detail
    undated = service.post(PATH, json.dumps({**BAR, "version": "at-as-of"}).encode())
    assert "expected dated bars" in refused(service, undated, 422, "invalid-input")
    store.quarantine(MODEL, SECOND, why="a person looks at it")
    refused(service, asked(version=SECOND), 503, "model-unavailable")
    items = json.dumps({"items": [{**STORED, "version": FIRST}, STORED]}).encode()
    rows = found(service.post("/predict/batch", items, query=f"model={MODEL}"))["results"]
    assert rows[0]["problem"]["errors"][0]["pointer"] == "/items/0/version"
    assert rows[1]["problem"] is None
    everything = service.post("/predict", json.dumps({**STORED, "version": FIRST}).encode())
    refused(service, everything, 422, "invalid-input")


def test_what_would_have_been_said_then_is_said_again(store: ArtifactStore, tmp_path: Path) -> None:
    """`as_of` and `"version":"at-as-of"`: by the version that served at the end of that day, whatever came later."""
    days = [dt.datetime(2012, month, 15, 12, tzinfo=dt.UTC) for month in (2, 5, 8)]
    then = iter(days)
    replayed = Path(shutil.copytree(store.root, tmp_path / "then"))
    for name in ("CURRENT", "ledger.jsonl"):
        (replayed / MODEL / name).unlink()
    history = ArtifactStore(replayed, by="test", clock=lambda: next(then))
    for old in ("v000001", "v000002"):  # publish again, at times that the sample reaches
        shutil.rmtree(replayed / MODEL / old)
    clock = ArtifactStore(replayed, by="test", clock=lambda: days[0])
    for version in (FIRST, SECOND):
        artifact = store.read(MODEL, version)
        draft = Draft(**{name: getattr(artifact.manifest, name) for name in Draft.__struct_fields__})
        assert clock.publish(draft, artifact.files, why="test").version == version
    for version in (FIRST, SECOND, FIRST):
        history.promote(MODEL, version, why="test")
    with InProcess(replayed, tmp_path / "data") as service:
        for day, version in (
            ("2012-02-15", FIRST),
            ("2012-05-14", FIRST),
            ("2012-05-15", SECOND),
            ("2012-07-31", SECOND),
            ("2012-08-15", FIRST),
        ):
            body = {"symbol": "AAPL", "as_of": day}
            answer = said(service, {**body, "version": "at-as-of"})
            assert answer["model_version"] == version
            assert answer == said(service, {**body, "version": version})
        refused(
            service,
            service.post(PATH, json.dumps({"symbol": "AAPL", "as_of": "2012-02-14", "version": "at-as-of"}).encode()),
            404,
            "no-version-then",
        )
