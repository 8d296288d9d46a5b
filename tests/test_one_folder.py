"""A new model on a known family is one new folder under `training`, and nothing else is edited.

`docs/add-a-model.md` is the guide; `grown` follows it in a copy of the code, with real processes. Every test after it
asks another part of the house what it makes of the new model.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from models.served import load_model, prove
from models.store import ArtifactStore
from tests.app.processes import Running, running
from tests.support.certificates import timeless

ROOT = Path(__file__).parents[1]
PATTERN, MODEL = "lightgbm_direction", "lightgbm_small_direction"
ROUNDS = ('"rounds": 60,', '"rounds": 15,')
FEW_TIERS = ("SPEC = ModelSpec(\n", "SPEC = ModelSpec(\n    tiers=(1, 22),\n")
REMARK = "A smaller booster, to see whether sixty rounds are needed."
NOTES = f"""## Task

Will the next close lie above this one?

## Data and features

Two symbols.

## How it is made

{REMARK}

## What was tried

- **Sixty rounds.** What it was copied from.

## Hurdles

- **Noise.** Few trees.

## Caveats

For tests.
"""

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Grown:
    """A copy of the code with one folder more, and what was trained there."""

    root: Path
    artifacts: Path

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run Python on the copy, which `PYTHONPATH` stands in for an installation of."""
        env = {**os.environ, "PYTHONPATH": str(self.root), "BARCAST_ARTIFACTS_DIR": str(self.artifacts)}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=cwd or self.root, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Grown:
    """Copy the code and a model's folder, give the folder another name and setting, and train it twice."""
    base = tmp_path_factory.mktemp("one_folder")
    copy = Grown(base / "checkout", base / "artifacts")
    unneeded = shutil.ignore_patterns("__pycache__", "artifacts", "raw", "processed")
    for package in ("app", "data", "feature_mapper", "flows", "models", "tests", "training"):
        shutil.copytree(ROOT / package, copy.root / package, ignore=unneeded)
    for file in ("barcast.py", "pyproject.toml"):
        shutil.copy(ROOT / file, copy.root)

    folder = copy.root / "training" / MODEL
    shutil.copytree(copy.root / "training" / PATTERN, folder)
    spec = (folder / "spec.py").read_text(encoding="utf-8")
    for old, new in (ROUNDS, FEW_TIERS):
        assert spec.count(old) == 1
        spec = spec.replace(old, new)
    (folder / "spec.py").write_text(spec, encoding="utf-8")
    (folder / "card.md").write_text(NOTES, encoding="utf-8")

    data = ("--symbols", "IBM", "MSFT")
    first = copy.run("-m", f"training.{MODEL}.train", *data)
    assert first.returncode == 0, first.stderr
    assert f"{MODEL} v000001: promoted" in first.stdout
    second = copy.run(str(folder / "train.py"), *data, cwd=base)
    assert second.returncode == 3, second.stderr
    assert f"{MODEL} v000002: kept as candidate (the same as v000001" in second.stdout
    return copy


def test_the_artifact_is_sound(grown: Grown) -> None:
    """Its bytes are proven, its golden examples replay, its leak checks passed, its setting is the new one."""
    loaded = ArtifactStore(grown.artifacts).load(MODEL, None, load_model, prove)
    assert (loaded.manifest.model, loaded.manifest.task, loaded.manifest.family) == (MODEL, "direction", "lightgbm")
    assert [tier.tier for tier in loaded.manifest.tiers] == [1, 22]
    assert {tier.parameters["rounds"] for tier in loaded.manifest.tiers} == {15}
    assert loaded.manifest.checks
    assert all(check.passed for check in loaded.manifest.checks)
    assert all(tier.scores[0].n > 1000 for tier in loaded.manifest.tiers)


def test_training_twice_gives_the_same_model(grown: Grown) -> None:
    """As a module and by file path: the same weights, golden answers, evaluation and plots, byte for byte."""
    store = ArtifactStore(grown.artifacts)
    # The card's last paragraph is the verdict of the gate, which had nothing to compare the first with.
    first, second = (timeless(store.read(MODEL, version).files, "card.md") for version in ("v000001", "v000002"))
    assert first == second


def test_the_ledger_tells_its_story(grown: Grown) -> None:
    """Published twice by its own script; the second says the same as the champion, which stays."""
    history = ArtifactStore(grown.artifacts).history(MODEL)
    told = [(entry.event, entry.version) for entry in history]
    assert told == [("publish", "v000001"), ("promote", "v000001"), ("publish", "v000002")]
    assert {entry.by for entry in history} == {f"train {MODEL}"}


