"""What follows the data: what a step raises is in the summary, and what was trained on other bars does not serve."""

import shlex
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from data.bar_store import sample_store
from flows import pipeline, steps
from flows.pipeline import retrain
from flows.summary import EXIT_DONE, EXIT_FAILED, Summary
from models.store import ArtifactStore
from tests.flows.support import MODEL, SMALL, Heard, plan_for, script, training, write_files


def raising(*_: Any, **__: Any) -> Any:
    """Fail as nobody foresaw."""
    raise RuntimeError("out of luck")


@pytest.mark.parametrize(
    ("where", "what", "step"), [(pipeline, "confirm", "notify"), (steps, "fleet_of", "train")], ids=["notify", "train"]
)
def test_a_late_step_that_raises_is_told_in_the_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Any, what: str, step: str
) -> None:
    """The table is printed and written all the same, and the exit code is that of a failure."""
    write_files(tmp_path / "files")
    monkeypatch.setattr(where, what, raising)
    asked = plan_for(tmp_path, python=script(tmp_path, "exit 1"))
    heard = Heard()
    summary = retrain(asked, heard)
    assert summary.exit_code == EXIT_FAILED
    assert summary.faults == (f"{step}: RuntimeError: out of luck",)
    (written,) = (asked.data / "runs").glob("*/summary.json")
    assert msgspec.json.decode(written.read_bytes(), type=Summary) == summary
    for text in (summary.text(), summary.markdown()):
        assert f"{step}: RuntimeError: out of luck" in text
    assert any("Traceback" in line for line in heard.lines)


@pytest.mark.slow
def test_a_promotion_that_breaks_off_is_told_of_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its reason; the candidate is there."""
    write_files(tmp_path / "files")
    monkeypatch.setattr(steps, "promote_candidate", raising)
    summary = retrain(plan_for(tmp_path, python=script(tmp_path, training(*SMALL))), Heard())
    assert summary.exit_code == EXIT_FAILED
    (model,) = summary.models
    assert (model.state, model.reason, model.version) == ("failed", "RuntimeError: out of luck", "v000001")
    assert summary.faults == (f"judge or promote {MODEL}: RuntimeError: out of luck",)


@pytest.mark.slow
def test_what_was_trained_on_other_bars_than_were_validated_does_not_serve(tmp_path: Path) -> None:
    """An import between validation and the script's start: failed, with the series that changed and what to do."""
    write_files(tmp_path / "files")
    other = write_files(tmp_path / "other", less=30) / "IBM.csv"
    processed = tmp_path / "data" / "processed"
    imports = (
        "from pathlib import Path; from data.bar_store import sample_store; "
        f"sample_store(Path({str(processed)!r})).import_csv(Path({str(other)!r}), 'IBM')"
    )
    body = f"{shlex.quote(sys.executable)} -c {shlex.quote(imports)} && {training(*SMALL)}"
    summary = retrain(plan_for(tmp_path, python=script(tmp_path, body)), Heard())
    (model,) = summary.models
    assert (model.state, model.version, model.serves) == ("failed", "v000001", None), summary.text()
    assert "expected a training on the bars that were validated" in model.reason
    assert "stored since: IBM; retrain, and import nothing until it is done" in model.reason
    assert summary.exit_code == EXIT_FAILED
    store = ArtifactStore(tmp_path / "artifacts")
    assert store.current(MODEL) is None
    assert len(sample_store(processed).bars("IBM")) < len(sample_store(processed).bars("AAPL"))

    again = retrain(
        plan_for(tmp_path, source="stored", folder=None, python=script(tmp_path, training(*SMALL))), Heard()
    )
    assert again.exit_code == EXIT_DONE, again.text()


@pytest.mark.slow
def test_bars_of_symbols_that_are_not_asked_for_may_change(tmp_path: Path) -> None:
    """The fingerprint is of what the training reads."""
    write_files(tmp_path / "files", ("AAPL", "IBM", "MSFT"))
    processed = tmp_path / "data" / "processed"
    path = tmp_path / "files" / "MSFT.csv"
    imports = (
        "from pathlib import Path; from data.bar_store import sample_store; "
        f"sample_store(Path({str(processed)!r})).import_csv(Path({str(path)!r}), 'MSFT')"
    )
    body = f"{shlex.quote(sys.executable)} -c {shlex.quote(imports)} && {training(*SMALL)}"
    summary = retrain(plan_for(tmp_path, symbols=("ibm", "aapl"), python=script(tmp_path, body)), Heard())
    assert summary.exit_code == EXIT_DONE, summary.text()
    assert "MSFT" in sample_store(processed).digests()
