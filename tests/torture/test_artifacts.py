"""Versions that go bad on disk while the service runs: it lives, says the same as before, and notes what was wrong."""

import random
import signal
import threading
import time
from pathlib import Path

import msgspec
import pytest

from models.tasks.registry import route_of
from tests.app.processes import running
from tests.support.contract import strict_json
from tests.support.in_process import InProcess
from tests.support.over_http import ask
from tests.support.questions import sample_columns
from tests.torture.damage import Patient, copied, damage, republished

FORMATS = {
    "LightGBM text": "lightgbm_direction",
    "XGBoost UBJSON": "xgboost_direction",
    "skops": "random_forest_risk",
    "Prophet JSON": "prophet_forecast",
    "HMM JSON": "hmm_regime",
}
CORRUPTIONS = 200
ROUNDS = 12
PATIENCE_S = 10.0
QUESTIONS = {
    "forecast": ({"periods": 5}, {"periods": 60, "symbol": "IBM"}),
    "bars": ({"bars": sample_columns(260)}, {"open": 100, "high": 101, "low": 99, "close": 100.5}),
}


def asked(model: str) -> list[bytes]:
    """Return questions for a model."""
    return [msgspec.json.encode(body) for body in QUESTIONS["forecast" if model.endswith("forecast") else "bars"]]


@pytest.mark.slow
@pytest.mark.parametrize("model", FORMATS.values(), ids=FORMATS.keys())
def test_two_hundred_corruptions_change_no_answer(model: str, trained_store: Path, tmp_path: Path) -> None:
    """Each is refused and quarantined with its reason, and the version that served before answers on, to the byte."""
    store = copied(trained_store, tmp_path / "store", model)
    chance = random.Random(model)  # noqa: S311  repeatable on purpose
    with InProcess(store.root, tmp_path / "data") as service:

        def answers() -> list[bytes]:
            said = [service.post(route_of(model), body) for body in asked(model)]
            assert {answer.status for answer in said} == {200}
            return [answer.body for answer in said]

        expected = answers()
        assert all(b'"source":"model"' in body and b'"v000001"' in body for body in expected)
        patient = republished(store, model)
        for _ in range(CORRUPTIONS):
            what = damage(patient, chance)
            slot = service.desk.serving.reload(model)
            assert slot.loaded is not None
            assert slot.loaded.version == "v000001", what
            assert slot.reason is not None, what
            assert answers() == expected, what
            reason = patient.reason()
            assert reason is not None, what
            assert reason.startswith(("hash-mismatch", "files-mismatch", "manifest-invalid")), (what, reason)
            assert patient.marker.exists(), what
            patient.heal()
        healed = service.desk.serving.reload(model)
        assert healed.loaded is not None
        assert healed.loaded.version == "v000002", "what is sound again is served again, or the damage proved nothing"


@pytest.mark.slow
def test_a_real_server_outlives_corruptions_under_load(trained_store: Path, tmp_path: Path) -> None:
    """Every format damaged at once, a dozen times, with requests all the while: one process, the same bytes.

    What is damaged serves already: a promotion that is made now the server would look at by itself, at the same time.
    """
    root = tmp_path / "store"
    patients = [republished(copied(trained_store, root, model), model) for model in FORMATS.values()]
    chance = random.Random(8)  # noqa: S311  repeatable on purpose
    settings = {"BARCAST_ARTIFACTS_DIR": str(root), "BARCAST_DATA_DIR": str(tmp_path)}
    with running(["-m", "tests.torture.reloading"], tmp_path, **settings) as server:
        questions = [(route_of(model), body) for model in FORMATS.values() for body in asked(model)]
        expected = [ask(server.url, "POST", *question).body for question in questions]
        assert all(b'"source":"model"' in body and b'"v000002"' in body for body in expected)
        changed: list[bytes] = []
        rounds = [0]
        over = threading.Event()

        def keep_asking() -> None:
            while not over.is_set():
                said = [ask(server.url, "POST", *question).body for question in questions]
                changed.extend(body for body, before in zip(said, expected, strict=True) if body != before)
                rounds[0] += 1

        crowd = threading.Thread(target=keep_asking)
        crowd.start()
        try:
            for _ in range(ROUNDS):
                did = [damage(patient, chance) for patient in patients]
                server.process.send_signal(signal.SIGHUP)
                wait_until_refused(patients, did)
                for patient in patients:
                    assert patient.reason() is not None
                    patient.heal()
        finally:
            over.set()
            crowd.join()
        assert server.process.poll() is None
        assert not changed
        assert rounds[0] > ROUNDS / 2
        health = strict_json(ask(server.url, "GET", "/health").body)
        assert isinstance(health, dict)
        assert {entry["version"] for entry in health["models"] if entry["model"] in FORMATS.values()} == {"v000002"}
        assert server.stop(signal.SIGTERM)[0] == 0


def wait_until_refused(patients: list[Patient], did: list[str]) -> None:
    """Wait until the server has quarantined every damaged version."""
    until = time.monotonic() + PATIENCE_S
    while not all(patient.marker.exists() for patient in patients):
        assert time.monotonic() < until, f"not refused: {did}"
        time.sleep(0.01)
