"""A batch's answers as CSV, for spreadsheets."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Final

from app.schemas.batch import BatchAnswer

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a text begins with that a spreadsheet may run as a formula; symbols and problems repeat texts of the request."""


def as_csv(answer: BatchAnswer) -> bytes:
    """Return a line a row, in order, and a column a field of each model, named ``<model>.<field>``.

    A text that a spreadsheet could take for a formula gets an apostrophe in front; numbers stay numbers.
    """
    lines = [
        {"row": row.row, "line": row.line, "symbol": row.symbol, "as_of": row.as_of, "bars": row.bars}
        | {f"{model}.{name}": value for model, fields in (row.answers or {}).items() for name, value in _leaves(fields)}
        | {"problem": None if row.problem is None else row.problem.detail}
        for row in answer.results
    ]
    columns = list(dict.fromkeys(name for line in lines for name in line if name != "problem"))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*columns, "problem"], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in line.items()} for line in lines)
    return text.getvalue().encode()


def _leaves(fields: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _cell(value: object) -> object:
    if isinstance(value, list):
        return " ".join(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
