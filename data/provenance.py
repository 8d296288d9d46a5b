"""Where a stored series came from, and how a file is put in place at once."""

import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from data.adjustment import Adjustment

SCHEMA: Final = 1
"""Number of the form of `Provenance`."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What is written beside an imported series, as ``<symbol>.json``.

    The file that it names is a series of this very import: replacing this small file replaces the series at once.
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
    source_sha256: str
    imported: datetime
    report: str


def write_at_once(path: Path, data: bytes) -> None:
    """Put a file in place at once: written aside, flushed, renamed, its folder flushed."""
    descriptor, name = tempfile.mkstemp(prefix=".staging-", dir=path.parent)
    staged = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
