"""A search for better settings, by Optuna, that no day of the holdout ever reaches.

The last days of every series are cut off before the first trial. A trial is a cross-validation on the rest by purged
folds. When the search ends, the best configuration and the one that it started from are walked over all days once, and
scored on the holdout alone. Every look at the holdout is counted: the more often somebody has looked, the less it says.

The study is a file, ``<folder>/<model>/<name>.db``, and goes on under its name. Each suggestion is drawn with a seed of
its own, from the study's seed and the number of trials before it, so that a study which was killed and went on has the
trials of one that was not.

Importing Optuna takes half a second to a second, a new study one to two: SQLAlchemy builds its tables. It reaches no
network. Its log is switched off while it works here, and left as it was.
"""

import logging
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from feature_mapper.bars import Bars
from feature_mapper.errors import BarcastError
from models.errors import StoreBusy
from models.store.lock import locked
from models.typing import Json
from training.kit.compose import vary
from training.kit.config import ConfigError, Dimension, Experiment
from training.kit.holdout import Cut, HoldoutScore, Objective, cut, on_holdout
from training.kit.ritual import fingerprint

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

SPACES: Final[Mapping[str, Mapping[str, Dimension]]] = {
    "lightgbm": {
        "parameters.rounds": Dimension(low=20, high=240, log=True),
        "parameters.learning_rate": Dimension(low=0.01, high=0.1, log=True),
        "parameters.num_leaves": Dimension(low=3, high=31, log=True),
        "parameters.min_data_in_leaf": Dimension(low=50, high=600, log=True),
        "parameters.feature_fraction": Dimension(low=0.3, high=1.0),
        "parameters.lambda_l2": Dimension(low=0.1, high=100.0, log=True),
    },
    "forest": {
        "parameters.n_estimators": Dimension(low=20, high=120, step=20),
        "parameters.max_depth": Dimension(low=2, high=10),
        "parameters.min_samples_leaf": Dimension(low=25, high=400, log=True),
        "parameters.max_features": Dimension(low=0.1, high=0.8),
    },
}
"""Where a search looks if its configuration names no place."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_MADE_OF: Final = "made_of"
_REASON: Final = "reason"
_INTERRUPTED: Final = "interrupted"
_LOOKS: Final = "holdout"


class TuningError(BarcastError):
    """A study can't be begun or gone on with, or found nothing."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a study has come to.

    Attributes
    ----------
    best : Experiment
        The configuration of least loss, with its study and trial in its lineage.
    trial : int
        Number of that trial.
    values : Mapping of str to Json
        What it set, by dotted places.
    loss : float
        Its loss in the search; lower is better. Chosen for being low, so not a measure of worth.
    trials, failed : int
        Finished trials of the study, and those among them that failed.
    found, default : HoldoutScore
        The best configuration and the one that the search started from, on the holdout.
    looks : int
        Configurations whose score on the holdout this study has looked at.
    first, last : str
        Days of the holdout.

    """

    best: Experiment
    trial: int
    values: Mapping[str, Json]
    loss: float
    trials: int
    failed: int
    found: HoldoutScore
    default: HoldoutScore
    looks: int
    first: str
    last: str

    def table(self) -> str:
        """Return it for a terminal."""
        values = ", ".join(f"{place}={_value(value)}" for place, value in self.values.items())
        better = "better than" if self.found.loss < self.default.loss else "no better than"
        return "\n".join(
            [
                f"{self.trials} trials, {self.failed} failed; best: trial {self.trial}, loss {self.loss:.6g}: {values}",
                f"on the holdout {self.first} to {self.last}, which no trial saw, it is {better} the default:",
                f"  found    {self.found}",
                f"  default  {self.default}",
                f"  configurations looked at there so far: {self.looks}",
            ]
        )


def tune(
    experiment: Experiment,
    series: Mapping[str, Bars],
    folder: Path,
    name: str,
    *,
    say: Callable[[str], None] = print,
    clock: Callable[[], float] = time.monotonic,
) -> Tuned:
    """Search until trials or time are used up, then look at the holdout; publish nothing.

    Parameters
    ----------
    experiment : Experiment
        What to start from, and how to search (`Configuration.tuning`). Its own values are the first trial, where they
        lie in the search space.
    series : Mapping of str to Bars
        All days; the holdout is cut off here.
    folder : Path
        Where studies are kept.
    name : str
        Of the study: lower-case letters, digits, ``_`` and ``-``. One that is there goes on.
    say : callable
        Takes one line a trial.
    clock : callable
        Seconds, for ``max_seconds``.

    Raises
    ------
    TuningError
        The study belongs to other data, another configuration or another space, is being run already, can't be
        written, or has no trial that succeeded.
    ConfigError
        There is nothing to search.
    SpecError
        There is too little history.

    """
    if not _NAME.fullmatch(name):
        raise TuningError(f"expected a name of lower-case letters, digits, _ and -, found {name!r}; choose another one")
    space, parts = space_of(experiment), cut(series, experiment)
    place = folder / experiment.model
    made_of = _made_of(experiment, space, parts)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"expected a folder for studies at {place}, found: {error.strerror}; make it, or name another one"
        raise TuningError(message) from error
    try:
        with locked(place / f"{name}.lock", 0.0), _quiet(), _opened(place / f"{name}.db", name) as study:
            _same(study, made_of, name)
            _bury(study)
            _search(study, experiment, space, Objective(experiment, parts), say, clock)
            return _concluded(study, experiment, series, parts, name)
    except StoreBusy as error:
        raise TuningError(f"the study {name} is being run by another process; wait, or choose another name") from error


def space_of(experiment: Experiment) -> Mapping[str, Dimension]:
    """Return where to search: what the configuration says, or what its family has by itself."""
    config = experiment.config
    space = config.tuning.space or SPACES.get(config.family, {})
    if not space:
        message = f"expected tuning.space, as there is no usual one for {config.family}, found none; name some places"
        raise ConfigError(message)
    return space


def _made_of(experiment: Experiment, space: Mapping[str, Dimension], parts: Cut) -> dict[str, str]:
    """Return what all trials of a study have in common; budgets may change. The holdout's days are none of it."""
    config, tuning = experiment.config, experiment.config.tuning
    rest = {key: value for key, value in config.as_json().items() if key not in ("tuning", "tracking", "source")}
    search = {"metric": tuning.metric, "seed": tuning.seed, "startup": tuning.startup}
    described = {"configuration": rest, "space": dict(space), "search": search}
    digests = {key: sha256(msgspec.json.encode(value, order="sorted")).hexdigest() for key, value in described.items()}
    return {**digests, "data before the holdout": fingerprint(parts.known)}


