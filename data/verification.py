"""Whether every file of market data is as it was written: snapshots, stored series, the shipped sample."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data.disk import Disk
from data.errors import UnreadableFile
from data.integrity import Fault, digest
from data.processed import AGAIN, Processed
from data.provenance import SCHEMA, Provenance, provenance_of
from data.snapshots import Snapshots
from data.symbols import symbol_of
from feature_mapper.errors import BarcastError

SUMS: Final = "SHA256SUMS"
"""The file of the sample that holds the digests of the others, as ``sha256sum --check`` reads it."""

_CODE: Final = {".py", ".pyc"}
_LINE: Final = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>[^\s/]+)\n", re.ASCII)
_CHECK_OUT: Final = "check the sample out again"


@dataclass(frozen=True, slots=True)
class Verification:
    """What was looked at, and what is wrong with it.

    Attributes
    ----------
    snapshots, series, sample : int
        Raw snapshots, stored series, files of the sample that were looked at.
    former : tuple of str
        Symbols whose series are of the form before there were snapshots: their bars are checked, and the words beside
        them can't be. Importing them again brings them to the form of today.
    faults : tuple of Fault
        What isn't as it was written, by file.

    """

    snapshots: int
    series: int
    sample: int
    former: tuple[str, ...]
    faults: tuple[Fault, ...]


def verify(processed: Path, raw: Path, sample: Path) -> Verification:
    """Look at every byte of the three folders; change nothing. A folder that doesn't exist is an empty one."""
    snapshots = Snapshots(raw)
    shelf = Processed(processed, Disk())
    faults = list(snapshots.verify())
    at_fault = {fault.path for fault in faults}
    series, former = 0, []
    stored = list(shelf.faults())
    at_fault |= {fault.path for fault in stored}
    for path in shelf.provenances():
        series += 1
        if path in at_fault:
            continue
        provenance = provenance_of(symbol_of(path.stem), path.read_bytes())
        if provenance.schema < SCHEMA:
            former.append(provenance.symbol)
        stored += _origin_faults(provenance, snapshots, at_fault)
        if processed / provenance.file not in at_fault:
            stored += _content_faults(shelf, provenance)
    shipped = list(_sample_faults(sample))
    return Verification(
        snapshots=sum(len(one.entries()) for one in snapshots.shelves()),
        series=series,
        sample=len(_sample_files(sample)),
        former=tuple(former),
        faults=(*faults, *stored, *shipped),
    )


def _origin_faults(provenance: Provenance, snapshots: Snapshots, at_fault: set[Path]) -> Iterator[Fault]:
    """Yield the snapshots that a series was made of and that are gone, or aren't the ones that it was made of."""
    for ref in provenance.snapshots:
        found = snapshots.examine(ref)
        if isinstance(found, Fault) and found.path not in at_fault:
            yield Fault(
                found.path, f"{found.expected}, of which {provenance.symbol} was made", found.found, found.remedy
            )


def _content_faults(shelf: Processed, provenance: Provenance) -> Iterator[Fault]:
    """Yield what makes bytes that are right no bars: another version of a library, say."""
    try:
        shelf.load(provenance)
    except (OSError, BarcastError) as error:
        yield Fault(shelf.root / provenance.file, f"bars of {provenance.symbol}", str(error), AGAIN)


def read_sums(data: bytes) -> dict[str, str]:
    """Return the digests of a file in the form of ``sha256sum``, by name.

    Raises
    ------
    UnreadableFile
        Another form, or a name twice.

    """
    text = data.decode("ascii", errors="replace")
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        match = _LINE.fullmatch(line)
        if match is None or match["name"] in found:
            raise UnreadableFile(
                f"expected a digest, two spaces and a name of its own, found {line[:90]!r}; {_CHECK_OUT}", line=number
            )
        found[match["name"]] = match["digest"]
    return found


def _sample_files(root: Path) -> list[Path]:
    """Return the files of the sample that hold data: neither code nor what is hidden."""
    there = root.iterdir() if root.is_dir() else ()
    files = (path for path in there if path.is_file() and path.suffix not in _CODE)
    return sorted(path for path in files if path.name != SUMS and not path.name.startswith("."))


def _sample_faults(root: Path) -> Iterator[Fault]:
    sums = root / SUMS
    try:
        told = read_sums(sums.read_bytes())
    except OSError as error:
        yield Fault(sums, "the digests of the sample", f"{error.strerror}", _CHECK_OUT)
        return
    except UnreadableFile as error:
        yield Fault(sums, "the digests of the sample", str(error), _CHECK_OUT)
        return
    files = {path.name: path for path in _sample_files(root)}
    for name in sorted(told.keys() | files.keys()):
        path = root / name
        if name not in files:
            yield Fault(path, f"the file that {SUMS} names", "none", _CHECK_OUT)
        elif name not in told:
            yield Fault(path, f"a line for it in {SUMS}", "none", "move it away: imports go to `data/processed`")
        elif (found := digest(path.read_bytes())) != told[name]:
            yield Fault(path, f"sha256 {told[name]}, as {SUMS} says", found, _CHECK_OUT)
