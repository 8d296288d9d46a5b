"""The bar store: what it lists, what it answers as of a day, and that an import is all or nothing."""

import io
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.adjustment import Adjustment
from data.bar_store import BarStore, sample_store
from data.canonical import load
from data.errors import (
    AmbiguousFile,
    DataError,
    InvalidSymbol,
    NoSuchDate,
    UnknownCalendar,
    UnknownSymbol,
    UnreadableFile,
)
from data.integrity import digest, sealed, tree_digest
from data.parquet import from_parquet
from data.provenance import provenance_of
from data.snapshots import About
from data.sources.csv import read_csv
from data.sources.sample import read_sample, sample_root
from data.symbols import check_symbol, file_stem, symbol_of
from feature_mapper.errors import InvalidBars

PLAIN = b"date,open,high,low,close,volume\n2024-01-02,10,12,9,11,100\n2024-01-03,11,13,10,12,200\n"
LATER = PLAIN + b"2024-01-04,12,14,11,13,300\n"


def visible(folder: Path) -> list[Path]:
    """Return what is in a folder, but for its lock."""
    return [path for path in folder.iterdir() if path.name != ".lock"]


def day(text: str) -> np.datetime64:
    """Return a day."""
    return np.datetime64(text, "D")


@pytest.fixture
def processed(tmp_path: Path) -> Path:
    """Return the folder for imports, which doesn't exist yet. Raw snapshots come to stand beside it."""
    return tmp_path / "processed"


@pytest.fixture
def store(processed: Path) -> BarStore:
    """Return the sample and an empty folder for imports."""
    return sample_store(processed)


def test_lists_the_sample(store: BarStore) -> None:
    """Five symbols with span, calendar and adjustment, from the files of the repository."""
    listed = {
        one.symbol: (str(one.first), str(one.last), one.bars, one.calendar, one.currency, one.adjustment, one.source)
        for one in store.symbols()
    }

    end = ("XNYS", "USD", Adjustment.SPLIT_DIVIDEND, "sample")
    assert listed == {
        "AAPL": ("2000-03-01", "2013-03-01", 3270, *end),
        "FB": ("2012-05-18", "2013-03-01", 196, *end),
        "GOOG": ("2004-08-19", "2013-03-01", 2148, *end),
        "IBM": ("2000-03-01", "2013-03-01", 3270, *end),
        "MSFT": ("2000-03-01", "2013-03-01", 3270, *end),
    }


def test_sources_of_the_sample_names_the_files_as_they_are() -> None:
    """The sha256 of each file stands in SOURCES.md."""
    told = (sample_root() / "SOURCES.md").read_text()

    for symbol in ("AAPL", "FB", "GOOG", "IBM", "MSFT"):
        data = (sample_root() / f"{symbol}.csv").read_bytes()
        assert f"| {symbol}.csv |" in told
        assert sha256(data).hexdigest() in told
        assert len(data) < 2**20


@pytest.mark.parametrize("symbol", ["AAPL", "FB", "GOOG", "IBM", "MSFT"])
def test_the_quick_form_and_the_file_reader_agree(store: BarStore, symbol: str) -> None:
    """Two readers of one file give the same bits."""
    data = (sample_root() / f"{symbol}.csv").read_bytes()

    assert store.bars(symbol).identical(read_csv(data, symbol=symbol).only())
    assert read_sample((symbol,)).only().identical(store.bars(symbol))


def test_loads_the_sample_fast(tmp_path: Path) -> None:
    """All five series in less than 0.3 s of CPU."""
    start = time.process_time()
    sample_store(tmp_path).symbols()

    assert time.process_time() - start < 0.3


def test_answers_as_of_a_day(store: BarStore) -> None:
    """A session, a Sunday, the first day, a day after the last; the part is a view of the whole."""
    whole = store.bars("AAPL")
    assert whole.date is not None

    for as_of, last in (("2012-06-29", "2012-06-29"), ("2012-07-01", "2012-06-29"), ("2000-03-01", "2000-03-01")):
        part = store.bars("AAPL", day(as_of))
        assert part.date is not None
        assert part.date[-1] == day(last)
        assert np.shares_memory(part.close, whole.close)
        assert part.identical(whole[: len(part)])
    assert store.bars("AAPL", day("2050-01-01")).identical(whole)
    assert store.bars("AAPL") is whole


