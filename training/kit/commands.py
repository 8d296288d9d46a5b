"""What the command line does with experiments: one function a command. Each says what a person reads and returns JSON.

Files and overrides are as `training.kit.compose.resolve` takes them.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from models.store import ArtifactStore
from models.typing import JsonObject
from training.kit.compose import resolve
from training.kit.config import plain, series_of
from training.kit.cv import cross_validate
from training.kit.fleet import Fleet, Result, script_arguments, stopping
from training.kit.progress import Progress
from training.kit.promotion import settle
from training.kit.published import evaluate as evaluate_version
from training.kit.ritual import run
from training.kit.tracking import record, tracker
from training.kit.tuning import tune as search


def train(
    model: str,
    config: Path | None = None,
    overrides: Sequence[str] = (),
    *,
    artifacts: Path,
    data: Path,
    symbols: Sequence[str] = (),
    candidate: bool = False,
    checkpoints: Path | None = None,
    say: Callable[[str], None] = print,
) -> Result:
    """Train one model by a configuration in a process of its own, as ``train.py`` does it.

    Parameters
    ----------
    model : str
        Name of a model folder.
    config : Path or None
        YAML file; None: what the folder declares.
    overrides : sequence of str
        ``key=value``.
    artifacts, data : Path
        Where to publish, and where imported series are.
    symbols : sequence of str
        Stored symbols to train on, instead of those of the configuration.
    candidate : bool
        Whether it is only published.
    checkpoints : Path or None
        As in `training.kit.ritual.run`.
    say : callable
        Takes each line that the training prints.

    Raises
    ------
    ConfigError, SpecError
        The configuration can't be used; nothing was started.
    KeyboardInterrupt
        By Ctrl-C or SIGTERM, once the training has ended.

    """
    resolve(model, config, overrides)
    arguments = [*overrides, *script_arguments(artifacts, data, symbols, candidate=candidate)]
    if config is not None:
        arguments += ["--config", str(config.resolve())]  # the script runs in another folder
    if checkpoints is not None:
        arguments += ["--checkpoints", str(checkpoints.resolve())]
    fleet = Fleet(arguments, say=say)
    with ThreadPoolExecutor(1) as pool, stopping(fleet):
        return pool.submit(fleet.train, model).result()


def cv(
    model: str,
    config: Path | None = None,
    overrides: Sequence[str] = (),
    *,
    data: Path,
    say: Callable[[str], None] = print,
) -> JsonObject:
    """Cross-validate a configuration and publish nothing.

    Parameters
    ----------
    model : str
        Name of a model folder.
    config : Path or None
        YAML file; None: what the folder declares.
    overrides : sequence of str
        ``key=value``.
    data : Path
        Imported series, unless the configuration names a folder.
    say : callable
        Takes the table.

    """
    experiment = resolve(model, config, overrides)
    found = cross_validate(experiment, series_of(experiment.config, data), Progress(model, 0))
    say(found.table())
    return found.as_json()


def evaluate(
    model: str, version: str | None = None, *, artifacts: Path, say: Callable[[str], None] = print
) -> JsonObject:
    """Say what a published version (None: the one that serves) was worth on the losses that it keeps."""
    found = evaluate_version(ArtifactStore(artifacts), model, version)
    say(found.table())
    return found.as_json()


def tune(
    model: str,
    study: str,
    config: Path | None = None,
    overrides: Sequence[str] = (),
    *,
    artifacts: Path,
    data: Path,
    studies: Path | None = None,
    retrain: bool = True,
    promote: bool = True,
    checkpoints: Path | None = None,
    say: Callable[[str], None] = print,
) -> JsonObject:
    """Search, look at the holdout, train the best configuration on all days and let the gate decide.

    Parameters
    ----------
    model : str
        Name of a model folder.
    study : str
        Name of the study; one that is there goes on.
    config : Path or None
        YAML file to start from; None: what the folder declares.
    overrides : sequence of str
        ``key=value``, such as ``tuning.max_trials=50``.
    artifacts, data : Path
        Where to publish, and where imported series are.
    studies : Path or None
        Where studies are kept; None: ``studies`` beside the imported series.
    retrain : bool
        Whether to train the best configuration, whatever the holdout said of it.
    promote : bool
        Whether it may serve, if the gate agrees; otherwise it stays a candidate.
    checkpoints : Path or None
        As in `training.kit.ritual.run`.
    say : callable
        Takes a line a trial, the figures of the holdout, and what became of the candidate.

    """
    experiment = resolve(model, config, overrides)
    series = series_of(experiment.config, data)
    tuned = search(experiment, series, studies or data.parent / "studies", study, say=say)
    say(tuned.table())
    told: dict[str, object] = {
        "model": model,
        "study": study,
        "trial": tuned.trial,
        "values": dict(tuned.values),
        "loss": tuned.loss,
        "trials": tuned.trials,
        "failed": tuned.failed,
        "holdout": {
            "first": tuned.first,
            "last": tuned.last,
            "found": tuned.found,
            "default": tuned.default,
            "looks": tuned.looks,
        },
        "config": tuned.best.config.as_json(),
        "version": None,
        "promoted": False,
        "reason": None,
    }
    if retrain:
        store = ArtifactStore(artifacts, by=f"tune {model}")
        best = tuned.best
        lineage = msgspec.structs.replace(best.lineage, parent=store.current(model))
        manifest = run(
            model,
            best.spec,
            series,
            store,
            config=best.config.as_json(),
            lineage=lineage,
            checkpoints=checkpoints,
            searched=tuned.trials - tuned.failed - 1,
        )
        verdict = settle(model, manifest.version, store) if promote else manifest.gate
        if best.config.tracking:
            record(tracker(data.parent), store, model)
        served = promote and verdict.promoted
        told |= {"version": manifest.version, "promoted": served, "reason": verdict.reason}
        say(f"{model} {manifest.version}: {'promoted' if served else 'kept as candidate'} ({verdict.reason})")
    return plain(told)
