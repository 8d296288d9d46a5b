"""What serves: every model's loaded version, or why there is none. Owned by the application's lifespan.

A request takes the slot of a model once and answers from it, so a reload in the middle never mixes two versions.
"""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from app import problems
from app.columns import to_date
from app.conditions import why
from app.errors import ProblemError
from app.histories import Histories
from app.horizons import horizon_of
from app.metrics import Metrics
from app.schemas.answers import BandCoverage, Skill, TercileCoverage, WorstYear
from app.schemas.status import Health, ModelCondition, ModelHealth, Replay, StatusCard
from app.settings import Settings
from app.version import service_version
from data.bar_store import BarStore
from models import manifest as manifests
from models.errors import ArtifactError, ManifestInvalid
from models.golden import cases_of, replay
from models.manifest import Manifest, TierManifest
from models.served import ServedModel, load_model, prove
from models.store import CURRENT_NAME, Artifact, ArtifactStore, Loaded
from models.tasks.registry import EXPECTED_MODELS, TaskUnknown, route_of, task_of
from models.typing import JsonObject

LOCK_SECONDS: Final = 2.0
"""How long a change waits for another writer of the model: all of them share one thread, and an admin can ask again."""

log = logging.getLogger(__name__)


Stamp = tuple[int, int, int] | None
"""Inode, time of change and size of a model's ``CURRENT``: another promotion has another one. None: no such file."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One model's place.

    ``loaded`` is the version that answers, or None; ``condition`` and ``reason`` say why not. A reload that fails
    leaves the version that answered before, and its reason in ``reason``. ``head`` is what a fallback may read of the
    manifest.
    """

    model: str
    condition: ModelCondition
    reason: str | None
    loaded: Loaded[ServedModel] | None
    head: JsonObject | None


class Serving:
    """The models and the bars that answer requests. Safe for threads."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Open the stores; `load` reads the models, and `Histories.renew` the bars."""
        self.histories = Histories(settings.data_dir / "processed")
        self.store = ArtifactStore(settings.artifacts_dir, by="service", lock_timeout_s=LOCK_SECONDS)
        self.strict = settings.strict
        self._metrics = metrics
        self._slots: Mapping[str, Slot] = {
            model: Slot(model, "missing", "not loaded yet", None, None) for model in served_models(self.store)
        }
        self._lock = threading.Lock()
        self._reloading = {model: threading.Lock() for model in self._slots}
        self._seen: dict[str, Stamp] = {}

    @property
    def bars(self) -> BarStore:
        """The stored histories as they are now: take it once a request, as a later one may be another."""
        return self.histories.store

    @property
    def models(self) -> tuple[str, ...]:
        """Names of all models that have a route."""
        return tuple(self._slots)

    def slot(self, model: str) -> Slot:
        """Return the slot of a model; raises ``KeyError`` for one without a route."""
        return self._slots[model]

    def load(self) -> None:
        """Load every model; one that fails stops no other."""
        for model in self._slots:
            self.reload(model)

    def reload(self, model: str) -> Slot:
        """Load the promoted version of one model; on any failure the version that serves goes on serving.

        One at a time: a slow load that began before a promotion must not take the place of a fast one that began after.
        """
        with self._reloading[model]:
            return self._reload(model)

    def changed(self) -> tuple[str, ...]:
        """Return the models whose promotion is another than the one that was looked at last."""
        return tuple(model for model in self._slots if stamp(self.store, model) != self._seen.get(model))

    def promoted(self, model: str) -> Stamp:
        """Return the stamp of a model's promotion as it is now."""
        return stamp(self.store, model)

    def _reload(self, model: str) -> Slot:
        self._seen[model] = stamp(self.store, model)  # before the load, so that a promotion during it is seen after it
        self.store.forget(model)  # whoever has us look again may have lifted what only this process remembers
        fresh = self._loaded(model)
        if fresh.condition == "failed":  # the machine's fault and no promotion's: to be tried again
            del self._seen[model]
        with self._lock:
            old = self._slots[model]
            if fresh.loaded is None and old.loaded is not None:
                fresh = replace(old, reason=fresh.reason)
            self._slots = {**self._slots, model: fresh}
            if old.loaded is not None and old.loaded is not fresh.loaded:
                self._metrics.models.remove(model, old.loaded.version)
            if fresh.loaded is not None:
                self._metrics.models.labels(model, fresh.loaded.version).set(1)
        return fresh

    def _loaded(self, model: str) -> Slot:
        try:
            loaded = self.store.load(model, None, build_served, prove)
        except ArtifactError as error:
            log.error("%s can't serve: %s", model, error)  # noqa: TRY400  the message says it all; no stack is missing
            condition, reason = why(self.store, model, error)
            return Slot(model, condition, reason, None, self._head(model))
        return Slot(model, "serving", None, loaded, answer_head(loaded.manifest))

    def _head(self, model: str) -> JsonObject | None:
        """Return the head of the promoted version if its manifest, at least, can be trusted."""
        try:
            return answer_head(self.store.manifest(model))
        except ArtifactError:
            return None

    # What the health routes show

    def health(self) -> Health:
        """Return the state of every model; one that serves, though not what was promoted since, is not ok."""
        models = [_health(slot) for slot in self._slots.values()]
        serving = sum(model.state == "serving" for model in models)
        sound = sum(model.state == "serving" and model.reason is None for model in models)
        status: Literal["ok", "degraded", "unavailable"] = (
            "ok" if sound == len(models) else "degraded" if serving else "unavailable"
        )
        return Health(status=status, version=service_version(), strict=self.strict, models=models)

    def card(self) -> StatusCard:
        """Return what the status card shows."""
        stored = self.bars.symbols()
        last = max((info.last for info in stored), default=None)
        return StatusCard(health=self.health(), symbols=len(stored), data_to=None if last is None else to_date(last))

    def replay(self, model: str) -> Replay | None:
        """Replay a model's golden examples, as published and as they lie on disk now; None if there is no such model.

        Raises
        ------
        ProblemError
            model-unavailable: no version serves, or what serves is not what was published.

        """
        slot = self._slots.get(model)
        if slot is None:
            return None
        if slot.loaded is None:
            raise _unavailable(model, slot.condition, slot.reason)
        begun = time.perf_counter()
        try:
            golden = self.store.read(model, slot.loaded.version).files["golden.json"]
            replay(slot.loaded.model, golden)
        except ArtifactError as error:
            log.error("%s is not as published: %s", model, error)  # noqa: TRY400  as above
            raise _unavailable(model, *why(self.store, model, error)) from error
        return Replay(
            model=model,
            version=slot.loaded.version,
            examples=len(cases_of(golden)),
            identical=True,
            seconds=time.perf_counter() - begun,
        )


