"""Regimes and prices from end to end: real fits of both models, figures, targets and the page."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from skill import prices, regimes, run
from skill.page import NAME, write_page
from skill.report import Report, read
from skill.rivals import elsewhere
from skill.rivals.prices import DRIFT, NAIVE
from skill.rivals.regimes import REGIME
from skill.schedule import MODES, Schedule
from skill.targets import TARGETS, verdicts
from tests.skill.test_run import SYMBOLS, kept, timeless, write_csv
from tests.training.kit.support import market
from training.kit import discover
from training.kit.spec import ModelSpec

pytestmark = pytest.mark.slow

MODELS = ("hmm_regime", "prophet_forecast")


def quick_spec(model: str) -> ModelSpec:
    """Return the declaration of a model with one start of EM and a short history of paths."""
    spec = discover.spec_of(model)
    fewer = {"starts": 1} if model == "hmm_regime" else {"prior": 0.01, "history": 300}
    return replace(spec, options={**spec.options, **fewer})


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[run.Options]:
    """Return the options of a report on three markets, where the environment of rivals is not there."""
    folder = tmp_path_factory.mktemp("sequences")
    (folder / "universe").mkdir()
    for number, symbol in enumerate(SYMBOLS):
        write_csv(folder / "universe", symbol, market(2000, number))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regimes, "spec_of", quick_spec)
        patch.setattr(prices, "spec_of", quick_spec)
        patch.setattr(elsewhere, "PYTHON", folder / "none")
        yield run.Options(
            folder / "universe", folder / "out", folder / "skill", MODELS, Schedule(groups=2), deepest=True, processes=1
        )


@pytest.fixture(scope="module")
def done(options: run.Options) -> tuple[Report, tuple[str, ...]]:
    """Return the report, and what was said on the way."""
    said: list[str] = []
    return run.evaluate(options, said.append), tuple(said)


def test_all_models_are_judged_unless_some_are_named() -> None:
    """Tabular ones and those that read bars themselves."""
    assert {"hmm_regime", "prophet_forecast", "lightgbm_return"} <= set(run._chosen(()))


def test_each_measure_is_judged_in_both_modes_on_the_same_rows(done: tuple[Report, tuple[str, ...]]) -> None:
    """Of regimes one, of prices the path and the bands at each horizon; who was asked too seldom is left out, aloud."""
    report, said = done
    for model, metrics in (("hmm_regime", {regimes.METRIC}), ("prophet_forecast", set(prices.MEASURES))):
        mine = [result for result in report.results if result.model == model]
        assert {(result.metric, result.mode) for result in mine} == {
            (metric, mode) for metric in metrics for mode in MODES
        }
        assert len({result.n for result in mine}) == 1
        names = {regimes.STILL, *(rival.name for rival in REGIME)} if model == "hmm_regime" else {NAIVE, DRIFT}
        assert all(set(result.rivals) == names for result in mine)
        assert all(rival.overall.n == result.n for result in mine for rival in result.rivals.values())
    assert any("plain Prophet is left out: asked on" in line for line in said)


def test_bands_hold_and_labels_last_as_far_as_they_can_here(done: tuple[Report, tuple[str, ...]]) -> None:
    """Walks whose volatility wanders: bands of the right width, and states that beat what knows no volatility."""
    for result in done[0].results:
        if result.bands is not None and result.metric.endswith("_1"):
            assert abs(result.bands.overall - result.bands.level) < 0.05
        if result.metric == regimes.METRIC:
            assert set(result.figures) == {"mean_duration", "label_kept", "label_kept_least", "label_kept_since"}
            assert all(0.5 < value <= 1 for name, value in result.figures.items() if name.startswith("label"))
            for rival in ("single Gaussian", "static mixture"):
                overall = result.rivals[rival].overall
                assert overall.ratio < 1
                assert overall.p is not None
                assert overall.p < 0.01


def test_every_target_is_told(done: tuple[Report, tuple[str, ...]]) -> None:
    """In both modes."""
    told = [(verdict.target, verdict.mode) for verdict in verdicts(done[0])]
    wanted = [target for target in TARGETS if target.task in {"regime", "forecast"}]
    assert sorted(told, key=repr) == sorted(((target, mode) for target in wanted for mode in MODES), key=repr)


def test_the_page_tells_who_was_not_asked_and_is_made_from_figures(
    options: run.Options, done: tuple[Report, tuple[str, ...]], tmp_path: Path
) -> None:
    """What is on disk gives the same page, with each measure in words."""
    assert timeless(read(options.out)) == timeless(done[0])
    write_page(tmp_path, read(options.out))
    written = (tmp_path / NAME).read_text()
    assert written == (options.out / NAME).read_text()
    assert "Rivals of `prophet_forecast` that were not asked: AutoETS, Theta, AutoARIMA" in written
    assert all(f"Loss: {words}." in written for words in prices.MEASURES.values())
    assert "| label_kept |" in written


def test_a_second_run_fits_nothing_and_says_the_same(
    options: run.Options, done: tuple[Report, tuple[str, ...]]
) -> None:
    """A piece that is lost is made again, alone, and two processes say what one says."""
    before = kept(options)
    lost = min(before)
    (options.shelf / lost).unlink()
    assert timeless(run.evaluate(replace(options, processes=2), lambda _: None)) == timeless(done[0])
    assert {name for name, at in kept(options).items() if before[name] != at} == {lost}
