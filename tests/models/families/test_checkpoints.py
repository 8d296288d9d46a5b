"""Checkpoints: a killed fit goes on and ends as one that nobody killed, and nothing damaged reaches a parser."""

import functools
import importlib
import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from models.families import checkpoints, forest, lightgbm, xgboost
from models.families.base import Objective, Parameters, TabularEstimator, tabular_family
from models.families.checkpoints import EVERY, KEPT, Checkpoints, fit_key
from tests.models.families.slow_fit import PARAMETERS
from tests.models.families.tabular_data import OBJECTIVES, ROOT, features, rows

UNSEEN = features(300, seed=9)
PLAIN: Parameters = {"rounds": 90, "learning_rate": 0.1, "num_leaves": 6, "min_data_in_leaf": 10}
UNSAMPLED: dict[str, Parameters] = {
    "lightgbm": PLAIN,
    "xgboost": {"rounds": 90, "learning_rate": 0.1, "max_depth": 3, "min_child_weight": 2},
}
LENGTH = {"lightgbm": "rounds", "xgboost": "rounds", "forest": "n_estimators"}
every_family = pytest.mark.parametrize("family", PARAMETERS)
every_booster = pytest.mark.parametrize("family", UNSAMPLED)


class Killed(BaseException):
    """Stands for a signal."""


@dataclass(frozen=True, slots=True)
class Dying(Checkpoints):
    """Dies after so many iterations are kept."""

    after: int = 40

    def save(self, key: str, done: int, weights: bytes) -> None:
        """Keep it, and die if it is time."""
        Checkpoints.save(self, key, done, weights)
        if done >= self.after:
            raise Killed


def _fit(family: str, objective: Objective, parameters: Parameters, to: Checkpoints | None) -> TabularEstimator:
    return tabular_family(family).fit(rows(objective, weighed=True), parameters, 5, to)


@functools.cache
def _whole(family: str, objective: Objective = "regression") -> bytes:
    """Return the weights of a fit with checkpoints that nobody killed."""
    with tempfile.TemporaryDirectory() as folder:
        return _fit(family, objective, PARAMETERS[family], Checkpoints(Path(folder) / "whole")).dump()


def _killed(family: str, folder: Path, objective: Objective = "regression", after: int = 40) -> list[Path]:
    """Fit, die, and return what lies there then."""
    with pytest.raises(Killed):
        _fit(family, objective, PARAMETERS[family], Dying(folder, after=after))
    return sorted(folder.iterdir())


@pytest.mark.parametrize(
    ("family", "objective"),
    [
        *((family, objective) for family in UNSAMPLED for objective in OBJECTIVES),
        ("forest", "regression"),
        ("forest", "multiclass"),
    ],
)
def test_going_on_gives_the_bytes_of_an_uninterrupted_fit(family: str, objective: Objective, tmp_path: Path) -> None:
    """With sampled rows and features, from any checkpoint; afterwards nothing is left."""
    for after in (20, 40):
        _killed(family, tmp_path / "killed", objective, after)
        resumed = _fit(family, objective, PARAMETERS[family], Checkpoints(tmp_path / "killed"))
        assert resumed.dump() == _whole(family, objective)
    assert list(tmp_path.iterdir()) == []


def _trees(family: str, weights: bytes) -> int:
    """Count the trees, by what the library writes for each."""
    return weights.count({"lightgbm": b"Tree=", "xgboost": b"split_conditions"}[family])


@pytest.mark.parametrize("objective", OBJECTIVES)
@every_booster
def test_without_sampling_checkpoints_change_no_prediction(family: str, objective: Objective, tmp_path: Path) -> None:
    """In blocks a library predicts what it predicts in one go; as many trees."""
    blocks = _fit(family, objective, UNSAMPLED[family], Checkpoints(tmp_path / "x"))
    whole = _fit(family, objective, UNSAMPLED[family], None)
    assert np.array_equal(blocks.predict(UNSEEN), whole.predict(UNSEEN))
    trees = 90 * (3 if objective == "multiclass" else 1)
    assert _trees(family, blocks.dump()) == _trees(family, whole.dump()) == trees


