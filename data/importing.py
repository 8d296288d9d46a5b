"""A person's file on its way into the store: read, and described for the raw snapshot that keeps it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypedDict

from data.snapshots import About
from data.sources.csv import read_csv
from data.sources.csv.sheet import read_bytes
from data.sources.result import ReadReport
from feature_mapper.bars import Bars

_ENDINGS: Final = frozenset({"csv", "tsv", "txt", "zip"})


class ReadOptions(TypedDict, total=False):
    """Parameters of `data.sources.csv.read_csv` that an import passes on."""

    date_order: Literal["DMY", "MDY"]
    decimal: Literal[".", ","]
    adjusted: bool
    timezone: str
    price_scale: float
    impossible: Literal["refuse", "drop"]


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class ReadFile:
    """A file that was read: its bytes, its series, how it was read.

    Attributes
    ----------
    name : str
        Name of the file, for people; ``bytes`` if it has none.
    payload : bytes
        All of it.
    ending : str
        Ending to keep it under.
    bars : Bars
        Its one series.
    report : ReadReport
        How it was read.
    about : About
        The same for the snapshot.

    """

    name: str
    payload: bytes
    ending: str
    bars: Bars
    report: ReadReport
    about: About


def read_file(source: Path | bytes, symbol: str, file_symbol: str | None, options: ReadOptions) -> ReadFile:
    """Read the series of ``file_symbol``, or else ``symbol``, from a file; raises as `read_csv` does."""
    payload = read_bytes(source)
    result = read_csv(payload, symbol=file_symbol or symbol, **options)
    bars, (series,) = result.only(), result.report.series
    # A name of other bytes than UTF-8 can't be written down as it is.
    name = "bytes" if isinstance(source, bytes) else source.name.encode("utf-8", "replace").decode("utf-8")
    about = About(
        request={"file": name, **({"file_symbol": file_symbol} if file_symbol else {}), **options},  # type: ignore[dict-item]  # values of a TypedDict are objects
        adjustment=f"{series.adjustment.value} ({series.adjustment_note})",
        rows=series.rows,
        first=series.first,
        last=series.last,
        why="imported",
    )
    return ReadFile(name, payload, _ending(source, payload), bars, result.report, about)


def _ending(source: Path | bytes, payload: bytes) -> str:
    """Return the ending that a file is kept under; by its bytes where its name tells nothing usual."""
    suffix = "" if isinstance(source, bytes) else source.suffix[1:].lower()
    if suffix in _ENDINGS:
        return suffix
    return "zip" if payload.startswith(b"PK") else "csv"
