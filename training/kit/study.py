"""The file of a study: opened in silence, rid of what a dead process left, and asked for what came to an end.

Optuna is imported here, where a study is opened.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from feature_mapper.errors import BarcastError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

MADE_OF: Final = "made_of"
REASON: Final = "reason"
INTERRUPTED: Final = "interrupted"
LOOKS: Final = "holdout"
"""Attributes that a study, or a trial, keeps."""


class TuningError(BarcastError):
    """A study can't be begun or gone on with, or found nothing."""


@contextmanager
def opened(path: Path, name: str) -> "Iterator[Study]":
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
def quiet() -> Iterator[None]:
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


def same(study: "Study", made_of: dict[str, str], name: str) -> None:
    """Remember what a new study is made of; raise `TuningError` if one that goes on is made of something else."""
    known = study.user_attrs.get(MADE_OF)
    if known is None:
        study.set_user_attr(MADE_OF, made_of)
        return
    if differing := [key for key, value in made_of.items() if known.get(key) != value]:
        message = f"expected the {' and the '.join(differing)} that the study {name} began with, found another"
        raise TuningError(f"{message}; its trials can't be compared with new ones, so choose another name")


def bury(study: "Study") -> None:
    """Mark trials of a process that died as failed; only one process at a time has the study, so none of them runs."""
    from optuna.trial import TrialState

    if dead := [trial.number for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))]:
        study.set_user_attr(INTERRUPTED, [*study.user_attrs.get(INTERRUPTED, []), *dead])
        for number in dead:
            study.tell(number, state=TrialState.FAIL)


def finished(study: "Study") -> "list[FrozenTrial]":
    """Return trials that came to an end by themselves, whether or not they succeeded."""
    from optuna.trial import TrialState

    interrupted = study.user_attrs.get(INTERRUPTED, [])
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
    return [trial for trial in trials if trial.number not in interrupted]


def best_of(study: "Study") -> "FrozenTrial | None":
    """Return the trial of least loss, the earliest of equals; None: none has succeeded."""
    done = [trial for trial in finished(study) if trial.value is not None]
    return min(done, key=lambda trial: (trial.value, trial.number), default=None)
