"""One symbol of one source on disk: which snapshots there are, and whether they are as they were written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data.errors import DamagedSnapshot
from data.integrity import Fault, digest, opened
from data.lock import quiet
from data.snapshots.entry import SCHEMA, Entry, Previous, Snapshot, entry_name

_ENTRY: Final = re.compile(r"(\d{6})\.json", re.ASCII)
_PAYLOAD: Final = re.compile(r"(\d{6})\.(?!json\Z)[a-z0-9]{1,8}", re.ASCII)

RESTORE: Final = "restore it from a backup"


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder of one symbol of one source; it may not exist. Reading it needs no lock."""

    path: Path
    source: str
    symbol: str

    @property
    def lock(self) -> Path:
        """The file that writers lock."""
        return self.path / ".lock"

    def entries(self) -> list[int]:
        """Return the numbers that have an entry, ascending."""
        return sorted(number for number, _ in self._named(_ENTRY))

    def payloads(self) -> list[tuple[int, Path]]:
        """Return the payloads by number, ascending; those without an entry too."""
        return sorted(self._named(_PAYLOAD))

    def unfinished(self) -> list[Path]:
        """Return the payload whose entry never came: what a dead writer left.

        Raises
        ------
        DamagedSnapshot
            Entries lack that did come, since a payload of a later number is there.

        """
        last = max(self.entries(), default=0)
        late = [(number, path) for number, path in self.payloads() if number > last]
        if late and late[-1][0] > last + 1:
            raise DamagedSnapshot(
                f"expected the entry {self.path / entry_name(last + 1)}, found none, "
                f"though {late[-1][1].name} is there; {RESTORE}"
            )
        return [path for _, path in late]

    def latest(self) -> Snapshot | None:
        """Return the snapshot with the highest number; raises as `snapshot` does."""
        numbers = self.entries()
        return self.snapshot(numbers[-1]) if numbers else None

    def snapshot(self, sequence: int) -> Snapshot:
        """Return a snapshot by number, its entry checked. The payload isn't looked at.

        Raises
        ------
        DamagedSnapshot
            As `examine` finds.

        """
        found = self.examine(sequence)
        if isinstance(found, Fault):
            raise DamagedSnapshot(str(found))
        return found

    def examine(self, sequence: int) -> Snapshot | Fault:
        """Return a snapshot by number, or what is wrong with its entry.

        The entry can't be read, isn't as it was written, or is of another place than this one.
        """
        path = self.path / entry_name(sequence)
        try:
            entry = opened(path.read_bytes(), Entry)
        except (OSError, ValueError) as error:
            found = error.strerror if isinstance(error, OSError) else error
            return Fault(path, f"the entry of snapshot {sequence} as it was written", f"{found}", RESTORE)
        if entry.schema != SCHEMA:
            return Fault(path, f"an entry of form {SCHEMA}", f"{entry.schema}", "update this program")
        told = (entry.source, entry.symbol, entry.sequence)
        if told != (self.source, self.symbol, sequence) or not _PAYLOAD.fullmatch(entry.file):
            return Fault(path, "the entry of this place", f"that of {told}", RESTORE)
        return Snapshot(entry, self.path / entry.file)

    def history(self) -> tuple[Snapshot, ...]:
        """Return all snapshots, oldest first; raises as `snapshot` does."""
        return tuple(map(self.snapshot, self.entries()))

    def faults(self) -> Iterator[Fault]:
        """Yield what isn't as it was written: entries, payloads, the chain between them, names that don't belong."""
        before: Snapshot | None = None
        payloads = dict(self.payloads())
        for number in range(1, max(self.entries(), default=0) + 1):
            payloads.pop(number, None)
            found = self.examine(number)
            if isinstance(found, Fault):
                yield found
                before = None
                continue
            yield from self._chain(found, before)
            yield from payload_faults(found)
            before = found
        if payloads:
            # A writer that is at work has no entry yet. If there is none, look again, in case it came meanwhile.
            with quiet(self.lock) as still:
                alone = [one for one in payloads.values() if still and one.exists() and not _entry_of(one).exists()]
            for path in alone:
                yield Fault(
                    path,
                    f"an entry {_entry_of(path).name} beside it",
                    "none: a write that was cut off, or a removed entry",
                    f"{RESTORE}; if there never was one, the next download or import removes this file",
                )
        for path in self._others():
            yield Fault(path, "nothing but snapshots and their entries here", "this", "move it away")

    def _chain(self, snapshot: Snapshot, before: Snapshot | None) -> Iterator[Fault]:
        """Yield where an entry isn't the one that the next one came after. ``before`` is None if it is at fault."""
        path, told = self.path / entry_name(snapshot.entry.sequence), snapshot.entry.previous
        if snapshot.entry.sequence == 1:
            if told is not None:
                yield Fault(path, "no entry before the first", f"number {told.sequence}", RESTORE)
        elif before is not None:
            ref = before.ref
            if told != Previous(sequence=ref.sequence, sha256=ref.entry_sha256):
                old = self.path / entry_name(ref.sequence)
                yield Fault(old, f"the entry that {path.name} came after", "another one: one was exchanged", RESTORE)

    def _named(self, pattern: re.Pattern[str]) -> Iterator[tuple[int, Path]]:
        for path in self.path.iterdir() if self.path.is_dir() else ():
            if match := pattern.fullmatch(path.name):
                yield int(match[1]), path

    def _others(self) -> Iterator[Path]:
        for path in sorted(self.path.iterdir()):
            known = _ENTRY.fullmatch(path.name) or _PAYLOAD.fullmatch(path.name)
            if not known and not path.name.startswith("."):
                yield path


def _entry_of(payload: Path) -> Path:
    return payload.with_suffix(".json")


def payload_faults(snapshot: Snapshot) -> Iterator[Fault]:
    """Yield what is wrong with the payload of a snapshot: gone, or not the bytes that its entry names."""
    try:
        data = snapshot.path.read_bytes()
    except OSError as error:
        yield Fault(snapshot.path, f"the payload of snapshot {snapshot.entry.sequence}", f"{error.strerror}", RESTORE)
        return
    if len(data) != snapshot.entry.size:
        yield Fault(snapshot.path, f"{snapshot.entry.size} bytes", f"{len(data)}", RESTORE)
    elif (found := digest(data)) != snapshot.entry.sha256:
        yield Fault(snapshot.path, f"sha256 {snapshot.entry.sha256}", found, RESTORE)
