"""`ledger.jsonl`: append-only record of all that happened to a model's versions, and the truth about what served when.

**A line is written before the change that it announces**; one rename then makes the change real:

========== ==================================================
event      real once
========== ==================================================
publish    the version's folder bears its name
promote    ``CURRENT`` holds the line
rollback   ``CURRENT`` holds the line
quarantine the version's marker holds the line
release    the version's marker is gone
remove     the version's folder is gone
========== ==================================================

So after a crash at any point nothing needs repair: a line whose change never came is an announcement without effect.
For promotions the record itself tells which came true, because each names the promotion that it ``replaces``: those
that served are the chain that starts at ``CURRENT`` and follows ``replaces``.

A line ends in a digest of its own bytes and in a newline. Bytes after the last newline are the unfinished line of a
writer that died: they are skipped by readers and cut off by the next writer. Any other damage is refused.
"""

import datetime as dt
import hashlib
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from models.errors import LedgerInvalid
from models.manifest import Count, Positive, Sha256, UtcTime, Version

LEDGER_NAME = "ledger.jsonl"
CURRENT_NAME = "CURRENT"
MAX_REASON = 2000
"""Characters of a reason that are kept: an exception's message may be a whole file."""

EventName = Literal["publish", "promote", "rollback", "quarantine", "release", "remove"]

_FRAME = re.compile(rb'(\{.*),"check":"([0-9a-f]{16})"\}', re.DOTALL)


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line of the ledger.

    ``sequence`` counts from 1 and gives the order; ``when`` is for people and for `Ledger.served_at`.
    ``manifest_sha256`` anchors the version's manifest, as the manifest anchors its files. ``replaces`` is, for a
    promotion or a rollback, the sequence of the one that ``CURRENT`` held before (0: none); None for other events.
    """

    sequence: Positive
    when: UtcTime
    event: EventName
    version: Version
    manifest_sha256: Sha256
    replaces: Count | None
    why: str
    by: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger that was read and found sound: where its finished lines are, and the torn bytes behind them.

    A line is read again when it is asked for: finished lines never change. Whoever promotes reads the whole ledger, and
    each promotion makes it longer; a service that kept it in memory would grow with it.
    """

    path: Path
    starts: Sequence[int] = ()
    published: Mapping[str, int] = field(default_factory=dict)
    """Of each version, the line that announced it."""
    sound_bytes: int = 0
    torn: bytes = b""

    def __len__(self) -> int:
        """Return the number of finished lines."""
        return len(self.starts)

    def entry(self, sequence: int) -> Entry:
        """Return a line's entry.

        Raises
        ------
        IndexError
            There is no such line.
        LedgerInvalid
            Another one stands there now.

        """
        with self.path.open("rb") as file:
            return self._at(file, sequence)

    def entries(self) -> Iterator[Entry]:
        """Yield all entries, oldest first; raises as `entry`."""
        if self.starts:
            with self.path.open("rb") as file:
                for sequence, line in enumerate(islice(file, len(self)), start=1):
                    yield _sound(line, sequence, self.path)

    def next(
        self, *, when: dt.datetime, event: EventName, version: str, sha256: str, replaces: int | None, why: str, by: str
    ) -> Entry:
        """Return the entry that would follow the last one."""
        return Entry(
            sequence=len(self) + 1,
            when=when,
            event=event,
            version=version,
            manifest_sha256=sha256,
            replaces=replaces,
            why=_printable(why),
            by=_printable(by),
        )

    def publication(self, version: str) -> Entry | None:
        """Return the line that announced a version, or None."""
        line = self.published.get(version)
        return None if line is None else self.entry(line)

    def publications(self) -> Iterator[Entry]:
        """Yield the lines that announced versions, oldest first."""
        if self.published:
            with self.path.open("rb") as file:
                yield from (self._at(file, line) for line in self.published.values())

    def require(self, current: Entry) -> None:
        """Refuse a ledger that does not hold the line that ``CURRENT`` holds.

        Raises
        ------
        LedgerInvalid
            It holds another or none.

        """
        if current.sequence > len(self) or self.entry(current.sequence) != current:
            message = (
                f"expected {LEDGER_NAME} to hold line {current.sequence}, which {CURRENT_NAME} names, found another "
                f"or none; restore the ledger that belongs to this {CURRENT_NAME}"
            )
            raise LedgerInvalid(message)

    def promotions(self, current: Entry | None) -> tuple[Entry, ...]:
        """Return the promotions and rollbacks that came true, oldest first, given what ``CURRENT`` holds.

        Raises
        ------
        LedgerInvalid
            ``CURRENT`` holds a line that this ledger does not.

        """
        if current is None:
            return ()
        self.require(current)
        chain = [current]
        with self.path.open("rb") as file:
            # Only an earlier line can be replaced, so the walk ends.
            while (before := chain[-1].replaces) and before < chain[-1].sequence:
                chain.append(self._at(file, before))
        return tuple(reversed(chain))

    def _at(self, file: BinaryIO, sequence: int) -> Entry:
        if not 1 <= sequence <= len(self):
            raise IndexError(f"expected a line from 1 to {len(self)}, found {sequence}")
        file.seek(self.starts[sequence - 1])
        return _sound(file.readline(), sequence, self.path)


