"""What one hypothetical bar more would move: the answer before it, the answer after it, and the differences."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from app.columns import invalid, to_date
from app.context import Context, extended, resolve
from app.plane import Answer, Explained, Plane, finite
from app.queries import WhatIfQuery
from app.schemas.answers import Envelope
from app.serving import Slot
from app.versions import Versions
from feature_mapper.bars import Bars
from models.tabular import TabularModel

NOTE: Final = "the last bar is hypothetical"
NO_VOLUME: Final = "the hypothetical bar has no volume: volume features are unknown"


_GIVEN: Final = frozenset({"level"})
"""Numbers of an answer that the model was trained to or asked for; no bar moves them."""


class WhatIf:
    """Answers questions about a bar that is not there."""

    def __init__(self, plane: Plane, versions: Versions) -> None:
        """Store."""
        self._plane = plane
        self._versions = versions

    def answer(self, model: str, query: WhatIfQuery) -> Answer:
        """Answer by one version of a model, twice.

        Raises
        ------
        ProblemError
            As a question without the bar; or its day does not follow the last one.

        """
        store = self._plane.serving.bars
        known = resolve(query.question, store)
        slot = self._versions.slot(model, query.question.version, query.question.as_of or known.as_of)
        bar = following(known, query.bar)
        silent = (bar.volume is None or np.isnan(bar.volume[0])) and known.bars.volume is not None
        supposed = extended(known, bar, store, NOTE, *([NO_VOLUME] if silent else []))
        before, after = (
            self._plane.predict(slot, asked, explain=query.question.explain) for asked in (known, supposed)
        )
        return {
            "what_if": _bar(bar),
            "before": before,
            "after": after,
            "changes": dict(_changes(_own(before), _own(after))),
            "moved": self._moved(slot, known.bars, supposed.bars).content if query.question.explain else None,
        }

    def _moved(self, slot: Slot, before: Bars, after: Bars) -> Explained:
        if slot.loaded is None or not isinstance(slot.loaded.model, TabularModel):
            return Explained()
        model = slot.loaded.model
        return self._plane.explained(slot, None, lambda _: model.moves(before, after))


def following(known: Context, bar: Bars) -> Bars:
    """Return a bar on a day after the known ones: the next session, unless it names a day itself.

    Raises
    ------
    ProblemError
        It names a day that does not follow, or where the others name none; or no next session is known.

    """
    place, dates = "/what_if/date", known.bars.date
    if dates is None:
        if bar.date is not None:
            raise invalid(place, "expected no date, as the other bars carry none; take it out, or date all of them")
        return bar
    if bar.date is not None:
        if bar.date[0] <= dates[-1]:
            raise invalid(place, f"expected a day after {dates[-1]}, the last known one, found {bar.date[0]}")
        return bar
    sessions = known.sessions(1)
    if sessions is None:
        raise invalid(place, f"expected a date, as no session of {known.calendar.name} is known after {dates[-1]}")
    return replace(bar, date=sessions)


def _bar(bar: Bars) -> dict[str, object]:
    prices = {name: float(getattr(bar, name)[0]) for name in ("open", "high", "low", "close")}
    volume = None if bar.volume is None or np.isnan(bar.volume[0]) else float(bar.volume[0])
    date = None if bar.date is None else to_date(bar.date[0])
    return {"date": date, **prices, "volume": volume}


def _own(answer: Answer) -> dict[str, object]:
    return {name: value for name, value in answer.items() if name not in Envelope.__struct_fields__}


def _changes(before: object, after: object, place: str = "") -> Iterator[tuple[str, float]]:
    """Yield each forecast number that both answers hold, by its path, and what was added to it."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in before:
            if name in after and name not in _GIVEN:
                yield from _changes(before[name], after[name], f"{place}/{name}" if place else name)
    elif isinstance(before, float) and isinstance(after, float) and finite(after - before):
        yield place, after - before
