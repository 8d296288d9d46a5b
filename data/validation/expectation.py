"""`Expectation`: what a series must be, as data. Schema, report and the table of the documents are made of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import msgspec
import numpy as np

from data.validation.report import Severity
from data.validation.thresholds import Thresholds
from feature_mapper.typing import BoolArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

CELLS_SHOWN: Final = 6
"""How many cells a sentence or a sample shows of one row."""


@dataclass(frozen=True, slots=True)
class Column:
    """What the schema expects of a column: type, whether cells may be missing, whether it may be missing as a whole."""

    dtype: str
    nullable: bool
    required: bool


class Case(Protocol):
    """A series that is being judged, with what it is judged against."""

    @property
    def symbol(self) -> str:
        """Name of the series."""

    @property
    def frame(self) -> "pd.DataFrame":
        """What the schema sees; rows are numbered from 0."""

    @property
    def columns(self) -> Mapping[str, Column]:
        """What the schema expects of each column."""

    @property
    def usable(self) -> frozenset[str]:
        """Columns of the right type, and other things that are at hand to judge by (``calendar``, ``today``, ...)."""

    @property
    def thresholds(self) -> Thresholds:
        """Numbers in force."""

    def day(self, row: int) -> np.datetime64 | None:
        """Return the day of a row, if it has one."""

    def cells(self, row: int, names: tuple[str, ...]) -> dict[str, str]:
        """Return the named cells of a row as text."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds an array
class Occurrence:
    """One place where an expectation is broken: rows (none for the series as a whole), a sentence, days that it spans.

    Days are for what lies between rows, as a hole; by default they are those of the rows. A person accepts the place by
    any day of it, or by ``accepted_on`` alone.
    """

    rows: IntArray
    message: str
    first: np.datetime64 | None = None
    last: np.datetime64 | None = None
    accepted_on: np.datetime64 | None = None


CaseT = TypeVar("CaseT", bound=Case)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)  # eq=False: functions compare by identity
class Expectation(Generic[CaseT]):
    """One expectation.

    Attributes
    ----------
    name : str
        What is wrong when it is broken.
    severity : Severity
        Whether that stops what follows.
    expects : str
        What must hold, in words; ``{name}`` stands for the threshold of that name.
    remedy : str
        What to do when it doesn't.
    threshold : str or None
        Field of the thresholds that it compares with.
    needs : tuple of str
        What must be usable for it to be judged.
    shows : tuple of str
        Columns that a sentence about a row quotes, and a sample shows.
    holds : callable or None
        Where it holds: a truth value a row, or one for the series. None where the schema itself judges, see ``reason``.
    reason : str or None
        Name of Pandera's reason for a failure of a column that is this expectation's.
    of : tuple of str
        Columns to which ``reason`` applies; all of them if empty.
    tells : callable or None
        Says where it is broken, given the failing rows; by default each run of rows with the cells of its first.

    """

    name: str
    severity: Severity
    expects: str
    remedy: str
    threshold: str | None = None
    needs: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    holds: Callable[[CaseT], BoolArray | bool] | None = None
    reason: str | None = None
    of: tuple[str, ...] = ()
    tells: Callable[[CaseT, IntArray], Iterable[Occurrence]] | None = None

    def expected(self, thresholds: Thresholds) -> str:
        """Return what must hold, with the numbers in force."""
        return self.expects.format(**msgspec.structs.asdict(thresholds))

    def lacks(self, case: CaseT) -> tuple[str, ...]:
        """Return what the case lacks for this to be judged."""
        return tuple(name for name in self.needs if name not in case.usable)

    def occurrences(self, case: CaseT, rows: IntArray) -> list[Occurrence]:
        """Return where it is broken."""
        if self.tells is not None:
            return list(self.tells(case, rows))
        return list(_runs(case, rows, self.shows))


def _runs(case: Case, rows: IntArray, shows: tuple[str, ...]) -> Iterator[Occurrence]:
    for run in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1) if len(rows) else ():
        cells = ", ".join(f"{name} {value}" for name, value in case.cells(int(run[0]), shows).items())
        place = named(case, int(run[0]))
        if len(run) > 1:
            place = f"{place} to {named(case, int(run[-1]))}"
        yield Occurrence(run, f"{place} ({cells})" if cells else place)


def named(case: Case, row: int) -> str:
    """Return the day of a row, or its number where it has none."""
    day = case.day(row)
    return f"row {row}" if day is None else str(day)


def document(expectations: Iterable[Expectation[CaseT]], thresholds: Thresholds) -> str:
    """Return the table of some expectations as Markdown, with the thresholds by name."""
    lines = ["| expectation | severity | what is expected | threshold | what to do |", "|---|---|---|---|---|"]
    for one in expectations:
        threshold = "" if one.threshold is None else f"`{one.threshold}` = {getattr(thresholds, one.threshold):g}"
        cells = (f"`{one.name}`", one.severity.value, one.expected(thresholds), threshold, one.remedy)
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines)