def test_it_has_a_card(grown: Grown) -> None:
    """Figures from the evaluation, plots that are there, and the notes of the folder."""
    artifact = ArtifactStore(grown.artifacts).read(MODEL)
    card = artifact.files["card.md"].decode()
    assert card.startswith(f"# {MODEL}\n")
    assert REMARK in card
    assert "+ 1 entries above +" in card
    for tier in artifact.manifest.tiers:
        assert f"{tier.scores[0].value:+.4f}" in card
    plots = {name for name in artifact.files if name.endswith(".png")}
    assert plots
    assert all(f"]({name})" in card for name in plots)


def test_the_command_line_lists_it_with_its_route(grown: Grown) -> None:
    """`barcast models` shows version and route; the model that it was copied from keeps its own route."""
    done = grown.run("-m", "barcast", "models")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:3] for line in done.stdout.splitlines()}
    assert rows[MODEL] == ["v000001", "/predict/direction/lightgbm-small"]
    assert rows[PATTERN] == ["-", "/predict/direction"]


@pytest.fixture(scope="module")
def service(grown: Grown) -> Iterator[Running]:
    """Start the copy's server on the artifacts that were trained there: this one model, and none of the others."""
    settings = {"PYTHONPATH": str(grown.root), "BARCAST_ARTIFACTS_DIR": str(grown.artifacts)}
    with running(["-m", "app"], grown.root, **settings) as started:
        yield started


def test_it_has_a_route(service: Running) -> None:
    """By its name alone; answered by the model, with version, tier and skill; listed and described."""
    path = "/predict/direction/lightgbm-small"
    document = httpx2.get(f"{service.url}/openapi.json").json()
    assert path in document["paths"]
    said = httpx2.post(service.url + path, json={"symbol": "IBM"}).json()
    assert (said["model"], said["model_version"], said["source"]) == (MODEL, "v000001", "model")
    assert said["history"]["tier"] == said["history"]["full_tier"] == 22
    assert said["skill"]["n"] > 1000
    for place in ("/models", "/health"):
        listed = {model["model"]: model for model in httpx2.get(service.url + place).json()["models"]}
        assert (listed[MODEL]["state"], listed[MODEL]["path"]) == ("serving", path)
        assert listed[PATTERN]["state"] == "missing"
    described = httpx2.get(f"{service.url}/models/{MODEL}").json()
    assert REMARK in described["card"]
    assert [tier["tier"] for tier in described["evaluation"]["tiers"]] == [1, 22]
    assert httpx2.get(f"{service.url}/health/models/{MODEL}").json()["identical"] is True
    assert f'barcast_model_info{{model="{MODEL}",version="v000001"}} 1.0' in httpx2.get(f"{service.url}/metrics").text


def test_it_takes_part_in_batches_and_in_the_answer_of_all(service: Running) -> None:
    """A batch that names it is answered by it alone; a question to all is answered by it too."""
    rows = "date,open,high,low,close\n2020-01-02,10,11,9,10.5\n2020-01-03,10.5,11,10,10.2\n"
    asked = f"{service.url}/predict/batch?model={MODEL}"
    batch = httpx2.post(asked, content=rows, headers={"Content-Type": "text/csv"}).json()
    assert [list(row["answers"]) for row in batch["results"]] == [[MODEL], [MODEL]]
    assert all(row["answers"][MODEL]["source"] == "model" for row in batch["results"])
    together = httpx2.post(f"{service.url}/predict", json={"symbol": "IBM"}).json()["answers"]
    assert together[MODEL]["source"] == "model"
    assert together[PATTERN]["source"] == "fallback"


def test_it_is_held_to_the_laws_of_every_model(grown: Grown) -> None:
    """The contract suite of the copy finds it by looking, and it passes: golden replay, parity to the bit, and all."""
    laws = [sys.executable, "-m", "pytest", "tests/contract/test_model_laws.py", "-k", MODEL, "-p", "no:cacheprovider"]
    env = {**os.environ, "PYTHONPATH": str(grown.root), "TRAINED_STORE": str(grown.artifacts)}
    done = subprocess.run([*laws, "-q"], cwd=grown.root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 10


def test_nothing_else_was_edited(grown: Grown) -> None:
    """The copy differs from this checkout by the one folder."""
    ours = {path.relative_to(ROOT) for path in (ROOT / "training").rglob("*.py")}
    theirs = {path.relative_to(grown.root) for path in (grown.root / "training").rglob("*.py")}
    assert {path.parts[1] for path in theirs ^ ours} == {MODEL}
    assert all((ROOT / path).read_bytes() == (grown.root / path).read_bytes() for path in ours)


def test_its_evaluation_is_json(grown: Grown) -> None:
    """What the pages and the report read is there for the new model too."""
    evaluation = json.loads(ArtifactStore(grown.artifacts).read(MODEL).files["evaluation.json"])
    assert [tier["tier"] for tier in evaluation["tiers"]] == [1, 22]
    assert all(tier["n"] > 1000 and tier["symbols"].keys() == {"IBM", "MSFT"} for tier in evaluation["tiers"])
