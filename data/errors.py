"""Errors of the market-data house.

::

    DataError
    ├── UnreadableFile       a file can't be read without guessing: line, column, cause, what to do
    │   └── AmbiguousFile    it can, once the caller names one parameter (``symbol=``, ``date_order=``, ...)
    ├── UnreadableFolder     a folder of series can't be listed
    ├── InvalidSymbol        a name that can't be a symbol (never reaches a path)
    ├── UnknownSymbol        no such symbol in the store or in the file
    ├── NoSuchDate           nothing was known at that date yet
    ├── UnknownCalendar      no calendar of that name
    ├── OutsideCalendar      a day beyond the sessions that the calendar knows
    ├── DamagedSnapshot      a raw snapshot isn't as it was written
    ├── ShelfBusy            another writer is at work in that folder
    ├── SeriesChanged        another series is stored than the one that was to be replaced
    └── WriteRefused         the operating system refused a write; what was there before is as it was

No error here knows HTTP.
"""

from collections.abc import Iterable

from feature_mapper.errors import BarcastError

MAX_LISTED = 20
"""How many known names a message lists."""


class DataError(BarcastError):
    """Market data can't be read, found or trusted."""


class UnreadableFile(DataError):
    """A file can't be read without guessing.

    Attributes
    ----------
    cause : str
        What was expected, what was found, what to do.
    line : int or None
        One-based line of the file, as an editor shows it; ``None`` if the fault is of the file as a whole.
    column : str or None
        Header of the column at fault, as the file writes it.

    """

    def __init__(self, cause: str, *, line: int | None = None, column: str | None = None) -> None:
        """Store where and why; the message is both in one sentence."""
        self.cause = cause
        self.line = line
        self.column = column
        place = ", ".join(
            [*([] if line is None else [f"line {line}"]), *([] if column is None else [f"column {column!r}"])]
        )
        super().__init__(f"{place}: {cause}" if place else cause)


class AmbiguousFile(UnreadableFile):
    """The file has two readings, and one parameter decides. ``parameter`` is its name."""

    def __init__(self, cause: str, *, parameter: str, line: int | None = None, column: str | None = None) -> None:
        """Store the parameter that would settle it."""
        self.parameter = parameter
        super().__init__(cause, line=line, column=column)


class UnreadableFolder(DataError):
    """A folder of series can't be listed, so what is in it isn't known."""


class InvalidSymbol(DataError):
    """A name that can't be a symbol."""


class UnknownSymbol(DataError):
    """No such symbol. ``known`` holds the names that there are."""

    def __init__(self, symbol: str, known: Iterable[str], where: str) -> None:
        """Store the names that do exist."""
        self.symbol = symbol
        self.known = tuple(sorted(known))
        listed = ", ".join(self.known[:MAX_LISTED]) or "none"
        more = f" and {len(self.known) - MAX_LISTED} more" if len(self.known) > MAX_LISTED else ""
        super().__init__(f"expected a symbol of {where}, found {symbol!r}; known: {listed}{more}")


class NoSuchDate(DataError):
    """Nothing of the series was known at that date yet."""


class UnknownCalendar(DataError):
    """No calendar of that name."""


class OutsideCalendar(DataError):
    """A day lies beyond the sessions that the calendar knows."""


class DamagedSnapshot(DataError):
    """A raw snapshot isn't as it was written, or the one before it isn't."""


class ShelfBusy(DataError):
    """Another writer is at work in the folder, for longer than this one waits."""


class SeriesChanged(DataError):
    """Another series is stored than the one that was to be replaced."""


class WriteRefused(DataError):
    """The operating system refused a write. What was there before is as it was."""