def _same(study: "Study", made_of: dict[str, str], name: str) -> None:
    known = study.user_attrs.get(_MADE_OF)
    if known is None:
        study.set_user_attr(_MADE_OF, made_of)
        return
    if differing := [key for key, value in made_of.items() if known.get(key) != value]:
        message = f"expected the {' and the '.join(differing)} that the study {name} began with, found another"
        raise TuningError(f"{message}; its trials can't be compared with new ones, so choose another name")


def _bury(study: "Study") -> None:
    """Mark trials of a process that died as failed; only one process at a time has the study, so none of them runs."""
    from optuna.trial import TrialState

    if dead := [trial.number for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))]:
        study.set_user_attr(_INTERRUPTED, [*study.user_attrs.get(_INTERRUPTED, []), *dead])
        for number in dead:
            study.tell(number, state=TrialState.FAIL)


def _finished(study: "Study") -> "list[FrozenTrial]":
    """Return trials that came to an end by themselves, whether or not they succeeded."""
    from optuna.trial import TrialState

    interrupted = study.user_attrs.get(_INTERRUPTED, [])
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
    return [trial for trial in trials if trial.number not in interrupted]


def _search(
    study: "Study",
    experiment: Experiment,
    space: Mapping[str, Dimension],
    objective: Objective,
    say: Callable[[str], None],
    clock: Callable[[], float],
) -> None:
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    tuning, started = experiment.config.tuning, clock()
    count = len(_finished(study))
    while count < tuning.max_trials and clock() - started < tuning.max_seconds:
        # The sampler's own generator would begin anew with each process.
        seed = int.from_bytes(sha256(f"{tuning.seed}:{count}".encode()).digest()[:4])
        study.sampler = TPESampler(seed=seed, n_startup_trials=tuning.startup, multivariate=False, constant_liar=False)
        start = _start(experiment, space) if count == 0 else None
        if start is not None and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.enqueue_trial(start)
        trial = study.ask()
        values = {place: _suggested(trial, place, dimension) for place, dimension in space.items()}
        began = clock()
        try:
            loss = objective(vary(experiment, values, f"trial {trial.number}"))
        except Exception as error:  # noqa: BLE001  whatever a library makes of a setting is that trial's result
            reason = f"{type(error).__name__}: {error}"
            trial.set_user_attr(_REASON, reason[:500])
            study.tell(trial, state=TrialState.FAIL)
            outcome = f"failed: {reason}"
        else:
            study.tell(trial, loss)
            outcome = f"loss {loss:.6g}"
        count += 1
        say(f"trial {trial.number} ({count}/{tuning.max_trials}, {clock() - began:.1f} s): {outcome}; {_so_far(study)}")


