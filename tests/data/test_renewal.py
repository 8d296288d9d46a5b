"""What another process stores is found: a stamp tells that something changed, and a renewed store holds it."""

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from data.bar_store import BarStore, sample_store
from data.errors import DataError, UnknownSymbol, UnreadableFile, UnreadableFolder, WriteRefused
from data.verification import verify

HEADER = b"date,open,high,low,close,volume\n"
FIRST = HEADER + b"2024-01-02,10,12,9,11,100\n2024-01-03,11,13,10,12,200\n"
LATER = FIRST + b"2024-01-04,12,14,11,13,300\n"
RESTATED = HEADER + b"2024-01-02,5,6,4.5,5.5,200\n2024-01-03,5.5,6.5,5,6,400\n"


@pytest.fixture
def processed(tmp_path: Path) -> Path:
    """Return the folder for imports, which doesn't exist yet."""
    return tmp_path / "processed"


@pytest.fixture
def elsewhere(processed: Path) -> BarStore:
    """Return the store of another process, with three imports."""
    store = sample_store(processed)
    for symbol in ("GROWS", "RESTATED", "SAME"):
        store.import_csv(FIRST, symbol)
    return store


def names(store: BarStore) -> set[str]:
    """Return the symbols that a store lists."""
    return {info.symbol for info in store.symbols()}


def test_a_renewed_store_holds_what_was_stored_meanwhile(processed: Path, elsewhere: BarStore) -> None:
    """A newer bar, another history, a new symbol, one that is gone; the former store is as it was for its users."""
    elsewhere.import_csv(FIRST, "GONE")
    store = sample_store(processed).renewed()
    former = {symbol: store.bars(symbol) for symbol in names(store)}
    elsewhere.import_csv(LATER, "GROWS")
    elsewhere.import_csv(RESTATED, "RESTATED")
    elsewhere.import_csv(FIRST, "NEW")
    (processed / "GONE.json").unlink()

    fresh = store.renewed()

    assert names(fresh) == (names(store) - {"GONE"}) | {"NEW"}
    assert str(fresh.info("GROWS").last) == "2024-01-04"
    assert fresh.bars("RESTATED").close.tolist() == [5.5, 6]
    assert fresh.bars("SAME") is former["SAME"]
    assert fresh.bars("IBM") is former["IBM"]
    assert not fresh.broken()
    with pytest.raises(UnknownSymbol):
        fresh.bars("GONE")
    assert {symbol: store.bars(symbol) for symbol in names(store)} == former
    assert str(store.info("GROWS").last) == "2024-01-03"


def test_a_series_is_told_by_the_import_that_it_was_read_by(processed: Path, elsewhere: BarStore) -> None:
    """A store that read its index again for one symbol doesn't take its old bars of another for new ones."""
    store = sample_store(processed)
    store.bars("GROWS")
    elsewhere.import_csv(LATER, "GROWS")
    elsewhere.import_csv(RESTATED, "RESTATED")
    store.bars("RESTATED")

    assert (store.info("GROWS").bars, str(store.info("GROWS").last)) == (2, "2024-01-03")
    assert store.renewed().info("GROWS").bars == 3


def _provenance(processed: Path) -> None:
    (processed / "GROWS.json").write_bytes(b"{")


def _loop(processed: Path) -> None:
    (processed / "GROWS.json").unlink()
    (processed / "GROWS.json").symlink_to(processed / "GROWS.json")


def _bytes(processed: Path) -> None:
    next(processed.glob("GROWS.*.parquet")).write_bytes(b"x")


def _absent(processed: Path) -> None:
    next(processed.glob("GROWS.*.parquet")).unlink()


