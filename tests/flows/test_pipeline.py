"""The pipeline on real files, with real scripts and a real store: what it does, and what it leaves alone."""

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from data.bar_store import sample_store
from data.integrity import tree_digest
from data.validation.report import Validation
from flows import steps
from flows.pipeline import retrain
from flows.plan import Plan
from flows.summary import EXIT_CANDIDATES, EXIT_DONE, EXIT_FAILED, EXIT_HALTED, Summary
from models.errors import StoreUnreadable
from models.store import ArtifactStore
from tests.flows.support import (
    BARS,
    MODEL,
    SMALL,
    SYMBOLS,
    Heard,
    plan_for,
    script,
    second_is_busy,
    training,
    write_files,
)

RUN_FILES = ["summary.json", "validation.html", "validation.json"]


def run(plan: Plan) -> tuple[Summary, Heard]:
    """Run a plan; the summary on disk is the one that is returned."""
    heard = Heard()
    summary = retrain(plan, heard)
    written = max((plan.data / "runs").glob("*/summary.json"))
    assert msgspec.json.decode(written.read_bytes(), type=Summary) == summary
    return summary, heard


@pytest.mark.slow
def test_files_become_a_champion_and_newer_files_the_next(tmp_path: Path) -> None:
    """First a version, then one that knows later days, then none, as nothing is new; every step says so."""
    write_files(tmp_path / "files", less=60)
    plan = plan_for(tmp_path, python=script(tmp_path, training(*SMALL)))
    summary, heard = run(plan)
    assert heard.steps[:4] == ["remember", "ingest", "validate bars", "validate features"]
    assert summary.exit_code == EXIT_DONE, summary.text()
    (model,) = summary.models
    assert (model.state, model.version, model.before, model.serves) == ("promoted", "v000001", None, "v000001")
    assert [one.status for one in summary.ingestion.symbols] == ["new", "new"] if summary.ingestion else False
    assert Path(str(summary.report)).read_text().startswith("<!")

    write_files(tmp_path / "files")
    again, _ = run(plan)
    (model,) = again.models
    assert model.before == "v000001"
    assert model.reason.startswith(("not worse than v000001", "better than v000001", "worse than v000001"))
    serves = "v000002" if model.state == "promoted" else "v000001"
    assert ArtifactStore(tmp_path / "artifacts").current(MODEL) == serves == model.serves
    stored = sample_store(tmp_path / "data" / "processed").bars("IBM")
    assert len(stored) == BARS

    third, _ = run(plan)
    assert third.exit_code == EXIT_CANDIDATES
    assert [one.status for one in third.ingestion.symbols] == ["unchanged", "unchanged"] if third.ingestion else False
    assert third.models[0].state == "candidate"


def test_data_that_fail_halt_everything(tmp_path: Path) -> None:
    """A file that is none, a symbol without a file: no script starts, what serves is as it was, exit code 4."""
    write_files(tmp_path / "files")
    (tmp_path / "files" / "IBM.csv").write_text("<html><body>429 Too Many Requests</body></html>")
    summary, heard = run(plan_for(tmp_path))
    assert summary.exit_code == EXIT_HALTED
    assert not heard.ran("train")
    assert not heard.ran("validate bars")
    assert summary.halted is not None
    assert "found an HTML or XML page" in summary.halted
    assert [model.state for model in summary.models] == ["not started"]
    assert not (tmp_path / "artifacts").exists()
    lacking, _ = run(plan_for(tmp_path, symbols=(*SYMBOLS, "MSFT")))
    assert "expected MSFT.csv in" in str(lacking.halted)