def served_at(promotions: tuple[Entry, ...], when: dt.datetime) -> Entry | None:
    """Return the promotion that was in force at a time, or None if none was yet.

    Order is the ledger's; should the wall clock have been set back between two promotions, the later one wins.
    """
    return next((entry for entry in reversed(promotions) if entry.when <= when), None)


def before_current(promotions: tuple[Entry, ...]) -> tuple[str, ...]:
    """Return the versions that a rollback may go to, nearest first: a rollback takes back what it undid.

    After promotions of 1, 2, 3 and a rollback to 2, the version before the current one is 1, not 3.
    """
    served: list[str] = []
    for entry in promotions:
        if entry.event == "rollback" and entry.version in served:
            del served[served.index(entry.version) + 1 :]
        else:
            # A version that is promoted again moves to the top: what lies below it stays reachable.
            served = [version for version in served if version != entry.version] + [entry.version]
    return tuple(reversed(served[:-1]))


def to_line(entry: Entry) -> bytes:
    """Return the entry as a line with its digest."""
    body = msgspec.json.encode(entry)
    return body[:-1] + b',"check":"' + _digest(body) + b'"}\n'


def from_line(line: bytes) -> Entry | None:
    """Read a line, newline excluded; None if it is damaged."""
    match = _FRAME.fullmatch(line)
    if match is None:
        return None
    body = match[1] + b"}"
    if _digest(body) != match[2]:
        return None
    try:
        return msgspec.json.decode(body, type=Entry)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def read_ledger(path: Path) -> Ledger:
    """Read a ledger; an absent one is empty.

    It is read without a lock. A writer that cuts off a torn line and writes its own in the middle of that makes a line
    of two halves, so what looks damaged is looked at twice.

    Raises
    ------
    LedgerInvalid
        A finished line is damaged, missing or out of order.

    """
    try:
        return _read(path)
    except LedgerInvalid:
        return _read(path)


def _read(path: Path) -> Ledger:
    starts, published, end, torn = array("Q"), dict[str, int](), 0, b""
    with suppress(FileNotFoundError), path.open("rb") as file:
        for sequence, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                torn = line
                break
            entry = _sound(line, sequence, path)
            if entry.event == "publish":
                published.setdefault(entry.version, sequence)
            starts.append(end)
            end += len(line)
    return Ledger(path, starts, published, end, torn)


def _sound(line: bytes, sequence: int, path: Path) -> Entry:
    """Return the entry of a finished line, or refuse it."""
    entry = from_line(line.removesuffix(b"\n"))
    if entry is None or entry.sequence != sequence:
        found = "a damaged one" if entry is None else f"number {entry.sequence}"
        message = f"{path}: expected line {sequence} of the ledger, found {found}; restore the file from a backup"
        raise LedgerInvalid(message)
    return entry


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:16].encode()


def _printable(text: str) -> str:
    """Keep what JSON can hold: a parser's message may carry lone surrogates, and be long."""
    return text[:MAX_REASON].encode(errors="replace").decode()
