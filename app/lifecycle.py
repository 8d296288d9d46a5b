"""Promote, roll back, reload: what changes which version answers. Knows no HTTP."""

import logging
from functools import partial

from msgspec import UnsetType

from app import problems
from app.errors import ProblemError
from app.schemas.requests import PromoteRequest, RollbackRequest
from app.schemas.status import Promotion
from app.serving import Serving, build_served
from models.errors import (
    ArtifactError,
    ArtifactMissing,
    ArtifactQuarantined,
    ArtifactUncertified,
    ArtifactUnsound,
    ChampionChanged,
    StoreError,
    VersionUnknown,
)
from models.served import prove

log = logging.getLogger(__name__)

BY_HAND = "by hand"


class Lifecycle:
    """Changes what serves, by way of the store: every worker sees it there."""

    def __init__(self, serving: Serving) -> None:
        """Store."""
        self._serving = serving
        self._store = serving.store

    def promote(self, model: str, asked: PromoteRequest) -> Promotion:
        """Let a version serve, once it has been loaded and its golden examples replayed.

        Raises
        ------
        ProblemError
            No such version, the gate said no, another version serves than expected, the version can't be trusted, or
            the store can't be written.

        """
        before, why = self._version(model), BY_HAND if isinstance(asked.why, UnsetType) else asked.why
        try:
            gate, current = self._store.manifest(model, asked.version).gate, self._store.current(model)
            instead_of = current if isinstance(asked.instead_of, UnsetType) else asked.instead_of
            if gate.promoted and asked.anyway is not True and current not in {gate.champion, asked.version}:
                detail = f"expected a verdict against {current or 'none'}, which serves, found one against "
                detail += f"{gate.champion or 'none'}; judge it again (barcast promote {model} {asked.version}), "
                raise ProblemError(problems.GATE_SAID_NO, detail + 'or send "anyway": true if you know better')
            if not gate.promoted and asked.anyway is not True:
                detail = f"expected a version that the gate let through, found {asked.version} kept: {gate.reason}; "
                raise ProblemError(problems.GATE_SAID_NO, detail + 'promote it with "anyway": true if you know better')
            self._store.load(model, asked.version, build_served, prove)
            if not gate.promoted:
                why = f"{why} (against the gate: {gate.reason})"
            self._store.promote(model, asked.version, why=why, instead_of=instead_of)
        except ArtifactError as error:
            raise _refused(model, error) from error
        return self._reloaded(model, before, why)

    def rollback(self, model: str, asked: RollbackRequest) -> Promotion:
        """Let the version serve that served before, once it has been loaded and replayed; raises as `promote`."""
        before = self._version(model)
        why = BY_HAND if isinstance(asked.why, UnsetType) else asked.why
        proven = partial(self._store.load, model, build=build_served, prove=prove)
        try:
            entry = self._store.rollback(model, why=why, instead_of=asked.instead_of, proven=proven)
        except ArtifactError as error:
            raise _refused(model, error) from error
        return self._reloaded(model, before, entry.why)

    def reload(self, model: str) -> Promotion:
        """Load what is promoted again; the other workers do so too, unless the store can't be written."""
        before, why = self._version(model), "reloaded"
        try:
            self._store.renew(model)
        except StoreError as error:
            log.warning("the other workers do not reload %s: %s", model, error)
            why = f"reloaded by this worker alone, as the others could not be told ({error.slug})"
        return self._reloaded(model, before, why)

    def _version(self, model: str) -> str | None:
        loaded = self._serving.slot(model).loaded
        return None if loaded is None else loaded.version

    def _reloaded(self, model: str, before: str | None, why: str) -> Promotion:
        slot = self._serving.reload(model)
        try:
            version = self._store.current(model)
        except StoreError as error:
            raise _refused(model, error) from error
        serves = slot.loaded is not None and slot.loaded.version == version
        return Promotion(
            model=model,
            version=version,
            before=before,
            why=why,
            serves=serves,
            reason=None if serves else slot.reason,
        )


def _refused(model: str, error: ArtifactError) -> ProblemError:
    """Return the problem of a change that did not come about. Messages that may hold paths of the server stay here."""
    kept = "what served before still does"
    match error:
        case ChampionChanged():
            return ProblemError(problems.PROMOTION_CONFLICT, f"{error}")
        case VersionUnknown():
            detail = f"expected a published version of {model}, found none by that name; {kept}"
            return ProblemError(problems.UNKNOWN_VERSION, f"{detail}. GET /models/{model}/versions lists them")
        case ArtifactMissing():
            detail = f"expected a version of {model} that served before, found none that can serve; {kept}"
            return ProblemError(problems.PROMOTION_CONFLICT, f"{detail}. Promote one by name")
        case ArtifactUncertified():
            detail = f"{error}; {kept}"
            return ProblemError(problems.PROMOTION_CONFLICT, f"{detail}. Train {model} again: its training audits it")
        case ArtifactQuarantined() | ArtifactUnsound():
            detail = f"expected a sound version of {model}, found it {error.slug}; {kept}"
            return ProblemError(problems.PROMOTION_CONFLICT, f"{detail}. GET /models/{model}/versions says why")
        case _:
            detail = f"expected to change what serves of {model}, found the store refuse ({error.slug}); {kept}"
            return ProblemError(problems.STORE_UNAVAILABLE, f"{detail}. Try again", headers={"Retry-After": "5"})
