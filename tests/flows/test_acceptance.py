"""What a person accepts: a file that is read strictly, and opens the gate for what it names and nothing else."""

from pathlib import Path

import pytest

from flows.acceptance import read_accepted
from flows.pipeline import retrain
from flows.plan import PlanError
from tests.flows.support import Heard, plan_for, script, write_files

HEAD = "symbol,expectation,day,reason\n"


def test_an_absent_file_accepts_nothing(tmp_path: Path) -> None:
    """As does one without lines."""
    assert read_accepted(tmp_path / "accepted.csv") == ()
    (tmp_path / "accepted.csv").write_text(HEAD)
    assert read_accepted(tmp_path / "accepted.csv") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("symbol,day\n", "expected the columns symbol, expectation, day, reason"),
        ("", "found ;"),
        (HEAD + "C,suspected-split,2008-11-24\n", "line 2: expected"),
        (HEAD + "C,suspected-split,2008-11-24,\n", "line 2: expected a reason"),
        (HEAD + "C,suspected-split,2008-11-24,a,b\n", "line 2: expected"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """By its line."""
    (tmp_path / "accepted.csv").write_text(text)
    with pytest.raises(PlanError, match=words):
        read_accepted(tmp_path / "accepted.csv")


def test_a_spreadsheets_file_is_read(tmp_path: Path) -> None:
    """They put a mark before the first column, and end lines their own way; other encodings are named."""
    line = "C,suspected-split,2008-11-24,the market fell\r\n"
    (tmp_path / "accepted.csv").write_bytes(b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode() + line.encode())
    (read,) = read_accepted(tmp_path / "accepted.csv")
    assert (read.symbol, read.reason) == ("C", "the market fell")
    (tmp_path / "accepted.csv").write_bytes((HEAD + line).encode("utf-16"))
    with pytest.raises(PlanError, match="expected UTF-8 text"):
        read_accepted(tmp_path / "accepted.csv")


def test_an_accepted_day_lets_the_run_go_on(tmp_path: Path) -> None:
    """A real crash looks like a split; with its line the bars pass, and the report repeats the reason."""
    write_files(tmp_path / "files")
    path = tmp_path / "files" / "IBM.csv"
    head, *rows = path.read_text().splitlines()
    halved = []
    for number, row in enumerate(rows):
        cells = row.split(",")
        prices = [str(float(cell) / (2 if number >= 700 else 1)) for cell in cells[1:5]]
        halved.append(",".join([cells[0], *prices, *cells[5:]]))
    path.write_text("\n".join([head, *halved]) + "\n")
    plan = plan_for(tmp_path, python=script(tmp_path, "exit 1"))
    assert retrain(plan, Heard()).halted is not None
    day = rows[700].partition(",")[0]
    plan.accepted.write_text(f"{HEAD}IBM,suspected-split,{day},the company lost its one product\n")
    heard = Heard()
    summary = retrain(plan, heard)
    assert summary.halted is None
    assert heard.ran("train")
    assert "the company lost its one product" in Path(str(summary.report)).read_text()
