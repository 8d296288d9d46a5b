"""`BarStore`: every series that this machine has, adjusted, validated, and in memory after its first use."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal, TypedDict, Unpack

import msgspec
import numpy as np

from data.adjustment import Adjustment
from data.calendars import calendar_for
from data.canonical import dump, load
from data.errors import DataError, NoSuchDate, UnknownSymbol, UnreadableFile
from data.provenance import SCHEMA, Provenance, write_at_once
from data.sources.csv import read_csv
from data.sources.csv.sheet import read_bytes
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


class ReadOptions(TypedDict, total=False):
    """Parameters of `data.sources.csv.read_csv` that an import passes on."""

    date_order: Literal["DMY", "MDY"]
    decimal: Literal[".", ","]
    adjusted: bool
    timezone: str
    price_scale: float
    impossible: Literal["refuse", "drop"]


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where a series is, before it is read."""

    symbol: str
    name: str
    calendar: str
    currency: str
    adjustment: Adjustment
    source: str
    path: Path
    sha256: str | None


class BarStore:
    """Series in folders: the sample, and what was imported.

    Safe for threads. The index is read once and kept; `refresh` forgets it, after an import by another process.

    Parameters
    ----------
    roots : sequence of Path
        Folders to look in; of a symbol that is in several, the later folder's is used. Imports go to the last one,
        which is made when it is needed. A folder that doesn't exist is an empty one.

    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = tuple(roots)
        self._lock = threading.RLock()
        self._entries: dict[str, _Entry] | None = None
        self._broken: dict[str, DataError] = {}
        self._bars: dict[str, Bars] = {}

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
        bars = self.bars(symbol)
        entry = self._index()[check_symbol(symbol)]
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
        )

    def broken(self) -> dict[str, DataError]:
        """Return why stored series can't be read, by symbol, as far as they were tried."""
        self._index()
        return dict(self._broken)

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

        """
        symbol = check_symbol(symbol)
        bars = self._bars.get(symbol)
        if bars is None:
            with self._lock:
                bars = self._bars.get(symbol) or self._load(symbol)
                self._bars[symbol] = bars
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
            self._bars = {}

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
        """Read a person's file, store its series under ``symbol``, and return how it was read.

        Readers see the old series or the new one, never a part: both files are written aside, flushed to disk and
        renamed, the one that names the other last.

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

        """
        symbol = check_symbol(symbol)
        calendar = calendar_for(symbol, calendar).name
        data = read_bytes(source)
        result = read_csv(data, symbol=file_symbol or symbol, **options)
        series = dump(result.only())
        digest = sha256(series).hexdigest()
        root = self._roots[-1]
        root.mkdir(parents=True, exist_ok=True)
        stem = file_stem(symbol)
        provenance = Provenance(
            schema=SCHEMA,
            symbol=symbol,
            name=name,
            calendar=calendar,
            currency=currency,
            adjustment=result.report.adjustment,
            file=f"{stem}.{digest[:12]}.csv",
            sha256=digest,
            source="bytes" if isinstance(source, bytes) else source.name,
            source_sha256=sha256(data).hexdigest(),
            imported=datetime.now(UTC),
            report=result.report.describe(),
        )
        with self._lock:
            write_at_once(root / provenance.file, series)
            write_at_once(root / f"{stem}.json", msgspec.json.format(msgspec.json.encode(provenance)))
            for old in root.glob(f"{stem}.{'[0-9a-f]' * 12}.csv"):
                if old.name != provenance.file:
                    old.unlink(missing_ok=True)
            self._entries = None
            self._bars.pop(symbol, None)
            self._broken.pop(symbol, None)
        return result.report

    def _index(self) -> dict[str, _Entry]:
        with self._lock:
            if self._entries is None:
                self._entries = {}
                for root in self._roots:
                    self._entries |= self._listed(root) | self._imported(root)
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
                path=root / f"{file_stem(one.symbol)}.csv",
                sha256=None,
            )
            for one in listings(root)
        }

    def _imported(self, root: Path) -> dict[str, _Entry]:
        found = {}
        for path in sorted(root.glob("*.json")) if root.is_dir() else ():
            symbol = symbol_of(path.stem)
            try:
                told = msgspec.json.decode(path.read_bytes(), type=Provenance)
            except (OSError, msgspec.DecodeError) as error:
                self._broken[symbol] = UnreadableFile(
                    f"expected the provenance of {symbol}, found: {error}; import it again"
                )
                continue
            found[symbol] = _Entry(
                symbol=symbol,
                name=told.name,
                calendar=told.calendar,
                currency=told.currency,
                adjustment=told.adjustment,
                source=told.source,
                path=root / Path(told.file).name,
                sha256=told.sha256,
            )
        return found

    def _load(self, symbol: str) -> Bars:
        entries = self._index()
        if symbol not in entries:
            if symbol in self._broken:
                raise self._broken[symbol]
            raise UnknownSymbol(symbol, entries, "the store")
        entry = entries[symbol]
        try:
            data = entry.path.read_bytes()
        except OSError as error:
            raise UnreadableFile(
                f"expected the stored series of {symbol}, found: {error.strerror}; import it again"
            ) from error
        if entry.sha256 is not None and sha256(data).hexdigest() != entry.sha256:
            raise UnreadableFile(
                f"expected the stored series of {symbol} as it was written, found other bytes; import it again"
            )
        return load(data, symbol)


def sample_store(processed: Path) -> BarStore:
    """Return the store of the shipped sample and of the imports in ``processed``."""
    return BarStore((sample_root(), processed))


def _days(bars: Bars) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    if bars.date is None:
        raise UnreadableFile("expected a stored series with dates, found none; import it again")
    return bars.date
