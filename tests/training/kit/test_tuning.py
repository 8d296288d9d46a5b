"""Tuning: no trial knows the holdout, what was killed goes on as if it had not been, and budgets hold."""

import io
import itertools
import logging
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_mapper.bars import Bars
from models.store import ArtifactStore
from models.store.lock import locked
from models.typing import Json
from tests.training.kit.searching import MODEL, SERIES, STUDY, searched
from tests.training.kit.support import after, markets, rewritten
from training.kit import commands, holdout, tuning
from training.kit import study as study_file
from training.kit.compose import resolve, vary
from training.kit.config import ConfigError, Dimension, Experiment
from training.kit.cv import cross_validate
from training.kit.holdout import LEAST_DAYS, Objective, _WithHoldout, cut
from training.kit.panel import build
from training.kit.progress import Progress
from training.kit.questions.registry import QUESTIONS
from training.kit.spec import SpecError
from training.kit.splits import PurgedWalkForward
from training.kit.study import TuningError
from training.kit.tuning import tune

ROOT = Path(__file__).parents[3]
Trials = list[tuple[dict[str, object], float | None]]


def trials(folder: Path, model: str = MODEL, name: str = STUDY) -> Trials:
    """Return what a stored study tried and found, without what was interrupted."""
    with study_file.quiet(), study_file.opened(folder / model / f"{name}.db", name) as study:
        return [(trial.params, trial.value) for trial in study_file.finished(study)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a study of eight trials that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    tune(searched(8), SERIES, folder, STUDY, say=lambda _: None)
    return folder


def test_the_holdout_is_invisible(whole: Path, tmp_path: Path) -> None:
    """Days that are turned upside down, wilder and cut short change no trial to the last bit, but the final figures."""
    parts = cut(SERIES, searched(8))
    changed: Mapping[str, Bars] = {
        "S0": rewritten(SERIES["S0"], after(SERIES["S0"], parts.first - 1), by=-4.0),
        "S1": rewritten(SERIES["S1"], after(SERIES["S1"], parts.first - 1), by=2.5)[:-1],
    }
    for symbol, bars in changed.items():
        assert not np.array_equal(bars.close[-100:], SERIES[symbol].close[-100:])
    found = tune(searched(8), changed, tmp_path, STUDY, say=lambda _: None)
    assert trials(tmp_path) == trials(whole)
    assert found.found != tune(searched(8), SERIES, whole, STUDY, say=lambda _: None).found
    earlier = {**SERIES, "S0": rewritten(SERIES["S0"], slice(300, 310))}
    with pytest.raises(TuningError, match="expected the data before the holdout that the study small began with"):
        tune(searched(8), earlier, tmp_path, STUDY)


def test_the_cut_is_by_days_of_all_series() -> None:
    """The last fifth, at least half a year; a series that began later than that is not searched on."""
    one = searched(1)
    late = markets(1000)["S1"][850:]
    parts = cut({"S0": markets(1000)["S0"], "S1": late}, one)
    assert list(parts.known) == ["S0"]
    assert len(parts.known["S0"]) == 800
    assert len(cut(markets(400), one).known["S0"]) == 400 - LEAST_DAYS
    with pytest.raises(SpecError, match="add history"):
        cut(markets(LEAST_DAYS), one)


def test_a_trial_is_a_cross_validation_of_the_days_before() -> None:
    """Mean loss of all scored rows of the deepest tier, or mean over tiers."""
    one = searched(1)
    parts = cut(SERIES, one)
    found = cross_validate(one, parts.known, Progress(MODEL, 0, stream=io.StringIO())).tiers
    means = [np.average([fold.loss for fold in tier.folds], weights=[fold.n for fold in tier.folds]) for tier in found]
    assert Objective(one, parts)(one) == pytest.approx(means[-1])
    every = vary(one, {"tuning.metric": "mean"}, "test")
    assert Objective(every, parts)(every) == pytest.approx(np.mean(means))


def test_the_look_at_the_holdout_is_a_fold_of_its_own(tmp_path: Path) -> None:
    """Its days are those that were cut off; the default is the experiment itself, and each look is counted once."""
    lines: list[str] = []
    one = searched(3)
    found = tune(one, SERIES, tmp_path, STUDY, say=lines.append)
    parts = cut(SERIES, one)
    assert (found.first, found.last) == (str(parts.first), str(parts.last))
    days = sum(int((bars.date >= parts.first).sum()) for bars in SERIES.values() if bars.date is not None)
    assert found.found.n == found.default.n
    assert days - 2 * 5 <= found.default.n < days  # the last session has no label yet
    assert math.isfinite(found.found.loss)
    assert found.found.skill == pytest.approx(1 - found.found.loss / found.found.naive)
    assert found.best.lineage.study == STUDY
    assert found.best.lineage.trial == found.trial
    assert [line.split()[:2] for line in lines] == [["trial", str(number)] for number in range(3)]
    assert all("best" in line for line in lines)
    assert found.looks <= 2
    assert tune(one, SERIES, tmp_path, STUDY, say=lines.append) == found
    assert len(lines) == 3


def test_folds_before_the_holdout_are_those_of_the_search() -> None:
    """The same rows, numbers and days as without it; then one fold more, which trains on labels that ended before."""
    one = searched(1)
    parts, splits = cut(SERIES, one), PurgedWalkForward(3, 0.4, 7)
    question = QUESTIONS["risk"]  # its labels span a week
    features = one.spec.features_of(22)
    rows, known = build(SERIES, question, features, 22).rows, build(parts.known, question, features, 22).rows
    *folds, last = _WithHoldout(3, 0.4, 7, parts.first).split(rows.date, rows.label_end)
    for found, expected in zip(folds, splits.split(known.date, known.label_end), strict=True):
        assert (found.number, found.first, found.last) == (expected.number, expected.first, expected.last)
        for at, counterpart in ((found.train, expected.train), (found.test, expected.test)):
            assert np.array_equal(rows.date[at], known.date[counterpart])
            assert np.array_equal(rows.symbol[at], known.symbol[counterpart])
    days = np.unique(rows.date)
    gap = np.searchsorted(days, parts.first) - np.searchsorted(days, rows.label_end[last.train].max())
    assert (last.number, gap) == (3, 7 + 1)
    assert np.array_equal(last.test, np.flatnonzero(rows.date >= parts.first))


def test_the_first_trial_is_where_it_starts_from(whole: Path) -> None:
    """So the search begins with a figure to beat; one outside of the space begins anywhere."""
    first, value = trials(whole)[0]
    assert first == {"parameters.num_leaves": 4, "parameters.learning_rate": 0.1, "keep": 4}
    one = searched(1)
    assert value == Objective(one, cut(SERIES, one))(one)
    outside = vary(one, {"parameters.num_leaves": 30}, "test")
    assert tuning._start(outside, tuning.space_of(outside)) is None


def test_trials_differ_and_follow_the_seed_of_the_study(whole: Path, tmp_path: Path) -> None:
    """The same seed gives the same, as the tests above use; another gives others, from the second on."""
    mine = trials(whole)
    assert len({str(params) for params, _ in mine}) == len(mine) == 8
    tune(searched(3, **{"tuning.seed": 5}), SERIES, tmp_path, STUDY, say=lambda _: None)
    others = trials(tmp_path)
    assert others[0] == mine[0]
    assert all(one != other for one, other in zip(others[1:], mine[1:3], strict=True))


@pytest.mark.slow
def test_a_killed_study_goes_on_as_if_it_had_not_been(whole: Path, tmp_path: Path) -> None:
    """SIGKILL after some trials; the next process ends with the trials of an uninterrupted one, in their order."""
    command = [sys.executable, "-m", "tests.training.kit.searching", str(tmp_path), "8"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = list(itertools.islice(process.stdout, 4))
        process.kill()
    assert len(lines) == 4
    with study_file.quiet(), study_file.opened(tmp_path / MODEL / f"{STUDY}.db", STUDY) as study:
        study.ask()  # as a process leaves it that dies in a trial
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""  # no log of Optuna's, and nothing that reaches for the network
    assert trials(tmp_path) == trials(whole)
    with study_file.quiet(), study_file.opened(tmp_path / MODEL / f"{STUDY}.db", STUDY) as study:
        states = [trial.state.name for trial in study.get_trials()]
        assert states.count("COMPLETE") == 8
        assert set(states) == {"COMPLETE", "FAIL"}
        assert len(study.user_attrs["interrupted"]) == states.count("FAIL")


def test_both_budgets_hold(tmp_path: Path) -> None:
    """Trials count for the study, seconds for the run; the trial that is under way is finished."""
    lines: list[str] = []
    assert tune(searched(2), SERIES, tmp_path, STUDY, say=lines.append).trials == 2
    assert tune(searched(3), SERIES, tmp_path, STUDY, say=lines.append).trials == 3
    ticks = itertools.count(0.0, 10.0)  # a clock that is asked once before and twice in each trial, and on leaving
    limited = searched(50, **{"tuning.max_seconds": 55.0})
    found = tune(limited, SERIES, tmp_path, STUDY, say=lines.append, clock=lambda: next(ticks))
    assert found.trials == 3 + 2
    assert len(lines) == 5


def test_a_trial_that_fails_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reason is kept and said; where all fail, nothing is concluded."""
    original, calls = Objective.__call__, itertools.count()

    def sometimes(self: Objective, experiment: Experiment) -> float:
        match next(calls):
            case 1:
                raise ValueError("no such leaf")
            case 2:
                raise MemoryError
            case _:
                return original(self, experiment)

    lines: list[str] = []
    monkeypatch.setattr(Objective, "__call__", sometimes)
    found = tune(searched(4), SERIES, tmp_path, STUDY, say=lines.append)
    assert (found.trials, found.failed) == (4, 2)
    assert "failed: ValueError: no such leaf; best" in lines[1]
    assert "failed: MemoryError" in lines[2]
    assert [value is None for _, value in trials(tmp_path)] == [False, True, True, False]

    def never(self: Objective, experiment: Experiment) -> float:  # noqa: ARG001  as in `Objective`
        raise SpecError("no")

    monkeypatch.setattr(Objective, "__call__", never)
    with pytest.raises(TuningError, match=r"found 2 that failed \(SpecError: no\)"):
        tune(searched(2), SERIES, tmp_path, "other", say=lines.append)


def test_a_loss_that_is_no_number_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the search would call it best, or its database refuse it."""
    one = searched(1)
    monkeypatch.setattr(holdout, "losses", lambda *_: SimpleNamespace(model=np.array([np.nan]), naive=np.array([1.0])))
    with pytest.raises(SpecError, match="expected a finite loss, found nan"):
        Objective(one, cut(SERIES, one))(one)


def test_a_study_is_of_one_configuration_and_one_process(whole: Path) -> None:
    """Another seed, space or configuration is another study; a second process waits for the first; names are names."""
    for values, said in (
        ({"tuning.seed": 5}, "the search that"),
        ({"seed": 5}, "the configuration that"),
        ({"tuning.space.keep": {"choices": [4]}}, "the space that"),
    ):
        with pytest.raises(TuningError, match=said):
            tune(searched(8, **values), SERIES, whole, STUDY)
    with locked(whole / MODEL / f"{STUDY}.lock", 0.0), pytest.raises(TuningError, match="run by another process"):
        tune(searched(8), SERIES, whole, STUDY)
    with pytest.raises(TuningError, match="choose another one"):
        tune(searched(8), SERIES, whole, "../up")
    with pytest.raises(TuningError, match="expected a folder for studies at"):
        tune(searched(8), SERIES, whole / MODEL / f"{STUDY}.db", STUDY)
    (whole / MODEL / "broken.db").write_bytes(b"no database" * 100)
    with pytest.raises(TuningError, match=r"expected a study in broken\.db"):
        tune(searched(8), SERIES, whole, "broken")


def test_spaces_there_are_and_spaces_there_are_not() -> None:
    """Each tree family has one that its models can be varied in; another family has to name places."""
    trees = {"lightgbm": "lightgbm_return", "xgboost": "xgboost_return", "forest": "random_forest_risk"}
    for family, model in trees.items():
        one = resolve(model)
        space = tuning.space_of(one)
        assert space == tuning.SPACES[family]
        vary(one, {place: dimension.low for place, dimension in space.items()}, "test")
        vary(one, {f"tuning.space.{place}": {"choices": [3]} for place in space}, "test")
    with pytest.raises(ConfigError, match=r"expected tuning\.space"):
        tuning.space_of(resolve("hmm_regime"))


@given(
    low=st.integers(1, 50),
    width=st.integers(1, 50),
    value=st.integers(-10, 120),
    step=st.none() | st.integers(1, 5),
)
def test_a_dimension_knows_what_it_holds(low: int, width: int, value: int, step: int | None) -> None:
    """As a range in steps from its low end does."""
    if step is not None and step > width:
        return
    dimension = Dimension(low=low, high=low + width, step=step)
    assert dimension.holds(value) == (value in range(low, low + width + 1, step or 1))
    assert not dimension.holds(value + 0.5)
    yes: Json = True
    assert not dimension.holds(yes)


def test_optuna_keeps_quiet(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing on the terminal, nothing in anybody's log, and its logger is left as it was."""
    logger = logging.getLogger("optuna")
    tune(searched(1), SERIES, tmp_path, "first", say=lambda _: None)
    before = (list(logger.handlers), logger.level, logger.propagate)
    with caplog.at_level(logging.DEBUG):
        tune(searched(1), SERIES, tmp_path, "second", say=lambda _: None)
    assert (list(logger.handlers), logger.level, logger.propagate) == before
    assert capfd.readouterr() == ("", "")
    assert [one for one in caplog.records if one.name.startswith(("optuna", "alembic"))] == []


def test_the_best_becomes_a_candidate_and_the_gate_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained on all days, with study, trial and parent in its lineage; a second of the same stays a candidate."""
    overrides = [
        *("splits.folds=4", "tiers=[1,22]", "families=[candle,range_volatility]", "keep=4", "parameters.rounds=12"),
        *("tuning.space.parameters.num_leaves={low: 2, high: 8}", "tuning.max_trials=2"),
    ]
    monkeypatch.setattr(commands, "series_of", lambda *_: SERIES)
    lines: list[str] = []
    store, data = ArtifactStore(tmp_path / "store"), tmp_path / "data" / "processed"
    told = [
        commands.tune(MODEL, "s", None, overrides, artifacts=store.root, data=data, say=lines.append) for _ in range(2)
    ]
    assert (tmp_path / "data" / "studies" / MODEL / "s.db").exists()
    manifests = [store.manifest(MODEL, version) for version in ("v000001", "v000002")]
    assert [one.lineage.parent for one in manifests] == [None, "v000001"]
    assert {(one.lineage.study, one.lineage.trial) for one in manifests} == {("s", told[0]["trial"])}
    assert {str(one.last_date) for one in manifests} == {str(SERIES["S0"].date[-2])}  # type: ignore[index]  # dated
    assert [one["promoted"] for one in told] == [True, False]
    assert str(told[1]["reason"]).startswith("the same as v000001")
    assert told[0]["config"] == manifests[0].config
    for one in manifests:  # the search looked at one configuration beside the one that it chose
        evaluation = msgspec.json.decode(store.read(MODEL, one.version).files["evaluation.json"])
        assert evaluation["trials"]["searched"] == 1
    assert "on the holdout" in lines[2]
    assert lines[-1].startswith(f"{MODEL} v000002: kept as candidate (the same as v000001")


@pytest.mark.slow
def test_other_trainers_are_searched_by_their_own_walk(tmp_path: Path) -> None:
    """A regime model by its number of states."""
    one = resolve("hmm_regime", None, ["options.starts=1", "options.states=2", "tiers=[1,22]", "splits.folds=2"])
    one = vary(one, {"tuning.space.options.states": {"choices": [2]}, "tuning.max_trials": 1}, "test")
    found = tune(one, markets(500, symbols=1), tmp_path, "states", say=lambda _: None)
    assert (found.trials, found.failed) == (1, 0)
    assert found.values == {"options.states": 2}
    assert found.found.skill == pytest.approx(found.found.naive - found.found.loss)
