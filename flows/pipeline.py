"""The pipeline: ingest, validate, train, judge, promote, confirm. Knows no engine and no scheduler."""

import datetime as dt
import resource
import shutil
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import numpy as np

from data.disk import advice, write_at_once
from data.validation.report import Validation
from feature_mapper.errors import BarcastError
from flows import steps
from flows.confirmation import Confirmed, confirm
from flows.engine import Engine
from flows.ingestion import Ingestion, held_store, ingest, now
from flows.plan import Plan
from flows.sources import forget
from flows.summary import SCHEMA, State, Step, Summary, Trained
from models.errors import StoreError
from models.store import ArtifactStore
from training.kit.fleet import Result, stopping

R = TypeVar("R")

KIB_A_MIB: Final = 1024
LONGEST_RUN_S: Final = 24 * 3600.0


class Halted(BarcastError):
    """The data are not fit to train on; nothing was started."""


def retrain(plan: Plan, engine: Engine, clock: Callable[[], dt.datetime] = now) -> Summary:
    """Retrain the models of a plan and let those serve that pass the gate; return what happened.

    Data that fail halt everything before any script starts, and stay out of the stored series: these are replaced once
    all have been judged. A script that fails stops no other, and what served before
    goes on serving. Whatever a step after the data raises is told in the summary, and stops no other step.
    The summary and the validation's page are written below ``runs/`` of the plan's data folder.

    Raises
    ------
    KeyboardInterrupt
        Once every script has ended; what serves is what served before, or what had been promoted by then.

    """
    run = _Run(plan, engine, clock)
    try:
        ingestion = run.ingested()
        run.validated(ingestion)
    except (BarcastError, OSError) as error:
        run.forget()
        summary = run.halted(steps.failure(error))
    else:
        summary = run.done(ingestion, run.trained(ingestion))
    finally:
        run.let_go()
    try:
        run.write("summary.json", msgspec.json.format(msgspec.json.encode(summary), indent=1) + b"\n")
    except OSError as error:  # what was done is done, and is told on the terminal all the same
        engine.say(f"the summary can't be written: {error}; {advice(error)}")
    return summary


