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

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from feature_mapper.bars import Bars
from models.errors import StoreBusy
from models.store.lock import locked
from models.typing import Json
from training.kit.compose import vary
from training.kit.config import ConfigError, Dimension, Experiment
from training.kit.holdout import Cut, HoldoutScore, Objective, cut, on_holdout
from training.kit.ritual import fingerprint
from training.kit.study import LOOKS, REASON, TuningError, best_of, bury, finished, opened, quiet, same

if TYPE_CHECKING:
    from optuna import Study, Trial

SPACES: Final[Mapping[str, Mapping[str, Dimension]]] = {
    "lightgbm": {
        "parameters.rounds": Dimension(low=20, high=240, log=True),
        "parameters.learning_rate": Dimension(low=0.01, high=0.1, log=True),
        "parameters.num_leaves": Dimension(low=3, high=31, log=True),
        "parameters.min_data_in_leaf": Dimension(low=50, high=600, log=True),
        "parameters.feature_fraction": Dimension(low=0.3, high=1.0),
        "parameters.lambda_l2": Dimension(low=0.1, high=100.0, log=True),
    },
    "xgboost": {
        "parameters.rounds": Dimension(low=20, high=240, log=True),
        "parameters.learning_rate": Dimension(low=0.01, high=0.1, log=True),
        "parameters.max_leaves": Dimension(low=3, high=31, log=True),
        "parameters.min_child_weight": Dimension(low=12, high=600, log=True),
        "parameters.colsample_bytree": Dimension(low=0.3, high=1.0),
        "parameters.reg_lambda": Dimension(low=0.1, high=100.0, log=True),
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
        with locked(place / f"{name}.lock", 0.0), quiet(), opened(place / f"{name}.db", name) as study:
            same(study, made_of, name)
            bury(study)
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
    count = len(finished(study))
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
            trial.set_user_attr(REASON, reason[:500])
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
    best = best_of(study)
    return "none has succeeded yet" if best is None else f"best {best.value:.6g}, trial {best.number}"


def _concluded(study: "Study", experiment: Experiment, series: Mapping[str, Bars], parts: Cut, name: str) -> Tuned:
    best, trials = best_of(study), finished(study)
    failed = [trial for trial in trials if trial.value is None]
    if best is None or best.value is None:
        reasons = "; ".join(sorted({str(trial.user_attrs.get(REASON)) for trial in failed})[:3])
        message = f"expected a trial of the study {name} that succeeds, found {len(failed)} that failed ({reasons})"
        raise TuningError(f"{message}; correct the space or give it more time")
    lineage = msgspec.structs.replace(experiment.lineage, study=name, trial=best.number)
    varied = vary(experiment, best.params, f"trial {best.number}")
    chosen = Experiment(varied.model, varied.config, varied.spec, lineage)
    looks = dict(study.user_attrs.get(LOOKS, {}))
    scores = [_looked(looks, one, series, parts) for one in (chosen, experiment)]
    study.set_user_attr(LOOKS, looks)
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