def test_knows_nothing_before_the_first_bar(store: BarStore) -> None:
    """The error names the first bar."""
    with pytest.raises(NoSuchDate, match="2012-05-18"):
        store.bars("FB", day("2012-05-17"))


def test_refuses_unknown_symbols_by_listing_the_known(store: BarStore) -> None:
    """Lower case is no other symbol."""
    assert store.bars("aapl") is store.bars("AAPL")
    with pytest.raises(UnknownSymbol, match="AAPL, FB"):
        store.bars("TSLA")


HOSTILE = [
    "",
    "..",
    "../AAPL",
    "A/../B",
    "/etc/passwd",
    "A//B",
    "A/",
    "AAPL\n",
    "AAPL\0",
    "x" * 33,
    ".hidden",
    "-rf",
    "A B",
]
HOSTILE += ["\uff21APL", "\u0131bm", "A\\B", "%2e%2e", "C:", "AAPL.", "http://169.254.0.1"]


@pytest.mark.parametrize("symbol", HOSTILE)
def test_refuses_what_is_no_symbol_before_any_path(store: BarStore, symbol: str, tmp_path: Path) -> None:
    """Neither asked for nor imported; nothing is written."""
    with pytest.raises(InvalidSymbol):
        store.bars(symbol)
    with pytest.raises(InvalidSymbol):
        store.import_csv(PLAIN, symbol)
    assert list(tmp_path.iterdir()) == []


@given(st.from_regex(r"[A-Z0-9^][A-Z0-9.^=/_-]{0,31}", fullmatch=True))
def test_symbols_and_file_names_are_one_to_one(text: str) -> None:
    """A file name holds no separator and leads back to its symbol."""
    try:
        symbol = check_symbol(text)
    except InvalidSymbol:
        return

    stem = file_stem(symbol)

    assert symbol_of(stem) == symbol
    assert Path(stem).name == stem
    assert not stem.startswith(".")


@pytest.mark.parametrize("symbol", ["BTC/USD", "^GSPC", "EURUSD=X", "BRK.B", "BTC-USD"])
def test_an_import_is_there_at_once_and_after_a_restart(processed: Path, symbol: str) -> None:
    """Bars, listing and provenance of any symbol; another store on the same folder sees the same."""
    store = sample_store(processed)

    report = store.import_csv(PLAIN, symbol, name="A name", currency="EUR")

    expected = read_csv(PLAIN, symbol=symbol).only()
    assert report.series[0].bars == 2
    for one in (store, sample_store(processed)):
        assert one.bars(symbol).identical(expected)
        info = one.info(symbol)
        assert (info.name, info.currency, info.bars, info.source) == ("A name", "EUR", 2, "bytes")
        assert info.adjustment is Adjustment.UNKNOWN
        (ref,) = info.snapshots
        assert (ref.source, ref.symbol, ref.sequence) == ("csv", symbol, 1)
        assert one.snapshots.read(one.snapshots.find(ref)) == PLAIN
    told = provenance_of(symbol, (processed / f"{file_stem(symbol)}.json").read_bytes())
    assert told.report == report.describe()
    assert (datetime.now(UTC) - told.imported).total_seconds() < 600


def test_a_second_import_replaces_the_first_and_leaves_nothing_behind(processed: Path) -> None:
    """One series file and one provenance a symbol, no staging file."""
    store = BarStore([processed])
    store.import_csv(PLAIN, "A")
    old = store.bars("A")

    store.import_csv(LATER, "A")

    assert (len(old), len(store.bars("A"))) == (2, 3)
    assert sorted(path.suffix for path in visible(processed)) == [".json", ".parquet"]


def test_an_import_goes_before_the_sample(processed: Path) -> None:
    """The later folder wins."""
    store = sample_store(processed)
    store.import_csv(PLAIN, "AAPL")

    assert len(store.bars("AAPL")) == 2


@pytest.mark.parametrize(
    ("data", "options", "error"),
    [
        (b"<html>", {}, UnreadableFile),
        (b"Date,Open,High,Low,Close\n03/04/2024,1,2,1,1\n", {}, AmbiguousFile),
        (b"date,open,high,low,close,ticker\n2024-01-02,1,2,1,1,OTHER\n", {}, UnknownSymbol),
        (PLAIN, {"calendar": "NOWHERE"}, UnknownCalendar),
    ],
)
def test_a_refused_import_changes_nothing(
    processed: Path, data: bytes, options: dict[str, str], error: type[DataError]
) -> None:
    """The old series stays, to the file."""
    store = BarStore([processed])
    store.import_csv(PLAIN, "A")
    before = tree_digest(processed.parent)

    with pytest.raises(error):
        store.import_csv(data, "A", calendar=options.get("calendar"))

    assert tree_digest(processed.parent) == before
    assert len(store.bars("A")) == 2


