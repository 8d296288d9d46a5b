"""The steps of a retraining, as plain functions: any engine can run them, and so can a test."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from data.bar_store import BarStore, sample_store
from data.calendars import Calendar, calendar_for
from data.disk import advice
from data.validation.report import Note, Validation
from data.validation.run import validate_bars, validate_features
from feature_mapper.bars import Bars
from feature_mapper.catalogue import CATALOGUE
from feature_mapper.errors import BarcastError
from flows.acceptance import read_accepted
from flows.ingestion import Ingestion, Say
from flows.plan import Plan
from models.store import ArtifactStore
from training.kit.fleet import Fleet, Result, script_arguments
from training.kit.promotion import review, settle
from training.kit.ritual import fingerprint


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a candidate: whether it serves, what the gate said in the end, and what serves now."""

    model: str
    version: str
    promoted: bool
    reason: str
    serves: str | None


class OtherBars(BarcastError):
    """A candidate was trained on other bars than were validated."""


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """The bars that were validated: their fingerprint, and the digests of the stored series that they are in."""

    fingerprint: str
    digests: dict[str, str]


def series_of(store: BarStore, ingestion: Ingestion) -> dict[str, Bars]:
    """Return the bars of the symbols that may be trained on."""
    return {symbol: store.bars(symbol) for symbol in ingestion.usable}


def known_before(plan: Plan) -> dict[str, Bars]:
    """Return the stored bars as they are before an ingestion, to see what it changed."""
    store = sample_store(plan.data / "processed")
    return {info.symbol: store.bars(info.symbol) for info in store.symbols()}


def check_bars(
    plan: Plan, store: BarStore, ingestion: Ingestion, before: Mapping[str, Bars], today: np.datetime64
) -> Validation:
    """Judge the bars, also against those before; only live sources can be stale.

    A restated history is a finding, unless its source explains all of it; lost days are one either way.
    """
    series = series_of(store, ingestion)

    def calendar_of(symbol: str) -> Calendar:
        return calendar_for(name=store.info(symbol).calendar)

    previous = {symbol: bars for symbol, bars in before.items() if symbol in series}
    explained = {one.symbol for one in ingestion.symbols if one.explained}
    live = today if plan.source == "yahoo" else None
    accepted = read_accepted(plan.accepted)
    judged = validate_bars(series, calendar_of, live, previous, accepted=accepted, explained=explained)
    notes = tuple(Note(symbol=one.symbol, mark=one.mark, text=one.said) for one in ingestion.marked)
    return msgspec.structs.replace(judged, notes=notes)


def check_features(plan: Plan, store: BarStore, ingestion: Ingestion) -> Validation:
    """Judge the matrices that models would be fitted on."""
    return validate_features(series_of(store, ingestion), CATALOGUE, accepted=read_accepted(plan.accepted))


def digests_of(plan: Plan) -> dict[str, str]:
    """Return the digests of the imported series as they are at this moment."""
    return sample_store(plan.data / "processed").digests()


def keep_series(plan: Plan, held: Path, before: Mapping[str, str]) -> tuple[str, ...]:
    """Store the series that were held, now that they have been judged, unless others came meanwhile; name them."""
    return sample_store(plan.data / "processed").adopt(held, before)


def basis_of(plan: Plan, store: BarStore, ingestion: Ingestion) -> Basis:
    """Return what candidates have to be trained on: the bars of ``store`` that were judged, which are stored by now."""
    return Basis(fingerprint=fingerprint(series_of(store, ingestion)), digests=digests_of(plan))


def fleet_of(plan: Plan, ingestion: Ingestion, say: Say) -> Fleet:
    """Return what runs the training scripts, each to a candidate."""
    arguments = script_arguments(plan.artifacts, plan.data / "processed", ingestion.usable, candidate=True)
    return Fleet(arguments, python=plan.python, timeout_s=plan.script_timeout_s, say=say)


def judge_candidate(plan: Plan, result: Result, basis: Basis) -> str:
    """Judge a candidate against what serves at this moment, and return the words.

    Raises
    ------
    OtherBars
        It was trained on bars that nobody judged: an import or another retraining stored others meanwhile.
    StoreError
        It can't be read.

    """
    if result.version is None:
        raise ValueError(f"expected a published candidate of {result.model}, found none")
    store = ArtifactStore(plan.artifacts, by="retraining")
    found = store.manifest(result.model, result.version).data_fingerprint
    if found != basis.fingerprint:
        now = digests_of(plan)
        changed = sorted(name for name in {*now, *basis.digests} if now.get(name) != basis.digests.get(name))
        since = f"; stored since: {', '.join(changed)}" if changed else ""
        raise OtherBars(
            f"expected a training on the bars that were validated, {basis.fingerprint[:12]}, found one on others, "
            f"{found[:12]}{since}; retrain, and import nothing until it is done"
        )
    verdict = review(result.model, result.version, store)
    return f"{'yes' if verdict.promoted else 'no'}: {verdict.reason}"


def promote_candidate(plan: Plan, result: Result) -> Settled:
    """Let a candidate serve if the gate says so, against whatever serves at this moment."""
    if result.version is None:
        raise ValueError(f"expected a published candidate of {result.model}, found none")
    store = ArtifactStore(plan.artifacts, by="retraining")
    verdict = settle(result.model, result.version, store)
    return Settled(
        model=result.model,
        version=result.version,
        promoted=verdict.promoted,
        reason=verdict.reason,
        serves=store.current(result.model),
    )


def failure(error: Exception) -> str:
    """Return the words of a failed step, with what to do about what the system refused."""
    if isinstance(error, BarcastError):
        return str(error)
    told = f"{type(error).__name__}: {error}"
    return f"{told}; {advice(error)}" if isinstance(error, OSError) else told
