"""The changes of a store, each made under the model's lock: publish, swap ``CURRENT``, quarantine, release, remove.

All follow one rule: stage what is new, prove it, write the ledger's line, and make it real by one rename. Death at any
point leaves the old state or the new one; `models.store.ledger` says why nothing needs repair.
"""

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from data import disk as on_disk
from data.disk import Disk
from models.errors import StoreWriteFailed
from models.manifest import MANIFEST_NAME, Draft, Manifest, encode
from models.store.ledger import Entry, EventName, Ledger, to_line
from models.store.lock import locked
from models.store.reading import Limits, digest, file_entry, read_artifact
from models.store.shelf import LAST_VERSION, Shelf, version_name, version_number

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, by which disk and clock, and how long it waits for the lock."""

    disk: Disk
    clock: Callable[[], dt.datetime]
    by: str
    lock_timeout_s: float


@dataclass(frozen=True, slots=True)
class Transaction:
    """A model's folder while its lock is held. The ledger was read under the lock."""

    shelf: Shelf
    ledger: Ledger
    writer: Writer

    def entry(self, event: EventName, version: str, sha256: str, why: str, replaces: int | None = None) -> Entry:
        """Return the next line of the ledger, not yet written."""
        when, by = self.writer.clock(), self.writer.by
        return self.ledger.next(
            when=when, event=event, version=version, sha256=sha256, replaces=replaces, why=why, by=by
        )

    def announce(self, entry: Entry) -> None:
        """Write the entry to the ledger. The change that it announces comes after."""
        on_disk.append(self.writer.disk, self.shelf.ledger_path, to_line(entry), self.ledger.sound_bytes)


@contextmanager
def transaction(shelf: Shelf, writer: Writer) -> Iterator[Transaction]:
    """Hold a model's lock, rid its folder of what dead writers left, and yield what the ledger says.

    Raises
    ------
    StoreBusy
        Another writer holds the lock for too long.
    StoreWriteFailed
        The operating system refused a step, here or in the body.
    LedgerInvalid
        The ledger is damaged.

    """
    try:
        on_disk.make_dirs(writer.disk, shelf.path)
        with locked(shelf.lock, writer.lock_timeout_s):
            on_disk.sweep(writer.disk, shelf.path)
            ledger = shelf.ledger()
            if ledger.torn:
                log.warning(
                    "%s ends in %d bytes of a line that a dead writer did not finish; the next line takes their place",
                    shelf.ledger_path,
                    len(ledger.torn),
                )
            yield Transaction(shelf, ledger, writer)
    except OSError as error:
        message = f"expected to write below {shelf.path}, found: {error}; {on_disk.advice(error)}"
        raise StoreWriteFailed(message) from error


def publish(t: Transaction, draft: Draft, files: Mapping[str, bytes], why: str, limits: Limits) -> Manifest:
    """Make the next version of the draft and its files. Names and sizes are checked already."""
    version = _next_version(t)
    manifest = draft.published(version, tuple(file_entry(name, files[name]) for name in sorted(files)))
    manifest_bytes = encode(manifest)
    disk, shelf = t.writer.disk, t.shelf
    staging, folder = shelf.path / f"{on_disk.STAGING}{version}", shelf.folder(version)
    try:
        disk.make_dir(staging)
        for name in sorted(files):
            on_disk.write_new(disk, staging / name, files[name], on_disk.READ_ONLY)
        on_disk.write_new(disk, staging / MANIFEST_NAME, manifest_bytes, on_disk.READ_ONLY)
        disk.sync_dir(staging)
        anchor = digest(manifest_bytes)
        read_artifact(staging, anchor, limits, named=(draft.model, version))
        t.announce(t.entry("publish", version, anchor, why))
        disk.rename(staging, folder)
        disk.sync_dir(shelf.path)
    except BaseException:  # Ctrl-C too must leave nothing behind
        # One rename hides the folder from readers at once, which removing it file by file would not.
        with suppress(OSError):
            if folder.exists():
                disk.rename(folder, staging)
        with suppress(OSError):
            on_disk.remove_tree(disk, staging)
        raise
    return manifest


def swap_current(t: Transaction, publication: Entry, event: EventName, why: str) -> Entry:
    """Let ``CURRENT`` name another version."""
    before = t.shelf.current()
    if before is not None:
        t.ledger.require(before)
    replaces = before.sequence if before else 0
    entry = t.entry(event, publication.version, publication.manifest_sha256, why, replaces)
    t.announce(entry)
    on_disk.replace(t.writer.disk, t.shelf.current_path, to_line(entry))
    return entry


def renew_current(t: Transaction) -> None:
    """Put ``CURRENT`` in its own place: it says the same, and whoever watches the file looks again."""
    current = t.shelf.current()
    if current is not None:
        on_disk.replace(t.writer.disk, t.shelf.current_path, to_line(current))


def quarantine(t: Transaction, publication: Entry, why: str) -> None:
    """Set the marker of a version, unless it is set."""
    if t.shelf.quarantine(publication.version) is not None:
        return
    entry = t.entry("quarantine", publication.version, publication.manifest_sha256, why)
    t.announce(entry)
    on_disk.replace(t.writer.disk, t.shelf.marker(publication.version), to_line(entry))


def release(t: Transaction, publication: Entry, why: str) -> None:
    """Remove the marker of a version, if it is set."""
    if t.shelf.quarantine(publication.version) is None:
        return
    t.announce(t.entry("release", publication.version, publication.manifest_sha256, why))
    on_disk.remove(t.writer.disk, t.shelf.marker(publication.version))


def remove(t: Transaction, publication: Entry, why: str) -> None:
    """Remove a version's folder, and its quarantine with it.

    One rename hides it from readers at once, and is taken back if it can't be made to last. What is left of the folder
    after that is no version any more; the next writer sweeps what this one could not remove.
    """
    disk, shelf, version = t.writer.disk, t.shelf, publication.version
    folder, staging = shelf.folder(version), shelf.path / f"{on_disk.STAGING}{version}"
    t.announce(t.entry("remove", version, publication.manifest_sha256, why))
    try:
        disk.rename(folder, staging)
        disk.sync_dir(shelf.path)
    except BaseException:  # Ctrl-C too must leave the version
        with suppress(OSError):
            if not folder.exists():
                disk.rename(staging, folder)
        raise
    with suppress(OSError):
        on_disk.remove_tree(disk, staging)
        if shelf.quarantine(version) is not None:
            disk.unlink(shelf.marker(version))


def _next_version(t: Transaction) -> str:
    """Return a number that was never used: an announced version may have died before its folder came."""
    used = {*t.shelf.folders(), *t.ledger.published}
    number = 1 + max((version_number(version) for version in used), default=0)
    if number > LAST_VERSION:
        raise StoreWriteFailed(f"{t.shelf.model}: expected at most {LAST_VERSION} versions; start a new store")
    return version_name(number)
