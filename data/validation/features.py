"""What is expected of a matrix of features before a model is fitted on it."""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import numpy as np

from data.validation.engine import text_of
from data.validation.expectation import Expectation, Occurrence, named
from data.validation.feature_case import FeatureCase
from data.validation.report import Severity
from feature_mapper.typing import BoolArray, IntArray

_NO_ROWS: Final = np.array([], dtype=np.int64)

Made: TypeAlias = Expectation[FeatureCase]


def _cells(
    name: str,
) -> tuple[Callable[[FeatureCase], BoolArray], Callable[[FeatureCase, IntArray], Iterator[Occurrence]]]:
    """Return ``holds`` and ``tells`` of an expectation on single values; ``name`` is where the case marks them."""

    def holds(case: FeatureCase) -> BoolArray:
        wrong: BoolArray = getattr(case, name)
        holds: BoolArray = np.logical_not(np.any(wrong, axis=1))
        return holds

    def tells(case: FeatureCase, _rows: IntArray) -> Iterator[Occurrence]:
        wrong: BoolArray = getattr(case, name)
        for column in np.flatnonzero(wrong.any(axis=0)):
            rows = np.flatnonzero(wrong[:, column])
            value = text_of(case.numbers[rows[0], column])
            more = "" if len(rows) == 1 else f" and {len(rows) - 1} more up to {named(case, int(rows[-1]))}"
            yield Occurrence(rows, f"{case.known[column].name} {value} on {named(case, int(rows[0]))}{more}")

    return holds, tells


def _said(say: Callable[[FeatureCase], str]) -> Callable[[FeatureCase, IntArray], Iterator[Occurrence]]:
    def tells(case: FeatureCase, _rows: IntArray) -> Iterator[Occurrence]:
        yield Occurrence(_NO_ROWS, say(case))

    return tells


def _on_cells(
    name: str,
    where: str,
    *,
    severity: Severity,
    expects: str,
    remedy: str,
    threshold: str | None = None,
    needs: tuple[str, ...] = ("numbers", "rows"),
) -> Made:
    holds, tells = _cells(where)
    return Expectation(
        name=name,
        severity=severity,
        expects=expects,
        remedy=remedy,
        threshold=threshold,
        needs=needs,
        holds=holds,
        tells=tells,
    )


def _asked(case: FeatureCase) -> tuple[str, ...]:
    return tuple(feature.name for feature in case.features)


def _unknown(case: FeatureCase) -> list[str]:
    return [name for name in dict.fromkeys(case.matrix.names) if name not in _asked(case)]


def _repeated(case: FeatureCase) -> list[str]:
    return [name for name in dict.fromkeys(case.matrix.names) if case.matrix.names.count(name) > 1]


def _misplaced(case: FeatureCase) -> list[str]:
    """Return the features that stand elsewhere than asked, among those that are there."""
    asked = _asked(case)
    there = [name for name in dict.fromkeys(case.matrix.names) if name in asked]
    return [found for found, due in zip(there, [name for name in asked if name in there], strict=True) if found != due]


def _same_days(case: FeatureCase) -> bool:
    date, days = case.matrix.date, case.matrix.bars.date
    if date is None or days is None:
        return date is days and "rows" in case.usable
    return len(case.frame) == len(days) and np.array_equal(date, days)


def _dates_told(case: FeatureCase) -> str:
    date, days = case.matrix.date, case.matrix.bars.date
    if date is None or days is None:
        return f"{len(case.frame)} rows for {len(case.matrix.bars)} bars, {'no' if date is None else 'with'} dates"
    if len(date) != len(days) or len(case.frame) != len(days):
        return f"{len(case.frame)} rows with {len(date)} dates for {len(days)} bars"
    row = int(np.flatnonzero(date != days)[0])
    return f"{date[row]} in row {row}, where the bar is of {days[row]}"


def _constant(case: FeatureCase, *, elsewhere: bool) -> list[str]:
    """Return constant columns that do, or do not, vary in another series."""
    return [name for name in case.constant if (name in case.varying) is elsewhere]


