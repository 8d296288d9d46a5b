"""Price paths: from a question about the next sessions to Prophet's answer, or a random walk's."""

import datetime as dt
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, cast

import numpy as np

from app import problems
from app.columns import invalid, to_date
from app.context import Context, basis, named, of_sent, of_stored
from app.errors import ProblemError, pointer, shown
from app.plane import FAILED, FALLBACK_BARS, NOT_ASKED, NOT_FINITE, RULE_OF_THUMB, Answer, Explained, Plane
from app.queries import ForecastQuery
from app.schemas.answers import Fault
from app.serving import Slot
from app.tracing import REQUEST_ID
from app.versions import Versions
from data.bar_store import BarStore
from feature_mapper.typing import DateArray, FloatArray
from models.forecast import ForecastModel, PriceForecast
from models.tasks.base import Fields
from models.tasks.forecast import walk

log = logging.getLogger(__name__)

LEVEL: Final = 0.8
"""Level of the band where a request names none; Prophet's own default."""

SHORT: Final = 5
"""Sessions ahead of the path in an answer to `/predict`."""

STALE_DAYS: Final = 30
"""Days between the last day of training and as-of that are worth a warning."""


class Forecaster:
    """Answers questions about price paths."""

    def __init__(self, plane: Plane, versions: Versions) -> None:
        """Store."""
        self._plane = plane
        self._versions = versions
        self._serving = plane.serving

    def forecast(self, model: str, query: ForecastQuery) -> Answer:
        """Answer one question by what serves, or by the version that it names.

        Raises
        ------
        ProblemError
            No such symbol, a level or a regressor that the model does not know, a horizon beyond the calendar, or,
            where the service is strict, no model.
        DataError
            The stored history can't be read.

        """
        asked = self._context(self._serving.slot(model), query)
        slot = self._versions.slot(model, query.version, asked.as_of)
        if asked.sessions(query.periods) is None:
            wanted = f"expected {query.periods} known sessions of {asked.calendar.name} after {asked.as_of}"
            detail = f"{wanted}, found fewer; ask for fewer, or check the dates"
            raise ProblemError(problems.HORIZON_TOO_FAR, detail, [Fault(pointer="/periods", detail=detail)])
        return self.path(slot, asked, query)

    def path(self, slot: Slot, asked: Context, query: ForecastQuery) -> Answer:
        """Answer about bars that are resolved already; a path over sessions that nobody knows has no days."""
        if asked.adjustment is not None:
            note = basis(asked.symbol, asked.adjustment)
            kept = tuple(warning for warning in asked.warnings if warning != note)
            asked = replace(asked, warnings=(*kept, note))
        if slot.loaded is None:
            return self._fallback(slot, asked, query, slot.condition)
        model = cast("ForecastModel", slot.loaded.model)
        level = LEVEL if query.level is None else query.level
        _check(model, query, level)
        sessions = asked.sessions(query.periods)
        known, days = asked.bars, sessions
        if sessions is None:
            # The path is known best at the end of training, so that is where it is asked.
            last = np.datetime64(slot.loaded.manifest.last_date)
            known = replace(known, date=np.arange(last - len(known) + 1, last + 1))
            sessions = asked.calendar.next_sessions(last, query.periods)
        dates = sessions
        said = self._plane.attempt(slot, lambda: model.forecast(known, dates, level=level, regressors=query.regressors))
        if said is None:
            return self._fallback(slot, asked, query, FAILED)
        if not all(np.isfinite(line).all() for line in (said.path, said.lower, said.upper)):
            log.error("request %s: %s answered a number that is not finite", REQUEST_ID.get(), slot.model)
            return self._fallback(slot, asked, query, NOT_FINITE)
        told = NOT_ASKED
        if query.explain:
            told = self._plane.explained(
                slot, None, lambda _: _dated(model.explain(known, dates, regressors=query.regressors), days)
            )
        return self._answer(slot, asked, said, days, told)

    def _context(self, slot: Slot, query: ForecastQuery) -> Context:
        store = self._serving.bars
        if query.history is not None:
            notes = _set_aside(query.symbol, store)
            return of_sent(query.history, query.symbol, store, *notes)
        symbol = query.symbol or _default_symbol(slot, store)
        if symbol is None:
            raise invalid("", "expected a history or a symbol, as nothing is stored; send history")
        return of_stored(symbol, None, store)

    def _answer(
        self, slot: Slot, asked: Context, said: PriceForecast, days: DateArray | None, told: Explained
    ) -> Answer:
        loaded = slot.loaded
        if loaded is None:
            raise AssertionError(slot.model)  # a path came from it
        notes = list(asked.warnings)
        if not said.own_path:
            notes.append("no path of this symbol was trained: the average path of the trained symbols was used")
        if days is None:
            notes.append(f"no days are known: the path is that of the sessions after {loaded.manifest.last_date}")
        elif asked.as_of is not None and (stale := (asked.as_of - loaded.manifest.last_date).days) > STALE_DAYS:
            notes.append(f"the model was trained up to {loaded.manifest.last_date}, {stale} days before as_of")
        fields: Mapping[str, object] = {
            "level": said.level,
            "forecast": _points(days, said.path, said.lower, said.upper),
            "regressors": {fill.name: {"values": list(fill.values), "source": fill.source} for fill in said.regressors},
        }
        return self._plane.envelope(
            slot, replace(asked, warnings=tuple(notes)), len(said.path), fields, said.tier, None, told, said.strange
        )

    def _fallback(self, slot: Slot, asked: Context, query: ForecastQuery, reason: str) -> Answer:
        self._plane.count_fallback(slot, reason)
        edges = np.finfo(np.float64)
        with np.errstate(over="ignore", under="ignore"):  # the edges of float64 are where the clip holds it
            path = np.clip(walk(asked.bars.tail(FALLBACK_BARS), query.periods), edges.tiny, edges.max)
        fields: Mapping[str, object] = {
            "level": None,
            "forecast": _points(asked.sessions(query.periods), path, None, None),
            "regressors": {},
        }
        told = RULE_OF_THUMB if query.explain else NOT_ASKED
        return self._plane.envelope(slot, asked, query.periods, fields, None, reason, told)


