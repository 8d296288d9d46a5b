"""The report from end to end: a folder of files, real fits, figures and a page."""

import re
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import msgspec
import numpy as np
import pytest

import barcast
from feature_mapper.bars import Bars
from skill import page, run, shelf
from skill.page import write_page
from skill.plots import write_plots
from skill.report import Report, read
from skill.rivals.volatility import of_volatility
from skill.schedule import MODES, Schedule
from skill.shelf import Shelf, library_versions
from skill.universe import UniverseError, read_universe
from tests.training.kit.support import market
from training.kit.spec import SpecError

MODEL = "lightgbm_volatility"
SYMBOLS = ("AAA", "BBB", "CCC")


def write_csv(folder: Path, symbol: str, bars: Bars) -> None:
    """Write bars as a plain file."""
    assert bars.date is not None
    assert bars.volume is not None
    columns = (bars.date, bars.open, bars.high, bars.low, bars.close, bars.volume)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    lines = [f"{day},{','.join(map(repr, prices))},{volume:.0f}" for day, *prices, volume in rows]
    (folder / f"{symbol}.csv").write_text("Date,Open,High,Low,Close,Volume\n" + "\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def universe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of three markets and a file that is none."""
    folder = tmp_path_factory.mktemp("universe")
    for number, symbol in enumerate(SYMBOLS):
        write_csv(folder, symbol, market(2100, number))
    (folder / "NOTES.csv").write_text("nothing,to,see\n")
    return folder


@pytest.fixture(scope="module")
def options(universe: Path, tmp_path_factory: pytest.TempPathFactory) -> run.Options:
    """Return the options of a small report; its shelf lies where the command line looks for it."""
    place = tmp_path_factory.mktemp("data")
    schedule = Schedule(groups=2)
    return run.Options(universe, place / "out", place / "skill", (MODEL,), schedule, deepest=True, processes=1)


@pytest.fixture(scope="module")
def done(options: run.Options) -> tuple[Report, tuple[str, ...]]:
    """Return the report, and what was said on the way."""
    said: list[str] = []
    return run.evaluate(options, said.append), tuple(said)


def kept(options: run.Options) -> dict[str, int]:
    """Return the files of the shelf, with the times at which they were written."""
    return {path.name: path.stat().st_mtime_ns for path in options.shelf.iterdir()}


def timeless(report: Report) -> Report:
    """Return a report without what a second run may take less of."""
    return msgspec.structs.replace(report, seconds=0, peak_mib=0, resumed=False)


def test_every_file_is_read_or_named(universe: Path) -> None:
    """What can't be read is left out, and why."""
    found = read_universe(universe)
    assert found.symbols == SYMBOLS
    assert list(found.left_out) == ["NOTES.csv"]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """With what is expected there."""
    with pytest.raises(UniverseError, match=r"expected files named <SYMBOL>\.csv"):
        read_universe(tmp_path)


@pytest.mark.slow
def test_both_modes_are_judged_against_every_rival(done: tuple[Report, tuple[str, ...]]) -> None:
    """On the same rows, but for what a rival can't answer."""
    report, said = done
    assert [result.mode for result in report.results] == list(MODES)
    assert len({result.n for result in report.results}) == 1
    for result in report.results:
        own = {rival.name for rival in of_volatility(1)}
        assert own | {"har", "rolling_mean", "ewma", "long_run"} == set(result.rivals)
        assert all(rival.overall.n == result.n for rival in result.rivals.values())
        assert sum(part.n for part in result.rivals["GARCH"].by_year.values()) == result.n
    assert report.universe.left_out.keys() == {"NOTES.csv"}
    assert any(re.search(r"fold (\d+) of \1 ", line) for line in said)


@pytest.mark.slow
def test_a_second_run_fits_nothing_and_says_the_same(
    options: run.Options, done: tuple[Report, tuple[str, ...]]
) -> None:
    """What was stopped goes on: of all fits, only the one that is missing is made again."""
    before = kept(options)
    again = run.evaluate(options, lambda _: None)
    assert timeless(again) == timeless(done[0])
    assert kept(options) == before
    assert (done[0].resumed, again.resumed) == (False, True)
    lost = min(before)
    (options.shelf / lost).unlink()
    assert timeless(run.evaluate(options, lambda _: None)) == timeless(done[0])
    assert {name for name, at in kept(options).items() if before[name] != at} == {lost}


@pytest.mark.long
def test_two_processes_say_what_one_says(
    options: run.Options, done: tuple[Report, tuple[str, ...]], tmp_path: Path
) -> None:
    """To the last bit, whichever of them is done first."""
    again = replace(options, shelf=tmp_path / "shelf", out=tmp_path / "out", processes=2)
    assert timeless(run.evaluate(again, lambda _: None)) == timeless(done[0])


@pytest.mark.slow
def test_the_page_is_made_from_the_figures_alone(
    options: run.Options, done: tuple[Report, tuple[str, ...]], tmp_path: Path
) -> None:
    """What is on disk reads back as what was found, and gives the same page and the same pictures."""
    assert timeless(read(options.out)) == timeless(done[0])
    (tmp_path / "of_before.png").touch()
    write_plots(tmp_path, read(options.out))
    write_page(tmp_path, read(options.out))
    made = {path.name: path.read_bytes() for path in options.out.iterdir() if path.suffix != ".json"}
    assert made == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    written = made[page.NAME].decode()
    assert {name for name in made if name.endswith(".png")} == {f"{MODEL}.png", f"{MODEL}_bands.png"}
    assert all(f"({name})" in written for name in made if name.endswith(".png"))
    for result in done[0].results:
        assert f"| {MODEL} |".replace(MODEL, f"`{MODEL}`") in written
        assert f"| {result.tier} | {page.MODES[result.mode]} | GJR-GARCH | {result.n:,} |" in written


@pytest.mark.slow
def test_the_command_line_makes_it(
    options: run.Options, done: tuple[Report, tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`barcast evaluate --universe DIR` is that, from the shelf beside the data."""
    monkeypatch.setenv("BARCAST_DATA_DIR", str(options.shelf.parent))
    arguments = ["evaluate", MODEL, "--universe", str(options.universe), "--out", str(tmp_path / "out"), "--quick"]
    assert barcast.main(arguments) == 1  # one block of five years is no test
    monkeypatch.setattr(run, "QUICK", options.schedule)
    assert barcast.main(arguments) == 0
    assert timeless(read(tmp_path / "out")) == timeless(done[0])


def test_an_unknown_model_is_refused(options: run.Options) -> None:
    """Before anything is read, with those that there are."""
    with pytest.raises(SpecError, match="found lightgbm_weather"):
        run.evaluate(replace(options, models=("lightgbm_weather",)), lambda _: None)


def test_neither_model_nor_universe_is_a_mistake_of_use(capsys: pytest.CaptureFixture[str]) -> None:
    """It says what is missing."""
    assert barcast.main(["evaluate"]) == 2
    assert "expected a model, or --universe" in capsys.readouterr().err


def test_models_of_a_universe_are_one_word(capsys: pytest.CaptureFixture[str]) -> None:
    """A second one is no version, and is not passed over."""
    assert barcast.main(["evaluate", "hmm_regime", "prophet_forecast", "--universe", "sample"]) == 2
    assert "models by comma with --universe, found two words" in capsys.readouterr().err


def test_other_libraries_have_another_shelf(universe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The versions that are installed are in the name, each by its package; one that is absent is none."""
    found = read_universe(universe)
    versions = dict(part.split("=") for part in library_versions().split(";"))
    assert versions["numpy"] == np.__version__
    assert versions["prophet"] == metadata.version("prophet")
    before = Shelf.of(tmp_path, found).stamp
    monkeypatch.setattr(shelf, "LIBRARIES", (*shelf.LIBRARIES, "no-such-package"))
    assert library_versions().endswith(";no-such-package=none")
    assert Shelf.of(tmp_path, found).stamp != before


def test_other_bars_have_another_shelf(universe: Path, tmp_path: Path) -> None:
    """One price of one day that differs: nothing that was kept is taken for what it would give."""
    found = read_universe(universe)
    bars = found.series["AAA"]
    close = bars.close.copy()
    close[700] = np.nextafter(close[700], 0)
    other = replace(found, series={**found.series, "AAA": replace(bars, close=close)})
    assert Shelf.of(tmp_path, found).stamp != Shelf.of(tmp_path, other).stamp
