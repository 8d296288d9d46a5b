"""Where a stored series came from."""

from datetime import datetime
from typing import Final

import msgspec

from data.adjustment import Adjustment
from data.integrity import opened
from data.snapshots.entry import SnapshotRef

SCHEMA: Final = 2
"""Number of the form of `Provenance`."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What is written beside a stored series, as ``<symbol>.json``.

    The file that it names is a series of this very import: replacing this small file replaces the series at once.

    Attributes
    ----------
    schema : int
        `SCHEMA`, or 1 for the former form: a series as text, no snapshots, no seal.
    file, sha256 : str
        The series, and its digest.
    source : str
        Name of the source, or of the person's file.
    snapshots : tuple of SnapshotRef
        What the source said, from which the series was made.
    report : str
        How it was read, for people.
    seal : str
        Digest of all the rest.

    """

    schema: int
    symbol: str
    name: str
    calendar: str
    currency: str
    adjustment: Adjustment
    file: str
    sha256: str
    source: str
    snapshots: tuple[SnapshotRef, ...]
    imported: datetime
    report: str
    seal: str = ""


class _Form(msgspec.Struct):
    schema: int


class _FirstForm(msgspec.Struct, frozen=True, kw_only=True):
    """What was written before there were snapshots."""

    symbol: str
    name: str
    calendar: str
    currency: str
    adjustment: Adjustment
    file: str
    sha256: str
    source: str
    imported: datetime
    report: str


def provenance_of(symbol: str, data: bytes) -> Provenance:
    """Return the provenance of a symbol's series, of this form or the former one.

    Raises
    ------
    ValueError
        No provenance, one of another symbol, one that its seal denies, or one of a form that isn't known yet. Says
        what was found, for a sentence.

    """
    told = _read(data)
    if told.symbol != symbol:
        raise ValueError(f"that of {told.symbol!r}")
    return told


def _read(data: bytes) -> Provenance:
    try:
        form = msgspec.json.decode(data, type=_Form).schema
        if form == 1:
            first = msgspec.json.decode(data, type=_FirstForm)
            return Provenance(schema=1, snapshots=(), **msgspec.structs.asdict(first))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"what is no provenance ({error})") from error
    if form != SCHEMA:
        raise ValueError(f"form {form}, which is newer than this program's {SCHEMA}")
    return opened(data, Provenance)
