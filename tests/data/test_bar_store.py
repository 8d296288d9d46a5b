"""The bar store: what it lists, what it answers as of a day, and that an import is all or nothing."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
from data.canonical import dump, load
from data.errors import (
    AmbiguousFile,
    DataError,
    InvalidSymbol,
    NoSuchDate,
    UnknownCalendar,
    UnknownSymbol,
    UnreadableFile,
)
from data.provenance import Provenance
from data.sources.csv import read_csv
from data.sources.sample import read_sample, sample_root
from data.symbols import check_symbol, file_stem, symbol_of
from feature_mapper.bars import Bars

PLAIN = b"date,open,high,low,close,volume\n2024-01-02,10,12,9,11,100\n2024-01-03,11,13,10,12,200\n"
LATER = PLAIN + b"2024-01-04,12,14,11,13,300\n"


def day(text: str) -> np.datetime64:
    """Return a day."""
    return np.datetime64(text, "D")


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    """Return the sample and an empty folder for imports."""
    return sample_store(tmp_path / "processed")


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
def test_an_import_is_there_at_once_and_after_a_restart(tmp_path: Path, symbol: str) -> None:
    """Bars, listing and provenance of any symbol; another store on the same folder sees the same."""
    store = sample_store(tmp_path)

    report = store.import_csv(PLAIN, symbol, name="A name", currency="EUR")

    expected = read_csv(PLAIN, symbol=symbol).only()
    assert report.series[0].bars == 2
    for one in (store, sample_store(tmp_path)):
        assert one.bars(symbol).identical(expected)
        info = one.info(symbol)
        assert (info.name, info.currency, info.bars, info.source) == ("A name", "EUR", 2, "bytes")
        assert info.adjustment is Adjustment.UNKNOWN
    told = msgspec.json.decode((tmp_path / f"{file_stem(symbol)}.json").read_bytes(), type=Provenance)
    assert told.source_sha256 == sha256(PLAIN).hexdigest()
    assert told.report == report.describe()
    assert (datetime.now(UTC) - told.imported).total_seconds() < 600


def test_a_second_import_replaces_the_first_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """One series file and one provenance a symbol, no staging file."""
    store = BarStore([tmp_path])
    store.import_csv(PLAIN, "A")
    old = store.bars("A")

    store.import_csv(LATER, "A")

    assert (len(old), len(store.bars("A"))) == (2, 3)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".json"]


def test_an_import_goes_before_the_sample(tmp_path: Path) -> None:
    """The later folder wins."""
    store = sample_store(tmp_path)
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
    tmp_path: Path, data: bytes, options: dict[str, str], error: type[DataError]
) -> None:
    """The old series stays, to the file."""
    store = BarStore([tmp_path])
    store.import_csv(PLAIN, "A")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    with pytest.raises(error):
        store.import_csv(data, "A", calendar=options.get("calendar"))

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert len(store.bars("A")) == 2


def test_a_file_of_another_name_is_imported_only_when_told(tmp_path: Path) -> None:
    """``file_symbol`` says that AAPL.US in the file is what shall be AAPL here."""
    data = b"date,open,high,low,close,ticker\n2024-01-02,1,2,1,1,AAPL.US\n"
    store = BarStore([tmp_path])

    store.import_csv(data, "AAPL", file_symbol="AAPL.US")

    assert store.bars("AAPL").symbol == "AAPL"


@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_a_crash_at_any_rename_leaves_the_old_series_or_the_new(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first rename, between the two, after both, and while the old file goes: 2 bars or 3, never else."""
    BarStore([tmp_path]).import_csv(PLAIN, "A")
    calls = iter(range(100))

    def failing(kind: str) -> Callable[..., object]:
        original = getattr(Path, kind)

        def call(self: Path, *args: object, **options: object) -> object:
            counts = kind == "replace" or not self.name.startswith(".staging-")
            if counts and next(calls) == step:
                raise OSError("crash")
            return original(self, *args, **options)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", failing("replace"))
        patched.setattr(Path, "unlink", failing("unlink"))
        try:
            BarStore([tmp_path]).import_csv(LATER, "A")
        except OSError as error:
            assert str(error) == "crash"  # noqa: PT017  the last step may not be reached

    after = BarStore([tmp_path])
    assert len(after.bars("A")) == (2 if step < 2 else 3)
    assert after.broken() == {}


def test_a_damaged_series_is_named_and_harms_no_other(tmp_path: Path) -> None:
    """A flipped byte, a missing file and a broken provenance: each symbol tells its own reason."""
    store = sample_store(tmp_path)
    for symbol in ("FLIP", "GONE", "TORN"):
        store.import_csv(PLAIN, symbol)
    next(tmp_path.glob("FLIP.*.csv")).write_bytes(b"x")
    next(tmp_path.glob("GONE.*.csv")).unlink()
    (tmp_path / "TORN.json").write_bytes(b"{")
    store.refresh()

    assert [one.symbol for one in store.symbols()] == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
    assert set(store.broken()) == {"FLIP", "GONE", "TORN"}
    for symbol in store.broken():
        with pytest.raises(UnreadableFile, match="import it again"):
            store.bars(symbol)


def test_provenance_can_not_point_out_of_its_folder(tmp_path: Path) -> None:
    """Only the name of the file counts."""
    outside = tmp_path / "outside.csv"
    outside.write_bytes(dump(read_csv(PLAIN).only()))
    root = tmp_path / "root"
    store = BarStore([root])
    store.import_csv(PLAIN, "A")
    told = msgspec.json.decode((root / "A.json").read_bytes())
    (root / "A.json").write_bytes(msgspec.json.encode(told | {"file": "../outside.csv"}))
    store.refresh()

    with pytest.raises(UnreadableFile, match="No such file"):
        store.bars("A")


def test_threads_share_one_series(store: BarStore) -> None:
    """Many first uses at once give one object."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: store.bars("IBM"), range(32)))

    assert len({id(bars) for bars in found}) == 1


@given(
    prices=st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=30),
    volume=st.none() | st.just(value=True),
    unknown=st.integers(0, 29),
)
def test_the_stored_form_keeps_every_bit(prices: list[float], volume: bool | None, unknown: int) -> None:  # noqa: FBT001  generated
    """Whatever the values, with volume, without, and with an unknown one."""
    price = np.array(prices)
    volumes = None
    if volume:
        volumes = np.arange(len(price)) / 3
        volumes[unknown % len(price)] = np.nan
    days = np.datetime64("2000-01-01", "D") + np.arange(len(price))
    bars = Bars.validated(open=price, high=price, low=price, close=price, volume=volumes, date=days, symbol="A")

    assert load(dump(bars), "A").identical(bars)


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
