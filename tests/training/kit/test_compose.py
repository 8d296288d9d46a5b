"""Configurations: layers compose by one law, what is stored says it all, and a mistake is told at its place."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.families import forest, lightgbm, xgboost
from models.families.base import tabular_family
from models.manifest import NO_LINEAGE
from models.typing import Json
from training.kit import compose
from training.kit.compose import resolve, restore, vary
from training.kit.config import ConfigError, Configuration, Dimension
from training.kit.discover import FOLDER, model_names, spec_of
from training.kit.layers import MAX_FILES
from training.kit.spec import ModelSpec, SpecError

MODEL = "lightgbm_direction"
every_model = pytest.mark.parametrize("model", model_names())


def _file(folder: Path, text: str, name: str = "x.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@every_model
def test_without_a_file_it_is_what_the_folder_declares(model: str) -> None:
    """Trainers read the same values; lists stand where a spec may have tuples, which the trainers convert."""
    experiment, declared = resolve(model), spec_of(model)
    plain = [{**msgspec.to_builtins(spec), "options": json.dumps(spec.options)} for spec in (experiment.spec, declared)]
    assert plain[0] == plain[1]
    assert list(experiment.spec.parameters) == list(declared.parameters)
    assert experiment.lineage == NO_LINEAGE


@every_model
def test_stored_it_resolves_to_itself(model: str, tmp_path: Path) -> None:
    """From the artifact, and as a file of its own."""
    config = resolve(model, None, ["seed=5", "level=0.8"]).config
    stored = config.as_json()
    assert restore(model, stored).config == config
    path = _file(tmp_path, msgspec.json.format(msgspec.json.encode(stored)).decode())
    assert resolve(model, path).config == config


@given(
    values=st.fixed_dictionaries(
        {},
        optional={
            "parameters.num_leaves": st.integers(2, 63),
            "parameters.learning_rate": st.floats(1e-6, 1.0),
            "parameters.extra_trees": st.booleans(),
            "keep": st.sampled_from(["all", "used", 5]),
            "tiers": st.sampled_from([[1], [1, 64]]),
            "features": st.sampled_from(["all", "relative"]),
            "class_weight": st.sampled_from([None, "balanced"]),
            "splits.folds": st.integers(2, 9),
            "splits.warm_up": st.floats(0.01, 0.99),
            "symbols": st.lists(st.sampled_from(["IBM", "MSFT", "BRK.B"]), max_size=3),
            "source.until": st.dates().map(str),
            "tuning.max_seconds": st.floats(0.1, 1e6),
            "tracking": st.booleans(),
        },
    )
)
def test_overrides_are_values_at_places(values: Mapping[str, object]) -> None:
    """On the command line and from code they give one configuration, which keeps every other value."""
    experiment = resolve(MODEL, None, [f"{place}={json.dumps(value)}" for place, value in values.items()])
    assert vary(resolve(MODEL), values, "test").config == experiment.config  # type: ignore[arg-type]  # drawn as JSON
    assert restore(MODEL, experiment.config.as_json()).config == experiment.config
    flat, default = _flat(experiment.config.as_json()), _flat(resolve(MODEL).config.as_json())
    assert {place: flat[place] for place in values} == values
    assert {place: value for place, value in flat.items() if place not in values} == {
        place: value for place, value in default.items() if place not in values
    }


def _flat(tree: object, place: str = "") -> dict[str, object]:
    if not isinstance(tree, dict) or not tree:
        return {place: tree}
    return {
        name: value
        for key, part in tree.items()
        for name, value in _flat(part, f"{place}.{key}" if place else key).items()
    }


def test_layers_from_the_bottom_up(tmp_path: Path) -> None:
    """The folder, the file below, the file, the overrides: the later wins, mappings merge, the order of keys stays."""
    _file(tmp_path, "parameters: {rounds: 1, num_leaves: 2, max_bin: 15}\nseed: 1\nlevel: 0.7", "lowest.yaml")
    (tmp_path / "shared").mkdir()
    _file(tmp_path / "shared", "base: ../lowest.yaml\nparameters: {rounds: 2, num_leaves: 3}\nseed: 2", "middle.yaml")
    path = _file(tmp_path, "base: shared/middle.yaml\nparameters: {rounds: 3}")
    experiment = resolve(MODEL, path, ["parameters.lambda_l1=4", "tiers=[1,22]"])
    declared = spec_of(MODEL)
    expected = {**declared.parameters, "rounds": 3, "num_leaves": 3, "max_bin": 15, "lambda_l1": 4}
    assert list(experiment.spec.parameters.items()) == list(expected.items())
    assert (experiment.spec.seed, experiment.spec.level, experiment.spec.tiers) == (2, 0.7, (1, 22))
    assert experiment.spec.families == declared.families
    assert experiment.lineage.experiment == "x.yaml + command line"


def test_null_takes_an_inherited_parameter_away(tmp_path: Path) -> None:
    """And its absence is kept: what is stored begins with nothing."""
    experiment = resolve(MODEL, _file(tmp_path, "parameters: {bagging_fraction: null, bagging_freq: ~}"))
    gone = {"bagging_fraction", "bagging_freq"}
    assert set(experiment.spec.parameters) == set(spec_of(MODEL).parameters) - gone
    assert restore(MODEL, experiment.config.as_json()).config == experiment.config


def test_another_family_inherits_no_parameters(tmp_path: Path) -> None:
    """They are another library's; a file that names the same family keeps them."""
    path = _file(tmp_path, "family: forest\nparameters: {estimator: extra_trees, n_estimators: 30}")
    assert resolve(MODEL, path).spec.parameters == {"estimator": "extra_trees", "n_estimators": 30}
    assert resolve(MODEL, None, ["family=lightgbm"]).config == resolve(MODEL).config


