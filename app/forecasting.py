"""Price paths: from a question about the next sessions to Prophet's answer, or a random walk's."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from app import problems
from app.columns import invalid, to_date
from app.context import Context, context
from app.errors import ProblemError, pointer, shown
from app.plane import FAILED, NOT_FINITE, Answer, Plane
from app.queries import ForecastQuery
from app.serving import Slot
from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray
from models.forecast import ForecastError, ForecastModel, PriceForecast
from models.tasks.forecast import walk

log = logging.getLogger(__name__)

LEVEL: Final = 0.8
"""Level of the band where a request names none; Prophet's own default."""

SHORT: Final = 5
"""Sessions ahead of the path in an answer to `/predict`."""


class Forecaster:
    """Answers questions about price paths."""

    def __init__(self, plane: Plane) -> None:
        """Store."""
        self._plane = plane
        self._serving = plane.serving

    def forecast(self, model: str, query: ForecastQuery) -> Answer:
        """Answer one question.

        Raises
        ------
        ProblemError
            A level or a regressor that the model does not know, a horizon beyond the calendar, or, where the service is
            strict, no model.
        DataError
            No such symbol.

        """
        slot = self._serving.slot(model)
        return self.path(slot, self._context(slot, query), query)

    def path(self, slot: Slot, asked: Context, query: ForecastQuery) -> Answer:
        """Answer about bars that are resolved already."""
        sessions, dated = self._sessions(slot, asked, query.periods)
        if slot.loaded is None or not isinstance(slot.loaded.model, ForecastModel):
            return self._fallback(slot, asked, query, sessions, slot.condition)
        model = slot.loaded.model
        level = LEVEL if query.level is None else query.level
        unknown = sorted(set(query.regressors) - set(model.regressors))
        if unknown:
            names = ", ".join(model.regressors) or "none"
            raise invalid(
                pointer("regressors", unknown[0]),
                f"expected a regressor of the model ({names}), found {shown(unknown[0])!r}",
            )
        known = asked.bars if dated else _dated(asked.bars, slot)
        try:
            said = model.forecast(known, sessions, level=level, regressors=query.regressors)
        except ForecastError as error:
            raise invalid("/level", str(error)) from None
        except (ArithmeticError, ValueError, RuntimeError, LookupError, TypeError):
            log.exception("%s failed", slot.model)
            return self._fallback(slot, asked, query, sessions, FAILED)
        if not (np.isfinite(said.path).all() and np.isfinite(said.lower).all() and np.isfinite(said.upper).all()):
            log.error("%s answered a number that is not finite", slot.model)
            return self._fallback(slot, asked, query, sessions, NOT_FINITE)
        return self._answer(slot, asked, said, dated=dated)

    def _context(self, slot: Slot, query: ForecastQuery) -> Context:
        store = self._serving.bars
        if query.history is not None:
            return context(query.history, query.symbol, store)
        symbol = query.symbol
        if symbol is None:
            manifest = None if slot.loaded is None else slot.loaded.manifest
            stored = tuple(info.symbol for info in store.symbols())
            symbol = next((name for name in (manifest.symbols if manifest else ()) if name in stored), None)
            symbol = symbol or next(iter(stored), None)
        if symbol is None:
            raise invalid("", "expected a history or a symbol, as nothing is stored; send history")
        return context(store.bars(symbol), symbol, store)

    def _sessions(self, slot: Slot, asked: Context, periods: int) -> tuple[DateArray, bool]:
        """Return the days that the path is about, and whether they are the caller's and not only the model's."""
        if asked.bars.date is None:
            start = (
                np.datetime64("2000-01-01", "D")
                if slot.loaded is None
                else np.datetime64(slot.loaded.manifest.last_date)
            )
            return asked.calendar.next_sessions(start, periods), False
        sessions = asked.sessions(periods)
        if sessions is None:
            detail = f"expected {periods} known sessions of {asked.calendar.name} after {asked.as_of}, found fewer"
            raise ProblemError(problems.HORIZON_TOO_FAR, f"{detail}; ask for fewer, or check the dates")
        return sessions, True

    def _answer(self, slot: Slot, asked: Context, said: PriceForecast, *, dated: bool) -> Answer:
        notes = list(asked.warnings)
        if not said.own_path:
            notes.append("no path of this symbol was trained: the average path of the trained symbols was used")
        if not dated:
            notes.append("no dates: the path is that of the sessions after the model's last day of training")
        elif slot.loaded is not None and asked.as_of is not None:
            stale = (asked.as_of - slot.loaded.manifest.last_date).days
            if stale > STALE_DAYS:
                notes.append(f"the model was trained up to {slot.loaded.manifest.last_date}, {stale} days before as_of")
        fields = {
            "level": said.level,
            "forecast": _points(said.sessions if dated else None, said.path, said.lower, said.upper),
            "regressors": {fill.name: {"values": list(fill.values), "source": fill.source} for fill in said.regressors},
        }
        return self._plane.envelope(slot, replace(asked, warnings=tuple(notes)), fields, said.tier, None)

    def _fallback(self, slot: Slot, asked: Context, query: ForecastQuery, sessions: DateArray, reason: str) -> Answer:
        self._plane.count_fallback(slot, reason)
        path = walk(asked.bars, query.periods)
        fields: Mapping[str, object] = {
            "level": None,
            "forecast": _points(sessions if asked.bars.date is not None else None, path, None, None),
            "regressors": {},
        }
        return self._plane.envelope(slot, asked, fields, None, reason)


STALE_DAYS: Final = 30
"""Days between the last day of training and as-of that are worth a warning."""


def _dated(bars: Bars, slot: Slot) -> Bars:
    """Give undated bars the days up to the end of training, where the path is best known."""
    last = np.datetime64("2000-01-01", "D") if slot.loaded is None else np.datetime64(slot.loaded.manifest.last_date)
    return replace(bars, date=np.arange(last - len(bars) + 1, last + 1))


def _points(
    sessions: DateArray | None, path: FloatArray, lower: FloatArray | None, upper: FloatArray | None
) -> list[dict[str, object]]:
    n = len(path)
    days = [None] * n if sessions is None else [to_date(day) for day in sessions]
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
