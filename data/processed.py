"""A folder of stored series on disk: a file of bars each, and the small file of its provenance that names it."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data import disk as on_disk
from data.canonical import load
from data.disk import Disk
from data.errors import InvalidSymbol, SeriesChanged, ShelfBusy, UnreadableFile, UnreadableFolder, WriteRefused
from data.integrity import Fault, digest, sealed
from data.lock import locked, quiet
from data.parquet import SUFFIX, from_parquet
from data.provenance import Provenance, provenance_of
from data.symbols import file_stem, symbol_of
from feature_mapper.bars import Bars
from feature_mapper.errors import BarcastError

LOCK_TIMEOUT_S: Final = 30.0
"""How long a writer waits for another one in the same folder."""

_SERIES: Final = re.compile(r"(?P<stem>.+)\.[0-9a-f]{12}(?:\.parquet|\.csv)", re.ASCII)
_NOT_OURS: Final = ("nothing but series and their provenances here", "this", "move it away")
AGAIN: Final = "import it again, or restore it from a backup"


Stamp = tuple[tuple[str, int, int, int], ...]
"""Name, inode, time of change and size of each provenance file, sorted."""


def series_name(symbol: str, sha256: str) -> str:
    """Return the name of the file of a series with this digest."""
    return f"{file_stem(symbol)}.{sha256[:12]}{SUFFIX}"


@dataclass(frozen=True, slots=True)
class Processed:
    """Stored series in a folder, which the first write makes. Safe for threads and processes.

    Readers see the old series or the new one, never a part, and need no lock: the bars are written under a name of
    their own before the provenance that names them takes the place of the former one.
    """

    root: Path
    disk: Disk

    def provenances(self) -> list[Path]:
        """Return the provenance files, by name; raises `UnreadableFolder`."""
        return [path for path in self._files() if path.suffix == ".json"]

    def stamp(self) -> Stamp:
        """Return what an import or a removal changes, whichever process makes it; it costs a system call a series.

        A folder that can't be looked at has a stamp too, which names the cause.
        """
        try:
            with os.scandir(self.root) as there:
                ours = (one for one in there if one.name.endswith(".json") and not one.name.startswith("."))
                return tuple(sorted(_stamp(one) for one in ours))
        except OSError as error:
            return ((f"{error.strerror}", 0, 0, 0),)

    def write(self, provenance: Provenance, series: bytes, instead_of: tuple[str | None, ...] = ()) -> None:
        """Put a series in place of the one that the symbol has, if any.

        ``instead_of`` holds the digest that the present series may have, None for no series; empty: any.

        Raises
        ------
        SeriesChanged
            The present series is neither that one nor the new one.
        ShelfBusy, WriteRefused
            The old series is in place then.

        """
        path = self.root / provenance.file
        with self._writing():
            if instead_of and (found := self._digest_of(provenance.symbol)) not in {*instead_of, provenance.sha256}:
                message = f"expected the stored series of {provenance.symbol} as it was when this began"
                raise SeriesChanged(f"{message}, found another import ({found or 'none'}); start again")
            fresh = not path.exists()
            on_disk.replace(self.disk, path, series)
            try:
                on_disk.replace(self.disk, self.root / f"{file_stem(provenance.symbol)}.json", sealed(provenance))
            except BaseException:  # Ctrl-C too must leave nothing behind
                with suppress(OSError):
                    if fresh:
                        self.disk.unlink(path)
                raise
            # The new series is in place: what can't be removed now is removed by the next import, and told by verify.
            with suppress(OSError, UnreadableFolder):
                for old in self._series_of(provenance.symbol):
                    if old != path:
                        self.disk.unlink(old)

    def _digest_of(self, symbol: str) -> str | None:
        try:
            return provenance_of(symbol, (self.root / f"{file_stem(symbol)}.json").read_bytes()).sha256
        except FileNotFoundError:
            return None
        except ValueError:  # damaged: whatever was there is not what was known
            return ""

    def load(self, provenance: Provenance) -> Bars:
        """Return the bars of a series. Bytes that aren't the ones that were written reach no parser.

        Raises
        ------
        FileNotFoundError
            The file is gone. A later import may have replaced it: the provenance tells.
        UnreadableFile
            The file is damaged.

        """
        symbol = provenance.symbol
        path = self.root / Path(provenance.file).name
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise UnreadableFile(f"expected the stored series of {symbol}, found: {error.strerror}; {AGAIN}") from error
        if digest(data) != provenance.sha256:
            raise UnreadableFile(
                f"expected the stored series of {symbol} as it was written, found other bytes; {AGAIN}"
            )
        return from_parquet(data, symbol) if path.suffix == SUFFIX else load(data, symbol)

    def examine(self, path: Path) -> tuple[Provenance | None, tuple[Fault, ...]]:
        """Return what a provenance file says, and what is wrong with it and its series. None: it can't be read."""
        try:
            symbol = symbol_of(path.stem)
        except InvalidSymbol:
            return None, (Fault(path, *_NOT_OURS),)
        while True:
            try:
                data = path.read_bytes()
                provenance = provenance_of(symbol, data)
            except (OSError, ValueError) as error:
                found = error.strerror if isinstance(error, OSError) else error
                return None, (Fault(path, f"the provenance of {symbol}", f"{found}", AGAIN),)
            faults = tuple(self._series_faults(provenance))
            # An import may have replaced the series meanwhile; then the new one is looked at.
            if not faults or path.read_bytes() == data:
                return provenance, faults

    def strays(self) -> Iterator[Fault]:
        """Yield the files that are no provenance and that none names."""
        series = []
        for path in self._files():
            if path.suffix != ".json":
                if match := _SERIES.fullmatch(path.name):
                    series.append((path, match["stem"]))
                else:
                    yield Fault(path, *_NOT_OURS)
        # A writer that is at work names its file last, and removes the former one after that.
        with quiet(self._lock) as still:
            alone = [path for path, stem in series if still and path.exists() and not self._named(path, stem)]
        for path in alone:
            yield Fault(
                path,
                "a provenance that names it",
                "none: a write that was cut off, or a removed provenance",
                "import the symbol again, which removes this file",
            )

    def _named(self, path: Path, stem: str) -> bool:
        """Tell whether the provenance of a series names it, or can't be read, which is told elsewhere."""
        file = self.root / f"{stem}.json"
        try:
            return provenance_of(symbol_of(stem), file.read_bytes()).file == path.name
        except (OSError, ValueError, InvalidSymbol):
            return file.exists()

    def _series_faults(self, provenance: Provenance) -> Iterator[Fault]:
        path = self.root / Path(provenance.file).name
        try:
            found = digest(path.read_bytes())
            if found == provenance.sha256:
                self.load(provenance)
        except OSError as error:
            yield Fault(path, f"the series of {provenance.symbol}", f"{error.strerror}", AGAIN)
        except BarcastError as error:  # another version of a library, say
            yield Fault(path, f"bars of {provenance.symbol}", f"{error}", AGAIN)
        else:
            if found != provenance.sha256:
                yield Fault(path, f"sha256 {provenance.sha256}", found, AGAIN)

    @property
    def _lock(self) -> Path:
        return self.root / ".lock"

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self.root.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as error:
            message = f"expected to list the folder {self.root.name} of stored series, found: {error.strerror}"
            raise UnreadableFolder(f"{message}; {on_disk.advice(error)}") from error

    def _series_of(self, symbol: str) -> list[Path]:
        stem = file_stem(symbol)
        return [path for path in self._files() if (match := _SERIES.fullmatch(path.name)) and match["stem"] == stem]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the folder's lock, rid it of what dead writers left, and put refusals of the system into words."""
        try:
            on_disk.make_dirs(self.disk, self.root)
            with locked(self._lock, LOCK_TIMEOUT_S, ShelfBusy):
                on_disk.sweep(self.disk, self.root)
                yield
        except OSError as error:
            message = f"expected to write below {self.root}, found: {error}; {on_disk.advice(error)}"
            raise WriteRefused(message) from error


def _stamp(file: os.DirEntry[str]) -> tuple[str, int, int, int]:
    try:
        status = file.stat()
    except OSError as error:
        return f"{file.name}: {error.strerror}", 0, 0, 0
    return file.name, status.st_ino, status.st_mtime_ns, status.st_size
