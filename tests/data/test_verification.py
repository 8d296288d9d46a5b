"""`barcast data verify`: any changed byte of any file of market data is found, and its file is named."""

import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.adjustment import Adjustment
from data.bar_store import BarStore
from data.integrity import digest, sealed
from data.provenance import provenance_of
from data.sources.sample import sample_root
from data.verification import SUMS, Verification, read_sums, verify
from tests.data.snapshots.operations import NEW, OLD, about, clock


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of market data with snapshots, series and a copy of the sample. What is changed is put back."""
    root = tmp_path_factory.mktemp("house")
    store = BarStore([root / "processed"], clock=clock)
    store.import_csv(OLD, "BRK/B")
    store.import_csv(NEW, "BRK/B", name="Berkshire")
    kept = [store.snapshots.write("A", "yahoo", data, "csv", about()) for data in (OLD, NEW, OLD)]
    store.store(store.bars("BRK/B"), "A", adjustment=Adjustment.SPLIT, source="yahoo", snapshots=kept[-1:])
    shutil.copytree(sample_root(), root / "sample", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for path in files(root):
        path.chmod(0o644)
    return root


def files(root: Path) -> list[Path]:
    """Return every file that holds something."""
    return sorted(path for path in root.rglob("*") if path.is_file() and path.name != ".lock")


def look(root: Path) -> Verification:
    """Verify a house."""
    return verify(root / "processed", root / "raw", root / "sample")


def test_a_sound_house_has_no_fault(house: Path) -> None:
    """And everything was looked at."""
    done = look(house)

    assert done == Verification(snapshots=5, series=2, sample=7, former=(), faults=())
    assert len(files(house)) == 2 * 5 + 2 * 2 + 7 + 1


NAMES = (
    "processed/A.json",
    "processed/BRK%2FB.json",
    *(f"raw/{shelf}/00000{number}.{ext}" for shelf, last in (("csv/BRK%2FB", 2), ("yahoo/A", 3))
      for number in range(1, last + 1) for ext in ("csv", "json")),
    "sample/SHA256SUMS",
    "sample/SOURCES.md",
    "sample/symbols.csv",
)  # fmt: skip


Folders = tuple[Path, Path, Path]


def beside(house: Path, path: Path) -> Folders:
    """Return the folders that a file is verified with: the sample and the others know nothing of each other."""
    none = house / "none"
    return (none, none, path.parent) if path.parent.name == "sample" else (house / "processed", house / "raw", none)


def flipped(path: Path, at: int, bit: int, folders: Folders) -> list[Path]:
    """Return the files at fault after a flip, which is undone."""
    data = path.read_bytes()
    path.write_bytes(data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :])
    try:
        return [fault.path for fault in verify(*folders).faults]
    finally:
        path.write_bytes(data)


@pytest.fixture(scope="module")
def short(house: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a house whose shipped series have ten lines, so that looking at them thousands of times is cheap."""
    root = tmp_path_factory.mktemp("short") / "house"
    shutil.copytree(house, root)
    sample = root / "sample"
    sums = read_sums((sample / SUMS).read_bytes())
    for name in sums:
        if name.endswith(".csv"):
            lines = (sample / name).read_bytes().splitlines(keepends=True)
            (sample / name).write_bytes(b"".join(lines[:10]))
    told = "".join(f"{digest((sample / name).read_bytes())}  {name}\n" for name in sums)
    (sample / SUMS).write_text(told, encoding="ascii")
    assert look(root).faults == ()
    return root


@pytest.mark.parametrize("name", NAMES)
def test_every_single_byte_of_a_small_file_matters(short: Path, name: str) -> None:
    """One bit of each byte, by turns: the file is named. In the list of digests, so is the file whose line it is."""
    path, none = short / name, short / "none"
    folders = (none, short / "raw", none) if name.startswith("raw/") else beside(short, path)  # a shelf proves itself
    for at in range(path.stat().st_size):
        found = flipped(path, at, at % 8, folders)
        assert path in found or name == "sample/SHA256SUMS", (at, found)
        assert found, at


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_flipped_bit_of_any_file_is_found_and_named(house: Path, chance: st.DataObject) -> None:
    """Of all files alike, the large ones too; nothing else is called faulty but what names the file."""
    path = chance.draw(st.sampled_from(files(house)))
    at, bit = chance.draw(st.integers(0, path.stat().st_size - 1)), chance.draw(st.integers(0, 7))

    found = flipped(path, at, bit, beside(house, path))

    assert path in found or path.name == SUMS
    if path.name != SUMS:
        assert set(found) == {path}