@pytest.mark.slow
def test_a_share_of_the_symbols_may_fail(tmp_path: Path) -> None:
    """They are left out, and the summary names them."""
    write_files(tmp_path / "files", ("AAPL", "IBM", "MSFT"))
    (tmp_path / "files" / "MSFT.csv").write_text("")
    allowed, _ = run(plan_for(tmp_path, symbols=(), missing=0.4))
    assert allowed.symbols == ("AAPL", "IBM")
    assert allowed.models[0].state == "promoted"
    assert "1 failed (MSFT)" in allowed.text()
    assert ArtifactStore(tmp_path / "artifacts").manifest(MODEL).symbols == ("AAPL", "IBM")
    refused, _ = run(plan_for(tmp_path, symbols=(), missing=0.3))
    assert refused.exit_code == EXIT_HALTED


def test_bars_that_are_not_fit_halt_before_any_script(tmp_path: Path) -> None:
    """An unadjusted split is named with its day, on the page and in the summary, as often as it is brought in.

    What was stored stays; of the file that was refused its snapshot is kept.
    """
    write_files(tmp_path / "files")
    run(plan_for(tmp_path, python=script(tmp_path, "exit 1")))
    processed = tmp_path / "data" / "processed"
    before, stored = tree_digest(processed), sample_store(processed).bars("IBM").close
    path = tmp_path / "files" / "IBM.csv"
    head, *rows = path.read_text().splitlines()
    split = []
    for number, row in enumerate(rows):
        cells = row.split(",")
        prices = [str(float(cell) * (4 if number < 700 else 1)) for cell in cells[1:5]]
        split.append(",".join([cells[0], *prices, *cells[5:]]))
    path.write_text("\n".join([head, *split]) + "\n")
    summary, heard = run(plan_for(tmp_path))
    assert summary.exit_code == EXIT_HALTED
    assert not heard.ran("train")
    assert "validation, halted: bars of 2 series" in str(summary.halted)
    day = rows[700].partition(",")[0]
    assert any(day in line and "split" in line for line in heard.lines)
    assert day in Path(str(summary.report)).read_text()
    assert tree_digest(processed) == before
    assert len(sample_store(processed).snapshots.history("IBM", "csv")) == 2
    assert sorted(file.name for file in Path(str(summary.report)).parent.iterdir()) == RUN_FILES
    again, _ = run(plan_for(tmp_path))
    assert "validation, halted: bars of 2 series" in str(again.halted)
    path.write_text("\n".join([head, *rows]) + "\n")
    mended, heard = run(plan_for(tmp_path, python=script(tmp_path, "exit 1")))
    assert heard.ran("train")
    assert mended.halted is None
    np.testing.assert_array_equal(sample_store(processed).bars("IBM").close, stored)


def test_an_ingestion_that_finds_another_writer_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole step, and what came of its symbols is what came of the last try."""
    write_files(tmp_path / "files")
    tries = second_is_busy(monkeypatch)
    summary, heard = run(plan_for(tmp_path, python=script(tmp_path, "exit 1")))
    assert summary.halted is None
    assert any(line.startswith("[ingest] try 1 of 3") for line in heard.lines)
    assert tries[:2] == ["AAPL", "IBM"]
    assert {info.symbol for info in sample_store(tmp_path / "data" / "processed").symbols()} >= {*SYMBOLS}


def test_a_series_that_was_imported_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person who corrects a file while a run judges the old one keeps the correction, and the run says so."""
    write_files(tmp_path / "files")
    processed = tmp_path / "data" / "processed"
    corrected = write_files(tmp_path / "corrected", less=5) / "IBM.csv"
    judge = steps.check_features

    def meanwhile(*given: Any) -> Validation:
        sample_store(processed).import_csv(corrected, "IBM")
        return judge(*given)

    monkeypatch.setattr(steps, "check_features", meanwhile)
    summary, heard = run(plan_for(tmp_path))
    assert "found another import" in str(summary.halted)
    assert not heard.ran("train")
    assert len(sample_store(processed).bars("IBM")) == BARS - 5