def test_a_search_space_is_replaced_place_by_place(tmp_path: Path) -> None:
    """A dimension is one thing: choices over an inherited range don't leave half of it."""
    _file(tmp_path, "tuning: {space: {parameters.num_leaves: {low: 3, high: 9}, keep: {low: 4, high: 8}}}", "y.yaml")
    path = _file(tmp_path, "base: y.yaml\ntuning: {space: {parameters.num_leaves: {choices: [7, 15]}}}")
    space = resolve(MODEL, path, ["tuning.space.keep=null"]).config.tuning.space
    assert space == {"parameters.num_leaves": Dimension(choices=(7, 15))}


def test_a_declaration_may_know_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `spec.py` sets beyond the list is kept, also from what is stored; a file can change it, not add to it."""
    declared = ModelSpec(family="lightgbm", parameters={"rounds": 3, "cat_smooth": 2})
    monkeypatch.setattr(compose, "spec_of", lambda _: declared)
    experiment = resolve(MODEL, _file(tmp_path, "parameters: {cat_smooth: 5}"))
    assert experiment.spec.parameters == {"rounds": 3, "cat_smooth": 5}
    assert restore(MODEL, experiment.config.as_json()).config == experiment.config
    with pytest.raises(ConfigError, match="cat_l2"):
        resolve(MODEL, _file(tmp_path, "parameters: {cat_l2: 5}"))


def test_paths_that_are_none(tmp_path: Path) -> None:
    """Links in a circle and names with a zero byte are faults of a configuration, not of the program."""
    (tmp_path / "a.yaml").symlink_to("b.yaml")
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    with pytest.raises(ConfigError, match="expected a path"):
        resolve(MODEL, _file(tmp_path, "base: a.yaml"))
    with pytest.raises(ConfigError, match="expected a path"):
        resolve(MODEL, _file(tmp_path, 'base: "a\\0b"'))


def test_a_file_that_begins_with_nothing(tmp_path: Path) -> None:
    """``base: null`` inherits nothing from the folder."""
    path = _file(tmp_path, "base: null\nfamily: lightgbm\nparameters: {rounds: 3}")
    assert resolve(MODEL, path).spec == ModelSpec(family="lightgbm", parameters={"rounds": 3})
    with pytest.raises(ConfigError, match=r"x\.yaml: family: expected a family"):
        resolve(MODEL, _file(tmp_path, "base: null\nseed: 3"))


MISTAKES = [
    ("parametrs: {rounds: 3}", "x.yaml: parametrs: expected a known key, found 'parametrs'; did you mean parameters?"),
    ("parameters: {num_leavs: 3}", "expected a key of parameters, found 'num_leavs'; did you mean num_leaves?"),
    ("parameters: {n_jobs: 3}", "parameters.n_jobs: expected a key of parameters"),
    ("parameters: {output_model: x}", "parameters.output_model: expected a key of parameters"),
    ("parameters: {num_leaves: [3]}", "parameters.num_leaves: expected bool | int | float | str, found [3]"),
    ("parameters: {num_leave: null}", "parameters.num_leave: expected an inherited entry to take away"),
    ("parameters: 3", "parameters: expected object, found 3"),
    ("alternatives: [{num_leavs: 3}]", "alternatives.0.num_leavs: expected a key of alternatives.0"),
    ("alternatives: {num_leaves: 3}", "alternatives: expected array"),
    ("splits: {fold: 3}", "splits.fold: expected a key of splits, found 'fold'; did you mean folds?"),
    ("splits: {folds: '3'}", 'splits.folds: expected int, found "3"'),
    ("splits: {folds: 1}", "x.yaml: expected 2 folds or more, found 1"),
    ("splits: {warm_up: 1.5}", "x.yaml: expected folds, a warm_up between 0 and 1"),
    ("tiers: [1, 22, x]", 'tiers.2: expected int, found "x"'),
    ("tiers: [22]", "x.yaml: expected ascending tiers"),
    ("level: 1.5", "x.yaml: expected a level between 0 and 1, found 1.5"),
    ("keep: 0", "keep: expected int >= 1, found 0"),
    ("class_weight: balancd", 'class_weight: expected balanced, found "balancd"'),
    ("families: [momentun]", "found 'momentun'; did you mean momentum?"),
    ("families: [returns]", "families: expected features that 1 bars of history fill"),
    ("family: forrest", "x.yaml: family: expected an estimator family"),
    ("options: {states: 3}", "options.states: expected no options"),
    ("symbols: IBM", 'symbols: expected array, found "IBM"'),
    ("source: {until: 2010-02-31}", 'source.until: invalid RFC3339 encoded date, found "2010-02-31"'),
    ("source: {folder: here}", "source.folder: expected an absolute path, found 'here'"),
    ("tracking: on", 'tracking: expected bool, found "on"'),
    ("tuning: {metric: best}", 'tuning.metric: expected deepest or mean, found "best"'),
    ("tuning: {holdout: 1}", "tuning.holdout: expected float < 1.0, found 1"),
    ("tuning: {space: {keep: {low: 3, hgh: 9}}}", "tuning.space.keep.hgh: expected a key of tuning.space.keep"),
    ("tuning: {space: {keep: {low: 3, high: 1}}}", "tuning.space.keep: expected low below high, or choices"),
    ("tuning: {space: {keep: {low: 0, high: 9, log: true}}}", "expected log with low above 0"),
    ("tuning: {space: {keep: {low: 3, high: 9, step: 7}}}", "expected a step above 0 that fits"),
    ("tuning: {space: {keep: {low: 3, high: 9, choices: [3]}}}", "expected choices, at least one, without low"),
    ("tuning: {space: {seed: {low: 3, high: 9}}}", "tuning.space.seed: expected a place that a search may change"),
    ("tuning: {space: {parameters.num_leavs: {low: 3, high: 9}}}", "did you mean num_leaves?"),
    ("[1]", "x.yaml: expected names with values, found a list"),
    ("base: 3", "base: expected a path relative to this file, or null"),
    ("base: nowhere.yaml", "nowhere.yaml: expected a file, found: No such file"),
    ("seed: 1\nseed: 2", "x.yaml: line 2: expected each key once"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_a_mistake_is_told_at_its_place(text: str, said: str, tmp_path: Path) -> None:
    """File, place, what was expected, what was found."""
    with pytest.raises(ConfigError) as raised:
        resolve(MODEL, _file(tmp_path, text))
    assert said in str(raised.value)


def test_a_mistake_below_is_told_of_the_file_that_made_it(tmp_path: Path) -> None:
    """Not of the file that was named; a mistake of an override of the override."""
    _file(tmp_path, "splits: {folds: x}", "below.yaml")
    path = _file(tmp_path, "base: below.yaml\nsplits: {embargo: 3}")
    with pytest.raises(ConfigError, match=r"^below\.yaml: splits\.folds: expected int"):
        resolve(MODEL, path)
    with pytest.raises(ConfigError, match=r"^override 'splits\.embargo=y': splits\.embargo: expected int"):
        resolve(MODEL, path, ["splits.folds=3", "splits.embargo=y"])


@pytest.mark.parametrize("override", ["seed", "seed=", "=3", "parameters..x=3", "seed=*x", "seed=[", ".=1"])
def test_an_override_without_sense_is_refused(override: str) -> None:
    """By its own words."""
    with pytest.raises(ConfigError) as raised:
        resolve(MODEL, None, [override])
    assert str(raised.value).startswith(f"override {override!r}: ")


def test_circles_and_endless_chains_are_refused(tmp_path: Path) -> None:
    """A file that is based on itself, over others or at once, is named with its way."""
    _file(tmp_path, "base: z.yaml", "y.yaml")
    _file(tmp_path, "base: ./x.yaml", "z.yaml")
    with pytest.raises(ConfigError, match=r"x\.yaml -> y\.yaml -> z\.yaml -> x\.yaml; break the circle"):
        resolve(MODEL, _file(tmp_path, "base: y.yaml"))
    with pytest.raises(ConfigError, match=r"x\.yaml -> x\.yaml"):
        resolve(MODEL, _file(tmp_path, "base: x.yaml"))
    for number in range(MAX_FILES + 1):
        _file(tmp_path, f"base: {number + 1}.yaml", f"{number}.yaml")
    with pytest.raises(ConfigError, match="at most 16 files"):
        resolve(MODEL, tmp_path / "0.yaml")


def test_trainers_with_options_of_their_own(tmp_path: Path) -> None:
    """Options are checked as their trainer declares them, and a task keeps its family."""
    options = resolve("hmm_regime", _file(tmp_path, "options: {states: 2}")).spec.options
    assert options == {"states": 2, "starts": 4, "covariance": "full", "weight": 30.0, "stickiness": 0.7}
    for model, text, said in (
        ("hmm_regime", "options: {stats: 2}", "expected a key of options, found 'stats'; did you mean states?"),
        ("hmm_regime", "options: {covariance: ful}", "options.covariance: "),
        ("hmm_regime", "family: lightgbm", "family: expected hmm, as the task has it"),
        ("hmm_regime", "alternatives: [{states: 2}]", "alternatives: expected none: the trainer fits once"),
        ("prophet_forecast", "options: {prior: a}", "options.prior: expected float"),
        ("prophet_forecast", "splits: {folds: 3}", "splits: expected the default, as forecasts roll their origins"),
    ):  # fmt: skip
        with pytest.raises(ConfigError) as raised:
            resolve(model, _file(tmp_path, text))
        assert said in str(raised.value)
    with pytest.raises(SpecError, match="expected a model folder"):
        resolve("no_return")


def test_defaults_are_those_of_a_spec() -> None:
    """A configuration that begins with nothing and a spec that leaves everything out mean the same."""
    assert Configuration(family="lightgbm").spec() == ModelSpec(family="lightgbm")
    assert Configuration.of(ModelSpec(family="lightgbm")) == Configuration(family="lightgbm")


def test_parameters_are_names_that_the_libraries_know() -> None:
    """None of them is misspelt, none reads or writes files, and none is what the family sets itself."""
    from lightgbm.basic import _ConfigAliases
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor

    known = set(_ConfigAliases._get_all_param_aliases())
    assert lightgbm.PARAMETERS - {"rounds"} <= known
    assert lightgbm.PARAMETERS.isdisjoint({*lightgbm._ALWAYS, "seed", "objective", "num_class", "num_iterations"})
    for kind in (ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor):
        assert forest.PARAMETERS - {"estimator"} <= set(kind().get_params())
    assert forest.PARAMETERS.isdisjoint({"random_state", "n_jobs", "warm_start", "class_weight"})
    assert _names_of_xgboost() >= xgboost.PARAMETERS - {"rounds"}
    assert xgboost.PARAMETERS.isdisjoint({*xgboost._ALWAYS, "seed", "objective", "num_class"})
    assert xgboost.PARAMETERS.isdisjoint({"eta", "gamma", "alpha", "lambda"})  # other names of what is listed
    for model in model_names():
        spec = spec_of(model)
        if spec.family in {"lightgbm", "forest", "xgboost"}:
            assert set(spec.parameters) <= tabular_family(spec.family).PARAMETERS  # type: ignore[attr-defined]  # each declares it


def _names_of_xgboost() -> set[str]:
    """Return every setting that a booster tells of itself."""
    from xgboost import Booster

    def names(part: Json) -> Iterator[str]:
        for name, inside in part.items() if isinstance(part, dict) else ():
            yield name
            yield from names(inside)

    booster = Booster({"num_feature": 1, "tree_method": "hist", "objective": "binary:logistic"})
    return set(names(json.loads(booster.save_config())))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/experiments/*.yaml")), ids=lambda path: path.stem)
def test_experiments_in_the_repository_resolve(path: Path) -> None:
    """Each names its model by its folder, changes something and says its place in its lineage."""
    model = path.parent.parent.name
    experiment = resolve(model, path)
    assert experiment.config != resolve(model).config
    assert experiment.lineage.experiment == f"training/{model}/experiments/{path.name}"
