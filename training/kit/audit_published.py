"""What can be audited of a version that is published: its certificate, its answers, and what its features read.

Nothing is fitted. What only a training can show (whether its folds were kept apart, what it finds where labels are
drawn by lot) is in the certificate, and otherwise said to be unchecked.
"""

from collections.abc import Mapping
from typing import Final

from feature_mapper.bars import Bars
from models.certificate import Check
from models.errors import ArtifactUncertified, GoldenMismatch
from models.golden import GOLDEN_NAME, cases_of, replay
from models.regime import WEIGHTS, RegimeModel
from models.served import ServedModel, certify, load_model
from models.states import States
from models.store import Artifact
from models.tabular import TabularModel
from training.kit.audit_plants import planted
from training.kit.audit_serving import parity, window_alone
from training.kit.checks import lookback, prefixes, truncation
from training.kit.progress import Progress
from training.kit.ritual import fingerprint

FITTED: Final = "needs a training: barcast audit without --version makes one and publishes nothing"

TABULAR_ONLY: Final = ("target_horizon", "purged_splits", "walk_isolation", "weights_read_back")
REGIME_ONLY: Final = ("purged_splits", "walk_isolation")
FORECAST_ONLY: Final = ("truncation_invariance", "forecasts_after_fit", "bands_of_the_evening")
"""What only a training can show, by kind of model, beside skill where labels are drawn by lot."""


def audit_version(
    artifact: Artifact, series: Mapping[str, Bars], progress: Progress
) -> tuple[tuple[Check, ...], dict[str, str]]:
    """Return the checks of a published version, and why others were not made, by name. Nothing is quarantined.

    Parameters
    ----------
    artifact : Artifact
        The version, its bytes proven.
    series : Mapping of str to Bars
        Stored series that it is asked about.
    progress : Progress
        Told of each part that is done.

    Raises
    ------
    BarcastError
        It can't be loaded at all.

    """
    progress.total = 4
    served = load_model(artifact)
    checks = [_certificate(artifact), _golden(served, artifact)]
    progress.step("audit: certificate and golden examples")
    unchecked = {"shuffled_target": FITTED}
    if fingerprint(series) != artifact.manifest.data_fingerprint:
        unchecked["training data"] = "the stored series are not the ones that it was trained on"
    match served:
        case TabularModel():
            features = list({feature.name: feature for tier in served.tiers for feature in tier.features}.values())
            checks += [truncation(series, features), lookback(series, features)]
            unchecked |= dict.fromkeys(TABULAR_ONLY, FITTED)
        case RegimeModel():
            tier = artifact.manifest.tiers[-1].tier
            checks += [
                prefixes(series, States.load(artifact.files[WEIGHTS]), tier),
                window_alone(served, series, "full"),
            ]
            unchecked |= dict.fromkeys(REGIME_ONLY, FITTED)
        case _:
            checks.append(window_alone(served, series, "full"))
            unchecked |= dict.fromkeys(FORECAST_ONLY, FITTED)
    progress.step("audit: what it reads")
    checks.append(parity(served, artifact.files, series, "full"))
    progress.step("audit: answers of the service")
    checks.append(planted(series))
    progress.step("audit: planted leaks")
    return tuple(checks), unchecked


def _certificate(artifact: Artifact) -> Check:
    try:
        certify(artifact)
    except ArtifactUncertified as error:
        return Check(name="certificate", passed=False, detail=str(error))
    return Check(name="certificate", passed=True, detail="is of this artifact, and every check of it passed")


def _golden(served: ServedModel, artifact: Artifact) -> Check:
    cases = len(cases_of(artifact.files[GOLDEN_NAME]))
    try:
        replay(served, artifact.files[GOLDEN_NAME])
    except GoldenMismatch as error:
        return Check(name="golden_examples", passed=False, detail=str(error), counts={"examples": cases})
    return Check(
        name="golden_examples", passed=True, detail=f"{cases} answers as published", counts={"examples": cases}
    )