FEATURE_EXPECTATIONS: Final[tuple[Made, ...]] = (
    Expectation(
        name="missing-feature",
        severity=Severity.ERROR,
        expects="a column for every feature",
        remedy="Compute the matrix again with the features that are asked for.",
        reason="COLUMN_NOT_IN_DATAFRAME",
    ),
    Expectation(
        name="unknown-feature",
        severity=Severity.ERROR,
        expects="no column that is not asked for",
        remedy="Compute the matrix again with the features that are asked for.",
        holds=lambda case: not _unknown(case),
        tells=_said(lambda case: ", ".join(_unknown(case))),
    ),
    Expectation(
        name="repeated-feature",
        severity=Severity.ERROR,
        expects="each name once",
        remedy="Name each column by its own feature.",
        holds=lambda case: not _repeated(case),
        tells=_said(lambda case: ", ".join(_repeated(case))),
    ),
    Expectation(
        name="wrong-order",
        severity=Severity.ERROR,
        expects="columns in the order of the features",
        remedy="Order the columns by name; a model reads them by position.",
        holds=lambda case: not _misplaced(case),
        tells=_said(lambda case: f"elsewhere: {', '.join(_misplaced(case)[:6])}"),
    ),
    Expectation(
        name="wrong-type",
        severity=Severity.ERROR,
        expects="float64 in every column",
        remedy="Keep the numbers as they were computed; float32 gives other predictions.",
        reason="WRONG_DATATYPE",
    ),
    Expectation(
        name="wrong-dates",
        severity=Severity.ERROR,
        expects="one row a bar, of the same day",
        remedy="Compute the matrix again from these very bars.",
        holds=_same_days,
        tells=_said(_dates_told),
    ),
    _on_cells(
        "missing-value",
        "lacking",
        severity=Severity.ERROR,
        expects="a finite number wherever the bars reach back far enough, with known volumes",
        remedy="Look at the feature's formula at that bar; a degenerate window needs a declared value.",
    ),
    _on_cells(
        "made-up-value",
        "made_up",
        severity=Severity.ERROR,
        expects="NaN where the bars don't reach back far enough, or volumes or dates are unknown",
        remedy="Look for a fill or a window that is too short: such a value can't be known.",
    ),
    _on_cells(
        "out-of-unit",
        "beyond_unit",
        severity=Severity.ERROR,
        expects="values that the unit of the feature allows",
        remedy="Look at the bars of its window first, then at the formula.",
    ),
    Expectation(
        name="constant-feature",
        severity=Severity.ERROR,
        expects="no column that is constant in every series, from {varied_rows} values on; the calendar's apart",
        remedy="Look for a column that was not filled; leave the feature out if it can't vary.",
        threshold="varied_rows",
        needs=("numbers", "rows"),
        holds=lambda case: not _constant(case, elsewhere=False),
        tells=_said(lambda case: ", ".join(_constant(case, elsewhere=False))),
    ),
    Expectation(
        name="twin-features",
        severity=Severity.ERROR,
        expects="no two equal columns from {varied_rows} values on",
        remedy="One of the two is a copy by mistake, or not needed.",
        threshold="varied_rows",
        needs=("numbers", "rows"),
        holds=lambda case: not case.twins,
        tells=_said(lambda case: "; ".join(f"{one} = {other}" for one, other in case.twins)),
    ),
    Expectation(
        name="still-feature",
        severity=Severity.WARNING,
        expects="no column that is constant here and varies in another series, from {varied_rows} values on",
        remedy="Check what the market reports: without overnight gaps or volumes some features stand still.",
        threshold="varied_rows",
        needs=("numbers", "rows"),
        holds=lambda case: not _constant(case, elsewhere=True),
        tells=_said(lambda case: ", ".join(_constant(case, elsewhere=True))),
    ),
    _on_cells(
        "far-from-reference",
        "beyond_reference",
        severity=Severity.WARNING,
        expects="values within {reference_spans:g} spans of the reference beyond its 1 % and 99 % quantiles",
        remedy="Look at the bars; if they are right, the model has not seen such a market.",
        threshold="reference_spans",
        needs=("numbers", "rows", "reference"),
    ),
)
"""What is expected of a matrix of features, in the order of the report."""
