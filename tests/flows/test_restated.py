"""A history that is told otherwise than before: halted, named and accepted, unless its source explains all of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data.bar_store import sample_store
from data.integrity import tree_digest
from flows.pipeline import retrain
from flows.plan import Plan
from flows.summary import EXIT_HALTED, Summary
from tests.app.served import SAMPLE, as_csv
from tests.flows.support import BARS, Heard, plan_for, script, second_is_busy, write_files

HEAD = "symbol,expectation,day,reason\n"


@pytest.fixture
def known(tmp_path: Path) -> Plan:
    """Return a plan on files that have been stored."""
    write_files(tmp_path / "files")
    (tmp_path / "files" / "AAPL.csv").rename(tmp_path / "files" / "XYZ.csv")
    asked = plan_for(tmp_path, symbols=("XYZ", "IBM"), python=script(tmp_path, "exit 1"))
    stored = retrain(asked, Heard())
    assert stored.halted is None, stored.text()
    return asked


def lines(asked: Plan) -> list[str]:
    """Return the lines of the first file, without their head."""
    return file_of(asked).read_text().splitlines()[1:]


def file_of(asked: Plan) -> Path:
    """Return the file that is changed."""
    return Path(str(asked.folder)) / "XYZ.csv"


def rewrite(asked: Plan, change: Callable[[list[str]], list[str]]) -> None:
    """Write other lines into the first file."""
    head = file_of(asked).read_text().splitlines()[0]
    file_of(asked).write_text("\n".join([head, *change(lines(asked))]) + "\n")


def moved(line: str, factor: float) -> str:
    """Return a line whose prices are multiplied."""
    day, *cells = line.split(",")
    return ",".join([day, *(repr(float(cell) * factor) for cell in cells[:4]), *cells[4:]])


def of_microsoft(_lines: list[str]) -> list[str]:
    """Return another company's bars under the name."""
    bars = SAMPLE.bars("MSFT")
    return [line.partition(",")[2] for line in as_csv(bars[len(bars) - BARS :])][1:]


def cut_and_altered(old: list[str]) -> list[str]:
    """Return the last three hundred days, one of them with another close."""
    kept = old[1100:]
    kept[100] = moved(kept[100], 1.05)
    return kept


def refused(asked: Plan) -> Summary:
    """Run the plan, which halts before any script; nothing of the stored series changes."""
    before = tree_digest(asked.data / "processed")
    heard = Heard()
    summary = retrain(asked, heard)
    assert summary.exit_code == EXIT_HALTED, summary.text()
    assert not heard.ran("train")
    assert tree_digest(asked.data / "processed") == before
    return summary


def page_of(summary: Summary) -> str:
    """Return the page of a run."""
    return Path(str(summary.report)).read_text()


@pytest.mark.parametrize("change", [of_microsoft, cut_and_altered])
def test_a_file_that_tells_another_history_halts_the_run(known: Plan, change: Callable[[list[str]], list[str]]) -> None:
    """Another company under the name, or most days gone and one close changed: with its days, wherever one looks."""
    rewrite(known, change)
    summary = refused(known)
    assert summary.ingestion is not None
    (one,) = summary.ingestion.marked
    assert (one.symbol, one.mark, one.explained) == ("XYZ", "restated", False)
    assert "restated-history" in page_of(summary)
    told = "known days are restated" if change is of_microsoft else "1 known day is restated"
    for text in (summary.text(), summary.markdown(), page_of(summary)):
        assert "XYZ" in text
        assert told in text
    day = lines(known)[100].partition(",")[0]
    assert change is of_microsoft or day in summary.text()
    assert change is of_microsoft or "lost-days" in page_of(summary)


def test_another_history_is_accepted_by_its_last_day(known: Plan) -> None:
    """As a suspected split is, by a line; once it is stored, the line opens the gate to nothing that comes later."""
    day = lines(known)[700].partition(",")[0]
    rewrite(known, lambda old: [*old[:700], moved(old[700], 1.01), *old[701:]])
    refused(known)
    known.accepted.write_text(f"{HEAD}XYZ,restated-history,{day},the exchange corrected the close\n")
    summary = retrain(known, Heard())
    assert summary.halted is None, summary.text()
    assert "the exchange corrected the close" in page_of(summary)
    assert "XYZ (restated): " in summary.text()

    rewrite(known, of_microsoft)
    refused(known)


def test_days_that_are_gone_are_named(known: Plan) -> None:
    """A warning as ever, also where nothing else changed."""
    rewrite(known, lambda old: old[10:])
    summary = retrain(known, Heard())
    assert summary.halted is None
    assert "lost-days" in page_of(summary)


def test_a_sample_gives_way_to_a_first_history_of_ones_own(tmp_path: Path) -> None:
    """It is another publisher's, so prices may differ; that they do is said."""
    write_files(tmp_path / "files")
    asked = plan_for(tmp_path, symbols=("IBM",), python=script(tmp_path, "exit 1"))
    path = tmp_path / "files" / "IBM.csv"
    head, *old = path.read_text().splitlines()
    path.write_text("\n".join([head, *(moved(line, 1 + 0.01 * (at % 2)) for at, line in enumerate(old))]) + "\n")
    summary = retrain(asked, Heard())
    assert summary.halted is None, summary.text()
    assert "IBM (restated): " in summary.text()
    assert "lost-days" in page_of(summary)

    path.write_text("\n".join([head, *old]) + "\n")
    refused(asked)
    closes = sample_store(asked.data / "processed").bars("IBM").close
    assert not np.allclose(closes, SAMPLE.bars("IBM").close[-BARS:], rtol=1e-4)


def test_a_second_try_is_not_compared_with_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first one held is not what was known before: what is restated is said to be, and by whose events."""
    write_files(tmp_path / "files", ("IBM", "MSFT"))
    path = tmp_path / "files" / "IBM.csv"
    head, *old = path.read_text().splitlines()
    path.write_text("\n".join([head, *(moved(line, 1 + 0.01 * (at % 2)) for at, line in enumerate(old))]) + "\n")
    tries = second_is_busy(monkeypatch)
    summary = retrain(plan_for(tmp_path, symbols=("IBM", "MSFT"), python=script(tmp_path, "exit 1")), Heard())
    assert tries == ["IBM", "MSFT", "IBM", "MSFT"]
    assert summary.halted is None, summary.text()
    assert "IBM (restated): " in summary.text()
