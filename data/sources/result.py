"""What a source answers: bars by symbol, and a report that says aloud how they were read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from data.adjustment import Adjustment
from data.errors import UnknownSymbol
from feature_mapper.bars import Bars

LINES_SHOWN: Final = 8
"""How many line numbers a sentence lists; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Rows that were left out, why, and on which lines of the file (one-based, ascending)."""

    reason: str
    lines: tuple[int, ...]

    def __str__(self) -> str:
        """Say it in one sentence."""
        return f"{len(self.lines)} {'row' if len(self.lines) == 1 else 'rows'}: {self.reason} ({shown(self.lines)})"


@dataclass(frozen=True, slots=True)
class SeriesReport:
    """How one symbol was read.

    Attributes
    ----------
    symbol : str
        Name of the series; empty if neither the file nor the caller gave one.
    rows, bars : int
        Data rows of this symbol in the file; bars that came of them.
    first, last : numpy.datetime64
        First and last session.
    order : str
        ``oldest first``, ``newest first`` or ``unsorted``, as found in the file.
    adjustment : Adjustment
        What the prices of ``bars`` are freed of.
    adjustment_note : str
        How that is known, or why it isn't.
    volume_note : str
        What became of the volume; empty if there is nothing to say.
    dropped : tuple of Dropped
        Rows left out.
    warnings : tuple of str
        What looks wrong in the bars, by date. They were read as they are.

    """

    symbol: str
    rows: int
    bars: int
    first: np.datetime64
    last: np.datetime64
    order: str
    adjustment: Adjustment
    adjustment_note: str
    volume_note: str
    dropped: tuple[Dropped, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadReport:
    """How a file was read: what was recognised, and each series.

    Attributes
    ----------
    layout, title : str
        Short name and full name of the layout that was recognised.
    delimiter, decimal : str
        The characters.
    dates : str
        Form of the dates, with the order or the unit that was found.
    used : tuple of (str, str)
        Field and header of each column that was read. A file without header gives column numbers.
    ignored : tuple of str
        Headers that were not read.
    notes : tuple of str
        Steps before the rows: byte-order mark, archive member, lines above the header.
    series : tuple of SeriesReport
        One a symbol.

    """

    layout: str
    title: str
    delimiter: str
    decimal: str
    dates: str
    used: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    notes: tuple[str, ...]
    series: tuple[SeriesReport, ...]

    @property
    def adjustment(self) -> Adjustment:
        """What all series are freed of; `Adjustment.UNKNOWN` if they differ."""
        found = {one.adjustment for one in self.series}
        return found.pop() if len(found) == 1 else Adjustment.UNKNOWN

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """Rows left out, of all series."""
        return tuple(one for series in self.series for one in series.dropped)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What looks wrong, of all series."""
        return tuple(one for series in self.series for one in series.warnings)

    def describe(self) -> str:
        """Return the report as text of several lines, for a person."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        names = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", ".": "point"}
        yield f"recognised: {self.title}"
        yield f"format:     {names[self.delimiter]}-separated, decimal {names[self.decimal]}; dates: {self.dates}"
        yield "columns:    " + ", ".join(f"{field} = {label!r}" for field, label in self.used)
        if self.ignored:
            yield "ignored:    " + ", ".join(repr(label) for label in self.ignored)
        for note in self.notes:
            yield f"note:       {note}"
        for one in self.series:
            name = one.symbol or "(no symbol)"
            yield f"{name}: {one.bars} bars from {one.rows} rows, {one.first} to {one.last}, file is {one.order}"
            yield f"  adjustment: {one.adjustment.value} ({one.adjustment_note})"
            if one.volume_note:
                yield f"  volume: {one.volume_note}"
            for dropped in one.dropped:
                yield f"  dropped: {dropped}"
            for warning in one.warnings:
                yield f"  warning: {warning}"


@dataclass(frozen=True, slots=True)
class SourceResult:
    """Bars by symbol and how they were read. The symbol of a file that names none, read without one, is ``""``."""

    bars: Mapping[str, Bars]
    report: ReadReport

    def only(self) -> Bars:
        """Return the bars of the one series.

        Raises
        ------
        UnknownSymbol
            There are several.

        """
        if len(self.bars) != 1:
            raise UnknownSymbol("", self.bars, "this result; several symbols were read, pick one of `bars`")
        return next(iter(self.bars.values()))


def shown(lines: tuple[int, ...]) -> str:
    """Return ``line 5`` or ``lines 5, 7, 9 and 20 more``."""
    listed = ", ".join(map(str, lines[:LINES_SHOWN]))
    more = f" and {len(lines) - LINES_SHOWN} more" if len(lines) > LINES_SHOWN else ""
    return f"{'line' if len(lines) == 1 else 'lines'} {listed}{more}"
