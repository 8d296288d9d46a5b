"""Experiments train: a YAML file alone is one, and its artifact says how to have it again."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest

from data.bar_store import sample_store
from data.errors import DataError
from models.families.checkpoints import EVERY, Checkpoints
from models.served import load_model, prove
from models.store import ArtifactStore
from tests.support.certificates import timeless
from tests.training.kit.support import markets
from training.kit import main as command
from training.kit.commands import train
from training.kit.compose import resolve, restore
from training.kit.config import ConfigError, series_of
from training.kit.ritual import run

MODEL = "lightgbm_direction"
SMALL = """
# Trains in a second, and is no worse than others for it.
parameters: {rounds: 30, min_data_in_leaf: 40}
tiers: [1, 22]
splits: {folds: 2, embargo: 3}
keep: 4
symbols: [IBM, MSFT]
source: {until: 2003-12-31}
"""
SCRIPT = str(Path(command.__file__).parents[1] / MODEL / "train.py")


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Give SIGTERM back: a script takes it for itself, and here it runs inside the tests."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_new_experiment_is_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`train.py --config` trains by it; the artifact keeps configuration and lineage, and trains again from them."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    places = ["--artifacts", str(tmp_path / "store"), "--data", str(tmp_path / "none"), "--candidate"]
    arguments = [
        "tracking=false",
        "--config",
        str(path),
        "parameters.num_leaves=5",
        *places,
        "--checkpoints",
        str(tmp_path / "kept"),
    ]
    assert command.main(SCRIPT, arguments) == 0, capsys.readouterr().err
    store = ArtifactStore(tmp_path / "store")
    manifest = store.load(MODEL, "v000001", load_model, prove).manifest
    assert manifest.lineage.experiment == "small.yaml + command line"
    assert {(tier.tier, tier.parameters["rounds"], tier.parameters["num_leaves"]) for tier in manifest.tiers} == {
        (1, 30, 5),
        (22, 30, 5),
    }
    assert manifest.symbols == ("IBM", "MSFT")
    assert str(manifest.last_date) <= "2003-12-31"
    assert list((tmp_path / "kept").iterdir()) == []

    again = restore(MODEL, manifest.config)
    assert again.config.as_json() == manifest.config
    stored = tmp_path / "stored.json"
    stored.write_bytes(msgspec.json.encode(manifest.config))
    arguments = ["--config", str(stored), *places[:-1], "--checkpoints", str(tmp_path / "kept")]
    assert command.main(SCRIPT, arguments) == 0, capsys.readouterr().err
    assert store.current(MODEL) == "v000002"
    # The card tells the verdict against what was there before.
    files = [timeless(store.read(MODEL, version).files, "card.md") for version in ("v000001", "v000002")]
    assert files[0] == files[1]


def test_a_mistake_is_one_line_and_no_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Said before any series is read."""
    code = command.main(SCRIPT, ["parameters.num_leavs=5", "--artifacts", str(tmp_path / "store")])
    assert code == 1
    said = capsys.readouterr()
    assert said.err == (
        f"{MODEL}: override 'parameters.num_leavs=5': parameters.num_leavs: expected a key of parameters, "
        "found 'num_leavs'; did you mean num_leaves?\n"
    )
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_died_in_its_final_fit_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The artifact has the bytes of a training with checkpoints that did not die, and no folder is left."""

    class Died(BaseException):
        """Stands for a signal."""

    def dies(self: Checkpoints, key: str, done: int, weights: bytes) -> None:
        original(self, key, done, weights)
        if self.folder.parent.name == "tier_022" and done == EVERY:
            raise Died

    one = resolve(MODEL, None, ["tiers=[1,22]", "splits.folds=2", "parameters.rounds=45"])
    series, kept, stores = markets(600), tmp_path / "kept", [ArtifactStore(tmp_path / name) for name in ("one", "two")]
    whole = run(MODEL, one.spec, series, stores[0], checkpoints=tmp_path / "whole")
    original = Checkpoints.save
    monkeypatch.setattr(Checkpoints, "save", dies)
    with pytest.raises(Died):
        run(MODEL, one.spec, series, stores[1], checkpoints=kept)
    assert [path.name for path in (kept / MODEL / "tier_022").iterdir()] == ["all_features"]
    monkeypatch.undo()
    resumed = run(MODEL, one.spec, series, stores[1], checkpoints=kept)
    files = [
        timeless(store.read(MODEL, made.version).files) for store, made in zip(stores, (whole, resumed), strict=True)
    ]
    assert files[0] == files[1]
    assert list(kept.iterdir()) == []


def test_the_script_records_its_run_if_the_experiment_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the imported series, once it is published; and by default it does not."""
    told: list[tuple[str, int]] = []
    monkeypatch.setattr(command, "tracker", lambda folder: folder)
    monkeypatch.setattr(command, "record", lambda _, store, model: told.append((model, len(store.versions(model)))))
    monkeypatch.setattr(command, "series_of", lambda *_: markets(400))
    small = ["tiers=[1]", "splits.folds=2", "parameters.rounds=3"]
    places = ["--artifacts", str(tmp_path / "store"), "--data", str(tmp_path / "data" / "processed")]
    for switch in ("false", "true"):
        assert command.main(SCRIPT, [*small, f"tracking={switch}", *places]) in {0, 3}, capsys.readouterr().err
    assert told == [(MODEL, 2)]


