"""The ritual: the same data gives the same artifact twice, and nothing is published before all is done."""

import datetime as dt
import functools
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from feature_mapper.bars import Bars
from feature_mapper.errors import BarcastError
from models.certificate import CERTIFICATE_NAME, REQUIRED, decode
from models.errors import ArtifactError
from models.manifest import Manifest
from models.served import load_model, prove
from models.store import Artifact, ArtifactStore
from tests.app.broken import uncertify
from tests.training.kit.support import FAST, markets
from training.kit import path_errors, ritual
from training.kit.promotion import settle
from training.kit.ritual import fingerprint, run
from training.kit.spec import ModelSpec

SHORT = (1, 22)
SPECS = {
    "lightgbm_return": ModelSpec(family="lightgbm", parameters=FAST, tiers=SHORT, keep="used"),
    "random_forest_risk": ModelSpec(
        family="forest", parameters={"n_estimators": 4, "max_depth": 3}, tiers=SHORT, class_weight="balanced"
    ),
    "hmm_regime": ModelSpec(family="hmm", tiers=SHORT, options={"states": 2, "starts": 1}),
    "prophet_forecast": ModelSpec(
        family="prophet",
        tiers=SHORT,
        options={"prior": 0.01, "history": 260, "step": 200, "teaching": 2, "least": 130},
    ),
}
every_family = pytest.mark.parametrize("model", SPECS)
SERIES = markets(900)


def series_of(model: str) -> Mapping[str, Bars]:
    """Return days enough to be compared on: risk classes begin after 509 of them, and the gate asks for 252 scored."""
    return markets(1150) if model == "random_forest_risk" else SERIES


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ArtifactStore]:
    """Return a function that gives a store with one candidate of a model, trained once; it is to be copied."""

    @functools.cache
    def trained(model: str) -> ArtifactStore:
        store = ArtifactStore(tmp_path_factory.mktemp("first"))
        run(model, SPECS[model], series_of(model), store)
        return store

    return trained


def timeless(artifact: Artifact) -> tuple[Manifest, dict[str, object]]:
    """Return an artifact without what a clock, and commits to a checkout that is worked on, put into it."""
    manifest, then = artifact.manifest, dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    vouched = msgspec.structs.replace(decode(artifact.files[CERTIFICATE_NAME], ""), when=then)
    others = tuple(entry for entry in manifest.files if entry.path != CERTIFICATE_NAME)
    manifest = msgspec.structs.replace(manifest, created=then, git_commit=None, files=others)
    return manifest, {**artifact.files, CERTIFICATE_NAME: vouched}


@every_family
def test_twice_the_same(model: str, first: Callable[[str], ArtifactStore], tmp_path: Path) -> None:
    """Weights, golden answers, evaluation, plots, scores: every file has the same bytes, at two times in two stores."""
    before, after = first(model), ArtifactStore(tmp_path)
    second = run(model, SPECS[model], series_of(model), after)
    assert second.version == "v000001"
    assert timeless(before.read(model, "v000001")) == timeless(after.read(model, "v000001"))
    assert second.gate.reason.startswith(("first sound version, ", "worse than its naive baseline by more than 0.01"))
    assert after.current(model) is None
    assert after.load(model, "v000001", load_model, prove).version == "v000001"


@pytest.mark.parametrize("model", [model for model in SPECS if model != "prophet_forecast"])
def test_trained_again_it_is_the_same(model: str, first: Callable[[str], ArtifactStore], tmp_path: Path) -> None:
    """On every row, to the bit; so the champion stays, and the candidate and its card say why it waits."""
    shutil.copytree(first(model).root, tmp_path, dirs_exist_ok=True)
    store = ArtifactStore(tmp_path)
    assert settle(model, "v000001", store).promoted
    second = run(model, SPECS[model], series_of(model), store)
    verdict = settle(model, second.version, store)
    assert not verdict.promoted
    assert verdict == second.gate
    assert verdict.reason.startswith("the same as v000001 on all ")
    assert store.current(model) == "v000001"
    assert verdict.reason in store.read(model, second.version).files["card.md"].decode()