@every_booster
def test_with_sampling_the_trees_are_others_and_as_good(family: str, tmp_path: Path) -> None:
    """On fresh rows of the same law, within a twentieth of the error."""
    test = rows("regression", n=4000, seed=77)
    errors = []
    for to in (None, Checkpoints(tmp_path / "x")):
        fitted = tabular_family(family).fit(rows("regression", n=3000), PARAMETERS[family], 5, to)
        errors.append(float(np.mean(np.square(fitted.predict(test.x) - test.y))))
    assert errors[0] != errors[1]
    assert errors[1] == pytest.approx(errors[0], rel=0.05)


@pytest.mark.parametrize(
    ("family", "names"),
    [("lightgbm", ("bagging_seed", "feature_fraction_seed", "extra_seed")), ("xgboost", ("seed",))],
)
def test_each_block_draws_anew(
    family: str, names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first with the fit's own seed, later ones with seeds that no other has: no sample comes a second time."""
    library = importlib.import_module(family)
    drawn: list[dict[str, object]] = []
    original = library.train

    def watched(settings: dict[str, object], *rest: object, **named: object) -> object:
        drawn.append(dict(settings))
        return original(settings, *rest, **named)

    monkeypatch.setattr(library, "train", watched)
    for seed in (5, 6):
        tabular_family(family).fit(rows("regression"), PARAMETERS[family], seed, Checkpoints(tmp_path / "x"))
    firsts = drawn[::4]
    assert [settings["seed"] for settings in firsts] == [5, 6]
    assert all(settings.keys().isdisjoint({*names} - {"seed"}) for settings in firsts)
    later = [settings[name] for number, settings in enumerate(drawn) if number % 4 for name in names]
    assert len({5, 6, *later}) == 2 + 2 * 3 * len(names)


@pytest.mark.parametrize("objective", ["regression", "multiclass"])
def test_a_forest_is_the_same_with_and_without(objective: Objective) -> None:
    """To the byte: scikit-learn draws each tree's seed from one sequence."""
    assert _fit("forest", objective, PARAMETERS["forest"], None).dump() == _whole("forest", objective)


@every_family
def test_short_fits_keep_none(family: str, tmp_path: Path) -> None:
    """Up to the distance of checkpoints a fit is the usual one, and writes nothing."""
    short = {**PARAMETERS[family], LENGTH[family]: EVERY}
    watched = Dying(tmp_path / "x", after=0)
    assert _fit(family, "regression", short, watched).dump() == _fit(family, "regression", short, None).dump()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@every_family
def test_a_killed_process_goes_on(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL after the first checkpoint; another process, this one, goes on there and ends with the same bytes."""
    command = [sys.executable, "-m", "tests.models.families.slow_fit", family, "regression", str(tmp_path / "killed")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "saved 20\n"
        process.kill()
    saved: list[int] = []
    original = Checkpoints.save

    def told(self: Checkpoints, key: str, done: int, weights: bytes) -> None:
        saved.append(done)
        original(self, key, done, weights)

    monkeypatch.setattr(Checkpoints, "save", told)
    resumed = _fit(family, "regression", PARAMETERS[family], Checkpoints(tmp_path / "killed"))
    assert saved == {"lightgbm": [40, 60], "xgboost": [40, 60], "forest": [40]}[family]
    assert resumed.dump() == _whole(family)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return what a killed fit of each family left, to be copied."""
    folders = {family: tmp_path_factory.mktemp("left") / family for family in PARAMETERS}
    for family, folder in folders.items():
        _killed(family, folder)
    return folders


def _truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flipped(data: bytes) -> bytes:
    return data[:40] + bytes([data[40] ^ 1]) + data[41:]


@every_family
@pytest.mark.parametrize("damage", [_truncated, _flipped, lambda _: b""], ids=["truncated", "flipped", "empty"])
@pytest.mark.parametrize("ending", [".weights", ".json"])
def test_damage_meets_no_parser(
    family: str,
    damage: Callable[[bytes], bytes],
    ending: str,
    left: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The newest checkpoint is left out with a warning, the one before it serves, and the result is the same."""
    shutil.copytree(left[family], tmp_path / "killed")
    newest = [path for path in sorted((tmp_path / "killed").iterdir()) if path.suffix == ending][-1]
    newest.write_bytes(damage(newest.read_bytes()))
    given: list[int] = []
    original = Checkpoints.newest

    def seen(self: Checkpoints, key: str, below: int) -> checkpoints.Checkpoint | None:
        found = original(self, key, below)
        given.append(0 if found is None else found.done)
        return found

    monkeypatch.setattr(Checkpoints, "newest", seen)
    with caplog.at_level(logging.WARNING):
        resumed = _fit(family, "regression", PARAMETERS[family], Checkpoints(tmp_path / "killed"))
    assert given == [20]
    assert resumed.dump() == _whole(family)
    assert "left out" in caplog.text


def test_a_record_that_was_edited_counts_as_damage(tmp_path: Path) -> None:
    """The digest covers the number of iterations, too: otherwise the fit would end with too many trees."""
    newest = [path for path in _killed("lightgbm", tmp_path / "x") if path.suffix == ".json"][-1]
    newest.write_bytes(newest.read_bytes().replace(b'"done":40', b'"done":20'))
    key = fit_key(rows("regression", weighed=True), PARAMETERS["lightgbm"], 5, lightgbm.LIBRARIES)
    found = Checkpoints(tmp_path / "x").newest(key, 70)
    assert found is not None
    assert found.done == 20
    assert b"Tree=20" not in found.weights


def test_another_fit_goes_its_own_way(tmp_path: Path) -> None:
    """Other rows, weights, settings or seeds have another key; what a killed fit left is removed at the end."""
    base = rows("regression", weighed=True)
    keys = {
        fit_key(base, PLAIN, 5, lightgbm.LIBRARIES),
        fit_key(base, PLAIN, 6, lightgbm.LIBRARIES),
        fit_key(base, {**PLAIN, "rounds": 91}, 5, lightgbm.LIBRARIES),
        fit_key(rows("regression"), PLAIN, 5, lightgbm.LIBRARIES),
        fit_key(rows("regression", seed=1, weighed=True), PLAIN, 5, lightgbm.LIBRARIES),
        fit_key(rows("binary", weighed=True), PLAIN, 5, lightgbm.LIBRARIES),
        fit_key(base, PLAIN, 5, forest.LIBRARIES),
        fit_key(base, PLAIN, 5, xgboost.LIBRARIES),
    }
    assert len(keys) == 8
    _killed("lightgbm", tmp_path / "x")
    longer = {**PARAMETERS["lightgbm"], "rounds": 100}
    with_leftovers = _fit("lightgbm", "regression", longer, Checkpoints(tmp_path / "x"))
    assert with_leftovers.dump() == _fit("lightgbm", "regression", longer, Checkpoints(tmp_path / "y")).dump()
    assert list(tmp_path.iterdir()) == []


def test_few_are_kept_and_a_full_disk_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The newest two stay. Where none can be written, the fit says so and ends as it would."""
    kept = _killed("lightgbm", tmp_path / "x", after=60)
    assert len(kept) == 2 * KEPT
    assert {path.suffix for path in kept} == {".json", ".weights"}
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        nowhere = Checkpoints(tmp_path / "file" / "x")
        assert _fit("lightgbm", "regression", PARAMETERS["lightgbm"], nowhere).dump() == _whole("lightgbm")
    assert "no checkpoint after 20 iterations" in caplog.text