def test_a_file_of_another_name_is_imported_only_when_told(processed: Path) -> None:
    """``file_symbol`` says that AAPL.US in the file is what shall be AAPL here."""
    data = b"date,open,high,low,close,ticker\n2024-01-02,1,2,1,1,AAPL.US\n"
    store = BarStore([processed])

    store.import_csv(data, "AAPL", file_symbol="AAPL.US")

    assert store.bars("AAPL").symbol == "AAPL"


def test_a_damaged_series_is_named_and_harms_no_other(processed: Path) -> None:
    """A flipped byte, a missing file and a broken provenance: each symbol tells its own reason."""
    store = sample_store(processed)
    for symbol in ("FLIP", "GONE", "TORN"):
        store.import_csv(PLAIN, symbol)
    next(processed.glob("FLIP.*.parquet")).write_bytes(b"x")
    next(processed.glob("GONE.*.parquet")).unlink()
    (processed / "TORN.json").write_bytes(b"{")
    store.refresh()

    assert [one.symbol for one in store.symbols()] == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
    assert set(store.broken()) == {"FLIP", "GONE", "TORN"}
    for symbol in store.broken():
        with pytest.raises(UnreadableFile, match="import it again"):
            store.bars(symbol)


def test_changed_bytes_reach_no_parser(processed: Path) -> None:
    """A bit of a price that the parser would read without a word: the digest refuses it first."""
    store = BarStore([processed])
    store.import_csv(PLAIN, "A")
    path = next(processed.glob("*.parquet"))
    data = path.read_bytes()
    at = data.index(np.array([11.0, 12.0]).tobytes())  # the closes
    changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    assert not from_parquet(changed, "A").identical(store.bars("A"))
    path.write_bytes(changed)
    store.refresh()

    with pytest.raises(UnreadableFile, match="found other bytes"):
        store.bars("A")


def test_provenance_can_not_point_out_of_its_folder(processed: Path) -> None:
    """Only the name of the file counts."""
    store = BarStore([processed])
    store.import_csv(PLAIN, "A")
    told = provenance_of("A", (processed / "A.json").read_bytes())
    (processed.parent / "outside.parquet").write_bytes((processed / told.file).read_bytes())
    (processed / "A.json").write_bytes(sealed(msgspec.structs.replace(told, file="../outside.parquet")))
    store.refresh()

    with pytest.raises(UnreadableFile, match="No such file"):
        store.bars("A")