@pytest.mark.parametrize("damage", [_provenance, _loop, _bytes, _absent])
def test_what_can_not_be_read_goes_on_as_it_was(
    processed: Path, elsewhere: BarStore, damage: Callable[[Path], None]
) -> None:
    """However often it is looked at, with its reason; others are renewed, and so is this one once it can be read."""
    store = sample_store(processed).renewed()
    elsewhere.import_csv(LATER, "GROWS")
    damage(processed)
    elsewhere.import_csv(RESTATED, "RESTATED")

    for _ in range(2):
        former, store = store, store.renewed()
        assert store.bars("GROWS") is former.bars("GROWS")
        assert store.info("GROWS").bars == 2
        assert store.bars("RESTATED").close.tolist() == [5.5, 6]
        assert set(store.broken()) == {"GROWS"}
        assert "GROWS" in names(store)

    (processed / "GROWS.json").unlink(missing_ok=True)
    elsewhere.import_csv(LATER, "GROWS")
    store = store.renewed()
    assert store.info("GROWS").bars == 3
    assert not store.broken()


@pytest.mark.usefixtures("elsewhere")
def test_a_folder_that_can_not_be_listed_costs_what_is_in_it(processed: Path, tmp_path: Path) -> None:
    """A start lists the sample and says why the rest is missing; who runs goes on with all. It isn't an empty one."""
    running = sample_store(processed).renewed()
    sample = {"AAPL", "FB", "GOOG", "IBM", "MSFT"}
    processed.rename(tmp_path / "aside")
    processed.write_bytes(b"")

    started, running = sample_store(processed), running.renewed()

    assert names(started) == sample
    assert names(running) == sample | {"GROWS", "RESTATED", "SAME"}
    assert running.bars("SAME").close.tolist() == [11, 12]
    said = "expected to list the folder processed of stored series, found: Not a directory"
    for store in (started, running):
        assert str(store.broken()["processed"]).startswith(said)
    for ask in (
        lambda: started.bars("SAME"),
        lambda: running.bars("NEVER"),
        started.digests,
        lambda: verify(processed, tmp_path / "raw", processed),
    ):
        with pytest.raises(UnreadableFolder, match=said):
            ask()
    with pytest.raises(WriteRefused):
        started.import_csv(FIRST, "SAME")
    processed.unlink()
    (tmp_path / "aside").rename(processed)
    assert not running.renewed().broken()


def test_what_can_not_be_read_hides_the_samples_series(processed: Path) -> None:
    """An import in the place of a symbol of the sample: the sample's older bars don't come back by a damaged file."""
    store = sample_store(processed)
    store.import_csv(FIRST, "AAPL")
    (processed / "AAPL.json").write_bytes(b"{")
    store.refresh()

    assert "AAPL" not in names(store)
    with pytest.raises(UnreadableFile, match="import it again"):
        store.bars("AAPL")
    store.import_csv(LATER, "AAPL")
    assert store.info("AAPL").bars == 3
    assert not store.broken()


@pytest.mark.usefixtures("elsewhere")
def test_what_is_refused_again_and_again_keeps_nothing(processed: Path) -> None:
    """The error that is remembered doesn't gather the frames of those who were told."""
    _provenance(processed)
    depths = set()
    store = sample_store(processed)
    for _ in range(3):
        with pytest.raises(DataError) as told:
            store.bars("GROWS")
        depths.add(len(traceback.extract_tb(told.value.__traceback__)))
    assert len(depths) == 1


def test_the_stamp_tells_every_change_and_nothing_else(processed: Path) -> None:
    """Imports, removals, damage and repair by another process; not reading, nor what a writer leaves unfinished."""
    store, elsewhere = sample_store(processed), sample_store(processed)
    stamps = [store.stamp()]

    def changed() -> None:
        assert store.stamp() not in stamps
        stamps.append(store.stamp())

    elsewhere.import_csv(FIRST, "A")
    changed()
    elsewhere.import_csv(LATER, "A")
    changed()
    elsewhere.import_csv(FIRST, "B")
    changed()
    _ = names(store), names(store.renewed())
    (processed / ".staging-B.json").write_bytes(b"")
    (processed / ".lock").touch()
    assert store.stamp() == stamps[-1]
    kept = (processed / "A.json").read_bytes()
    (processed / "A.json").unlink()
    changed()
    (processed / "A.json").symlink_to(processed / "A.json")
    changed()
    (processed / "A.json").unlink()
    (processed / "A.json").write_bytes(kept)
    changed()
    processed.rename(processed.with_name("aside"))
    processed.write_bytes(b"")
    changed()
