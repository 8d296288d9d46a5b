"""What is written beside a raw snapshot, and how others refer to one."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from data.integrity import digest, sealed

SCHEMA: Final = 1
"""Number of the form of `Entry`."""

Parameter = str | int | float | bool | None
"""Value of one parameter of a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the writer of a snapshot knows of its payload.

    Attributes
    ----------
    request : mapping of str to str, int, float, bool or None
        What the source was asked for.
    adjustment : str
        What the source has freed its prices of, in words.
    rows : int
        Rows of data in the payload.
    first, last : numpy.datetime64
        First and last session in it.
    why : str
        ``first``, ``appended``, ``restated: split 4:1 on 2020-08-31``, ``imported``.

    """

    request: Mapping[str, Parameter]
    adjustment: str
    rows: int
    first: np.datetime64
    last: np.datetime64
    why: str


class Previous(msgspec.Struct, frozen=True, kw_only=True):
    """The entry before: its number, and the digest of its bytes."""

    sequence: int
    sha256: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What is written beside the payload of a snapshot, as ``000001.json``."""

    schema: int
    sequence: int
    symbol: str
    source: str
    request: dict[str, Parameter]
    adjustment: str
    rows: int
    first: dt.date
    last: dt.date
    file: str
    size: int
    sha256: str
    retrieved_at: dt.datetime
    why: str
    previous: Previous | None
    seal: str = ""


class SnapshotRef(msgspec.Struct, frozen=True, kw_only=True):
    """The name of a snapshot in other files: where it stands, the digests of its payload and of its entry."""

    source: str
    symbol: str
    sequence: int
    sha256: str
    entry_sha256: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot: its entry, and where its payload is.

    Attributes
    ----------
    entry : Entry
        What is known of it. Its ``seal`` is that of the file.
    path : Path
        The payload.
    new : bool
        Whether this very call wrote it. Not, where the source said what it had said the last time.

    """

    entry: Entry
    path: Path
    new: bool = field(default=False, compare=False)

    @property
    def ref(self) -> SnapshotRef:
        """How others refer to it."""
        return SnapshotRef(
            source=self.entry.source,
            symbol=self.entry.symbol,
            sequence=self.entry.sequence,
            sha256=self.entry.sha256,
            entry_sha256=digest(sealed(self.entry)),
        )


def entry_name(sequence: int) -> str:
    """Return the name of an entry's file."""
    return f"{sequence:06d}.json"


def day(value: np.datetime64) -> dt.date:
    """Return a day as the entries hold it.

    Raises
    ------
    ValueError
        No day, or one beyond the years 1 to 9999.

    """
    found = value.astype("datetime64[D]").item()
    if isinstance(found, dt.date):
        return found
    raise ValueError(f"expected a day of the years 1 to 9999, found {value}")