@pytest.fixture
def copy(house: Path, tmp_path: Path) -> Path:
    """Return a house to change."""
    shutil.copytree(house, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize("name", [*NAMES, "sample/IBM.csv"])
def test_a_file_that_is_gone_is_named(copy: Path, name: str) -> None:
    """Or, where it named others, those that nothing names any more."""
    (copy / name).unlink()

    found = {str(fault.path.relative_to(copy)) for fault in look(copy).faults}

    if name.startswith("processed/"):
        assert {path.rpartition(".")[2] for path in found} == {"parquet"}
    elif name.endswith("000003.json"):
        assert found == {name, name.replace("json", "csv")}
    else:
        assert name in found


def test_a_series_that_is_gone_is_named(copy: Path) -> None:
    """The provenance says what should be there."""
    gone = next((copy / "processed").glob("A.*.parquet"))
    gone.unlink()

    (fault,) = look(copy).faults

    assert fault.path == gone
    assert "import it again" in str(fault)


def test_the_newest_snapshot_is_missed_by_the_series_made_of_it(copy: Path) -> None:
    """Both its files are gone, so the chain can't tell; another one in its place is no better."""
    for path in (copy / "raw" / "yahoo" / "A").glob("000003.*"):
        path.unlink()

    (fault,) = look(copy).faults
    assert fault.path.name == "000003.json"
    assert "of which A was made" in str(fault)

    BarStore([copy / "processed"]).snapshots.write("A", "yahoo", b"another", "csv", about())
    (fault,) = look(copy).faults
    assert "another one in its place" in str(fault)


def test_a_provenance_of_another_symbol_is_refused(copy: Path) -> None:
    """A sealed file that was copied under another name."""
    (copy / "processed" / "C.json").write_bytes((copy / "processed" / "A.json").read_bytes())

    (fault,) = look(copy).faults

    assert str(fault).startswith(f"{copy / 'processed' / 'C.json'}: expected the provenance of C, found that of 'A'; ")


def test_strangers_are_named(copy: Path) -> None:
    """Files that are neither series nor provenance, a file of the sample that has no digest."""
    strangers = {copy / "processed" / name for name in ("notes.txt", "not a symbol.json", "X.0123456789ab.parquet")}
    strangers.add(copy / "sample" / "TSLA.csv")
    for path in strangers:
        path.write_bytes(b"x")

    assert {fault.path for fault in look(copy).faults} == strangers


def test_bytes_that_are_right_and_no_bars_are_named(copy: Path) -> None:
    """A series whose digest holds and that can't be read."""
    path = copy / "processed" / "A.json"
    told = provenance_of("A", path.read_bytes())
    (copy / "processed" / told.file).write_bytes(b"x")
    path.write_bytes(sealed(msgspec.structs.replace(told, sha256=digest(b"x"))))

    (fault,) = look(copy).faults

    assert fault.path.name == told.file
    assert "expected bars of A" in str(fault)


def test_a_provenance_of_a_later_form_says_so(copy: Path) -> None:
    """And is not called damaged."""
    path = copy / "processed" / "A.json"
    path.write_bytes(sealed(msgspec.structs.replace(provenance_of("A", path.read_bytes()), schema=3)))

    assert "found form 3, which is newer than this program's 2" in str(look(copy).faults[0])


def test_folders_that_are_not_there_are_empty(tmp_path: Path) -> None:
    """Nothing is made by looking."""
    assert look(tmp_path / "none") == Verification(snapshots=0, series=0, sample=0, former=(), faults=())
    assert list(tmp_path.iterdir()) == []


def test_the_sums_of_the_sample_hold_for_other_programs(tmp_path: Path) -> None:
    """`sha256sum --check` agrees, and so does SOURCES.md; a file of data without a line would be told."""
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", SUMS],  # noqa: S607  wherever it is
        cwd=sample_root(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sums = read_sums((sample_root() / SUMS).read_bytes())
    sources = (sample_root() / "SOURCES.md").read_text(encoding="utf-8")
    series = [name for name in sums if name not in {"symbols.csv", "SOURCES.md"}]
    assert len(series) == 5
    assert all(f"| {sums[name]} |" in sources for name in series)
    assert verify(tmp_path, tmp_path, sample_root()).faults == ()