def test_threads_share_one_series(store: BarStore) -> None:
    """Many first uses at once give one object."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: store.bars("IBM"), range(32)))

    assert len({id(bars) for bars in found}) == 1


@pytest.mark.parametrize(
    "damage",
    [
        (b"11,100", b"11"),
        (b"2024-01-03", b"2024-01-3x"),
        (b"2024-01-03", b"2024-13-03"),
        (b"open", b"opem"),
        (b"12,9", b"1_2,9"),
        (b"12,9", b"nan,9"),
        (b"200\n", b"200"),
    ],
)
def test_the_stored_form_is_strict(damage: tuple[bytes, bytes]) -> None:
    """A cell more or less, another date, another number: refused."""
    good = b"date,open,high,low,close,volume\n2024-01-02,10,12,9,11,100\n2024-01-03,11,13,10,12,200\n"
    assert len(load(good, "A")) == 2

    with pytest.raises(UnreadableFile):
        load(good.replace(*damage), "A")


def test_a_series_of_the_former_form_is_still_read(processed: Path) -> None:
    """Text, named by a provenance without seal and snapshots: read, listed, and replaced by the next import."""
    processed.mkdir()
    series = b"date,open,high,low,close,volume\n2024-01-02,10.0,12.0,9.0,11.0,\n2024-01-03,11.0,13.0,10.0,12.0,200.0\n"
    file = f"OLD.{digest(series)[:12]}.csv"
    told = {
        "schema": 1,
        "symbol": "OLD",
        "name": "An old one",
        "calendar": "XNYS",
        "currency": "USD",
        "adjustment": "raw",
        "file": file,
        "sha256": digest(series),
        "source": "old.csv",
        "source_sha256": "00" * 32,
        "imported": "2024-01-05T00:00:00Z",
        "report": "",
    }
    (processed / file).write_bytes(series)
    (processed / "OLD.json").write_bytes(msgspec.json.encode(told))
    store = BarStore([processed])

    bars, info = store.bars("OLD"), store.info("OLD")

    assert bars.close.tolist() == [11, 12]
    assert bars.volume is not None
    assert np.isnan(bars.volume[0])
    assert (info.name, info.adjustment, info.snapshots) == ("An old one", Adjustment.RAW, ())
    store.import_csv(LATER, "OLD")
    assert len(store.bars("OLD")) == 3
    assert sorted(path.suffix for path in visible(processed)) == [".json", ".parquet"]


def test_bars_of_any_source_are_stored_with_their_snapshots(store: BarStore, processed: Path) -> None:
    """What another source read comes back to the bit, with the names of what it was made of."""
    bars = store.bars("IBM")
    about = About(
        request={"interval": "1d"},
        adjustment="split",
        rows=2,
        first=day("2024-01-02"),
        last=day("2024-01-03"),
        why="first",
    )
    kept = [store.snapshots.write("NEW", "yahoo", data, "csv", about) for data in (PLAIN, LATER)]

    info = store.store(
        bars, "new", adjustment=Adjustment.SPLIT, source="yahoo", snapshots=kept, currency="EUR", calendar="XETR"
    )

    assert info == sample_store(processed).info("NEW")
    assert (info.symbol, info.source, info.calendar, info.currency) == ("NEW", "yahoo", "XETR", "EUR")
    assert [ref.sequence for ref in info.snapshots] == [1, 2]
    assert replace(store.bars("NEW"), symbol="IBM").identical(bars)


def test_bars_that_can_not_be_stored_change_nothing(store: BarStore, processed: Path) -> None:
    """Bars without dates, and bars that never were validated."""
    store.import_csv(PLAIN, "A")
    before = tree_digest(processed.parent)
    good = store.bars("A")

    for bad, error in ((replace(good, date=None), UnreadableFile), (replace(good, low=good.high), InvalidBars)):
        with pytest.raises(error):
            store.store(bad, "A", adjustment=Adjustment.RAW, source="test", snapshots=())
    assert tree_digest(processed.parent) == before


def test_a_reader_finds_what_another_process_replaced(processed: Path) -> None:
    """The index is read again where the file that it names is gone."""
    reader, writer = BarStore([processed]), BarStore([processed])
    writer.import_csv(PLAIN, "A")
    assert "A" in reader._index()
    writer.import_csv(LATER, "A")

    assert len(reader.bars("A")) == 3


def test_a_file_of_another_name_among_the_series_harms_none(processed: Path) -> None:
    """A name that can't be a symbol is left aside."""
    store = BarStore([processed])
    store.import_csv(PLAIN, "A")
    (processed / "not a symbol.json").write_bytes(b"{}")
    store.refresh()

    assert [one.symbol for one in store.symbols()] == ["A"]


@pytest.mark.parametrize(
    ("name", "data", "kept"),
    [
        ("mine.csv", PLAIN, "000001.csv"),
        ("MINE.TXT", PLAIN, "000001.txt"),
        ("mine.json", PLAIN, "000001.csv"),
        ("mine", PLAIN, "000001.csv"),
        ("mine.\udcff", PLAIN, "000001.csv"),
        ("mine.zip", None, "000001.zip"),
        ("mine", None, "000001.zip"),
    ],
)
def test_a_file_is_kept_as_it_is_under_an_ending_that_fits(
    tmp_path: Path, name: str, data: bytes | None, kept: str
) -> None:
    """The payload is the file to the byte, whatever it is called."""
    if data is None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("inner.csv", PLAIN)
        data = buffer.getvalue()
    path = tmp_path / name
    path.write_bytes(data)
    store = BarStore([tmp_path / "data" / "processed"])

    store.import_csv(path, "A", impossible="drop")

    (snapshot,) = store.snapshots.all()
    assert snapshot.path.name == kept
    assert store.snapshots.read(snapshot) == data
    assert snapshot.entry.request["impossible"] == "drop"