def stamp(store: ArtifactStore, model: str) -> Stamp:
    """Return the stamp of a model's promotion; it costs one system call."""
    try:
        status = (store.root / model / CURRENT_NAME).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def served_models(store: ArtifactStore) -> tuple[str, ...]:
    """Return the models that have a route: those of a complete installation, then others that were published."""
    try:
        published = store.models()
    except ArtifactError as error:
        log.error("only the expected models have a route: %s", error)  # noqa: TRY400  as above
        return EXPECTED_MODELS
    return (*EXPECTED_MODELS, *(model for model in published if model not in EXPECTED_MODELS and _has_task(model)))


def skill_of(tier: TierManifest) -> Skill | None:
    """Return a tier's first score as answers show it; None without an interval."""
    score = tier.scores[0]
    if score.ci95 is None:
        return None
    return Skill(
        metric=score.metric,
        value=score.value,
        ci95=score.ci95,
        n=score.n,
        baseline=score.baseline,
        verdict=score.verdict,
        coverage=None if tier.coverage is None else _coverage(tier.coverage),
        calibration=tier.calibration,
    )


def _coverage(found: manifests.Coverage) -> BandCoverage:
    worst = min(found.years, key=lambda year: year.share)
    calm, middling, rough = found.terciles
    return BandCoverage(
        level=found.level,
        overall=found.overall,
        worst_year=WorstYear(year=worst.year, share=worst.share, n=worst.n),
        by_tercile=TercileCoverage(calm=calm, middling=middling, rough=rough),
    )


def build_served(artifact: Artifact) -> ServedModel:
    """Build the model, if it answers the question of the route that its name leads to."""
    manifest = artifact.manifest
    expected = task_of(manifest.model).identity
    wrong = "rename the model, train again"
    if manifest.task != expected.name:
        message = f"{artifact.name}: expected the task {expected.name}, found {manifest.task}; {wrong}"
        raise ManifestInvalid(message)
    horizon = manifest.target.horizon
    if horizon != expected.horizon and expected.name != "forecast":  # whose target is its longest path
        message = f"{artifact.name}: expected a target of {expected.horizon} sessions, found {horizon}; {wrong}"
        raise ManifestInvalid(message)
    return load_model(artifact)


def _has_task(model: str) -> bool:
    try:
        task_of(model)
    except TaskUnknown:
        log.warning("%s is published and has no task, so no route; its name must end with a task", model)
        return False
    return True


def answer_head(manifest: Manifest) -> JsonObject | None:
    """Return what a fallback may read of a manifest, None if it has nothing for it."""
    head = manifest.tiers[-1].head.get("answer")
    return head if isinstance(head, dict) else None


def _unavailable(model: str, condition: ModelCondition, reason: str | None) -> ProblemError:
    detail = f"expected {model} to serve as published, found it {condition}: {reason}"
    return ProblemError(problems.MODEL_UNAVAILABLE, detail)


def _health(slot: Slot) -> ModelHealth:
    manifest = None if slot.loaded is None else slot.loaded.manifest
    return ModelHealth(
        model=slot.model,
        task=task_of(slot.model).identity.name,
        path=route_of(slot.model),
        horizon=horizon_of(slot.model),
        state=slot.condition,
        version=None if manifest is None else manifest.version,
        trained_to=None if manifest is None else manifest.last_date,
        reason=slot.reason,
        skill=None if manifest is None else skill_of(manifest.tiers[-1]),
    )
