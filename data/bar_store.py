"""`BarStore`: every series that this machine has, adjusted, validated, and in memory after its first use."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Unpack

import numpy as np

from data.adjustment import Adjustment
from data.calendars import calendar_for
from data.canonical import load
from data.disk import Disk
from data.errors import DataError, InvalidSymbol, NoSuchDate, UnknownSymbol, UnreadableFile, UnreadableFolder
from data.importing import ReadOptions, read_file
from data.integrity import digest
from data.parquet import from_parquet, to_parquet
from data.paths import raw_beside
from data.processed import Processed, Stamp, series_name
from data.provenance import SCHEMA, Provenance, provenance_of
from data.snapshots import Snapshot, SnapshotRef, Snapshots
from data.snapshots.store import utc_now
from data.sources.result import ReadReport
from data.sources.sample import listings, sample_root
from data.symbols import check_symbol, file_stem, symbol_of
from feature_mapper.bars import Bars


@dataclass(frozen=True, slots=True)
class SymbolInfo:
    """What is stored of one symbol."""

    symbol: str
    name: str
    calendar: str
    currency: str
    first: np.datetime64
    last: np.datetime64
    bars: int
    adjustment: Adjustment
    source: str
    snapshots: tuple[SnapshotRef, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where a series is, before it is read."""

    symbol: str
    name: str
    calendar: str
    currency: str
    adjustment: Adjustment
    source: str
    root: Path
    provenance: Provenance | None
    """None for a file of the sample."""


_Series = tuple[_Entry, Bars]
"""Bars with the entry that they were read by: an index that is read later may be of another import."""