def test_what_no_audit_vouches_for_gives_way(first: Callable[[str], ArtifactStore], tmp_path: Path) -> None:
    """The same again replaces a champion of a release without certificates, which the service would refuse."""
    model = "lightgbm_return"
    shutil.copytree(first(model).root, tmp_path, dirs_exist_ok=True)
    store = ArtifactStore(tmp_path)
    store.promote(model, "v000001", why="certified")
    uncertify(store, model)
    assert store.current(model) == "v000002"
    third = run(model, SPECS[model], series_of(model), store)
    assert settle(model, third.version, store).promoted
    assert third.gate.reason.startswith("first sound version, ")
    assert store.current(model) == "v000003"


@every_family
def test_every_artifact_is_certified(model: str, first: Callable[[str], ArtifactStore]) -> None:
    """By the quick form, with each check that the service asks for, and the manifest holds them in brief."""
    artifact = first(model).read(model, "v000001")
    vouched = decode(artifact.files[CERTIFICATE_NAME], model)
    assert vouched.form == "quick"
    assert {check.name for check in vouched.checks} >= {*REQUIRED}
    assert vouched.failed == ()
    assert artifact.manifest.checks == tuple(check.brief() for check in vouched.checks)
    assert vouched.data == fingerprint(series_of(model)) == artifact.manifest.data_fingerprint


def test_a_path_that_is_worse_than_the_last_close_does_not_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On two random walks nothing beats it; a Prophet whose trend may bend, all of it believed, is measurably worse."""
    monkeypatch.setattr(path_errors, "best_share", lambda *_: 1.0)
    store, model = ArtifactStore(tmp_path), "prophet_forecast"
    bending = replace(SPECS[model], options={**SPECS[model].options, "prior": 0.5, "step": 120})
    manifest = run(model, bending, markets(1000), store)
    assert not settle(model, manifest.version, store).promoted
    assert manifest.gate.reason.startswith("worse than its naive baseline by more than 0.01: tier ")
    assert store.current(model) is None


def test_interrupted_run_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it comes as late as it can: when all is trained and golden examples are recorded."""

    def interrupted(*_: object) -> bytes:
        raise KeyboardInterrupt

    store = ArtifactStore(tmp_path / "store")
    monkeypatch.setattr(ritual, "record", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("lightgbm_return", SPECS["lightgbm_return"], SERIES, store)
    assert store.models() == ()
    with pytest.raises(ArtifactError):
        store.read("lightgbm_return")


@every_family
def test_too_little_history_is_refused_with_what_to_do(model: str, tmp_path: Path) -> None:
    """Before anything is written."""
    short = {symbol: bars[:20] for symbol, bars in SERIES.items()}
    store = ArtifactStore(tmp_path / "store")
    with pytest.raises(BarcastError, match=r"add history|add data|give more history"):
        run(model, SPECS[model], short, store)
    assert store.models() == ()


def test_fingerprint_knows_every_bit() -> None:
    """Not the order in which symbols come; but each number, day and name."""
    whole = fingerprint(SERIES)
    assert fingerprint({symbol: SERIES[symbol] for symbol in sorted(SERIES, reverse=True)}) == whole
    bars = SERIES["S0"]
    close = bars.close.copy()
    close[5] = np.nextafter(close[5], 0)
    others = [
        {**SERIES, "S0": type(bars)(bars.open, bars.high, bars.low, close, bars.volume, bars.date, "S0")},
        {**SERIES, "S0": type(bars)(bars.open, bars.high, bars.low, bars.close, None, bars.date, "S0")},
        {**SERIES, "S0": bars[1:]},
        {"S1": SERIES["S0"], "S0": SERIES["S1"]},
    ]
    assert len({whole, *map(fingerprint, others)}) == 5
