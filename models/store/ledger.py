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
import io
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from models.errors import LedgerInvalid
from models.manifest import Count, Positive, Sha256, UtcTime, Version

LEDGER_NAME = "ledger.jsonl"
CURRENT_NAME = "CURRENT"
MAX_REASON = 2000
"""Characters of a reason that are kept: an exception's message may be a whole file."""

EventName = Literal["publish", "promote", "rollback", "quarantine", "release", "remove"]

_CHECK_BYTES = len(b',"check":"0123456789abcdef"}')
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
    """A ledger that was read and found sound: its finished lines, and the torn bytes behind them.

    Lines become entries when they are asked for: whoever promotes reads the whole ledger, each promotion makes it
    longer, and entries take five times the memory of their lines.
    """

    lines: bytes = b""
    starts: Sequence[int] = ()
    torn: bytes = b""

    def __len__(self) -> int:
        """Return the number of finished lines."""
        return len(self.starts)

    def entry(self, sequence: int) -> Entry:
        """Return a line's entry; ``IndexError`` for one that is not there."""
        if not 1 <= sequence <= len(self):
            raise IndexError(f"expected a line from 1 to {len(self)}, found {sequence}")
        start = self.starts[sequence - 1]
        line = self.lines[start : self.lines.index(b"\n", start)]
        return msgspec.json.decode(line[:-_CHECK_BYTES] + b"}", type=Entry)

    def entries(self) -> Iterator[Entry]:
        """Yield all entries, oldest first."""
        return (self.entry(sequence) for sequence in range(1, len(self) + 1))

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
        return next((e for e in self.entries() if e.event == "publish" and e.version == version), None)

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
        # Only an earlier line can be replaced, so the walk ends.
        while (before := chain[-1].replaces) and before < chain[-1].sequence:
            chain.append(self.entry(before))
        return tuple(reversed(chain))


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

    Raises
    ------
    LedgerInvalid
        A finished line is damaged, missing or out of order.

    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    return parse_ledger(data, path)


def parse_ledger(data: bytes, path: Path) -> Ledger:
    """Return the ledger that these bytes are; raises as `read_ledger`."""
    starts, start = array("Q"), 0
    for number, line in enumerate(io.BytesIO(data), start=1):
        if not line.endswith(b"\n"):
            break
        entry = from_line(line[:-1])
        if entry is None or entry.sequence != number:
            found = "a damaged one" if entry is None else f"number {entry.sequence}"
            message = f"{path}: expected line {number} of the ledger, found {found}; restore the file from a backup"
            raise LedgerInvalid(message)
        starts.append(start)
        start += len(line)
    return Ledger(data[:start], starts, data[start:])


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:16].encode()


def _printable(text: str) -> str:
    """Keep what JSON can hold: a parser's message may carry lone surrogates, and be long."""
    return text[:MAX_REASON].encode(errors="replace").decode()