def _set_aside(symbol: str | None, store: BarStore) -> tuple[str, ...]:
    """Say so if there is a stored history of a symbol whose history was sent."""
    if symbol is None or (name := named(symbol)) not in {info.symbol for info in store.symbols()}:
        return ()
    return (f"the history sent stands by itself: the stored one of {name} was not used",)


def _default_symbol(slot: Slot, store: BarStore) -> str | None:
    """Return the first symbol of training that is stored, or else the first stored one."""
    trained = () if slot.loaded is None else slot.loaded.manifest.symbols
    stored = [info.symbol for info in store.symbols()]
    return next((name for name in (*trained, *stored) if name in stored), None)


def _check(model: ForecastModel, query: ForecastQuery, level: float) -> None:
    """Refuse what the model was not trained for."""
    for name in query.regressors:
        if name not in model.regressors:
            names = ", ".join(model.regressors) or "none"
            detail = f"expected a regressor of the model ({names}), found {shown(name)!r}; take it out"
            raise invalid(pointer("regressors", name), detail)
    low, high = model.levels
    if not low <= level <= high:
        detail = f"expected a level from {low:g} to {high:g}, found {level:g}; ask for one in between"
        raise invalid("/level", detail)


def _days(sessions: DateArray | None, n: int) -> list[dt.date | None]:
    return [None] * n if sessions is None else [to_date(day) for day in sessions]


def _dated(explanation: Fields, sessions: DateArray | None) -> Fields:
    """Put the days that an answer shows to the parts of a path."""
    rows = cast("list[Fields]", explanation["components"])
    days = [None if day is None else str(day) for day in _days(sessions, len(rows))]
    dated = [{"ds": day, **row} for day, row in zip(days, rows, strict=True)]
    return {**explanation, "components": dated}


def _points(
    sessions: DateArray | None, path: FloatArray, lower: FloatArray | None, upper: FloatArray | None
) -> list[dict[str, object]]:
    n = len(path)
    days = _days(sessions, n)
    return [
        {"ds": day, "yhat": middle, "yhat_lower": low, "yhat_upper": high}
        for day, middle, low, high in zip(
            days,
            path.tolist(),
            [None] * n if lower is None else lower.tolist(),
            [None] * n if upper is None else upper.tolist(),
            strict=True,
        )
    ]
