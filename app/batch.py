"""Batches: many rows or items, each answered by itself, exactly as the single route would; a wrong one harms no other."""

import csv
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np

from app import problems
from app.columns import invalid, to_date
from app.context import Context, calendar_of, resolve
from app.errors import ProblemError, from_exception, problem
from app.plane import FAILED, NOT_FINITE, Plane, finite
from app.queries import BarsQuery
from app.schemas.batch import BatchAnswer, BatchModel, BatchRow, Counts
from app.serving import Slot, skill_of
from data.calendars import Calendar
from data.errors import OutsideCalendar
from data.sources.csv import RowTable, parse_rows
from feature_mapper.bars import Bars
from feature_mapper.errors import BarcastError
from feature_mapper.typing import DateArray, IntArray
from models.served import BarsModel
from models.tasks.base import BarsTask, Fields
from models.tasks.registry import task_of

log = logging.getLogger(__name__)

LOOKED_AT: Final = 253
"""Bars that a fallback looks at."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Group:
    """Sound rows of one symbol, by day: their positions in the batch, and the bars that they are."""

    at: IntArray
    bars: Bars


class Batches:
    """Answers batches."""

    def __init__(self, plane: Plane, max_rows: int) -> None:
        """Store."""
        self._plane = plane
        self._serving = plane.serving
        self._max_rows = max_rows

    def table(self, data: bytes, models: Sequence[str], symbol: str | None, request_id: str) -> BatchAnswer:
        """Answer every row of a CSV file as of that row, from the rows of its symbol up to it.

        Raises
        ------
        UnreadableFile
            The file as a whole can't be read without guessing.
        ProblemError
            Too many rows; or, where the service is strict, a model is not available.

        """
        table = parse_rows(data, symbol=symbol)
        if len(table) > self._max_rows:
            raise invalid("", f"expected at most {self._max_rows} rows, found {len(table)}; split the file")
        faults: dict[int, ProblemError] = {
            row: ProblemError(problems.INVALID_INPUT, f"line {table.line[row]}: {fault.message}")
            for row, fault in table.faults.items()
        }
        rows: list[BatchRow | None] = [None] * len(table)
        for name, group in self._groups(table, faults):
            for position, row in zip(group.at.tolist(), self._answered(group, name, models), strict=True):
                rows[position] = row
        refused = {
            row: _refused(row, int(table.line[row]), table.symbol[row], error, request_id)
            for row, error in faults.items()
        }
        done = [
            _numbered(row, int(table.line[position])) if row is not None else refused[position]
            for position, row in enumerate(rows)
        ]
        return BatchAnswer(
            models=self._models(models), counts=_counts(done), read=table.report.describe(), results=done
        )

    def items(self, queries: Sequence[BarsQuery | ProblemError], models: Sequence[str], request_id: str) -> BatchAnswer:
        """Answer every item; each is a body of ``/predict`` of its own."""
        done: list[BatchRow] = []
        for position, query in enumerate(queries):
            try:
                if isinstance(query, ProblemError):
                    raise query
                asked = resolve(query, self._serving.bars)
                group = Group(np.array([position]), asked.bars)
                (row,) = self._answered(group, asked.symbol, models, rows=1, asked=asked)
            except (ProblemError, BarcastError) as error:
                translated = from_exception(error)
                if translated.kind is problems.MODEL_UNAVAILABLE:
                    raise
                done.append(_refused(position, None, _symbol(query), translated, request_id))
            else:
                done.append(row)
        return BatchAnswer(models=self._models(models), counts=_counts(done), read=None, results=done)

    def _groups(self, table: RowTable, faults: dict[int, ProblemError]) -> Iterator[tuple[str | None, Group]]:
        """Yield the sound rows of each symbol by day; a day that comes twice is a fault of the later line."""
        by_symbol: dict[str | None, list[int]] = {}
        for row, symbol in enumerate(table.symbol):
            if row not in faults:
                by_symbol.setdefault(symbol, []).append(row)
        for symbol, positions in by_symbol.items():
            at = np.array(positions)
            if table.date is not None:
                at = at[np.argsort(table.date[at], kind="stable")]
                again = np.flatnonzero(table.date[at][1:] == table.date[at][:-1]) + 1
                for row in at[again].tolist():
                    detail = f"line {table.line[row]}: expected each day once, found {table.date[row]} again"
                    faults[row] = ProblemError(problems.INVALID_INPUT, f"{detail}; take one of the lines out")
                at = np.delete(at, again)
            if len(at):
                yield symbol, Group(at, _bars(table, at, symbol))

    def _answered(
        self,
        group: Group,
        symbol: str | None,
        models: Sequence[str],
        rows: int | None = None,
        asked: Context | None = None,
    ) -> list[BatchRow]:
        """Answer the last ``rows`` bars of a group (all of them if None), oldest first."""
        count = len(group.bars) if rows is None else rows
        first = len(group.bars) - count
        said = {model: self._said(self._serving.slot(model), group.bars, count) for model in models}
        calendar = asked.calendar if asked is not None else calendar_of(symbol, self._serving.bars)
        dates = group.bars.date
        targets = {
            horizon: _targets(calendar, None if dates is None else dates[first:], horizon, count)
            for horizon in {task_of(model).identity.horizon for model in models}
        }
        return [
            BatchRow(
                row=int(group.at[number]),
                line=None,
                symbol=symbol,
                as_of=None if dates is None else to_date(dates[first + number]),
                bars=first + number + 1,
                answers={
                    model: {
                        "target_date": targets[task_of(model).identity.horizon][number],
                        **said[model][number],
                    }
                    for model in models
                },
                problem=None,
            )
            for number in range(count)
        ]

    def _said(self, slot: Slot, bars: Bars, count: int) -> list[dict[str, object]]:
        """Return fields, tier and source of one model for each of the last ``count`` bars."""
        if slot.loaded is None:
            return [self._fallback(slot, known, slot.condition) for known in _each(bars, count)]
        try:
            answers = cast("BarsModel", slot.loaded.model).answer(bars, count)
        except (ArithmeticError, ValueError, RuntimeError, LookupError, TypeError):
            log.exception("%s failed on a batch", slot.model)
            return [self._fallback(slot, known, FAILED) for known in _each(bars, count)]
        return [
            {**answer.fields, "tier": answer.tier, "source": "model"}
            if finite(answer.fields)
            else self._fallback(slot, known, NOT_FINITE)
            for answer, known in zip(answers, _each(bars, count), strict=True)
        ]

    def _fallback(self, slot: Slot, bars: Bars, reason: str) -> dict[str, object]:
        self._plane.count_fallback(slot, reason)
        fields: Fields = cast("BarsTask", task_of(slot.model)).fallback(bars, slot.head)
        return {**fields, "tier": None, "source": "fallback"}

    def _models(self, models: Sequence[str]) -> dict[str, BatchModel]:
        return {model: _model(self._serving.slot(model)) for model in models}


def flat(answer: BatchAnswer) -> bytes:
    """Return a batch as CSV: a line a row, a column a field of each model, named ``<model>.<field>``."""
    lines = [
        {"line": row.line if row.line is not None else row.row, "symbol": row.symbol, "as_of": row.as_of}
        | {f"{model}.{name}": value for model, fields in (row.answers or {}).items() for name, value in _leaves(fields)}
        | {"problem": None if row.problem is None else row.problem.detail}
        for row in answer.results
    ]
    columns = list(dict.fromkeys(name for line in lines for name in line if name != "problem"))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*columns, "problem"], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode()


def _leaves(fields: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "" if value is None else value


def _bars(table: RowTable, at: IntArray, symbol: str | None) -> Bars:
    return Bars.validated(
        open=table.open[at],
        high=table.high[at],
        low=table.low[at],
        close=table.close[at],
        volume=None if table.volume is None or np.isnan(table.volume[at]).all() else table.volume[at],
        date=None if table.date is None else table.date[at],
        symbol=symbol,
    )


def _each(bars: Bars, count: int) -> Iterator[Bars]:
    """Yield what a rule of thumb sees as of each of the last ``count`` bars."""
    for end in range(len(bars) - count + 1, len(bars) + 1):
        yield bars[max(0, end - LOOKED_AT) : end]


def _targets(calendar: Calendar, dates: DateArray | None, horizon: int, count: int) -> list[object]:
    """Return the target day of each row; None without dates, or beyond the known calendar."""
    if dates is None:
        return [None] * count
    found: list[object] = []
    for day in dates:
        try:
            found.append(to_date(calendar.next_sessions(day, horizon)[-1]))
        except OutsideCalendar:
            found.append(None)
    return found


def _model(slot: Slot) -> BatchModel:
    manifest = None if slot.loaded is None else slot.loaded.manifest
    return BatchModel(
        model_version=None if manifest is None else manifest.version,
        horizon=task_of(slot.model).identity.horizon,
        full_tier=None if manifest is None else manifest.tiers[-1].tier,
        skill={} if manifest is None else {str(tier.tier): skill_of(tier.scores[0]) for tier in manifest.tiers},
        reason=slot.reason,
    )


def _numbered(row: BatchRow, line: int) -> BatchRow:
    return BatchRow(
        row=row.row,
        line=line,
        symbol=row.symbol,
        as_of=row.as_of,
        bars=row.bars,
        answers=row.answers,
        problem=row.problem,
    )


def _refused(row: int, line: int | None, symbol: str | None, error: ProblemError, request_id: str) -> BatchRow:
    told = problem(error, request_id)
    return BatchRow(row=row, line=line, symbol=symbol, as_of=None, bars=None, answers=None, problem=told)


def _symbol(query: BarsQuery | ProblemError) -> str | None:
    return None if isinstance(query, ProblemError) else query.symbol


def _counts(rows: Sequence[BatchRow]) -> Counts:
    refused = sum(row.problem is not None for row in rows)
    return Counts(rows=len(rows), answered=len(rows) - refused, refused=refused)
