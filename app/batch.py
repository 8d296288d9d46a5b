"""Batches: many rows or items, each answered by itself, as the single route would; a wrong one harms no other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app import problems
from app.columns import to_date
from app.context import Context, calendar_of, named, resolve
from app.errors import MAX_FAULTS, ProblemError, from_exception, problem, shown
from app.horizons import horizon_of
from app.plane import Plane, Verdict
from app.queries import BarsQuery
from app.schemas.answers import Fault
from app.schemas.batch import BatchAnswer, BatchModel, BatchRow, Counts
from app.serving import Slot, skill_of
from data.bar_store import BarStore
from data.calendars import Calendar
from data.sources.csv import RowTable, bearable, parse_rows
from feature_mapper.bars import Bars
from feature_mapper.errors import BarcastError
from feature_mapper.typing import DateArray, IntArray

SPARE_LINES: Final = 1000
"""Lines of a file beyond the bound on rows that may be preamble or empty; a longer file is refused unread."""

HOPELESS_ITEMS: Final = 100
"""A batch whose first so many items are all wrong is wrong as a whole: a report a row would cost and say a lot."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Group:
    """Sound rows of one symbol, oldest first: their positions in the file, and the bars that they are."""

    symbol: str | None
    at: IntArray
    bars: Bars


class Batches:
    """Answers batches."""

    def __init__(self, plane: Plane, max_rows: int) -> None:
        """Store."""
        self._plane = plane
        self._serving = plane.serving
        self._max_rows = max_rows

    def table(
        self, data: bytes, models: Sequence[str], symbol: str | None, request_id: str, level: float | None = None
    ) -> BatchAnswer:
        """Answer every row of a CSV file as of that row, from the rows of its symbol in the file up to it.

        Raises
        ------
        UnreadableFile
            The file as a whole can't be read without guessing.
        ProblemError
            Too many rows; a symbol that can't be one; a level that a model never measured; no row that can be
            answered, or more than is `bearable` that can't; or, where the service is strict, a model is not available.

        """
        self._bound(data.count(b"\n") - SPARE_LINES)
        table = parse_rows(data, symbol=None if symbol is None else named(symbol))
        self._bound(len(table))
        faults = {row: fault.message for row, fault in table.faults.items()}
        groups = _groups(table, faults)
        if not groups or len(faults) > bearable(len(table)):
            first = [_at_line(table, row, faults[row]) for row in sorted(faults)[:MAX_FAULTS]]
            raise _whole(first, len(faults), len(table))
        slots, store = [self._serving.slot(model) for model in models], self._serving.bars
        self._plane.check_level(slots, level)
        rows: dict[int, BatchRow] = {}
        for group in groups:
            calendar = calendar_of(group.symbol, store)
            rows |= {row.row: row for row in self._answered(slots, group, calendar, table.line[group.at], level)}
        for at, message in faults.items():
            error = _at_line(table, at, message)
            rows[at] = _refused(at, int(table.line[at]), table.symbol[at], error, request_id)
        return _batch(slots, [rows[at] for at in range(len(table))], table.report.describe())

    def items(
        self,
        queries: Iterable[BarsQuery | ProblemError],
        models: Sequence[str],
        request_id: str,
        level: float | None = None,
    ) -> BatchAnswer:
        """Answer every item; each is a body of ``/predict`` of its own. ``level`` is for those that name none.

        Raises
        ------
        ProblemError
            No item can be answered, or none of the first `HOPELESS_ITEMS`; or, where the service is strict, a model is
            not available.

        """
        slots, store = [self._serving.slot(model) for model in models], self._serving.bars
        rows: list[BatchRow] = []
        refused: list[ProblemError] = []
        for position, query in enumerate(queries):
            own = level if isinstance(query, ProblemError) or query.level is None else query.level
            asked = self._known(position, query, store, slots, own)
            if isinstance(asked, ProblemError):
                refused.append(asked)
                symbol = None if isinstance(query, ProblemError) else query.symbol
                rows.append(_refused(position, None, symbol, asked, request_id))
            else:
                rows.append(self._item(slots, position, asked, own))
            if len(refused) == len(rows) == HOPELESS_ITEMS:
                break
        if len(refused) == len(rows):
            raise _whole(refused, len(refused), len(rows))
        return _batch(slots, rows, None)

    def _bound(self, rows: int) -> None:
        if rows > self._max_rows:
            detail = f"expected at most {self._max_rows} rows, found more; split the file"
            raise ProblemError(problems.INVALID_INPUT, detail)

    def _known(
        self,
        position: int,
        query: BarsQuery | ProblemError,
        store: BarStore,
        slots: Sequence[Slot],
        level: float | None,
    ) -> Context | ProblemError:
        """Return what an item asks about, or why it can't be told."""
        if isinstance(query, ProblemError):
            return query
        try:
            self._plane.check_level(slots, level)
            return resolve(query, store)
        except (ProblemError, BarcastError) as error:
            return from_exception(error).below(f"/items/{position}")

    def _item(self, slots: Sequence[Slot], position: int, asked: Context, level: float | None) -> BatchRow:
        verdicts = self._plane.shared_verdicts(slots, asked.bars, level)
        return BatchRow(
            row=position,
            line=None,
            symbol=asked.symbol,
            as_of=asked.as_of,
            bars=len(asked.bars),
            answers={
                slot.model: self._answer(slot, asked.target_date(horizon_of(slot.model)), verdict, asked)
                for slot, verdict in zip(slots, verdicts, strict=True)
            },
            problem=None,
        )

    def _answer(self, slot: Slot, target: object, verdict: Verdict, asked: Context | None) -> dict[str, object]:
        reasons = self._plane.abstention.reasons(slot, verdict.tier, verdict.reason, verdict.strange, asked)
        return {
            "target_date": target,
            **verdict.fields,
            "tier": verdict.tier,
            "source": "model" if verdict.reason is None else "fallback",
            "reason": verdict.reason,
            "abstain": [reason.code for reason in reasons],
        }

    def _answered(
        self, slots: Sequence[Slot], group: Group, calendar: Calendar, lines: IntArray, level: float | None
    ) -> list[BatchRow]:
        """Answer each bar of a group as of itself, oldest first."""
        dates, count = group.bars.date, len(group.bars)
        answers: list[dict[str, dict[str, object]]] = [{} for _ in range(count)]
        for slot in slots:
            targets = _targets(calendar, dates, horizon_of(slot.model), count)
            verdicts = self._plane.verdicts(slot, group.bars, count, level=level)
            for row, target, verdict in zip(answers, targets, verdicts, strict=True):
                row[slot.model] = self._answer(slot, target, verdict, None)
        return [
            BatchRow(
                row=int(group.at[number]),
                line=int(lines[number]),
                symbol=group.symbol,
                as_of=None if dates is None else to_date(dates[number]),
                bars=number + 1,
                answers=answers[number],
                problem=None,
            )
            for number in range(count)
        ]


