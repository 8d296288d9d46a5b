"""`ArtifactStore`: versions of models on disk; published once, proven at each read, promoted, rolled back, recorded."""

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from msgspec import UNSET, UnsetType

from data.disk import Disk, advice
from models import certificate
from models.errors import (
    ArtifactMissing,
    ArtifactQuarantined,
    ArtifactUnsound,
    ChampionChanged,
    StoreBusy,
    StoreError,
    StoreUnreadable,
)
from models.manifest import Draft, Manifest
from models.store import writing
from models.store.ledger import Entry, before_current, served_at
from models.store.loading import Loaded, build_and_prove
from models.store.reading import Artifact, Limits, check_files, digest, read_artifact, read_manifest
from models.store.retention import KEEP, removable
from models.store.shelf import Quarantine, Shelf, is_model_name, shelf

log = logging.getLogger(__name__)

M = TypeVar("M")

State = Literal["candidate", "champion", "archived", "quarantined"]


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One published version.

    ``state``: never served (candidate), named by ``CURRENT`` (champion), served before (archived), or refused
    (quarantined, champion or not), then with the reason in ``quarantine``.
    """

    version: str
    state: State
    published: dt.datetime
    why: str
    quarantine: str | None


class ArtifactStore:
    """The versions of all models under one folder.

    Readers need no lock and no write access, and see a version whole or not at all. Writers of one model take turns.
    An object may be shared by threads.

    Parameters
    ----------
    root : Path
        Folder of the store; it is created by the first publish.
    by : str
        Who acts, for the ledger.
    limits : Limits
        Sizes beyond which nothing is read or published.
    lock_timeout_s : float
        How long a writer waits for another.
    disk : Disk
        The system calls that write; a seam for tests.
    clock : callable
        Wall clock of the ledger, with time zone. Order never depends on it.

    """

    def __init__(
        self,
        root: Path,
        *,
        by: str = "barcast",
        limits: Limits | None = None,
        lock_timeout_s: float = 30.0,
        disk: Disk | None = None,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self.root = root
        self._limits = limits or Limits()
        self._writer = writing.Writer(disk or Disk(), clock, by, lock_timeout_s)
        self._refused: dict[tuple[str, str], str] = {}  # quarantines that a read-only store could not take

    # Look

    def models(self) -> tuple[str, ...]:
        """Return the names of the models that have a published version, sorted.

        A model that can't be read is left out, and the log says why.

        Raises
        ------
        StoreUnreadable
            The folder of the store itself can't be listed; one that isn't there is an empty one.

        """
        with _reading(Shelf(self.root)), suppress(FileNotFoundError):
            names = sorted(path.name for path in self.root.iterdir() if is_model_name(path.name))
            return tuple(name for name in names if self._published(Shelf(self.root / name)))
        return ()

    def versions(self, model: str) -> tuple[VersionInfo, ...]:
        """Return the published versions of a model, oldest first; none for a model that isn't there."""
        place = shelf(self.root, model)
        with _reading(place):
            # CURRENT first: its line is in every ledger that is read later.
            current = place.current()
            served = {entry.version for entry in place.ledger().promotions(current)}
            return tuple(
                self._info(place, entry, current.version if current else None, served)
                for entry in place.published().values()
            )

    def current(self, model: str) -> str | None:
        """Return the version that ``CURRENT`` names, or None if none was promoted."""
        place = shelf(self.root, model)
        with _reading(place):
            entry = place.current()
        return entry.version if entry else None

    def history(self, model: str) -> tuple[Entry, ...]:
        """Return all lines of the ledger, oldest first, those of crashed writers that had no effect included."""
        place = shelf(self.root, model)
        with _reading(place):
            return tuple(place.ledger().entries())

    def promotions(self, model: str) -> tuple[Entry, ...]:
        """Return the promotions and rollbacks that took effect, oldest first."""
        place = shelf(self.root, model)
        with _reading(place):
            current = place.current()
            return place.ledger().promotions(current)

    def served_at(self, model: str, when: dt.datetime) -> str | None:
        """Return the version that ``CURRENT`` named at a time, or None if none was promoted yet.

        Raises
        ------
        ValueError
            ``when`` has no time zone.

        """
        if when.tzinfo is None:
            raise ValueError(f"expected a time with a time zone, found {when.isoformat()}; append Z or +00:00")
        entry = served_at(self.promotions(model), when)
        return entry.version if entry else None

    # Read

    def manifest(self, model: str, version: str | None = None) -> Manifest:
        """Return the proven manifest of a version (None: the promoted one), quarantined or not. Raises as `read`."""
        place = shelf(self.root, model)
        with _reading(place):
            entry = place.require_current() if version is None else place.publication(version)
            return read_manifest(place.folder(entry.version), entry.manifest_sha256, self._limits)

    def read(self, model: str, version: str | None = None) -> Artifact:
        """Return a version in memory, each byte proven to be the published one. Nothing is parsed but the manifest.

        Parameters
        ----------
        model : str
            Name of the model.
        version : str or None
            None: the promoted one; ``CURRENT`` is then read once.

        Raises
        ------
        ArtifactMissing, VersionUnknown
            There is no such model, champion or version.
        ArtifactQuarantined
            It failed earlier.
        FilesMismatch, HashMismatch, ManifestInvalid
            It is not what was published. Reading alone does not quarantine; `load` does.
        StoreUnreadable, LedgerInvalid
            The store is at fault.

        """
        place = shelf(self.root, model)
        return self._read(place, self._resolve(place, version))

    def load(
        self,
        model: str,
        version: str | None,
        build: Callable[[Artifact], M],
        prove: Callable[[M, Artifact], None],
    ) -> Loaded[M]:
        """Read a version, build the model from its bytes and have it proven, or quarantine it.

        Parameters
        ----------
        model : str
            Name of the model.
        version : str or None
            None: the promoted one.
        build : callable
            Parses the artifact's files. It is called only with bytes that are the published ones.
        prove : callable
            Raises if the model is not the one that was published; see `models.golden.replay`.

        Raises
        ------
        ArtifactUncertified
            ``prove`` found no certificate by which it may serve; it is not quarantined.
        ArtifactUnsound
            The version failed and is quarantined from now on. Whatever ``build`` and ``prove`` raise ends here, apart
            from memory, operating system and import errors, which are no fault of the version: `StoreUnreadable`.
        ArtifactError
            As `read`.

        """
        place = shelf(self.root, model)
        entry = self._resolve(place, version)
        try:
            artifact = self._read(place, entry)
            return Loaded(artifact.manifest, build_and_prove(artifact, build, prove))
        except ArtifactUnsound as error:
            self._quarantine(place, entry, f"{error.slug}: {error}")
            raise

    # Change

    def publish(self, draft: Draft, files: Mapping[str, bytes], *, why: str) -> Manifest:
        """Make a new version, a candidate, and return its manifest.

        Parameters
        ----------
        draft : Draft
            Everything about it; the store adds version and files.
        files : mapping of str to bytes
            Flat names and contents, the certificate of this very draft and these files among them; ``manifest.json``
            is added.
        why : str
            For the ledger.

        Raises
        ------
        FilesMismatch, ManifestInvalid
            The draft or the files break a rule; nothing was written.
        ArtifactUncertified
            No certificate speaks of it; nothing was written. One that found a fault is a record, and may be published.
        StoreBusy, StoreWriteFailed, LedgerInvalid
            There is no new version, and nothing of it is left.

        """
        place = shelf(self.root, draft.model)
        weights = tuple(tier.weights for tier in draft.tiers)
        check_files({name: len(data) for name, data in files.items()}, weights, self._limits, draft.model)
        digests = {name: digest(data) for name, data in files.items()}
        certificate.bound(draft, digests, files.get(certificate.CERTIFICATE_NAME))
        with writing.transaction(place, self._writer) as t:
            return writing.publish(t, draft, files, why, self._limits)

    def promote(self, model: str, version: str, *, why: str, instead_of: str | UnsetType | None = UNSET) -> Entry:
        """Let a version serve, after proving its bytes; return the ledger's line. Again: the line that is in force.

        ``instead_of`` names the version that the caller believes to serve (None: none); if another one does, nothing
        changes. Without it, whatever serves is replaced.

        Raises
        ------
        VersionUnknown, ArtifactQuarantined
            It can't serve.
        ArtifactUnsound
            It is not what was published, and is quarantined from now on.
        ChampionChanged
            Another version serves than ``instead_of``.
        StoreBusy, StoreWriteFailed, LedgerInvalid
            The version that served before still does.

        """
        place = shelf(self.root, model)
        publication = self._sound(place, version)
        with writing.transaction(place, self._writer) as t:
            self._refuse_quarantined(place, version)
            place.publication(version)  # it may have been removed since it was proven
            current = place.current()
            if current is not None and current.version == version:
                return current
            _refuse_other(place, current, instead_of)
            return writing.swap_current(t, publication, "promote", why)

    def rollback(
        self,
        model: str,
        *,
        why: str,
        instead_of: str | UnsetType = UNSET,
        proven: Callable[[str], object] = lambda _: None,
    ) -> Entry:
        """Let the version serve that served before the current one, and return the ledger's line.

        A rollback takes back what it undid: after 1, 2, 3 and two rollbacks, 1 serves. Quarantined versions are passed
        over. With ``instead_of``, the version that the caller believes to serve, a rollback that is sent twice is made
        once. ``proven`` is called with the version that is to serve, to load it: sound bytes may still ask for a
        library or a feature that is another one by now. What it raises leaves all as it was.

        Raises
        ------
        ArtifactMissing
            No earlier version can serve.
        ArtifactUnsound
            The earlier version is not what was published; it is quarantined, and the next rollback passes it over.
        ChampionChanged
            Another version serves than ``instead_of``.
        StoreBusy
            Another writer promoted meanwhile; look again before trying again.
        StoreWriteFailed, LedgerInvalid
            The version that served before still does.

        """
        place = shelf(self.root, model)
        _refuse_other(place, place.require_current(), instead_of)
        target = self._before(place)
        proven(target)
        publication = self._sound(place, target)
        with writing.transaction(place, self._writer) as t:
            _refuse_other(place, place.current(), instead_of)
            if self._before(place) != target:
                message = f"{model}: expected to go back to {target}, found that another version was promoted meanwhile"
                raise StoreBusy(f"{message}; look at the history and try again")
            return writing.swap_current(t, publication, "rollback", why)

    def renew(self, model: str) -> None:
        """Have every service look at the promoted version again; nothing changes, and the ledger says nothing.

        Raises
        ------
        StoreBusy, StoreUnreadable, StoreWriteFailed, LedgerInvalid
            Nobody looks.

        """
        place = shelf(self.root, model)
        if self.current(model) is not None:
            with writing.transaction(place, self._writer) as t:
                writing.renew_current(t)

    def quarantine(self, model: str, version: str, *, why: str) -> None:
        """Refuse a version from now on. Where the store can't be written, this object remembers it, and logs that."""
        place = shelf(self.root, model)
        self._quarantine(place, self._resolve(place, version), why)

    def release(self, model: str, version: str, *, why: str) -> None:
        """Lift a quarantine. The next load proves the version again; `renew` has services do so.

        Raises
        ------
        VersionUnknown
            There is no such version.
        StoreBusy, StoreUnreadable, StoreWriteFailed, LedgerInvalid
            It is quarantined as before.

        """
        place = shelf(self.root, model)
        with _reading(place):
            publication = place.publication(version)
            marked = place.quarantine(version) is not None
        if self._refused.pop((model, version), None) is None or marked:
            with writing.transaction(place, self._writer) as t:
                writing.release(t, publication, why)

    def may_serve(self, model: str, version: str) -> bool:
        """Tell whether a version is there and not quarantined, by two system calls; what it holds is not looked at."""
        place = shelf(self.root, model)
        with _reading(place):
            return place.folder(version).is_dir() and not place.marker(version).exists()

    def forget(self, model: str) -> None:
        """Forget the quarantines of a model that this object alone remembers: its next load proves the version anew.

        Another process may have released the version or brought its files back, of which nothing tells this object.
        """
        for refused in [key for key in list(self._refused) if key[0] == model]:
            self._refused.pop(refused, None)

    def removable(self, model: str, keep: int = KEEP) -> tuple[str, ...]:
        """Return the versions that `collect` would remove, oldest first."""
        return self._removable(shelf(self.root, model), keep)

    def collect(self, model: str, keep: int = KEEP, *, why: str) -> tuple[str, ...]:
        """Remove what `models.store.retention` lets go, and return it, oldest first. The ledger keeps every line.

        Raises
        ------
        StoreBusy, StoreWriteFailed, LedgerInvalid
            Versions that are gone by then stay gone; every other one is whole.

        """
        place = shelf(self.root, model)
        gone: list[str] = []
        while True:  # a transaction each, as each changes the ledger that the next one is written to
            with writing.transaction(place, self._writer) as t:
                version = next(iter(self._removable(place, keep)), None)
                if version is None:
                    return tuple(gone)
                writing.remove(t, place.publication(version), why)
            gone.append(version)

    def _published(self, place: Shelf) -> bool:
        try:
            with _reading(place):
                return bool(place.published())
        except StoreError as error:
            log.error("%s is left out: %s", place.model, error)  # noqa: TRY400  the message says it all
            return False

    def _removable(self, place: Shelf, keep: int) -> tuple[str, ...]:
        with _reading(place):
            current = place.current()
            published = place.published()
            sound = frozenset(version for version in published if self._quarantine_of(place, version) is None)
            return removable(tuple(published), place.ledger().promotions(current), keep, sound)

    def _resolve(self, place: Shelf, version: str | None) -> Entry:
        """Return the line that names a version and anchors its manifest; ``CURRENT`` is read here and nowhere else."""
        with _reading(place):
            return place.require_current() if version is None else place.publication(version)

    def _read(self, place: Shelf, entry: Entry) -> Artifact:
        self._refuse_quarantined(place, entry.version)
        with _reading(place):
            return read_artifact(place.folder(entry.version), entry.manifest_sha256, self._limits)

    def _sound(self, place: Shelf, version: str) -> Entry:
        """Return a version's publication after proving its bytes."""
        publication = self._resolve(place, version)
        try:
            self._read(place, publication)
        except ArtifactUnsound as error:
            self._quarantine(place, publication, f"{error.slug}: {error}")
            raise
        return publication

    def _quarantine(self, place: Shelf, entry: Entry, why: str) -> None:
        try:
            with writing.transaction(place, self._writer) as t:
                writing.quarantine(t, entry, why)
        except StoreError as error:
            self._refused[place.model, entry.version] = why
            log.warning("the quarantine of %s %s is kept in memory only: %s", place.model, entry.version, error)

    def _quarantine_of(self, place: Shelf, version: str) -> Quarantine | None:
        remembered = self._refused.get((place.model, version))
        with _reading(place):
            return Quarantine(version, remembered) if remembered else place.quarantine(version)

    def _refuse_quarantined(self, place: Shelf, version: str) -> None:
        if refused := self._quarantine_of(place, version):
            message = f"expected a sound {place.model} {version}, found it quarantined ({refused.why})"
            raise ArtifactQuarantined(f"{message}; promote another, or release it once the cause is gone")

    def _before(self, place: Shelf) -> str:
        current = place.require_current()
        there = place.published()
        for version in before_current(place.ledger().promotions(current)):
            if version in there and self._quarantine_of(place, version) is None:
                return version
        message = f"{place.model}: expected a version that served before {current.version}, found none that can serve"
        raise ArtifactMissing(f"{message}; promote one")

    def _info(self, place: Shelf, entry: Entry, current: str | None, served: set[str]) -> VersionInfo:
        refused = self._quarantine_of(place, entry.version)
        state: State
        if refused:
            state = "quarantined"
        elif entry.version == current:
            state = "champion"
        else:
            state = "archived" if entry.version in served else "candidate"
        return VersionInfo(entry.version, state, entry.when, entry.why, refused.why if refused else None)


def _refuse_other(place: Shelf, current: Entry | None, expected: str | UnsetType | None) -> None:
    """Refuse to replace another version than the expected one."""
    found = None if current is None else current.version
    if not isinstance(expected, UnsetType) and expected != found:
        message = f"{place.model}: expected {expected or 'no version'} to serve, found {found or 'none'}"
        raise ChampionChanged(f"{message}; look at what changed and try again")


@contextmanager
def _reading(place: Shelf) -> Iterator[None]:
    """Turn a refusal of the operating system into an error that quarantines nothing."""
    try:
        yield
    except OSError as error:
        message = f"expected to read below {place.path}, found: {error}; {advice(error)}"
        raise StoreUnreadable(message) from error
