"""The audit of a model: what has to hold before it is published, in one place, for whatever its folder declares.

::

    truncation_invariance   a row, a posterior, a path is the same bits when later bars are cut off or changed
    lookback_true           what is declared is read, and nothing before it
    target_horizon          a label depends on no bar beyond its horizon (tabular)
    purged_splits           no training label ends in the test fold or within the embargo before it
    forecasts_after_fit, bands_of_the_evening   the same of price paths, which have origins in place of folds
    walk_isolation          forecasts of a fold do not move when all that they must not know is another
    shuffled_target         where labels are drawn by lot, the evaluation finds no skill
    weights_read_back       weights forecast training rows as what was fitted does, bit for bit (tabular)
    serving_parity          answers from windows are the forecasts of the training matrix, bit for bit
    planted_leaks           leaks that are planted are found, each by its name

The first lines are the leak checks that a trainer makes on what only it holds (`training.kit.checks`); the others are
added here, once the model can be asked as the service will ask it.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Final

from feature_mapper.bars import Bars
from models.certificate import Certificate, Check, Form, subject
from models.manifest import Draft
from models.served import ServedModel
from training.kit.audit_null import examine
from training.kit.audit_plants import planted
from training.kit.audit_serving import parity, window_alone
from training.kit.outcome import Outcome
from training.kit.progress import Progress
from training.kit.source import source_fingerprint
from training.kit.spec import ModelSpec

CODE: Final = ("feature_mapper", "models", "training/kit")
"""Folders whose source decides what a training and its audit do, beside the model's own."""


def audit(
    model: str,
    spec: ModelSpec,
    series: Mapping[str, Bars],
    outcome: Outcome,
    served: ServedModel,
    *,
    form: Form,
    progress: Progress,
) -> tuple[Check, ...]:
    """Return every check of a trained model, in the order of this module's table.

    Parameters
    ----------
    model : str
        Name of the folder.
    spec : ModelSpec
        What was trained.
    series : Mapping of str to Bars
        What it was trained on.
    outcome : Outcome
        What the trainer handed over, with its own leak checks.
    served : ServedModel
        The model of the outcome's weights, loaded as the service loads it.
    form : {"quick", "full"}
        How much of what is dear is looked at.
    progress : Progress
        Told of each part that is done.

    """
    progress.total = 3
    null = examine(model, spec, series, form)
    progress.step(f"audit: labels by lot ({form})")
    checks = [*outcome.checks, *null]
    if all(check.name != "lookback_true" for check in checks):
        checks.append(window_alone(served, series, form))
    checks.append(parity(served, outcome.weights, series, form))
    progress.step("audit: answers of the service")
    checks.append(planted(series))
    progress.step("audit: planted leaks")
    return tuple(sorted(checks, key=lambda check: ORDER.index(check.name)))


ORDER: Final = (
    "truncation_invariance",
    "lookback_true",
    "target_horizon",
    "purged_splits",
    "forecasts_after_fit",
    "bands_of_the_evening",
    "walk_isolation",
    "shuffled_target",
    "weights_read_back",
    "serving_parity",
    "planted_leaks",
)
"""Every check that there is, in the order in which they are told."""


def certificate(draft: Draft, digests: Mapping[str, str], checks: tuple[Check, ...], form: Form) -> Certificate:
    """Return what vouches for an artifact: of this manifest, with files of these digests."""
    return Certificate(
        model=draft.model,
        form=form,
        when=dt.datetime.now(dt.UTC).replace(microsecond=0),
        code=source_fingerprint((*CODE, f"training/{draft.model}")),
        data=draft.data_fingerprint,
        subject=subject(draft, digests),
        checks=checks,
    )
