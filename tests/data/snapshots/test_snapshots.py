"""Raw snapshots: written once, never changed, chained, and read only as they were written."""

import datetime as dt
import math
import stat
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.bar_store import BarStore
from data.errors import DamagedSnapshot, InvalidSymbol
from data.integrity import digest, opened, sealed, tree_digest
from data.snapshots import Entry, Snapshots
from data.verification import verify
from tests.data.snapshots.operations import NEW, OLD, about, clock


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    """Return an empty store with a clock that stands."""
    return Snapshots(tmp_path / "raw", clock=clock)


def overwrite(path: Path, data: bytes) -> None:
    """Give a read-only file other bytes."""
    path.chmod(0o644)
    path.write_bytes(data)


def test_a_snapshot_is_the_payload_and_what_is_known_of_it(snapshots: Snapshots, tmp_path: Path) -> None:
    """Two read-only files at the place that their names tell; all facts come back."""
    written = snapshots.write("brk/b", "yahoo", OLD, "csv", about())

    folder = tmp_path / "raw" / "yahoo" / "BRK%2FB"
    assert written.new
    assert written.path == folder / "000001.csv"
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "000001.csv", "000001.json"]
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in ("000001.csv", "000001.json")} == {0o444}
    assert snapshots.read(written) == (folder / "000001.csv").read_bytes() == OLD
    told = msgspec.json.decode((folder / "000001.json").read_bytes())
    assert {key: value for key, value in told.items() if key != "seal"} == {
        "schema": 1,
        "sequence": 1,
        "symbol": "BRK/B",
        "source": "yahoo",
        "request": dict(about().request),
        "adjustment": "split",
        "rows": 2,
        "first": "2024-01-02",
        "last": "2024-01-03",
        "file": "000001.csv",
        "size": len(OLD),
        "sha256": digest(OLD),
        "retrieved_at": "2024-01-05T12:00:00Z",
        "why": "first",
        "previous": None,
    }


def test_changed_data_makes_a_second_snapshot_and_leaves_the_first(snapshots: Snapshots) -> None:
    """The first is byte-identical afterwards; the second names it, and both digests of it."""
    first = snapshots.write("A", "yahoo", OLD, "csv", about())
    entry = first.path.with_suffix(".json")
    before = (first.path.read_bytes(), entry.read_bytes(), entry.stat().st_mtime_ns, first.path.stat().st_mtime_ns)

    second = snapshots.write("A", "yahoo", NEW, "csv", about("restated: split 4:1 on 2020-08-31"))

    assert (
        first.path.read_bytes(),
        entry.read_bytes(),
        entry.stat().st_mtime_ns,
        first.path.stat().st_mtime_ns,
    ) == before
    assert second.entry.sequence == 2
    assert second.entry.previous is not None
    assert second.entry.previous.sha256 == digest(entry.read_bytes()) == first.ref.entry_sha256
    assert snapshots.latest("A", "yahoo") == second
    assert snapshots.history("A", "yahoo") == snapshots.all() == (first, second)
    assert [snapshots.find(one.ref) for one in (first, second)] == [first, second]
    assert snapshots.verify() == ()


def test_what_was_said_already_is_not_written_twice(snapshots: Snapshots) -> None:
    """The same as the latest: that one is returned, and says so. The same as an older one is news."""
    first = snapshots.write("A", "yahoo", OLD, "csv", about())
    before = tree_digest(snapshots.root)

    again = snapshots.write("A", "yahoo", OLD, "csv", about("appended"))

    assert not again.new
    assert again == first
    assert tree_digest(snapshots.root) == before
    snapshots.write("A", "yahoo", NEW, "csv", about())
    assert snapshots.write("A", "yahoo", OLD, "csv", about()).entry.sequence == 3


def test_the_same_payload_of_another_symbol_or_source_is_its_own(snapshots: Snapshots) -> None:
    """Shelves do not know of each other."""
    for symbol, source in (("A", "yahoo"), ("B", "yahoo"), ("A", "csv")):
        assert snapshots.write(symbol, source, OLD, "csv", about()).entry.sequence == 1

    assert [(one.entry.source, one.entry.symbol) for one in snapshots.all()] == [
        ("csv", "A"),
        ("yahoo", "A"),
        ("yahoo", "B"),
    ]
    assert snapshots.latest("C", "yahoo") is None


