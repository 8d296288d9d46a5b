"""`Snapshots`: all shelves of raw snapshots, and the one way to add to them."""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from data import disk as on_disk
from data.disk import Disk
from data.errors import DamagedSnapshot, DataError, ShelfBusy, WriteRefused
from data.integrity import Fault, digest, opened, sealed
from data.lock import locked
from data.snapshots.entry import SCHEMA, About, Entry, Previous, Snapshot, SnapshotRef, day, entry_name
from data.snapshots.shelf import RESTORE, Shelf, payload_faults
from data.symbols import check_symbol, file_stem, symbol_of

LOCK_TIMEOUT_S: Final = 30.0
"""How long a writer waits for another one of the same symbol."""

LAST: Final = 999_999
"""Highest number of a snapshot."""

_SOURCE: Final = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
_EXTENSION: Final = re.compile(r"(?!json\Z)[a-z0-9]{1,8}", re.ASCII)


def utc_now() -> dt.datetime:
    """Return the instant in UTC."""
    return dt.datetime.now(dt.UTC)


class Snapshots:
    """What sources said, in a folder. Safe for threads and processes; reading needs no write access.

    Parameters
    ----------
    root : Path
        The folder, ``data/raw``. It is made by the first write.
    clock : callable
        Returns the instant, with its zone.
    disk : Disk
        The system calls that change the folder.
    lock_timeout_s : float
        How long a write waits for another one of the same symbol and source.

    """

    def __init__(
        self,
        root: Path,
        *,
        clock: Callable[[], dt.datetime] = utc_now,
        disk: Disk | None = None,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
    ) -> None:
        self.root = root
        self._clock = clock
        self._disk = disk or Disk()
        self._lock_timeout_s = lock_timeout_s

    def write(self, symbol: str, source: str, payload: bytes, ext: str, about: About) -> Snapshot:
        """Keep what a source said, and return its snapshot.

        A payload equal to the latest one isn't written twice: the latest is returned, and its ``new`` is false. Where
        the latest payload was damaged on disk meanwhile, the sound bytes become a snapshot of their own.

        Death at any moment leaves the shelf as it was, with at most a payload without entry, which is no snapshot and
        which the next write removes.

        Parameters
        ----------
        symbol, source : str
            Whose series, and who said it (``yahoo``, ``csv``).
        payload : bytes
            What was said, to the byte; not empty.
        ext : str
            Ending of the payload's name, such as ``csv``. Not ``json``, as entries end.
        about : About
            What is known of it.

        Raises
        ------
        InvalidSymbol
            No such name.
        ValueError
            A source or an ending of another form, an empty payload, something that JSON doesn't hold in ``about``.
        DamagedSnapshot
            The latest entry isn't as it was written: nothing is added to a broken chain.
        ShelfBusy, WriteRefused
            Nothing is changed then.

        """
        if not _EXTENSION.fullmatch(ext):
            raise ValueError(f"expected an ending of 1 to 8 of a-z and 0-9 that isn't 'json', found {ext!r}")
        if not payload:
            raise ValueError("expected what the source said, found no byte; report the failure instead")
        shelf = self._shelf(check_symbol(symbol), source)
        with self._writing(shelf):
            latest = shelf.latest()
            if latest is not None and latest.entry.sha256 == digest(payload) and not any(payload_faults(latest)):
                return latest
            entry = self._entry(shelf, payload, ext, about, latest)
            self._put(shelf, entry, payload)
        return Snapshot(entry, shelf.path / entry.file, new=True)

    def latest(self, symbol: str, source: str) -> Snapshot | None:
        """Return the newest snapshot of a symbol; raises `DamagedSnapshot` if its entry isn't as it was written."""
        return self._shelf(check_symbol(symbol), source).latest()

    def history(self, symbol: str, source: str) -> tuple[Snapshot, ...]:
        """Return the snapshots of a symbol, oldest first; raises as `latest` does."""
        return self._shelf(check_symbol(symbol), source).history()

    def all(self) -> tuple[Snapshot, ...]:
        """Return every snapshot, by source, symbol and number; raises as `latest` does."""
        return tuple(snapshot for shelf in self.shelves() for snapshot in shelf.history())

    def find(self, ref: SnapshotRef) -> Snapshot:
        """Return the snapshot that another file refers to.

        Raises
        ------
        DamagedSnapshot
            It is gone, isn't as it was written, or another one stands in its place.

        """
        found = self.examine(ref)
        if isinstance(found, Fault):
            raise DamagedSnapshot(str(found))
        return found

    def examine(self, ref: SnapshotRef) -> Snapshot | Fault:
        """Return the snapshot that another file refers to, or what is wrong with its entry."""
        found = self._shelf(check_symbol(ref.symbol), ref.source).examine(ref.sequence)
        if isinstance(found, Snapshot) and found.ref != ref:
            path = found.path.with_name(entry_name(ref.sequence))
            return Fault(path, f"the entry with sha256 {ref.entry_sha256}", "another one in its place", RESTORE)
        return found

    def read(self, snapshot: Snapshot) -> bytes:
        """Return the payload of a snapshot.

        Raises
        ------
        DamagedSnapshot
            It is gone, or it isn't the bytes that the entry names.

        """
        try:
            data = snapshot.path.read_bytes()
        except OSError as error:
            raise DamagedSnapshot(f"expected {snapshot.path}, found: {error.strerror}; {RESTORE}") from error
        if digest(data) != snapshot.entry.sha256:
            raise DamagedSnapshot(f"expected {snapshot.path} as it was written, found other bytes; {RESTORE}")
        return data

    def verify(self) -> tuple[Fault, ...]:
        """Return what isn't as it was written, of all snapshots; changes nothing, and waits for nobody.

        A changed, removed or exchanged file is found. The removal of the *newest* snapshots of a shelf with both their
        files leaves nothing here that could tell; the series made of them does, as it names them.
        """
        return tuple(fault for shelf in self.shelves() for fault in shelf.faults())

    def shelves(self) -> Iterator[Shelf]:
        """Yield the shelves that there are, by source and symbol. Folders of other names are left aside."""
        for folder in sorted(self.root.glob("*/*/")):
            with suppress(DataError, ValueError):
                shelf = self._shelf(symbol_of(folder.name), folder.parent.name)
                if shelf.path == folder:
                    yield shelf

    def _shelf(self, symbol: str, source: str) -> Shelf:
        if not _SOURCE.fullmatch(source):
            raise ValueError(f"expected a source of 1 to 32 of a-z, 0-9 and -, found {source!r}")
        return Shelf(self.root / source / file_stem(symbol), source, symbol)

    @contextmanager
    def _writing(self, shelf: Shelf) -> Iterator[None]:
        """Hold a shelf's lock, rid it of what dead writers left, and put refusals of the system into words."""
        try:
            on_disk.make_dirs(self._disk, shelf.path)
            with locked(shelf.lock, self._lock_timeout_s, ShelfBusy):
                on_disk.sweep(self._disk, shelf.path)
                for path in shelf.unfinished():
                    self._disk.unlink(path)
                yield
        except OSError as error:
            message = f"expected to write below {shelf.path}, found: {error}; {on_disk.advice(error)}"
            raise WriteRefused(message) from error

    def _entry(self, shelf: Shelf, payload: bytes, ext: str, about: About, latest: Snapshot | None) -> Entry:
        sequence = 1 if latest is None else latest.entry.sequence + 1
        if sequence > LAST:
            raise WriteRefused(f"{shelf.path}: expected at most {LAST} snapshots; move them to another folder")
        ref = None if latest is None else latest.ref
        entry = Entry(
            schema=SCHEMA,
            sequence=sequence,
            symbol=shelf.symbol,
            source=shelf.source,
            request=dict(about.request),
            adjustment=about.adjustment,
            rows=about.rows,
            first=day(about.first),
            last=day(about.last),
            file=f"{sequence:06d}.{ext}",
            size=len(payload),
            sha256=digest(payload),
            retrieved_at=self._clock().astimezone(dt.UTC),
            why=about.why,
            previous=None if ref is None else Previous(sequence=ref.sequence, sha256=ref.entry_sha256),
        )
        try:
            written = opened(sealed(entry), Entry)
        except ValueError as error:
            raise ValueError(f"expected facts that JSON can hold, found {about!r}") from error
        if msgspec.structs.replace(written, seal="") != entry:  # a NaN, say, which JSON writes as null
            raise ValueError(f"expected facts that JSON can hold, found {about!r}")
        return written

    def _put(self, shelf: Shelf, entry: Entry, payload: bytes) -> None:
        """Write payload and entry. The entry's rename makes the snapshot; until then there is none."""
        disk = self._disk
        path, final = shelf.path / entry.file, shelf.path / entry_name(entry.sequence)
        staged = shelf.path / f"{on_disk.STAGING}{final.name}"
        try:
            on_disk.write_new(disk, path, payload, on_disk.READ_ONLY)
            on_disk.write_new(disk, staged, sealed(entry), on_disk.READ_ONLY)
            disk.sync_dir(shelf.path)
            disk.rename(staged, final)
            disk.sync_dir(shelf.path)
        except BaseException:  # Ctrl-C too must leave nothing behind
            # The entry first, and nothing more if it can't go: an entry without payload would be a damage.
            with suppress(OSError):
                for part in (final, staged, path):
                    on_disk.remove_tree(disk, part)
            raise