def test_what_a_killed_run_held_is_removed_a_day_later(tmp_path: Path) -> None:
    """And not before: that run may still be at work."""
    write_files(tmp_path / "files")
    fresh, old = (tmp_path / "data" / "runs" / name / "held" for name in ("now", "then"))
    for held in (fresh, old):
        held.mkdir(parents=True)
    os.utime(old, (0, 0))
    run(plan_for(tmp_path, python=script(tmp_path, "exit 1")))
    assert (fresh.exists(), old.exists()) == (True, False)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("echo it is broken >&2; exit 7", "failed (exit code 7): it is broken"),
        ("kill -9 $$", "failed (exit code -9)"),
        ("exit 0", "published nothing: it said nothing"),
    ],
)
def test_a_script_that_fails_stops_only_itself(tmp_path: Path, body: str, words: str) -> None:
    """Exit code 1, and its last words; what served serves."""
    write_files(tmp_path / "files")
    plan = plan_for(tmp_path, python=script(tmp_path, body), only=(MODEL, "hmm_regime"))
    summary, _ = run(plan)
    assert summary.exit_code == EXIT_FAILED
    assert [model.state for model in summary.models] == ["failed", "failed"]
    assert all(words in model.reason for model in summary.models), summary.text()
    assert not (tmp_path / "artifacts").exists()


@pytest.mark.long
def test_one_script_that_fails_and_one_that_hangs_do_not_stop_a_third(tmp_path: Path) -> None:
    """Each with its reason; the third is promoted."""
    write_files(tmp_path / "files")
    told = f'(echo "$order"; cat) | {training(*SMALL)}'  # the model is in the first line of what it reads
    body = f'read -r order; case "$order" in *hmm*) exit 9;; *risk*) sleep 600;; *) {told};; esac'
    models = (MODEL, "hmm_regime", "random_forest_risk")
    plan = plan_for(tmp_path, python=script(tmp_path, body), only=models, script_timeout_s=20.0, jobs=3)
    summary, _ = run(plan)
    ended = {model.model: (model.state, model.reason.partition(":")[0]) for model in summary.models}
    assert ended["hmm_regime"] == ("failed", "failed (exit code 9)")
    assert ended["random_forest_risk"] == ("failed", "failed (took too long and was ended)")
    assert ended[MODEL][0] == "promoted"
    assert summary.exit_code == EXIT_FAILED
    assert "1 promoted, 2 failed, of 3 models" in summary.verdict()


def test_a_store_that_can_not_be_read_starts_nothing(tmp_path: Path) -> None:
    """What serves is not known then, so nothing may take its place."""
    (tmp_path / "artifacts").write_text("no folder")
    heard = Heard()
    with pytest.raises(StoreUnreadable, match="Not a directory"):
        retrain(plan_for(tmp_path), heard)
    assert not heard.lines


def test_stored_series_that_end_long_ago_are_not_stale(tmp_path: Path) -> None:
    """The sample ends in 2013 on purpose; only a live source can be late."""
    plan = plan_for(tmp_path, source="stored", folder=None, python=script(tmp_path, "exit 1"))
    summary, heard = run(plan)
    assert heard.ran("train")
    assert summary.validation.startswith("passed")
    assert json.loads((Path(str(summary.report)).with_name("validation.json")).read_text())["today"] is None


def test_two_runs_at_once_have_folders_of_their_own(tmp_path: Path) -> None:
    """Named by their start, to the microsecond."""
    plan = plan_for(tmp_path, source="stored", folder=None, python=script(tmp_path, "exit 1"))
    for second in (1, 2):
        retrain(plan, Heard(), clock=lambda second=second: dt.datetime(2026, 1, 1, second=second, tzinfo=dt.UTC))  # type: ignore[misc]  # a default binds the loop's value
    assert len(list((tmp_path / "data" / "runs").iterdir())) == 2
    assert np.all([len(list(folder.iterdir())) == 3 for folder in (tmp_path / "data" / "runs").iterdir()])