def _start(experiment: Experiment, space: Mapping[str, Dimension]) -> dict[str, Json] | None:
    """Return the experiment's own values at the places of the space; None if one of them lies outside."""
    tree: Json = experiment.config.as_json()
    values: dict[str, Json] = {}
    for place, dimension in space.items():
        found = tree
        for part in place.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if not dimension.holds(found):
            return None
        values[place] = found
    return values


def _suggested(trial: "Trial", place: str, dimension: Dimension) -> Json:
    low, high, step = dimension.low, dimension.high, dimension.step
    if dimension.choices is not None:
        return trial.suggest_categorical(place, dimension.choices)
    assert low is not None  # noqa: S101  a dimension without choices has both ends
    assert high is not None  # noqa: S101  the same
    if dimension.whole:
        return trial.suggest_int(place, int(low), int(high), step=1 if step is None else int(step), log=dimension.log)
    return trial.suggest_float(place, low, high, step=step, log=dimension.log)


def _so_far(study: "Study") -> str:
    best = _best(study)
    return "none has succeeded yet" if best is None else f"best {best.value:.6g}, trial {best.number}"


def _best(study: "Study") -> "FrozenTrial | None":
    """Return the trial of least loss, the earliest of equals; None: none has succeeded."""
    done = [trial for trial in _finished(study) if trial.value is not None]
    return min(done, key=lambda trial: (trial.value, trial.number), default=None)


def _concluded(study: "Study", experiment: Experiment, series: Mapping[str, Bars], parts: Cut, name: str) -> Tuned:
    best, trials = _best(study), _finished(study)
    failed = [trial for trial in trials if trial.value is None]
    if best is None or best.value is None:
        reasons = "; ".join(sorted({str(trial.user_attrs.get(_REASON)) for trial in failed})[:3])
        message = f"expected a trial of the study {name} that succeeds, found {len(failed)} that failed ({reasons})"
        raise TuningError(f"{message}; correct the space or give it more time")
    lineage = msgspec.structs.replace(experiment.lineage, study=name, trial=best.number)
    varied = vary(experiment, best.params, f"trial {best.number}")
    chosen = Experiment(varied.model, varied.config, varied.spec, lineage)
    looks = dict(study.user_attrs.get(_LOOKS, {}))
    scores = [_looked(looks, one, series, parts) for one in (chosen, experiment)]
    study.set_user_attr(_LOOKS, looks)
    return Tuned(
        best=chosen,
        trial=best.number,
        values=best.params,
        loss=best.value,
        trials=len(trials),
        failed=len(failed),
        found=scores[0],
        default=scores[1],
        looks=len(looks),
        first=str(parts.first),
        last=str(parts.last),
    )


def _looked(
    looks: dict[str, dict[str, Json]], experiment: Experiment, series: Mapping[str, Bars], parts: Cut
) -> HoldoutScore:
    """Return the score on the holdout; one that was looked at before, on the same days, is not computed again."""
    config = {key: value for key, value in experiment.config.as_json().items() if key != "tuning"}
    key = sha256(msgspec.json.encode((config, fingerprint(series)), order="sorted")).hexdigest()[:16]
    if key not in looks:
        looks[key] = msgspec.to_builtins(on_holdout(experiment, series, parts))
    return msgspec.convert(looks[key], HoldoutScore)


def _value(value: Json) -> str:
    return f"{value:.4g}" if isinstance(value, float) and math.isfinite(value) else str(value)


@contextmanager
def _opened(path: Path, name: str) -> "Iterator[Study]":
    """Open or make the database of a study."""
    from optuna import create_study
    from optuna.exceptions import OptunaError
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    try:
        storage = RDBStorage(f"sqlite:///{path.resolve()}", engine_kwargs={"connect_args": {"timeout": 30}})
        study = create_study(study_name=name, storage=storage, load_if_exists=True, direction="minimize")
    except (OptunaError, SQLAlchemyError, OSError) as error:
        cause = str(error).partition("\n")[0]
        message = f"expected a study in {path.name}, found: {cause}; move it away or choose another name"
        raise TuningError(message) from error
    try:
        yield study
    except (OptunaError, SQLAlchemyError) as error:
        cause = str(error.__cause__ or error).partition("\n")[0]
        message = f"expected to write {path.name}, found: {cause}; start it again to go on"
        raise TuningError(message) from error
    finally:
        storage.remove_session()
        storage.engine.dispose()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna and its migrations from the terminal and from handlers of others, and leave loggers as they were."""
    import optuna.logging

    optuna.logging.get_logger("optuna")  # its own handler is set up at the first use
    loggers = [logging.getLogger(name) for name in ("optuna", "alembic")]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [logging.NullHandler()], False
    try:
        yield
    finally:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
