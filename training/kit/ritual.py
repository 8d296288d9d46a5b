"""The ritual of every training: train, audit, judge, record golden examples, certify, publish a candidate."""

import datetime as dt
import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path

import msgspec

import training
from feature_mapper.bars import Bars
from models import certificate, strict_json
from models.certificate import CERTIFICATE_NAME, Certificate, Form
from models.golden import record
from models.manifest import NO_LINEAGE, PROTOCOL, Draft, GateVerdict, Lineage, Manifest, without_figures
from models.served import ServedModel, load_model
from models.store import Artifact, ArtifactStore
from models.store.reading import digest
from models.tasks.registry import task_of
from models.typing import JsonObject
from training.kit import audit
from training.kit.card import card
from training.kit.gate import judge, of_outcome
from training.kit.losses import LOSSES_NAME
from training.kit.notes import Notes, read_notes
from training.kit.outcome import Outcome, Trainer
from training.kit.progress import Progress
from training.kit.spec import ModelSpec
from training.kit.trading import judge_tier
from training.kit.trials import Trials, trials_of


def trainer_of(task: str, checkpoints: Path | None = None) -> Trainer:
    """Return what trains the models of a task; ``checkpoints``: where long fits of tabular models keep theirs."""
    match task:
        case "regime":
            from training.kit.regime import train as train_regime

            return train_regime
        case "forecast":
            from training.kit.forecast import train as train_forecast

            return train_forecast
        case _:
            from training.kit.tabular import train as train_tabular

            return partial(train_tabular, checkpoints=checkpoints)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A trained, audited and judged model: all that publishing needs."""

    draft: Draft
    files: dict[str, bytes]
    certificate: Certificate


def run(
    model: str,
    spec: ModelSpec,
    series: Mapping[str, Bars],
    store: ArtifactStore,
    *,
    config: JsonObject | None = None,
    lineage: Lineage = NO_LINEAGE,
    checkpoints: Path | None = None,
    searched: int = 0,
) -> Manifest:
    """Train one model on ``series``, audit and judge it, and publish it as a candidate; return its manifest.

    Until the last step nothing is written to the store, so an interrupted run leaves it as it was. Whether the
    candidate then serves is up to `training.kit.promotion`. Parameters as `prepare` has them.
    """
    prepared = prepare(
        model, spec, series, store, config=config, lineage=lineage, checkpoints=checkpoints, searched=searched
    )
    return store.publish(prepared.draft, prepared.files, why="trained")


def prepare(
    model: str,
    spec: ModelSpec,
    series: Mapping[str, Bars],
    store: ArtifactStore,
    *,
    form: Form = "quick",
    config: JsonObject | None = None,
    lineage: Lineage = NO_LINEAGE,
    checkpoints: Path | None = None,
    searched: int = 0,
) -> Prepared:
    """Do all of a training but to publish what comes of it.

    Parameters
    ----------
    model : str
        Name of the folder.
    spec : ModelSpec
        What is trained.
    series : Mapping of str to Bars
        What it is trained on.
    store : ArtifactStore
        Where it is to be published, and what serves is looked up.
    form : {"quick", "full"}
        Of the audit.
    config : JSON object or None
        The whole configuration that ``spec`` is of, for the artifact to keep.
    lineage : Lineage
        Where that configuration came from.
    checkpoints : Path or None
        Folder in which long final fits keep what they have so far; a killed run goes on from there.
    searched : int
        Other configurations that a search looked at before it chose ``spec``.

    Raises
    ------
    NotesInvalid
        The folder's ``card.md`` is not in the form of `training.kit.notes`; known before the first fit.
    SpecError
        ``spec`` can't be trained on ``series``.

    """
    task, notes = task_of(model).identity.name, read_notes(model)
    outcome = trainer_of(task, checkpoints)(model, spec, series, Progress(model, total=0))
    unjudged = draft_of(model, task, spec, series, outcome, without_figures(promoted=False, reason="not judged yet"))
    served = load_model(Artifact(unjudged.published("v000000", ()), outcome.weights))  # as read back, not as fitted
    checks = audit.audit(model, spec, series, outcome, served, form=form, progress=Progress(model, total=0))
    outcome = replace(outcome, checks=checks)
    verdict = judge(of_outcome(model, outcome), model, store)
    draft = draft_of(model, task, spec, series, outcome, verdict)
    draft = msgspec.structs.replace(draft, config=config or {}, lineage=lineage)
    files = _files(draft, outcome, served, notes, trials_of(spec, notes, searched))
    vouched = audit.certificate(draft, {name: digest(data) for name, data in files.items()}, checks, form)
    return Prepared(draft, {**files, CERTIFICATE_NAME: certificate.encode(vouched)}, vouched)


def draft_of(
    model: str, task: str, spec: ModelSpec, series: Mapping[str, Bars], outcome: Outcome, verdict: GateVerdict
) -> Draft:
    """Return the manifest of an outcome, but for version and files."""
    return Draft(
        protocol=PROTOCOL,
        model=model,
        task=task,
        family=spec.family,
        created=dt.datetime.now(dt.UTC).replace(microsecond=0),
        git_commit=_commit(),
        libraries={name: metadata.version(name) for name in outcome.libraries},
        symbols=tuple(series),
        first_date=outcome.first,
        last_date=outcome.last,
        rows=outcome.rows,
        data_fingerprint=fingerprint(series),
        target=outcome.target,
        seed=spec.seed,
        tiers=outcome.tiers,
        checks=tuple(check.brief() for check in outcome.checks),
        gate=verdict,
        config={},
        lineage=NO_LINEAGE,
    )


def _files(draft: Draft, outcome: Outcome, served: ServedModel, notes: Notes, trials: Trials) -> dict[str, bytes]:
    """Return every file of the artifact but its certificate."""
    golden = record(served, outcome.cases)
    books = tuple(judge_tier(book, tier, trials.count) for tier, book in outcome.books.items())
    told = {
        **outcome.evaluation,
        "calibration": outcome.calibration,
        "foremost": [{"feature": name, "gain": share} for name, share in outcome.foremost],
        "trials": trials,
        "followed": books,
    }
    return {
        **outcome.weights,
        **outcome.plots,
        "golden.json": golden,
        LOSSES_NAME: outcome.losses.dump(),
        "evaluation.json": msgspec.json.format(strict_json.encode(told), indent=1) + b"\n",
        "card.md": card(draft, outcome, notes, trials, books).encode(),
    }


def fingerprint(series: Mapping[str, Bars]) -> str:
    """Return the SHA-256 of all training bars: symbols, days and the bits of every number."""
    digest = hashlib.sha256()
    for symbol, bars in sorted(series.items()):
        digest.update(f"{symbol}:{len(bars)};".encode())
        if bars.date is not None:
            digest.update(bars.date.tobytes())
        for name, column in bars.columns():
            digest.update(name.encode() + column.tobytes())
    return digest.hexdigest()


def _commit() -> str | None:
    """Return the commit of the checkout that this code runs from, or None outside one."""
    root = Path(training.__file__).parent.parent
    try:
        shown = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],  # noqa: S607  git is found as the user's shell finds it
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return shown.stdout.strip()
