"""Judging one series: expectations become a Pandera schema, its failures become findings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from data.validation.expectation import CELLS_SHOWN, Case, CaseT, Expectation, Occurrence, named
from data.validation.report import SAMPLES, SPANS, Finding, Sample, Severity, Span, Unchecked
from feature_mapper.typing import IntArray

if TYPE_CHECKING:
    from pandera.errors import SchemaError
    from pandera.pandas import Check, DataFrameSchema

PLACES_TOLD: Final = 3
"""How many places the message of a finding names; the rest is counted."""

_NO_ROWS: Final = np.array([], dtype=np.int64)


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A person looked at what an expectation calls wrong, and it is right: a real crash that looks like a split.

    ``day`` is a day of the stretch, ISO 8601, the last one for another history; ``reason`` is what the report repeats.
    """

    symbol: str
    expectation: str
    day: str
    reason: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one series broke, what was accepted, and what could not be judged; ``checked`` counts what was."""

    findings: tuple[Finding, ...]
    accepted: tuple[str, ...]
    unchecked: tuple[Unchecked, ...]
    checked: int


def judge(case: CaseT, expectations: Sequence[Expectation[CaseT]], accepted: Collection[Accepted] = ()) -> Judgement:
    """Return what is wrong with a series.

    An expectation whose columns are missing or of another type is not judged, and listed as such: what is wrong there
    is a finding of its own. A check that raises, or that the schema did not run, is an error; it never passes.
    """
    judged = [one for one in expectations if not one.lacks(case)]
    ran: set[str] = set()
    failures = _failures(case, judged, ran)
    findings, approved = [], []
    for one in judged:
        if one.holds is not None and one.name not in ran:
            findings.append(_broken_check(one, case, "it was not run"))
            continue
        try:
            found, said = _found(case, one, failures.pop(one.name, []), accepted)
        except Exception as error:  # noqa: BLE001  whatever a check raises, the gate stays shut
            findings.append(_broken_check(one, case, f"{type(error).__name__}: {error}"))
            continue
        findings += found
        approved += said
    findings += [_unforeseen(name, errors) for name, errors in failures.items()]
    findings.sort(key=lambda finding: finding.severity is not Severity.ERROR)
    return Judgement(
        findings=tuple(findings),
        accepted=tuple(approved),
        unchecked=tuple(
            Unchecked(expectation=one.name, lacks=", ".join(lacks))
            for one in expectations
            if (lacks := one.lacks(case))
        ),
        checked=len(judged),
    )


def schema(case: CaseT, expectations: Sequence[Expectation[CaseT]], ran: set[str]) -> "DataFrameSchema":
    """Return the schema of a series: its columns, one check an expectation. ``ran`` takes the names of those run."""
    import pandera.pandas as pa

    return pa.DataFrameSchema(
        {
            name: pa.Column(column.dtype, nullable=column.nullable, required=column.required)
            for name, column in case.columns.items()
        },
        checks=[_check(case, one, ran) for one in expectations if one.holds is not None],
    )


def _check(case: CaseT, expectation: Expectation[CaseT], ran: set[str]) -> "Check":
    import pandas as pd
    import pandera.pandas as pa

    def run(frame: pd.DataFrame) -> "pd.Series[bool] | bool":
        ran.add(expectation.name)
        assert expectation.holds is not None  # noqa: S101  the caller took those that have one; tells mypy
        holds = expectation.holds(case)
        return pd.Series(holds, index=frame.index) if isinstance(holds, np.ndarray) else bool(holds)

    # Pandera would write out every failing row; the rows are taken from the output of the check.
    return pa.Check(run, name=expectation.name, error=expectation.name, ignore_na=False, n_failure_cases=SAMPLES)


def _failures(case: CaseT, expectations: Sequence[Expectation[CaseT]], ran: set[str]) -> dict[str, list["SchemaError"]]:
    """Validate, and return the failures by the name of their expectation."""
    import pandera.pandas as pa
    from pandera.config import ValidationDepth, config_context

    made = schema(case, expectations, ran)
    # Pandera files the schema under the frame for as long as the frame lives, and the schema's checks hold the case. A
    # frame that the case does not hold lets all of that go when this function returns.
    seen = case.frame.copy(deep=False)
    # The environment can switch Pandera off, or half off, for a whole process. A gate must not open by that.
    with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            made.validate(seen, lazy=True, inplace=True)
        except pa.errors.SchemaErrors as failure:
            errors = failure.schema_errors
        else:
            return {}
    by_name: dict[str, list[SchemaError]] = {}
    for error in errors:
        by_name.setdefault(_name_of(error, expectations), []).append(error)
    return by_name


def _name_of(error: "SchemaError", expectations: Sequence[Expectation[CaseT]]) -> str:
    import pandera.pandas as pa

    if isinstance(error.check, pa.Check):
        return str(error.check.name)
    reason, column = error.reason_code.name, error.column_name
    names = [one.name for one in expectations if one.reason == reason and (not one.of or column in one.of)]
    return names[0] if names else reason.lower().replace("_", "-")


def _found(
    case: CaseT, expectation: Expectation[CaseT], errors: Sequence["SchemaError"], accepted: Collection[Accepted]
) -> tuple[list[Finding], list[str]]:
    """Return the finding, if there is one, and what was accepted."""
    if not errors:
        return [], []
    places: list[Occurrence] = []
    for error in errors:
        if error.reason_code.name == "CHECK_ERROR":
            return [_broken_check(expectation, case, str(error.failure_cases))], []
        rows = _rows(error)
        places += [_column(case, error)] if rows is None else expectation.occurrences(case, rows)
    known = [one for one in accepted if one.symbol == case.symbol and one.expectation == expectation.name]
    said, left = [], []
    for place in places:
        reasons = [one.reason for one in known if _covers(case, place, np.datetime64(one.day, "D"))]
        if reasons:
            said.append(f"{expectation.name}: {place.message} ({reasons[0]})")
        else:
            left.append(place)
    if places and not left:
        return [], said
    return [_finding(case, expectation, left)], said


def _rows(error: "SchemaError") -> IntArray | None:
    """Return the rows that fail; none for a check of the whole series; None where a column itself is at fault."""
    import pandas as pd

    match error.reason_code.name:
        case "DATAFRAME_CHECK":
            output = error.check_output
            return np.flatnonzero(~output.to_numpy(dtype=np.bool_)) if isinstance(output, pd.Series) else _NO_ROWS
        case "SERIES_CONTAINS_NULLS":
            rows: IntArray = np.sort(error.failure_cases["index"].to_numpy(dtype=np.int64))
            return rows
        case _:
            return None


def _column(case: Case, error: "SchemaError") -> Occurrence:
    if error.reason_code.name == "WRONG_DATATYPE":
        name = str(error.column_name)
        column = case.frame[name]
        first = f", as {column.iloc[0]!r}" if len(column) else ""
        return Occurrence(_NO_ROWS, f"{name} of type {column.dtype}{first}")
    return Occurrence(_NO_ROWS, f"no column {error.failure_cases}")


def _covers(case: Case, place: Occurrence, day: np.datetime64) -> bool:
    if place.accepted_on is not None:
        return bool(day == place.accepted_on)
    first, last = _days(case, place)
    return first is not None and last is not None and bool(first <= day <= last)


def _days(case: Case, place: Occurrence) -> tuple[np.datetime64 | None, np.datetime64 | None]:
    if place.first is not None or not len(place.rows):
        return place.first, place.last
    return case.day(int(place.rows[0])), case.day(int(place.rows[-1]))


def _finding(case: CaseT, expectation: Expectation[CaseT], places: Sequence[Occurrence]) -> Finding:
    rows = np.unique(np.concatenate([place.rows for place in places])) if places else _NO_ROWS
    told = "; ".join(place.message for place in places[:PLACES_TOLD])
    if len(places) > PLACES_TOLD:
        last = places[-1]
        until = f" up to {named(case, int(last.rows[-1]))}" if len(last.rows) else ""
        told += f"; and {len(places) - PLACES_TOLD} more{until}"
    spans = []
    for place in places[:SPANS]:
        first, last_day = _days(case, place)
        if first is not None and last_day is not None:
            spans.append(Span(first=str(first), last=str(last_day)))
    return Finding(
        expectation=expectation.name,
        severity=expectation.severity,
        expected=expectation.expected(case.thresholds),
        message=told or "it is not so",
        remedy=expectation.remedy,
        rows=len(rows),
        spans=tuple(spans),
        samples=tuple(_sample(case, int(row), expectation.shows) for row in rows[:SAMPLES]),
    )


def _sample(case: Case, row: int, shows: tuple[str, ...]) -> Sample:
    day = case.day(row)
    names = shows or tuple(str(name) for name in case.frame.columns if name != "date")[:CELLS_SHOWN]
    return Sample(row=row, day=None if day is None else str(day), values=case.cells(row, names))


def _broken_check(expectation: Expectation[CaseT], case: CaseT, what: str) -> Finding:
    return Finding(
        expectation=expectation.name,
        severity=Severity.ERROR,
        expected=expectation.expected(case.thresholds),
        message=f"the check could not finish, {what}; nothing is known about it",
        remedy="Repair the check or what it was given; until then nobody knows.",
        rows=0,
        spans=(),
        samples=(),
    )


def _unforeseen(name: str, errors: Sequence["SchemaError"]) -> Finding:
    return Finding(
        expectation=name,
        severity=Severity.ERROR,
        expected="a frame that the schema has no other objection to",
        message="; ".join(str(error) for error in errors[:PLACES_TOLD]),
        remedy="Look at the frame that was given.",
        rows=0,
        spans=(),
        samples=(),
    )


def text_of(value: object) -> str:
    """Return a cell as text: numbers in up to ten digits, days in ISO 8601, anything else as Python shows it."""
    if isinstance(value, float | np.floating):
        return f"{float(value):.10g}"
    if isinstance(value, datetime):  # as pandas' own are; one that is missing has no date
        return str(value)[:10]
    return str(value) if isinstance(value, int | np.integer | np.datetime64) else repr(value)[:40]


def cells_of(frame: Any, row: int, names: Sequence[str]) -> Mapping[str, str]:
    """Return some cells of a row of a frame as text; columns that it lacks are left out."""
    return {name: text_of(frame[name].iloc[row]) for name in names if name in frame.columns}