class BarStore:
    """Series in folders: the sample, and what was imported.

    Safe for threads. What is read is kept. `stamp` tells an import by another process; after it, `refresh` forgets what
    was read, and `renewed` makes another store beside this one.

    Parameters
    ----------
    roots : sequence of Path
        Folders to look in; of a symbol that is in several, the later folder's is used. Imports go to the last one,
        which is made when it is needed. A folder that doesn't exist is an empty one.
    raw : Path or None
        Folder of the raw snapshots that imports leave; ``raw`` beside the last root if not given, as in
        ``data/processed`` and ``data/raw``.
    clock : callable
        Returns the instant, with its zone.
    disk : Disk
        The system calls that change the folders.

    Attributes
    ----------
    snapshots : Snapshots
        The raw snapshots.

    """

    def __init__(
        self,
        roots: Sequence[Path],
        raw: Path | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        disk: Disk | None = None,
    ) -> None:
        self._roots = tuple(roots)
        self._raw = raw or raw_beside(self._roots[-1])
        self._clock = clock
        self._disk = disk or Disk()
        self.snapshots = Snapshots(self._raw, clock=clock, disk=self._disk)
        self._lock = threading.RLock()
        self._entries: dict[str, _Entry] | None = None
        self._broken: dict[str, DataError] = {}
        self._unlisted: dict[Path, UnreadableFolder] = {}
        self._series: dict[str, _Series] = {}

    def symbols(self) -> tuple[SymbolInfo, ...]:
        """Return what is stored, by symbol. A series that can't be read is left out, and is in `broken`."""
        found = []
        for symbol in sorted(self._index()):
            try:
                found.append(self.info(symbol))
            except DataError as error:
                self._broken[symbol] = error
        return tuple(found)

    def info(self, symbol: str) -> SymbolInfo:
        """Return what is stored of one symbol; raises as `bars` does."""
        entry, bars = self._known(check_symbol(symbol))
        days = _days(bars)
        return SymbolInfo(
            symbol=entry.symbol,
            name=entry.name,
            calendar=entry.calendar,
            currency=entry.currency,
            first=days[0],
            last=days[-1],
            bars=len(bars),
            adjustment=entry.adjustment,
            source=entry.source,
            snapshots=() if entry.provenance is None else entry.provenance.snapshots,
        )

    def broken(self) -> dict[str, DataError]:
        """Return why stored series can't be read, by symbol, as far as they were tried; and folders, by name."""
        self._index()
        return {**self._broken, **{root.name: error for root, error in self._unlisted.items()}}

    def require_listed(self) -> None:
        """Raise `UnreadableFolder` if a folder can't be listed: `symbols` are not all of them then."""
        self._index()
        for error in self._unlisted.values():
            raise error.with_traceback(None)

    def bars(self, symbol: str, as_of: np.datetime64 | None = None) -> Bars:
        """Return the bars of a symbol, up to and including the last one at or before ``as_of``; a view.

        Raises
        ------
        InvalidSymbol, UnknownSymbol
            No such name, no such series.
        NoSuchDate
            ``as_of`` lies before the first bar.
        UnreadableFile
            The stored series is damaged.
        UnreadableFolder
            No such series is known, and it may be in a folder that can't be listed.

        """
        symbol = check_symbol(symbol)
        _, bars = self._known(symbol)
        if as_of is None:
            return bars
        days = _days(bars)
        known = int(np.searchsorted(days, as_of, side="right"))
        if not known:
            raise NoSuchDate(
                f"expected as_of at or after {days[0]}, the first bar of {symbol}, found {as_of}; ask for a later day"
            )
        return bars[:known]

    def refresh(self) -> None:
        """Forget everything read, so that imports by other processes are seen."""
        with self._lock:
            self._entries = None
            self._broken = {}
            self._series = {}

    def stamp(self) -> tuple[Stamp, ...]:
        """Return what an import or a removal changes, whichever process makes it."""
        return tuple(self._processed(root).stamp() for root in self._roots)

    def renewed(self) -> "BarStore":
        """Return a store of what the folders hold now, every series read; this one stays as it is for its users.

        Series that are stored as they were are shared. One that can't be read any more goes on as this store has it,
        and is in `broken`; so do those of a folder that can't be listed any more.
        """
        fresh = BarStore(self._roots, self._raw, clock=self._clock, disk=self._disk)
        with self._lock:
            known = dict(self._series)
        stored = fresh._index()
        fresh._series = {symbol: one for symbol, one in known.items() if stored.get(symbol) == one[0]}
        fresh.symbols()
        stored = fresh._index()  # a series that was replaced meanwhile has had it read again
        for symbol, (entry, bars) in known.items():
            if symbol in fresh._broken or entry.root in fresh._unlisted:
                stored[symbol] = entry
                fresh._series[symbol] = entry, bars
        for symbol in fresh._broken.keys() - known.keys():
            stored.pop(symbol, None)  # or each question about it, and each list, would try to read it
        return fresh

    def import_csv(
        self,
        source: Path | bytes,
        symbol: str,
        *,
        file_symbol: str | None = None,
        name: str = "",
        calendar: str | None = None,
        currency: str = "",
        **options: Unpack[ReadOptions],
    ) -> ReadReport:
        """Read a person's file, keep it as it is, store its series under ``symbol``, and return how it was read.

        The file becomes a raw snapshot first, then its bars a series: a death between leaves a snapshot without series.

        Parameters
        ----------
        source : Path or bytes
            The file.
        symbol : str
            Name in the store.
        file_symbol : str or None
            Name in the file, where it differs: a file of ``AAPL.US`` isn't stored as ``AAPL`` by itself.
        name, currency : str
            For people.
        calendar : str or None
            Name of the calendar; by the form of the symbol if not given.
        options
            As in `data.sources.csv.read_csv`.

        Raises
        ------
        InvalidSymbol, UnknownCalendar, UnknownSymbol, UnreadableFile, AmbiguousFile
            Nothing is stored then.
        DamagedSnapshot, ShelfBusy, WriteRefused
            The old series is in place then.

        """
        symbol = check_symbol(symbol)
        calendar = calendar_for(symbol, calendar).name
        file = read_file(source, symbol, file_symbol, options)
        to_parquet(file.bars)  # raises for what can't be stored, before anything is written
        snapshot = self.snapshots.write(symbol, "csv", file.payload, file.ending, file.about)
        self.store(
            file.bars,
            symbol,
            adjustment=file.report.adjustment,
            source=file.name,
            snapshots=(snapshot,),
            name=name,
            calendar=calendar,
            currency=currency,
            report=file.report.describe(),
        )
        return file.report

    def store(
        self,
        bars: Bars,
        symbol: str,
        *,
        adjustment: Adjustment,
        source: str,
        snapshots: Sequence[Snapshot],
        name: str = "",
        calendar: str | None = None,
        currency: str = "",
        report: str = "",
    ) -> SymbolInfo:
        """Store bars under ``symbol`` in place of the series that it has, and return what is stored then.

        Readers see the old series or the new one, never a part.

        Parameters
        ----------
        bars : Bars
            With dates. Their own symbol doesn't matter.
        symbol : str
            Name in the store.
        adjustment : Adjustment
            What the prices are freed of.
        source : str
            Who said it: ``yahoo``, or the name of a file.
        snapshots : sequence of Snapshot
            The raw snapshots that the bars were made of.
        name, currency : str
            For people.
        calendar : str or None
            Name of the calendar; by the form of the symbol if not given.
        report : str
            How the snapshots were read, for people.

        Raises
        ------
        InvalidSymbol, UnknownCalendar, InvalidBars, UnreadableFile
            Bars that can't be stored.
        ShelfBusy, WriteRefused
            The old series is in place then.

        """
        symbol = check_symbol(symbol)
        calendar = calendar_for(symbol, calendar).name
        series = to_parquet(bars)
        from_parquet(series, symbol)  # what can't be read again must not take the place of what can
        sha256 = digest(series)
        provenance = Provenance(
            schema=SCHEMA,
            symbol=symbol,
            name=name,
            calendar=calendar,
            currency=currency,
            adjustment=adjustment,
            file=series_name(symbol, sha256),
            sha256=sha256,
            source=source,
            snapshots=tuple(snapshot.ref for snapshot in snapshots),
            imported=self._clock(),
            report=report,
        )
        with self._lock:
            self._processed(self._roots[-1]).write(provenance, series)
            self._entries = None
            self._series.pop(symbol, None)
            self._broken.pop(symbol, None)
        return self.info(symbol)

    def digests(self) -> dict[str, str]:
        """Return the digest of each imported series, by symbol; raises `UnreadableFolder`."""
        self.require_listed()
        return {symbol: one.provenance.sha256 for symbol, one in self._index().items() if one.provenance is not None}

    def adopt(self, folder: Path, before: Mapping[str, str]) -> tuple[str, ...]:
        """Store each series of a folder that imports went to, in place of the one that its symbol has.

        Returns the symbols, sorted. A death between two leaves the first stored and the second as it was; what is
        adopted twice is as if adopted once.

        Parameters
        ----------
        folder : Path
            Folder of the series.
        before : mapping of str to str
            What `digests` said when they began to be made: a series that came since is not overwritten.

        Raises
        ------
        SeriesChanged
            Somebody imported one meanwhile; those before it are stored.
        UnreadableFile, UnreadableFolder, ShelfBusy, WriteRefused
            The same.

        """
        held, adopted = self._processed(folder), []
        with self._lock:
            for path in held.provenances():
                provenance, faults = held.examine(path)
                if provenance is None or faults:
                    raise UnreadableFile("; ".join(str(fault) for fault in faults))
                series = (folder / provenance.file).read_bytes()
                self._processed(self._roots[-1]).write(provenance, series, (before.get(provenance.symbol),))
                adopted.append(provenance.symbol)
        self.refresh()
        return tuple(sorted(adopted))

    def _index(self) -> dict[str, _Entry]:
        with self._lock:
            if self._entries is None:
                entries: dict[str, _Entry] = {}
                broken: dict[str, DataError] = {}
                self._unlisted = {}
                for root in self._roots:
                    entries |= self._listed(root)
                    for symbol, found in self._imported(root):
                        entries.pop(symbol, None)  # what can't be read hides the series of an earlier folder too
                        broken.pop(symbol, None)
                        if isinstance(found, _Entry):
                            entries[symbol] = found
                        else:
                            broken[symbol] = found
                self._broken |= broken
                self._entries = entries
            return self._entries

    def _listed(self, root: Path) -> dict[str, _Entry]:
        return {
            one.symbol: _Entry(
                symbol=one.symbol,
                name=one.name,
                calendar=one.calendar,
                currency=one.currency,
                adjustment=Adjustment.SPLIT_DIVIDEND,
                source="sample",
                root=root,
                provenance=None,
            )
            for one in listings(root)
        }

    def _imported(self, root: Path) -> Iterator[tuple[str, _Entry | DataError]]:
        try:
            provenances = self._processed(root).provenances()
        except UnreadableFolder as error:
            self._unlisted[root] = error
            return
        for path in provenances:
            try:
                symbol = symbol_of(path.stem)
            except InvalidSymbol:
                continue  # not ours; `data.verification` names it
            try:
                told = provenance_of(symbol, path.read_bytes())
            except (OSError, ValueError) as error:
                found = error.strerror if isinstance(error, OSError) else error
                yield symbol, UnreadableFile(f"expected the provenance of {symbol}, found {found}; import it again")
                continue
            entry = _Entry(
                symbol=symbol,
                name=told.name,
                calendar=told.calendar,
                currency=told.currency,
                adjustment=told.adjustment,
                source=told.source,
                root=root,
                provenance=told,
            )
            yield symbol, entry

    def _known(self, symbol: str) -> _Series:
        found = self._series.get(symbol)
        if found is None:
            with self._lock:
                found = self._series.get(symbol) or self._load(symbol)
                self._series[symbol] = found
        return found

    def _load(self, symbol: str) -> _Series:
        entry = self._entry(symbol)
        while True:
            try:
                return entry, self._read(entry)
            except FileNotFoundError as error:
                # Another process may have replaced the series since the index was read.
                self._entries = None
                former, entry = entry, self._entry(symbol)
                if entry == former:
                    raise UnreadableFile(
                        f"expected the stored series of {symbol}, found: {error.strerror}; import it again"
                    ) from error

    def _entry(self, symbol: str) -> _Entry:
        entries = self._index()
        if symbol not in entries:
            if symbol in self._broken:
                # Without the former traceback, which would grow by each raise and hold what its frames held.
                raise self._broken[symbol].with_traceback(None)
            self.require_listed()
            raise UnknownSymbol(symbol, entries, "the store")
        return entries[symbol]

    def _read(self, entry: _Entry) -> Bars:
        if entry.provenance is not None:
            return self._processed(entry.root).load(entry.provenance)
        try:
            data = (entry.root / f"{file_stem(entry.symbol)}.csv").read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise UnreadableFile(
                f"expected the stored series of {entry.symbol}, found: {error.strerror}; restore it"
            ) from error
        return load(data, entry.symbol)

    def _processed(self, root: Path) -> Processed:
        return Processed(root, self._disk)


def sample_store(processed: Path) -> BarStore:
    """Return the store of the shipped sample and of the imports in ``processed``."""
    return BarStore((sample_root(), processed))


def _days(bars: Bars) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    if bars.date is None:
        raise UnreadableFile("expected a stored series with dates, found none; import it again")
    return bars.date