class _Run:
    """One run on its way: what is known by now, and where its files go."""

    def __init__(self, plan: Plan, engine: Engine, clock: Callable[[], dt.datetime]) -> None:
        self.plan, self.engine, self.clock = plan, engine, clock
        self.started, self.begun = clock(), time.monotonic()
        self.folder = plan.data / "runs" / f"{self.started:%Y%m%dT%H%M%S.%fZ}"
        self.store = ArtifactStore(plan.artifacts, by="retraining")
        self.serving = {model: self.store.current(model) for model in plan.models}
        self.steps: list[Step] = []
        self.ingestion: Ingestion | None = None
        self.validation: Validation | None = None
        self.report: Path | None = None
        self.faults: list[str] = []
        self.held = self.folder / "held"
        self.series = held_store(plan, self.held)

    def _step(self, name: str, do: Callable[[], R]) -> R:
        return self._timed(name, lambda: self.engine.step(name, do))

    def _timed(self, name: str, do: Callable[[], R]) -> R:
        """Note how long a step takes, whether or not it comes to its end."""
        begun = time.monotonic()
        try:
            return do()
        finally:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_A_MIB
            self.steps.append(Step(name=name, seconds=time.monotonic() - begun, peak_mib=peak))

    def ingested(self) -> Ingestion:
        """Ask for what is missing of the bars, and hold it."""
        self._sweep()
        self.digests = steps.digests_of(self.plan)  # first, so that an import from here on is one that came meanwhile
        self.before = self._step("remember", lambda: steps.known_before(self.plan))
        self.ingestion = self._step("ingest", lambda: ingest(self.plan, self.held, self.engine.say, self.clock))
        if self.ingestion.halts:
            failed = "; ".join(f"{one.symbol}: {one.said}" for one in self.ingestion.failed[:3])
            raise Halted(f"ingestion, {self.ingestion.verdict()}: {failed}")
        return self.ingestion

    def validated(self, ingestion: Ingestion) -> None:
        """Judge bars, then features, and store what was held; the page is written whatever they say."""
        today = np.datetime64(self.started.date(), "D")
        bars = self._step(
            "validate bars", lambda: steps.check_bars(self.plan, self.series, ingestion, self.before, today)
        )
        self._judged(bars)
        features = self._step("validate features", lambda: steps.check_features(self.plan, self.series, ingestion))
        self._judged(bars.merged(features))
        self._step("store bars", lambda: steps.keep_series(self.plan, self.held, self.digests))
        self.basis = steps.basis_of(self.plan, self.series, ingestion)
        self.let_go()

    def _sweep(self) -> None:
        """Remove what runs that were killed held; none takes a day."""
        for held in (self.plan.data / "runs").glob("*/held"):
            if self.started.timestamp() - held.stat().st_mtime > LONGEST_RUN_S:
                shutil.rmtree(held, ignore_errors=True)

    def let_go(self) -> None:
        """Remove what was held: it is stored by now, or must not be. Its snapshots stay."""
        shutil.rmtree(self.held, ignore_errors=True)

    def forget(self) -> None:
        """Have the next run ask its source again; where the answers can't be removed, say so."""
        try:
            forget(self.plan)
        except OSError as error:
            said = f"what {self.plan.source} said today can't be removed, and may be taken for its answer again"
            self.engine.say(f"{said}: {error}; {advice(error)}")

    def _judged(self, validation: Validation) -> None:
        self.validation = validation
        self.write("validation.json", msgspec.json.encode(validation))
        self.report = self.write("validation.html", validation.html().encode())
        if validation.halts:
            for line in validation.text().splitlines():
                self.engine.say(line)
            raise Halted(f"validation, {validation.verdict()}; see {self.report}")

    def trained(self, ingestion: Ingestion) -> list[Trained]:
        """Run the scripts, then judge and promote what they published."""
        try:
            results = self._results(ingestion)
        except Exception as error:  # noqa: BLE001  as any late step
            results = [self._fault("train", error)] * len(self.plan.models)
        pairs = zip(self.plan.models, results, strict=True)
        return [self._settled(model, result) for model, result in pairs]

    def _results(self, ingestion: Ingestion) -> list[Result | Exception]:
        fleet = steps.fleet_of(self.plan, ingestion, self.engine.say)
        with stopping(fleet):
            return self._timed(
                "train", lambda: self.engine.each("train", fleet.train, self.plan.models, self.plan.jobs, fleet.end)
            )

    def _fault(self, name: str, error: Exception) -> Exception:
        """Keep for the summary what a late step raised: by then models may serve, and that has to be told."""
        if not isinstance(error, BarcastError | OSError):  # nobody foresaw it
            self.engine.say("".join(traceback.format_exception(error)))
        self.faults.append(f"{name}: {steps.failure(error)}")
        return error

    def _settled(self, model: str, result: Result | Exception) -> Trained:
        if isinstance(result, Exception):
            return self._told(model, Result(model, 1, 0.0), steps.failure(result))
        if result.version is None or result.code != 0:
            last = result.tail[-1] if result.tail else "it said nothing"
            outcome = result.outcome if result.code != 0 else "published nothing"
            return self._told(model, result, f"{outcome}: {last}")
        try:
            said = self._step(f"judge {model}", lambda: steps.judge_candidate(self.plan, result, self.basis))
            self.engine.say(f"[judge {model}] {result.version}: {said}")
            settled = self._step(f"promote {model}", lambda: steps.promote_candidate(self.plan, result))
        except (BarcastError, OSError) as error:
            return self._told(model, result, steps.failure(error))
        except Exception as error:  # noqa: BLE001  as any late step
            return self._told(model, result, steps.failure(self._fault(f"judge or promote {model}", error)))
        return self._told(model, result, settled.reason, "promoted" if settled.promoted else "candidate")

    def _told(self, model: str, result: Result, reason: str, state: State = "failed") -> Trained:
        return Trained(
            model=model,
            state=state,
            version=result.version,
            before=self.serving[model],
            serves=self._serves(model),
            exit_code=result.code,
            seconds=result.seconds,
            peak_mib=result.peak_mib,
            reason=reason,
            tail=result.tail,
        )

    def _serves(self, model: str) -> str | None:
        try:
            return self.store.current(model)
        except (StoreError, OSError) as error:
            self.engine.say(f"what serves of {model} can't be read: {error}")
            return None

    def done(self, ingestion: Ingestion, models: list[Trained]) -> Summary:
        """Confirm what serves, and sum up."""
        promoted = {model.model: model.version for model in models if model.state == "promoted" and model.version}
        confirmed: tuple[Confirmed, ...] = ()
        try:
            confirmed = self._step("notify", lambda: confirm(self.plan, promoted))
        except Exception as error:  # noqa: BLE001  as any late step
            self._fault("notify", error)
        return self._summary(ingestion.usable, None, tuple(models), confirmed)

    def halted(self, why: str) -> Summary:
        """Sum up a run that trained nothing."""
        models = tuple(
            Trained(
                model=model,
                state="not started",
                version=None,
                before=version,
                serves=version,
                exit_code=None,
                seconds=0.0,
                peak_mib=None,
                reason="the data halted the run",
                tail=(),
            )
            for model, version in self.serving.items()
        )
        return self._summary(() if self.ingestion is None else self.ingestion.usable, why, models, ())

    def _summary(
        self,
        symbols: tuple[str, ...],
        halted: str | None,
        models: tuple[Trained, ...],
        confirmed: tuple[Confirmed, ...],
    ) -> Summary:
        return Summary(
            schema=SCHEMA,
            started=self.started.isoformat(),
            seconds=time.monotonic() - self.begun,
            source=self.plan.source,
            symbols=symbols,
            ingestion=self.ingestion,
            validation="" if self.validation is None else self.validation.verdict(),
            halted=halted,
            steps=tuple(self.steps),
            models=models,
            service=confirmed,
            faults=tuple(self.faults),
            report=None if self.report is None else str(self.report),
        )

    def write(self, name: str, data: bytes) -> Path:
        """Write a file of the run at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_at_once(self.folder / name, data)
        return self.folder / name