@pytest.mark.slow
def test_a_training_in_a_process_of_its_own(tmp_path: Path) -> None:
    """As `barcast train` starts it: from any folder, with a relative file; a mistake is told before anything starts."""
    (tmp_path / "small.yaml").write_text(SMALL)
    relative = Path(os.path.relpath(tmp_path / "small.yaml"))
    begin = partial(train, MODEL, relative, artifacts=tmp_path / "store", data=tmp_path / "none", candidate=True)
    lines: list[str] = []
    done = begin(["parameters.rounds=5"], say=lines.append)
    assert (done.code, done.version) == (0, "v000001"), lines
    assert (
        ArtifactStore(tmp_path / "store").manifest(MODEL, "v000001").lineage.experiment == "small.yaml + command line"
    )
    with pytest.raises(ConfigError, match="num_leavs"):
        begin(["parameters.num_leavs=5"])


@pytest.mark.slow
def test_a_file_that_says_the_default_trains_the_default(tmp_path: Path) -> None:
    """Every byte of every file but the clock's; the artifacts differ in the lineage alone."""
    path = tmp_path / "same.yaml"
    declared = resolve(MODEL)
    path.write_bytes(msgspec.json.encode({**declared.config.as_json(), "base": "below.yaml"}))
    (tmp_path / "below.yaml").write_text("parameters: {rounds: 99, num_leaves: 3}\nkeep: all\nseed: 1\n")
    same = resolve(MODEL, path)
    assert same.config == declared.config
    series, stores = markets(900), [ArtifactStore(tmp_path / name) for name in ("one", "two")]
    manifests = [
        run(MODEL, one.spec, series, store, config=one.config.as_json(), lineage=one.lineage)
        for one, store in zip((declared, same), stores, strict=True)
    ]
    files = [timeless(store.read(MODEL, "v000001").files) for store in stores]
    assert files[0] == files[1]
    plain = [msgspec.to_builtins(manifest) for manifest in manifests]
    # Of the files, it is the certificate that differs, by its time alone.
    assert {key for key in plain[0] if plain[0][key] != plain[1][key]} <= {"created", "files", "lineage"}


def test_series_are_those_that_a_configuration_asks_for(tmp_path: Path) -> None:
    """Symbols, last day and folder; a symbol that is not there is an error, not a smaller training."""
    config = resolve(MODEL, None, ["symbols=[MSFT]", "source.until=2005-06-30"]).config
    series = series_of(config, tmp_path)
    assert list(series) == ["MSFT"]
    date = series["MSFT"].date
    assert date is not None
    assert date[-1] == np.datetime64("2005-06-30")
    assert set(series_of(resolve(MODEL).config, tmp_path)) == {info.symbol for info in sample_store(tmp_path).symbols()}
    with pytest.raises(DataError, match="NOSUCH"):
        series_of(resolve(MODEL, None, ["symbols=[NOSUCH]"]).config, tmp_path)
    elsewhere = tmp_path / "elsewhere"
    rows = b"Date,Open,High,Low,Close,Volume\n2005-01-03,1,2,1,2,5\n2005-01-04,2,3,1,2,5\n"
    sample_store(elsewhere).import_csv(rows, "OWN")
    named = resolve(MODEL, None, [f"source.folder={elsewhere}", "symbols=[OWN]"]).config
    assert len(series_of(named, tmp_path)["OWN"]) == 2
