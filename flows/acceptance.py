"""Findings that a person has looked at and found right: `accepted.csv` in the data folder."""

import csv
from pathlib import Path
from typing import Final

import msgspec

from data.validation.engine import Accepted
from flows.plan import PlanError

COLUMNS: Final = ("symbol", "expectation", "day", "reason")


def read_accepted(path: Path) -> tuple[Accepted, ...]:
    """Return what a file accepts; an absent file accepts nothing.

    Raises
    ------
    PlanError
        Other columns, or a line that is not whole: naming the line.

    """
    if not path.is_file():
        return ()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: expected UTF-8 text, found: {error}; save it as UTF-8") from error
    rows = csv.DictReader(text.splitlines(), strict=True)
    try:
        if tuple(rows.fieldnames or ()) != COLUMNS:
            message = f"{path}: expected the columns {', '.join(COLUMNS)}, found {', '.join(rows.fieldnames or ())}"
            raise PlanError(f"{message}; correct the first line")
        return tuple(_accepted(path, rows.line_num, row) for row in rows)
    except csv.Error as error:
        message = f"{path}, line {rows.line_num}: expected cells and quotes that close, found: {error}; correct it"
        raise PlanError(message) from error


def _accepted(path: Path, line: int, row: dict[str, str]) -> Accepted:
    if None in row:  # where `csv` puts what has no column
        raise PlanError(f"{path}, line {line}: expected {len(COLUMNS)} cells, found more; quote a reason with a comma")
    try:
        accepted = msgspec.convert(row, Accepted)
    except msgspec.ValidationError as error:
        raise PlanError(f"{path}, line {line}: expected symbol, expectation, day and reason, found {error}") from error
    if not all(row.values()):
        raise PlanError(f"{path}, line {line}: expected a reason and a day for every finding, found a gap; fill it")
    return accepted