def _groups(table: RowTable, faults: dict[int, str]) -> list[Group]:
    """Return the sound rows of each symbol by day; adds to ``faults`` the rows that no series can hold.

    Gives up, and returns none, as soon as there are more faults than a file may have.
    """
    bound = bearable(len(table))
    by_symbol: dict[str | None, list[int]] = {}
    for row, symbol in enumerate(table.symbol):
        if row not in faults:
            try:
                by_symbol.setdefault(None if symbol is None else named(symbol), []).append(row)
            except ProblemError as error:
                faults[row] = error.detail
                if len(faults) > bound:
                    return []
    groups: list[Group] = []
    for symbol, rows in by_symbol.items():
        at = np.array(rows)
        if table.date is not None:
            at = at[np.argsort(table.date[at], kind="stable")]
            again = np.flatnonzero(table.date[at][1:] == table.date[at][:-1]) + 1
            for row in at[again].tolist():
                found = f"found {table.date[row]} again; take one of the lines out"
                faults[row] = f"expected each day of a symbol once, {found}"
                if len(faults) > bound:
                    return []
            at = np.delete(at, again)
        groups.append(Group(symbol, at, _bars(table, at, symbol)))
    return groups


def _bars(table: RowTable, at: IntArray, symbol: str | None) -> Bars:
    return Bars.validated(
        open=table.open[at],
        high=table.high[at],
        low=table.low[at],
        close=table.close[at],
        volume=None if table.volume is None else table.volume[at],
        date=None if table.date is None else table.date[at],
        symbol=symbol,
    )


def _targets(calendar: Calendar, dates: DateArray | None, horizon: int, count: int) -> Sequence[object]:
    """Return the target day of each row, as `Context.target_date` does of one; None where there is none."""
    if dates is None:
        return [None] * count
    sessions = calendar.sessions
    at = np.searchsorted(sessions, dates, side="right") + horizon - 1
    known = (dates >= sessions[0]) & (at < len(sessions))
    return [to_date(sessions[n]) if ok else None for n, ok in zip(at, known, strict=True)]


def _batch(slots: Sequence[Slot], rows: list[BatchRow], read: str | None) -> BatchAnswer:
    refused = sum(row.problem is not None for row in rows)
    return BatchAnswer(
        models={slot.model: _model(slot) for slot in slots},
        counts=Counts(rows=len(rows), answered=len(rows) - refused, refused=refused),
        read=read,
        results=rows,
    )


def _model(slot: Slot) -> BatchModel:
    manifest = None if slot.loaded is None else slot.loaded.manifest
    return BatchModel(
        model_version=None if manifest is None else manifest.version,
        horizon=horizon_of(slot.model),
        full_tier=None if manifest is None else manifest.tiers[-1].tier,
        trained_to=None if manifest is None else manifest.last_date,
        skill={} if manifest is None else {str(tier.tier): skill_of(tier) for tier in manifest.tiers},
        reason=slot.reason,
    )


def _whole(refused: Sequence[ProblemError], count: int, seen: int) -> ProblemError:
    """Return the problem of a batch that is wrong as a whole, with the first of its faults."""
    detail = f"expected rows that can be answered, found at least {count} of {seen} wrong; correct the first ones"
    faults = (
        fault
        for error in refused[:MAX_FAULTS]
        for fault in (error.faults[:1] or [Fault(pointer="", detail=error.detail)])
    )
    return ProblemError(problems.INVALID_INPUT, detail, faults)


def _at_line(table: RowTable, row: int, message: str) -> ProblemError:
    return ProblemError(problems.INVALID_INPUT, f"line {table.line[row]}: {message}")


def _refused(row: int, line: int | None, symbol: str | None, error: ProblemError, request_id: str) -> BatchRow:
    name = None if symbol is None else shown(symbol)
    told = problem(error, request_id)
    return BatchRow(row=row, line=line, symbol=name, as_of=None, bars=None, answers=None, problem=told)
