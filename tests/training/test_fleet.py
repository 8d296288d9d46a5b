"""Trainings side by side: real processes, real failures, real signals."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pytest

from models.store import ArtifactStore
from tests.app.broken import uncertify
from training.kit.discover import model_names
from training.kit.fleet import Fleet, Result, exit_code, script_arguments, stopping, summary, train_all
from training.kit.missing import missing

ROOT = Path(__file__).parents[2]
TOO_SHORT = ("FB",)
"""Fewer bars than any split needs: every training on them fails, and soon."""


def test_everything_is_missing_in_an_empty_store(tmp_path: Path) -> None:
    """Without a store, all models are to be trained; to look makes no folder."""
    assert missing(ArtifactStore(tmp_path / "store")) == model_names()
    assert not (tmp_path / "store").exists()


def test_a_sound_champion_is_not_missing(trained_store: Path) -> None:
    """After one training of all, a second start has nothing to train."""
    assert missing(ArtifactStore(trained_store)) == ()


def test_changed_and_quarantined_champions_are_missing(trained_store: Path, tmp_path: Path) -> None:
    """One flipped bit, or a quarantine, and the model is to be trained again; the others are not."""
    models = ("lightgbm_direction", "hmm_regime", "lightgbm_return")
    for model in models:
        shutil.copytree(trained_store / model, tmp_path / model)
    store = ArtifactStore(tmp_path)
    weights = tmp_path / "hmm_regime" / "v000001" / "hmm.json"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    store.quarantine("lightgbm_return", "v000001", why="a test")

    assert set(missing(store)) & set(models) == {"hmm_regime", "lightgbm_return"}


def test_a_champion_that_no_audit_vouches_for_is_missing(trained_store: Path, tmp_path: Path) -> None:
    """One of an earlier release: the model is to be trained again before it is served, and is not quarantined."""
    for model in ("lightgbm_direction", "hmm_regime"):
        shutil.copytree(trained_store / model, tmp_path / model)
    store = ArtifactStore(tmp_path)
    uncertify(store, "hmm_regime")
    assert set(missing(store)) == {*model_names()} - {"lightgbm_direction"}
    assert {info.quarantine for info in store.versions("hmm_regime")} == {None}


def test_a_champion_of_other_features_is_missing(trained_store: Path, tmp_path: Path) -> None:
    """Where a formula was changed, the models that were trained on it are to be trained again, and only those."""
    name, old = "log_close_open", 'formula="ln(close / open)"'
    shutil.copytree(trained_store, tmp_path / "store")
    for package in ("data", "feature_mapper", "models", "training"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("artifacts", "__pycache__"))
    source = tmp_path / "feature_mapper" / "families" / "candle.py"
    text = source.read_text(encoding="utf-8")
    assert text.count(old) == 1
    source.write_text(text.replace(old, 'formula="ln(close / open), redefined"'), encoding="utf-8")
    store = ArtifactStore(tmp_path / "store")
    users = {
        model
        for model in store.models()
        if name in {feature.name for tier in store.manifest(model).tiers for feature in tier.features}
    }
    assert 0 < len(users) < len(model_names())

    program = (
        "from pathlib import Path; from models.store import ArtifactStore; from training.kit.missing import missing; "
        "print(*missing(ArtifactStore(Path('store'))))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == users
    assert {model for model in store.models() if store.versions(model)[0].state == "quarantined"} == users
    assert missing(store) == tuple(sorted(users))


def test_one_failure_stops_no_other(tmp_path: Path) -> None:
    """Each failure comes with its reason and exit code; the longest training went first; nothing was written."""
    lines: list[str] = []
    models = ("lightgbm_direction", "prophet_forecast", "hmm_regime")

    results = train_all(
        models, artifacts=tmp_path / "store", data=tmp_path, symbols=TOO_SHORT, jobs=1, say=lines.append
    )

    assert [(result.model, result.code) for result in results] == [(model, 1) for model in models]
    said = [line.split(":")[0] for line in lines if "expected" in line]
    assert said == ["prophet_forecast", "hmm_regime", "lightgbm_direction"]
    assert not (tmp_path / "store").exists()
    assert exit_code(results) == 1


def test_exit_code_tells_the_worst() -> None:
    """Failed before candidate before promoted; a training that a signal ended has failed."""
    codes = [[0, 0], [0, 3], [3, 1, 0], [0, -9], []]
    assert [exit_code([Result("m", code, 1.0) for code in some]) for some in codes] == [0, 3, 1, 1, 0]


def test_summary_says_how_each_ended(tmp_path: Path) -> None:
    """One line a model: duration, outcome, what serves."""
    results = [Result("hmm_regime", 3, 12.34), Result("lightgbm_return", 1, 2.0)]
    first, second = summary(results, ArtifactStore(tmp_path)).splitlines()
    assert " ".join(first.split()) == "hmm_regime 12.3 s kept as candidate; nothing serves"
    assert "failed (exit code 1)" in second


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_every_training_and_leaves_the_store(tmp_path: Path, number: signal.Signals) -> None:
    """Stopped in the middle, `barcast train` exits 130, none of its processes lives on, and nothing was published."""
    store = tmp_path / "store"
    command = [sys.executable, "-m", "barcast", "train", "prophet_forecast", "hmm_regime"]
    env = {**os.environ, "BARCAST_ARTIFACTS_DIR": str(store)}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert any(line.startswith("[prophet_forecast] 1/") for line in run.stdout), "expected progress"
        assert list(_processes(store))

        run.send_signal(number)

        _, stderr = run.communicate(timeout=30)
    assert run.returncode == 130
    assert stderr == "barcast: interrupted\n"
    assert _none_left(store)
    assert ArtifactStore(store).models() == ()


def test_a_script_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """With what it started; the result says so and keeps what it said last; the store is as it was."""
    lines: list[str] = []
    arguments = script_arguments(tmp_path / "store", tmp_path)
    fleet = Fleet(arguments, timeout_s=6.0, say=lines.append)

    with stopping(fleet):
        result = fleet.train("prophet_forecast")

    assert result.timed_out
    assert (result.code, result.version) == (130, None)
    assert result.outcome == "failed (took too long and was ended)"
    assert result.tail[-1] == "prophet_forecast: interrupted; what serves is what served before"
    assert list(result.tail) == lines[-len(result.tail) :]
    assert _none_left(tmp_path / "store")
    assert ArtifactStore(tmp_path / "store").models() == ()


def test_a_training_that_is_killed_ends_alone(tmp_path: Path) -> None:
    """Its signal and its memory are told; the process that it was forked from goes on with the next."""
    store, lines = tmp_path / "store", SimpleQueue[str]()
    fleet = Fleet(script_arguments(store, tmp_path), say=lines.put)
    with stopping(fleet), ThreadPoolExecutor(1) as pool:
        running = pool.submit(fleet.train, "prophet_forecast")
        while not lines.get(timeout=60).startswith("[prophet_forecast] 1/"):
            pass
        nursery, fork = sorted(_processes(store), key=lambda process: _parent(process) != os.getpid())
        assert _parent(fork) == nursery

        os.kill(fork, signal.SIGKILL)
        killed = running.result(timeout=60)
        left = list(_processes(store))
        unknown = fleet.train("no_such_model")

    assert killed.code == -signal.SIGKILL
    assert killed.peak_mib is not None
    assert killed.peak_mib > 50
    assert left == [nursery]
    assert unknown.code == 1
    assert "No module named 'training.no_such_model'" in unknown.tail[-1]
    assert _none_left(store)


def test_an_interpreter_that_is_none_is_a_failure(tmp_path: Path) -> None:
    """Of one script, by its exit code and its words."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such interpreter\nexit 7\n")
    python.chmod(0o755)
    result = Fleet([], python=str(python), say=lambda _: None).train("hmm_regime")
    assert (result.code, result.version, result.tail) == (7, None, ("no such interpreter",))
    assert result.outcome == "failed (exit code 7)"


def test_a_fleet_that_was_ended_starts_nothing(tmp_path: Path) -> None:
    """What waits for a core never begins."""
    fleet = Fleet(script_arguments(tmp_path / "store", tmp_path))
    fleet.end()
    assert fleet.train("hmm_regime").code == -signal.SIGTERM


def _parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])


def _processes(store: Path) -> Iterator[int]:
    """Find the processes that were started for a store: its name is on their command line."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:  # it ended in between
            continue
        if os.fsencode(store) in words:
            yield int(entry.parent.name)


def _none_left(store: Path) -> bool:
    deadline = time.monotonic() + 5
    while (found := list(_processes(store))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not found