def test_nothing_but_a_write_changes_the_tree(snapshots: Snapshots, tmp_path: Path) -> None:
    """Reading, verifying and importing the same file again leave it equal; importing something else leaves its part."""
    store = BarStore([tmp_path / "processed"], snapshots.root)
    store.import_csv(OLD, "A")
    before = tree_digest(snapshots.root)

    for one in snapshots.all():
        snapshots.read(one)
    verify(tmp_path / "processed", snapshots.root, tmp_path / "none")
    store.bars("A")
    store.import_csv(OLD, "A", name="the same file under a name")

    assert tree_digest(snapshots.root) == before
    part = tree_digest(snapshots.root / "csv" / "A")
    store.import_csv(NEW, "B")
    assert tree_digest(snapshots.root) != before
    assert tree_digest(snapshots.root / "csv" / "A") == part


@pytest.mark.parametrize("source", ["", "Yahoo", "../x", "a/b", ".x", "x" * 33, "yahoo\n"])
def test_refuses_what_is_no_source(snapshots: Snapshots, source: str) -> None:
    """It becomes a folder, so it has one form."""
    with pytest.raises(ValueError, match="expected a source"):
        snapshots.write("A", source, OLD, "csv", about())
    assert not snapshots.root.exists()


@pytest.mark.parametrize("ext", ["", "json", "CSV", ".csv", "tar.gz", "a/b", "csv\n", "x" * 9])
def test_refuses_what_is_no_ending(snapshots: Snapshots, ext: str) -> None:
    """Entries alone end in json."""
    with pytest.raises(ValueError, match="expected an ending"):
        snapshots.write("A", "yahoo", OLD, ext, about())


def test_refuses_symbols_and_payloads_that_are_none(snapshots: Snapshots) -> None:
    """Before any path is touched."""
    with pytest.raises(InvalidSymbol):
        snapshots.write("../A", "yahoo", OLD, "csv", about())
    with pytest.raises(ValueError, match="found no byte"):
        snapshots.write("A", "yahoo", b"", "csv", about())
    assert not snapshots.root.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"request": {"x": math.nan}},
        {"why": "\ud800"},
        {"first": np.datetime64("NaT", "D")},
        {"last": np.datetime64("12024-01-01", "D")},
    ],
)
def test_refuses_facts_that_would_not_read_back(snapshots: Snapshots, wrong: dict[str, object]) -> None:
    """What JSON can't hold is the caller's mistake, and leaves no file."""
    with pytest.raises(ValueError, match="expected"):
        snapshots.write("A", "yahoo", OLD, "csv", replace(about(), **wrong))  # type: ignore[arg-type]  # wrong by intent
    assert tree_digest(snapshots.root / "yahoo" / "A") == tree_digest(snapshots.root / "nowhere")


def test_damaged_bytes_are_not_read(snapshots: Snapshots) -> None:
    """Changed, and gone."""
    written = snapshots.write("A", "yahoo", OLD, "csv", about())
    overwrite(written.path, NEW)
    with pytest.raises(DamagedSnapshot, match="found other bytes; restore it from a backup"):
        snapshots.read(written)
    written.path.unlink()
    with pytest.raises(DamagedSnapshot, match="No such file"):
        snapshots.read(written)


def test_what_is_said_again_mends_a_damaged_payload(snapshots: Snapshots) -> None:
    """It becomes a snapshot of its own: the damaged one is never written to."""
    damaged = snapshots.write("A", "yahoo", OLD, "csv", about())
    overwrite(damaged.path, NEW)

    again = snapshots.write("A", "yahoo", OLD, "csv", about("downloaded again"))

    assert (again.new, again.entry.sequence) == (True, 2)
    assert damaged.path.read_bytes() == NEW
    assert [fault.path for fault in snapshots.verify()] == [damaged.path]


def test_nothing_is_added_to_a_broken_chain(snapshots: Snapshots) -> None:
    """An entry that was changed is refused as the ground of the next one."""
    entry = snapshots.write("A", "yahoo", OLD, "csv", about()).path.with_suffix(".json")
    good = entry.read_bytes()
    overwrite(entry, good.replace(b"split", b"splat", 1))
    before = tree_digest(snapshots.root)

    with pytest.raises(DamagedSnapshot, match="its seal denies"):
        snapshots.write("A", "yahoo", NEW, "csv", about())
    with pytest.raises(DamagedSnapshot):
        snapshots.latest("A", "yahoo")
    assert tree_digest(snapshots.root) == before


