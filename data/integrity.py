"""What shows that a file isn't as it was written: digests, seals, and faults in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import msgspec

Record = TypeVar("Record", bound=msgspec.Struct)
"""A record with a field ``seal``, which is empty until it is written."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One file that isn't as it should be: what was expected, what was found, what to do."""

    path: Path
    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.path}: expected {self.expected}, found {self.found}; {self.remedy}"


def digest(data: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return sha256(data).hexdigest()


def sealed(record: msgspec.Struct) -> bytes:
    """Return a record as indented JSON that carries the digest of all the rest of it.

    Without it a changed word in a small file would go unnoticed wherever no other file holds its digest.
    """
    seal = digest(msgspec.json.encode(msgspec.structs.replace(record, seal="")))
    return msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(record, seal=seal))) + b"\n"


def opened(data: bytes, kind: type[Record]) -> Record:
    """Return the record that `sealed` wrote, to the byte.

    Raises
    ------
    ValueError
        No such record, or one with another byte in it, a space included. Says what was found, for a sentence.

    """
    try:
        record = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"what is no {kind.__name__.lower()} ({error})") from error
    if sealed(record) != data:
        raise ValueError("bytes that its seal denies")
    return record


def tree_digest(root: Path) -> str:
    """Return one digest of all names and bytes below a folder.

    Equal digests mean that nothing was added, removed, renamed or changed. Names that begin with a point (locks, and
    what dead writers left) don't count. A folder that doesn't exist counts as an empty one.
    """
    seen = sha256()
    for name, content in _tree(root):
        seen.update(f"{len(name)}:{name}:{content}\n".encode("utf-8", "surrogateescape"))
    return seen.hexdigest()


def _tree(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if not any(part.startswith(".") for part in name.parts):
            yield str(name), "folder" if path.is_dir() else digest(path.read_bytes())
