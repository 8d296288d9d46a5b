"""The command line as a person meets it: real processes, their output and exit codes."""

import json
import os
import shutil
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from data.bar_store import sample_store
from models.tasks.registry import EXPECTED_MODELS, route_of
from tests.app.processes import running
from training.kit.discover import model_names

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "sample"


def _barcast(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "barcast", *arguments],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_is_quick_and_names_every_command(tmp_path: Path) -> None:
    """`--help` loads none of the libraries that do the work, not even numpy."""
    program = (
        "import sys, barcast\ntry: barcast.main(['--help'])\nfinally: print(sorted({'numpy', 'app'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert all(f"\n    {command} " in done.stdout for command in ("serve", "train", "models", "data"))
    assert done.stdout.endswith("[]\n")


def test_the_console_script_is_the_module(tmp_path: Path) -> None:
    """`barcast` and `python -m barcast` say the same."""
    script = Path(sys.executable).with_name("barcast")
    done = subprocess.run([script, "train", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == _barcast("train", "--help", cwd=tmp_path).stdout != ""


@pytest.mark.parametrize("arguments", [(), ("data",), ("fly",), ("data", "import", "x.csv"), ("train", "--symbols")])
def test_wrong_usage_is_explained(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Exit code 2, the usage on stderr, nothing on stdout."""
    done = _barcast(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: barcast")


def test_read_says_what_is_in_a_file(tmp_path: Path) -> None:
    """The report of the reader, whole; nothing is stored."""
    done = _barcast("data", "read", str(SAMPLE / "FB.csv"), cwd=tmp_path, BARCAST_DATA_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "recognised: " in done.stdout
    assert "196 bars" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_import_stores_what_the_bar_store_then_serves(tmp_path: Path) -> None:
    """A person's file becomes a stored series under the given symbol; hints reach the reader."""
    file = tmp_path / "mine.csv"
    file.write_text("Date;Open;High;Low;Close\n03/04/2024;1,5;2,5;1,0;2,0\n04/04/2024;2,0;2,5;1,5;2,25\n")
    shelf = tmp_path / "shelf"
    command = ("data", "import", str(file), "--symbol", "MINE")

    vague = _barcast(*command, cwd=tmp_path, BARCAST_DATA_DIR=str(shelf))
    assert vague.returncode == 1
    assert not shelf.exists()
    done = _barcast(*command, "--date-order", "DMY", cwd=tmp_path, BARCAST_DATA_DIR=str(shelf))

    assert done.returncode == 0, done.stderr
    assert "stored as MINE: 2 bars, 2024-04-03 to 2024-04-04" in done.stdout
    assert sample_store(shelf / "processed").bars("MINE").close.tolist() == [2.0, 2.25]


def test_list_names_what_each_series_was_made_of(tmp_path: Path) -> None:
    """Span, adjustment, snapshot and source of the sample and of an import; a damaged one says why, with code 1."""
    file = tmp_path / "mine.csv"
    file.write_text("Date,Open,High,Low,Close\n2024-04-03,1.5,2.5,1,2\n2024-04-04,2,2.5,1.5,2.25\n")
    shelf = tmp_path / "shelf"
    _barcast("data", "import", str(file), "--symbol", "MINE", cwd=tmp_path, BARCAST_DATA_DIR=str(shelf))

    done = _barcast("data", "list", cwd=tmp_path, BARCAST_DATA_DIR=str(shelf))

    rows = {line.split()[0]: " ".join(line.split()) for line in done.stdout.splitlines()}
    assert done.returncode == 0, done.stderr
    assert rows["symbol"] == "symbol bars first last adjustment snapshot source"
    assert rows["IBM"] == "IBM 3270 2000-03-01 2013-03-01 split+dividend - sample"
    assert rows["MINE"] == "MINE 2 2024-04-03 2024-04-04 unknown csv 1 mine.csv"
    next((shelf / "processed").glob("*.parquet")).write_bytes(b"x")
    damaged = _barcast("data", "list", cwd=tmp_path, BARCAST_DATA_DIR=str(shelf))
    assert damaged.returncode == 1
    assert "MINE         can't be read: expected the stored series of MINE as it was written" in damaged.stdout


def test_verify_names_the_file_that_changed(tmp_path: Path) -> None:
    """One line of summary and code 0; a line a fault and code 1, whichever folder the file lies in."""
    file = tmp_path / "mine.csv"
    file.write_text("Date,Open,High,Low,Close\n2024-04-03,1.5,2.5,1,2\n")
    shelf = tmp_path / "shelf"
    empty = _barcast("data", "verify", cwd=tmp_path, BARCAST_DATA_DIR=str(shelf))
    assert (empty.returncode, empty.stdout.count("\n"), shelf.exists()) == (0, 1, False)
    _barcast("data", "import", str(file), "--symbol", "MINE", cwd=tmp_path, BARCAST_DATA_DIR=str(shelf))

    sound = _barcast("data", "verify", cwd=tmp_path, BARCAST_DATA_DIR=str(shelf))
    assert (sound.returncode, sound.stderr) == (0, "")
    assert sound.stdout == "all as written; snapshots: 1, stored series: 1, files of the sample: 7\n"

    payload = shelf / "raw" / "csv" / "MINE" / "000001.csv"
    payload.chmod(0o644)
    payload.write_text(payload.read_text().replace("2.5", "2.6"))
    done = _barcast("data", "verify", cwd=tmp_path, BARCAST_DATA_DIR=str(shelf))
    fault, summary = done.stdout.splitlines()
    assert done.returncode == 1
    assert fault.startswith(f"{payload}: expected sha256 ")
    assert fault.endswith("; restore it from a backup")
    assert summary == "1 fault; snapshots: 1, stored series: 1, files of the sample: 7"


def test_verify_says_what_a_former_version_stored(tmp_path: Path) -> None:
    """No fault: what can be checked is, and the rest is named."""
    processed = tmp_path / "processed"
    processed.mkdir()
    series = b"date,open,high,low,close\n2024-01-02,1.0,1.0,1.0,1.0\n"
    told: dict[str, object] = {
        "schema": 1,
        "symbol": "OLD",
        "name": "",
        "calendar": "XNYS",
        "currency": "",
        "adjustment": "raw",
    }
    file = f"OLD.{sha256(series).hexdigest()[:12]}.csv"
    told |= {"file": file, "sha256": sha256(series).hexdigest(), "source": "x"}
    told |= {"source_sha256": "", "imported": "2024-01-05T00:00:00Z", "report": ""}
    (processed / file).write_bytes(series)
    (processed / "OLD.json").write_text(json.dumps(told))

    done = _barcast("data", "verify", cwd=tmp_path, BARCAST_DATA_DIR=str(tmp_path))

    assert done.returncode == 0
    assert done.stdout.splitlines()[1].endswith("can't be checked: OLD")
    (processed / file).write_bytes(series.replace(b"2024-01-02", b"2024-01-03"))
    assert _barcast("data", "verify", cwd=tmp_path, BARCAST_DATA_DIR=str(tmp_path)).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("data", "read", "no.csv"), "expected"),
        (("train", "moon_direction"), "expected a model folder under training"),
        (("data", "import", "no.csv", "--symbol", "../x"), "expected"),
    ],
)
def test_an_error_is_one_line(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """What went wrong, on stderr, without a traceback; exit code 1; nothing is written."""
    shelf, store = tmp_path / "shelf", tmp_path / "store"
    done = _barcast(*arguments, cwd=tmp_path, BARCAST_DATA_DIR=str(shelf), BARCAST_ARTIFACTS_DIR=str(store))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"barcast: {said}")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_models_of_an_empty_store(tmp_path: Path) -> None:
    """All models of a complete installation are listed with their routes, none trained."""
    done = _barcast("models", cwd=tmp_path, BARCAST_ARTIFACTS_DIR=str(tmp_path / "store"))
    rows = [line.split(maxsplit=3) for line in done.stdout.splitlines()]
    assert [(row[0], row[1], row[2]) for row in rows] == [(model, "-", route_of(model)) for model in EXPECTED_MODELS]
    assert all(row[3].startswith("not trained") for row in rows)


def test_models_of_a_trained_store(trained_store: Path, tmp_path: Path) -> None:
    """Version, and the worth that answers quote; then nothing is missing."""
    done = _barcast("models", cwd=tmp_path, BARCAST_ARTIFACTS_DIR=str(trained_store))
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["v000001"] * len(model_names())
    assert "rps_skill" in done.stdout
    again = _barcast("train", "--missing", cwd=tmp_path, BARCAST_ARTIFACTS_DIR=str(trained_store))
    assert (again.returncode, again.stdout) == (0, "Nothing is missing.\n")


def test_a_wrong_setting_stops_serve_before_anything_is_trained(tmp_path: Path) -> None:
    """An open address without a key is refused in a moment, and says how to mend it."""
    done = _barcast("serve", cwd=tmp_path, HOST="0.0.0.0", BARCAST_ARTIFACTS_DIR=str(tmp_path / "store"))  # noqa: S104  it is refused
    assert (done.returncode, done.stdout) == (2, "")
    assert "fix: export BARCAST_API_KEY=" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("training", [True, False], ids=["with training code", "without"])
def test_serve_starts_the_server_and_trains_nothing(
    training: bool,  # noqa: FBT001  a parameter of the test
    trained_store: Path,
    tmp_path: Path,
) -> None:
    """With all champions there, or without training code, the server starts at once; SIGTERM ends it with 0."""
    packages = ["app", "data", "feature_mapper", "models", *(["training"] if training else [])]
    for package in packages:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("artifacts", "__pycache__"))
    shutil.copy(ROOT / "barcast.py", tmp_path)
    libraries = [str(tmp_path), *(path for path in sys.path if "site-packages" in path)]
    program = f"import sys; sys.path[:0] = {libraries!r}; import barcast; sys.exit(barcast.main(['serve']))"
    settings = {"BARCAST_ARTIFACTS_DIR": str(trained_store), "PYTHONPATH": str(tmp_path)}

    # -S reads no .pth file, so this checkout, which is installed here, is not found.
    with running(["-S", "-c", program], tmp_path, **settings) as server:
        code, _, _ = server.stop(signal.SIGTERM)

    assert code == 0
    assert ("There is no training code here" in server.banner) is not training
    assert "Training" not in server.banner