def test_entries_that_came_are_never_taken_for_ones_that_did_not(snapshots: Snapshots) -> None:
    """Two payloads without entries are a removal, not one cut-off write: nothing is swept."""
    written = [snapshots.write("A", "yahoo", data, "csv", about()) for data in (OLD, NEW, OLD)]
    for one in written[1:]:
        one.path.with_suffix(".json").unlink()

    with pytest.raises(DamagedSnapshot, match=r"000002\.json, found none, though 000003\.csv is there"):
        snapshots.write("A", "yahoo", b"x", "csv", about())
    assert all(one.path.exists() for one in written)


def test_a_removed_exchanged_or_reordered_snapshot_is_noticed(snapshots: Snapshots) -> None:
    """From the middle, from the beginning, by one of another shelf, by a forgery with a seal of its own."""
    for symbol in ("A", "B"):
        for data in (OLD, NEW, OLD + NEW):
            snapshots.write(symbol, "yahoo", symbol.encode() + data, "csv", about())
    shelf, other = snapshots.root / "yahoo" / "A", snapshots.root / "yahoo" / "B"
    entries = [(shelf / f"00000{number}.json").read_bytes() for number in (1, 2, 3)]
    forged = msgspec.structs.replace(opened(entries[1], Entry), why="forged")

    def faulty(change: str) -> list[str]:
        """Return the names at fault after a change, which is undone."""
        kept = {path: path.read_bytes() for path in shelf.iterdir()}
        for path in kept:
            path.chmod(0o644)
        match change:
            case "remove 1":
                (shelf / "000001.json").unlink()
                (shelf / "000001.csv").unlink()
            case "remove 2":
                (shelf / "000002.json").unlink()
                (shelf / "000002.csv").unlink()
            case "reorder":
                (shelf / "000001.json").write_bytes(entries[1])
                (shelf / "000002.json").write_bytes(entries[0])
            case "exchange":
                (shelf / "000002.json").write_bytes((other / "000002.json").read_bytes())
                (shelf / "000002.csv").write_bytes((other / "000002.csv").read_bytes())
            case "forge":
                (shelf / "000002.json").write_bytes(sealed(forged))
            case "forge the end":
                (shelf / "000003.json").write_bytes(sealed(msgspec.structs.replace(forged, sequence=3)))
            case "stranger":
                (shelf / "notes.md").write_bytes(b"")
        found = [fault.path.name for fault in snapshots.verify()]
        for path in shelf.iterdir():
            path.unlink()
        for path, data in kept.items():
            path.write_bytes(data)
        assert snapshots.verify() == ()
        return found

    assert faulty("nothing") == []
    assert faulty("remove 1") == ["000001.json"]
    assert faulty("remove 2") == ["000002.json"]
    assert faulty("reorder") == ["000001.json", "000002.json"]
    assert faulty("exchange") == ["000002.json"]
    assert faulty("forge") == ["000002.json"]
    assert "000002.json" in faulty("forge the end")
    assert faulty("stranger") == ["notes.md"]


@given(names=st.lists(st.tuples(st.sampled_from(["A", "B/C", "^D"]), st.binary(min_size=1, max_size=20)), max_size=12))
def test_history_is_what_was_said_without_repetitions(
    names: list[tuple[str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Against a list a symbol: each payload that differs from the one before it, in order."""
    snapshots = Snapshots(tmp_path_factory.mktemp("raw"), clock=clock)
    said: dict[str, list[bytes]] = {}
    for symbol, payload in names:
        told = said.setdefault(symbol, [])
        assert snapshots.write(symbol, "yahoo", payload, "csv", about()).new == (told[-1:] != [payload])
        if told[-1:] != [payload]:
            told.append(payload)

    for symbol, payloads in said.items():
        assert [*map(snapshots.read, snapshots.history(symbol, "yahoo"))] == payloads
    assert snapshots.verify() == ()


def test_the_instant_is_kept_in_utc(tmp_path: Path) -> None:
    """A clock of another zone tells the same instant."""
    zone = dt.timezone(dt.timedelta(hours=9))
    snapshots = Snapshots(tmp_path, clock=lambda: dt.datetime(2024, 1, 5, 21, tzinfo=zone))

    assert snapshots.write("A", "yahoo", OLD, "csv", about()).entry.retrieved_at == clock()
    latest = snapshots.latest("A", "yahoo")
    assert latest is not None
    assert latest.entry.retrieved_at.utcoffset() == dt.timedelta(0)
