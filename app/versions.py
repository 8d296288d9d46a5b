"""Versions that do not serve: what they would say, or said when they did."""

import datetime as dt
import threading
from collections import OrderedDict
from typing import Final

from app import problems
from app.columns import invalid
from app.errors import ProblemError
from app.schemas.answers import Fault
from app.schemas.requests import AT_AS_OF
from app.serving import Serving, Slot, answer_head, build_served
from models.errors import ArtifactError, VersionUnknown
from models.served import prove

KEPT: Final = 20
"""Versions that stay in memory after a question about them: all nine models of two eras, and two more."""

END_OF_DAY: Final = dt.time(23, 59, 59, 999_999, tzinfo=dt.UTC)
"""A question as of a day is answered by what served at its end, after every exchange but the latest had closed."""


class Versions:
    """Finds the version that a question names. Safe for threads."""

    def __init__(self, serving: Serving, kept: int = KEPT) -> None:
        """Store."""
        self._serving = serving
        self._kept = kept
        self._slots: OrderedDict[tuple[str, str], Slot] = OrderedDict()
        self._loading: dict[tuple[str, str], threading.Lock] = {}
        self._lock = threading.Lock()

    def slot(self, model: str, wanted: str | None, as_of: dt.date | None) -> Slot:
        """Return what answers: what serves, the version that is named, or the one that served on the day of as-of.

        Raises
        ------
        ProblemError
            There is no such version, none served on that day, as-of is not known, or the version can't be loaded.

        """
        if wanted is None:
            return self._serving.slot(model)
        version = self._at(model, as_of) if wanted == AT_AS_OF else wanted
        current = self._serving.slot(model)
        if current.loaded is not None and current.loaded.version == version:
            return current
        known = self._known(model, version)
        return self._loaded(model, version) if known is None else known

    def _known(self, model: str, version: str) -> Slot | None:
        with self._lock:
            known = self._slots.get((model, version))
            if known is not None and self._serving.store.may_serve(model, version):
                self._slots.move_to_end((model, version))
                return known
            self._slots.pop((model, version), None)
            return None

    def _loaded(self, model: str, version: str) -> Slot:
        """Load a version once, however many questions ask for it at a time: the others wait, and find it loaded."""
        key = model, version
        with self._lock:
            turn = self._loading.setdefault(key, threading.Lock())
        with turn:
            try:
                slot = self._known(model, version) or self._load(model, version)
                with self._lock:
                    self._slots[key] = slot
                    while len(self._slots) > self._kept:
                        self._slots.popitem(last=False)
            finally:
                with self._lock:
                    self._loading.pop(key, None)  # whoever waits has it in hand; a name that is none must not stay
        return slot

    def _at(self, model: str, as_of: dt.date | None) -> str:
        if as_of is None:
            detail = f"expected dated bars for {AT_AS_OF!r}, found none; send dates, or name a version"
            raise invalid("/version", detail)
        try:
            promotions = self._serving.store.promotions(model)
            version = self._serving.store.served_at(model, dt.datetime.combine(as_of, END_OF_DAY))
        except ArtifactError as error:
            raise _unavailable(model, error) from error
        if version is None:
            first = f"the first was promoted on {promotions[0].when:%Y-%m-%d}" if promotions else "nothing was promoted"
            detail = f"expected a version of {model} that served on {as_of}, found none: {first}; leave version out"
            raise ProblemError(problems.NO_VERSION_THEN, detail, [Fault(pointer="/version", detail=detail)])
        return version

    def _load(self, model: str, version: str) -> Slot:
        try:
            loaded = self._serving.store.load(model, version, build_served, prove)
        except VersionUnknown:
            detail = f"expected a version of {model}, found no {version}; GET /models/{model}/versions lists them"
            raise ProblemError(problems.UNKNOWN_VERSION, detail, [Fault(pointer="/version", detail=detail)]) from None
        except ArtifactError as error:
            raise _unavailable(f"{model} {version}", error) from error
        return Slot(model, "serving", None, loaded, answer_head(loaded.manifest))


def _unavailable(what: str, error: ArtifactError) -> ProblemError:
    """Return the problem; the store's own message may hold paths of the server."""
    detail = f"expected {what} to answer, found it {error.slug}; ask what serves, or see the history of promotions"
    return ProblemError(problems.MODEL_UNAVAILABLE, detail)
