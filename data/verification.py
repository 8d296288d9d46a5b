"""Whether every file of market data is as it was written: snapshots, stored series, the shipped sample."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data.disk import Disk
from data.errors import UnreadableFile
from data.integrity import Fault, digest
from data.processed import Processed
from data.provenance import SCHEMA, Provenance
from data.snapshots import Snapshots

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
    snapshots, shelf = Snapshots(raw), Processed(processed, Disk())
    faults = list(snapshots.verify())
    damaged = {fault.path for fault in faults}
    provenances = shelf.provenances()
    former = []
    for path in provenances:
        provenance, wrong = shelf.examine(path)
        faults += wrong
        if provenance is not None:
            faults += _origin_faults(provenance, snapshots, damaged)
            if provenance.schema < SCHEMA:
                former.append(provenance.symbol)
    return Verification(
        snapshots=sum(len(one.entries()) for one in snapshots.shelves()),
        series=len(provenances),
        sample=len(_sample_files(sample)),
        former=tuple(former),
        faults=(*faults, *shelf.strays(), *_sample_faults(sample)),
    )


def _origin_faults(provenance: Provenance, snapshots: Snapshots, damaged: set[Path]) -> Iterator[Fault]:
    """Yield the snapshots that a series was made of and that are gone, or aren't the ones that it was made of."""
    for ref in provenance.snapshots:
        found = snapshots.examine(ref)
        if isinstance(found, Fault) and found.path not in damaged:
            yield Fault(
                found.path, f"{found.expected}, of which {provenance.symbol} was made", found.found, found.remedy
            )


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
    if not root.is_dir():
        return
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
