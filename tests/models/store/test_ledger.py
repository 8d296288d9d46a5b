"""The ledger: frames, torn lines, and which announcements came true."""

import datetime as dt
import errno
import io
import logging
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import LedgerInvalid, StoreWriteFailed
from models.store import ArtifactStore, ledger
from models.store.ledger import MAX_REASON, Entry, Ledger, before_current, from_line, read_ledger, to_line
from tests.models.store.toys import MODEL, draft, files, stocked, tag_of
from tests.support.disks import FailingDisk

TEXTS = st.lists(
    st.sampled_from(["a", "\u00e9", "\n", "\0", '"', "\\", "\U0001f4c8", "\ud800", "\udfff", "x" * 900])
).map("".join)
NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)


@given(why=TEXTS, by=TEXTS)
@settings(deadline=None)
def test_line_holds_any_reason(why: str, by: str) -> None:
    """An entry survives its line whatever its texts hold, and the line is one line."""
    entry = Ledger(Path()).next(
        when=NOON, event="publish", version="v000001", sha256="0" * 64, replaces=None, why=why, by=by
    )
    line = to_line(entry)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert from_line(line[:-1]) == entry
    assert len(entry.why) == min(len(why), MAX_REASON)


@pytest.mark.parametrize("keep", range(0, 200, 7))
def test_torn_last_line_is_passed_over_then_replaced(
    keep: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The unfinished line of a writer that died is no event; the next writer says so and takes its place."""
    store = stocked(tmp_path, 1)
    path, sound = tmp_path / MODEL / "ledger.jsonl", store.history(MODEL)
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[0][:keep])
    assert store.history(MODEL) == sound
    assert tag_of(store.read(MODEL, "v000001")) == "1"
    with caplog.at_level(logging.WARNING):
        store.publish(draft(), files("2"), why="test")
    assert ("did not finish" in caplog.text) == (keep > 0)
    assert store.history(MODEL)[:-1] == sound
    assert path.read_bytes().startswith(whole)
    assert read_ledger(path).torn == b""


@pytest.mark.parametrize("n", range(1, 4))
def test_line_that_is_refused_leaves_no_byte(n: int, tmp_path: Path) -> None:
    """If opening, writing or syncing the ledger fails, it ends where it ended."""
    stocked(tmp_path, 2)
    path = tmp_path / MODEL / "ledger.jsonl"
    before = path.read_bytes()
    disk = FailingDisk(n, errno.ENOSPC, forever=False)
    with pytest.raises(StoreWriteFailed):
        ArtifactStore(tmp_path, disk=disk).promote(MODEL, "v000001", why="test")
    assert disk.calls[:n] == ["open_append", "write", "sync"][:n]
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["removed", "doubled", "swapped", "emptied"])
def test_lines_out_of_order_are_refused(damage: str, tmp_path: Path) -> None:
    """A line that is gone, doubled, moved or emptied makes the ledger invalid, by its number."""
    stocked(tmp_path, 2)
    path = tmp_path / MODEL / "ledger.jsonl"
    one, two, *rest = path.read_bytes().splitlines(keepends=True)
    lines = {"removed": [two], "doubled": [one, one, two], "swapped": [two, one], "emptied": [one, b"\n"]}[damage]
    path.write_bytes(b"".join([*lines, *rest]))
    with pytest.raises(LedgerInvalid, match=r"expected line [12]"):
        read_ledger(path)


def test_current_of_another_ledger_is_refused(tmp_path: Path) -> None:
    """A ledger restored from before the last promotion does not silently become the truth."""
    store = stocked(tmp_path, 2)
    path = tmp_path / MODEL / "ledger.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    with pytest.raises(LedgerInvalid, match="belongs to this CURRENT"):
        store.promote(MODEL, "v000001", why="test")
    assert tag_of(store.read(MODEL)) == "2"


@given(st.lists(st.tuples(st.sampled_from([1, 2, 3, 4]), st.booleans()), max_size=20))
@settings(max_examples=100)
def test_announcements_that_died_are_not_promotions(steps: list[tuple[int, bool]]) -> None:
    """Of any run of announced promotions, exactly those that reached CURRENT are reported, in order."""
    with TemporaryDirectory() as folder:
        told, came_true = announced(Path(folder) / "ledger.jsonl", steps)
    assert told == came_true


def announced(path: Path, steps: list[tuple[int, bool]]) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Announce promotions of versions, some of which reach CURRENT; return what is told of them, and what is true."""
    ledger, current = read_ledger(path), None
    came_true: list[Entry] = []
    for version, reached in steps:
        entry = ledger.next(
            when=NOON,
            event="promote",
            version=f"v{version:06d}",
            sha256="0" * 64,
            replaces=current.sequence if current else 0,
            why="",
            by="",
        )
        with path.open("ab") as file:
            file.write(to_line(entry))
        ledger = read_ledger(path)
        if reached:
            current = entry
            came_true.append(entry)
    return ledger.promotions(current), tuple(came_true)


def test_a_line_that_changes_after_it_was_read_is_refused(tmp_path: Path) -> None:
    """Lines are read again when they are asked for, and proven again."""
    store = stocked(tmp_path, 2)
    path = tmp_path / MODEL / "ledger.jsonl"
    ledger = read_ledger(path)
    assert tuple(ledger.entries()) == store.history(MODEL)
    assert [ledger.entry(number) for number in range(1, len(ledger) + 1)] == list(store.history(MODEL))
    path.write_bytes(path.read_bytes().replace(b"v000001", b"v000003"))
    with pytest.raises(LedgerInvalid, match="expected line 1 of the ledger, found a damaged one"):
        ledger.publication("v000001")
    with pytest.raises(LedgerInvalid, match="line 1"):
        list(ledger.entries())
    for number in (0, len(ledger) + 1):
        with pytest.raises(IndexError):
            ledger.entry(number)


def test_a_writer_beside_a_reader_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cuts off a torn line and writes its own, while a reader has read the half of it."""
    stocked(tmp_path, 1)
    path = tmp_path / MODEL / "ledger.jsonl"
    first = read_ledger(path).entry(1)
    sound = path.read_bytes()
    while len(sound) < io.DEFAULT_BUFFER_SIZE - 600:
        sound += to_line(msgspec.structs.replace(first, event="release", sequence=sound.count(b"\n") + 1))
    last = to_line(msgspec.structs.replace(first, event="release", sequence=sound.count(b"\n") + 1, why="y" * 2000))
    path.write_bytes(sound + b"x" * 1800)
    lines = iter([path.write_bytes])

    def read_while_written(line: bytes) -> Entry | None:
        for write in lines:
            write(sound + last)
        return from_line(line)

    monkeypatch.setattr(ledger, "from_line", read_while_written)
    found = ledger.read_ledger(path)
    assert len(found) == sound.count(b"\n") + 1
    assert found.torn == b""
    path.write_bytes(sound + last.replace(b"yy", b"zz", 1))
    with pytest.raises(LedgerInvalid, match="a damaged one"):
        ledger.read_ledger(path)


def test_reading_takes_no_memory_for_lines(tmp_path: Path) -> None:
    """A service reads the whole ledger at each promotion: of ten times the lines it holds eight bytes each, no more."""
    stocked(tmp_path, 1)
    path = tmp_path / MODEL / "ledger.jsonl"
    peaks = []
    for lines in (300, 3000):
        with path.open("ab") as file:
            known = read_ledger(path)
            for sequence in range(len(known) + 1, lines + 1):
                file.write(to_line(msgspec.structs.replace(known.entry(1), event="release", sequence=sequence)))
        tracemalloc.start()
        assert len(read_ledger(path)) == lines
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 20 * 2700


@given(st.lists(st.sampled_from(["1", "2", "3", "back"]), max_size=30))
def test_way_back_is_that_of_a_stack(steps: list[str]) -> None:
    """`before_current` agrees with a stack of versions that moves a repeated one to its top."""
    stack: list[str] = []
    entries: list[Entry] = []
    for step in steps:
        if step == "back":
            if len(stack) < 2:
                continue
            stack.pop()
        else:
            version = f"v00000{step}"
            stack = [other for other in stack if other != version] + [version]
        event = "rollback" if step == "back" else "promote"
        fields = {"sequence": 1, "when": NOON, "manifest_sha256": "", "replaces": 0, "why": "", "by": ""}
        entries.append(Entry(event=event, version=stack[-1], **fields))  # type: ignore[arg-type]  # fields of one dict
    assert before_current(tuple(entries)) == tuple(reversed(stack[:-1]))


def test_ledger_says_who_and_why(tmp_path: Path) -> None:
    """Every change is one line with its reason, its author and its time."""
    store = ArtifactStore(tmp_path, by="nightly flow", clock=lambda: NOON)
    store.publish(draft(), files("1"), why="weekly retrain")
    store.promote(MODEL, "v000001", why="beats the champion")
    told = [(e.sequence, e.event, e.version, e.why, e.by, e.when) for e in store.history(MODEL)]
    assert told == [
        (1, "publish", "v000001", "weekly retrain", "nightly flow", NOON),
        (2, "promote", "v000001", "beats the champion", "nightly flow", NOON),
    ]
