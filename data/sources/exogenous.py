"""Reads macro and other series from files: a date, a value, and the day from which it was known, or a stated lag."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from data.errors import AmbiguousFile, UnreadableFile
from data.exogenous import Exogenous
from data.sources.csv.dates import parse_dates
from data.sources.csv.decode import decode
from data.sources.csv.dialect import DELIMITERS, split
from data.sources.csv.instants import Place
from data.sources.csv.numbers import Cell, decimal_mark, is_null, parse
from data.sources.csv.options import Options
from data.sources.csv.sheet import read_bytes
from data.sources.result import shown
from feature_mapper.typing import DateArray, FloatArray, IntArray

OBSERVED: Final = ("date", "observation_date")
KNOWN: Final = ("release", "release_date", "released", "vintage", "vintage_date", "realtime_start")
VALUE: Final = "value"
IGNORED: Final = ("realtime_end",)
"""Headers, compared without case, with ``_`` for spaces. A single other column is the value, as FRED has it."""

MISSING: Final = "."
"""How FRED writes that there is no value, besides what bars may have there."""

MAX_LAG_DAYS: Final = 3660


def read_exogenous(
    source: bytes | Path,
    *,
    lag_days: int | None = None,
    column: str | None = None,
    name: str | None = None,
    date_order: Literal["DMY", "MDY"] | None = None,
    decimal: Literal[".", ","] | None = None,
    timezone: str | None = None,
) -> Exogenous:
    """Read observations from a file with a header: a date, a value, and, where there are vintages, when it was known.

    Layouts: ``date,value``; FRED's ``observation_date,DGS10``; either with a column ``release_date``, ``vintage`` or
    ``realtime_start``. Rows may be in any order. Rows without a value are left out, and said.

    Parameters
    ----------
    source : bytes or Path
        The file.
    lag_days : int or None
        Calendar days from an observation's date to the day at whose close it was known, where the file has no column
        for that. It is asked for, because 0 is a claim: a yield of the day's market is known at its close, FRED shows
        it a day later, and a quarter's GDP, dated by the quarter's *first* day, is about 120 days old when it comes.
        The file shows values as revised since; no lag undoes a revision, only vintages do.
    column : str or None
        Header of the value, where several columns could be it.
    name : str or None
        Name of the series; the header of the value if not given.
    date_order, decimal, timezone
        As in `data.sources.csv.read_csv`.

    Raises
    ------
    UnreadableFile
        By line and cause: another number of cells, no date, no number, known before the day that it is about, two
        values of one observation of one day.
    AmbiguousFile
        Neither a column of release dates nor ``lag_days``; several columns that may be the value.
    ValueError
        ``lag_days`` below 0 or above `MAX_LAG_DAYS`.

    """
    if lag_days is not None and not 0 <= lag_days <= MAX_LAG_DAYS:
        raise ValueError(f"expected a lag of 0 to {MAX_LAG_DAYS} days, found {lag_days}")
    options = Options(date_order=date_order, decimal=decimal, timezone=timezone)
    lines, labels, rows = _rows(decode(read_bytes(source), archives=True).lines)
    places = _places(labels, column)
    numbers = [row[places.value] for row in rows]
    empty = [text == MISSING or is_null(text) for text in numbers]
    value = _values(numbers, empty, lines, labels[places.value], options)
    observed = _days([row[places.observed] for row in rows], lines, labels[places.observed], options)
    if places.known is None:
        if lag_days is None:
            raise AmbiguousFile(
                "expected a column of release dates, found none; pass lag_days=, the days from an observation's date "
                "to the day at whose close it was known (0 where that is the same day)",
                parameter="lag_days",
                line=1,
            )
        known = observed + np.timedelta64(lag_days, "D")
    else:
        if lag_days is not None:
            raise UnreadableFile(
                "expected lag_days or a column of release dates, found both; leave lag_days out", line=1
            )
        known = _days([row[places.known] for row in rows], lines, labels[places.known], options)
        for row in np.flatnonzero(known < observed)[:1]:
            raise UnreadableFile(
                f"expected a release on or after {observed[row]}, the day that it is about, found {known[row]}; "
                "swap the columns, or date the observation by the day on which it was known",
                line=lines[row],
                column=labels[places.known],
            )
    there = np.flatnonzero(~np.array(empty, dtype=np.bool_))
    kept = _once(there, observed, known, value, lines)
    if not len(kept):
        raise UnreadableFile("expected an observation with a value, found none; the source had no data")
    left_out = ((np.flatnonzero(empty), "without a value"), (np.setdiff1d(there, kept), "that repeat another"))
    notes = tuple(
        f"rows {why}: {len(rest)} ({shown(tuple(lines[row] for row in rest))})" for rest, why in left_out if len(rest)
    )
    return Exogenous.of(name or labels[places.value], observed[kept], known[kept], value[kept], notes)


@dataclass(frozen=True, slots=True)
class _Places:
    """Positions of the columns."""

    observed: int
    known: int | None
    value: int


def _rows(text: list[str]) -> tuple[list[int], list[str], list[list[str]]]:
    """Return lines, headers and cells; blank lines are skipped."""
    delimiter = max(DELIMITERS, key=text[0].count)
    labels = split(text[0], delimiter, 1)
    lines, rows = [], []
    for number, line in enumerate(text[1:], start=2):
        if line.strip():
            cells = split(line, delimiter, number)
            if len(cells) != len(labels):
                raise UnreadableFile(
                    f"expected {len(labels)} cells, as many as the header names, found {len(cells)}; mend the row",
                    line=number,
                )
            lines.append(number)
            rows.append(cells)
    if not rows:
        raise UnreadableFile("expected rows under the header, found none: the source had no data", line=1)
    return lines, labels, rows


def _places(labels: list[str], column: str | None) -> _Places:
    names = [label.lower().replace(" ", "_") for label in labels]
    if doubled := [label for label, name in zip(labels, names, strict=True) if names.count(name) > 1]:
        raise UnreadableFile("expected each header once, found it again; rename one", line=1, column=doubled[0])
    observed = [names.index(name) for name in OBSERVED if name in names]
    known = [names.index(name) for name in KNOWN if name in names]
    if len(observed) != 1 or len(known) > 1:
        raise UnreadableFile(
            f"expected one column of {', '.join(OBSERVED)}, and at most one of {', '.join(KNOWN)}, "
            f"found {', '.join(labels)[:200]}; rename the columns",
            line=1,
        )
    rest = [at for at, name in enumerate(names) if at not in (*observed, *known) and name not in IGNORED]
    if column is not None:
        found = [at for at in rest if column in {labels[at], names[at]}]
    else:
        found = [at for at in rest if names[at] == VALUE] or rest
    if len(found) > 1:
        choice = ", ".join(labels[at] for at in found)
        raise AmbiguousFile(
            f"expected one column of values, found {choice[:200]}; pass column= with one of them",
            parameter="column",
            line=1,
        )
    if not found:
        wanted = "a column of values" if column is None else f"a column {column!r} of values"
        raise UnreadableFile(f"expected {wanted}, found only {', '.join(labels)[:200]}; name it", line=1)
    return _Places(observed[0], known[0] if known else None, found[0])


def _values(texts: list[str], empty: list[bool], lines: list[int], label: str, options: Options) -> FloatArray:
    cells = [Cell(text, line) for text, line, no in zip(texts, lines, empty, strict=True) if not no]
    mark = decimal_mark(cells, options.decimal)
    values = np.full(len(texts), np.nan)
    for row, (text, no) in enumerate(zip(texts, empty, strict=True)):
        try:
            values[row] = np.nan if no else parse(text, mark)
        except ValueError as error:
            raise UnreadableFile(
                f"{error}; mend the row, or leave the cell empty", line=lines[row], column=label
            ) from None
    return values


def _days(texts: list[str], lines: list[int], label: str, options: Options) -> DateArray:
    dates = parse_dates(Place(texts, lines, label), None, options, 0)
    for row in sorted(dates.faults)[:1]:
        raise UnreadableFile(f"{dates.faults[row]}; mend the row", line=lines[row], column=label)
    return dates.days


def _once(rows: IntArray, observed: DateArray, known: DateArray, value: FloatArray, lines: list[int]) -> IntArray:
    """Return the rows without those that repeat another; refuse two values of one observation of one day."""
    first: dict[tuple[int, int], int] = {}
    about, since = observed.astype(np.int64).tolist(), known.astype(np.int64).tolist()
    kept = []
    for row in rows.tolist():
        earlier = first.setdefault((about[row], since[row]), row)
        if earlier == row:
            kept.append(row)
        elif value[earlier] != value[row]:
            raise UnreadableFile(
                f"expected one value of {observed[row]} known from {known[row]}, found {value[row]:g} here and "
                f"{value[earlier]:g} on line {lines[earlier]}; keep one, or add a column of release dates",
                line=lines[row],
            )
    return np.array(kept, dtype=np.int64)
