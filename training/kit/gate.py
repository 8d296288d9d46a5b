"""The gate between a candidate and service: the same out-of-sample rows, paired, at a stated level.

A candidate may serve if no leak check failed, if it is not worse than its naive baseline beyond `MARGIN`, and if it is
not worse than the champion on the rows that both forecast. A candidate without measurable skill replaces no champion
that has some. Differences are judged by a circular block bootstrap of days, at `LEVEL` over all tiers together
(Bonferroni): each tier alone is judged at `LEVEL` divided by their number. Whether a version has skill is the verdict
of its score, as answers quote it.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.errors import ArtifactMissing, ArtifactQuarantined, ArtifactUncertified, ArtifactUnsound
from models.manifest import Comparison, GateVerdict, LeakCheck, Score, Target
from models.served import certify
from models.store import Artifact, ArtifactStore
from models.verdicts import NEITHER, SKILLED
from training.kit.losses import LOSSES_NAME, Common, Losses, LossesInvalid, TierLosses, common
from training.kit.outcome import Outcome
from training.kit.scores import LEAST_DAYS, DailySums, gain, skill

LEVEL: Final = 0.05
"""Chance that a candidate as good as its rival is called better in any tier, and as much that it is called worse."""

MARGIN: Final = 0.01
"""By how much a candidate may measurably fall short of its naive baseline: a share of the baseline's loss where the
score is a skill, nats where it is a gain in log density."""

SHOWN: Final = 5
"""Symbols that a reason names."""

YES, NO = "yes", "no"


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the gate looks at, whether or not it is published yet. ``last`` is the last day of training."""

    name: str
    checks: tuple[LeakCheck, ...]
    target: Target
    losses: Losses
    last: dt.date


def of_outcome(model: str, outcome: Outcome) -> Candidate:
    """Return a candidate that was just trained, with its losses as its artifact will hold them."""
    return Candidate(model, outcome.checks, outcome.target, Losses.load(outcome.losses.dump()), outcome.last)


def of_artifact(artifact: Artifact) -> Candidate | None:
    """Return a published version as a candidate; None if it kept no losses that can be read."""
    manifest = artifact.manifest
    try:
        losses = Losses.load(artifact.files[LOSSES_NAME])
    except (KeyError, LossesInvalid):
        return None
    return Candidate(manifest.version, manifest.checks, manifest.target, losses, manifest.last_date)


def judge(candidate: Candidate, model: str, store: ArtifactStore) -> GateVerdict:
    """Decide whether a candidate may serve in the place of what serves now.

    Raises
    ------
    StoreError
        Whether there is a champion could not be found out, so none may be replaced.

    """
    naive = tuple(_against_naive(candidate.losses))
    label = _label(candidate.losses)
    version = store.current(model)  # also that of a champion that can't serve any more: a promotion replaces it
    champion = None if version is None else _champion(model, version, store)

    def verdict(answer: str, reason: str, against: Sequence[Comparison] = ()) -> GateVerdict:
        return GateVerdict(
            promoted=answer == YES,
            reason=reason,
            label=label,
            level=LEVEL,
            margin=MARGIN,
            champion=version,
            comparisons=(*naive, *against),
        )

    if failed := [check.name for check in candidate.checks if not check.passed]:
        return verdict(NO, f"leak checks failed: {', '.join(failed)}")
    if short := [comparison for comparison in naive if comparison.verdict == "worse" and comparison.gain < -MARGIN]:
        worst = min(short, key=lambda comparison: comparison.gain)
        return verdict(NO, f"worse than its naive baseline by more than {MARGIN:g}: {_said(worst)}")
    if champion is None:
        return verdict(YES, f"first sound version, {label}: {_said(naive[-1])}")
    if champion.manifest.target != candidate.target:
        return verdict(YES, f"new target {candidate.target.name}; {version} had another")
    incumbent = of_artifact(champion)
    if incumbent is None:
        return verdict(YES, f"{version} kept no losses to compare with; {label}: {_said(naive[-1])}")
    against = tuple(paired(candidate, incumbent))
    return verdict(*_compared(candidate, incumbent, label, against), against)


def _compared(
    candidate: Candidate, incumbent: Candidate, label: str, against: tuple[Comparison, ...]
) -> tuple[str, str]:
    """Decide between two versions of one question."""
    name = incumbent.name
    metrics = {tier.metric for tier in candidate.losses.tiers}
    if metrics.isdisjoint(tier.metric for tier in incumbent.losses.tiers):
        return YES, f"judged by another score than {name}; {label}"
    if objection := next(_objections(candidate, incumbent, label, against), None):
        return NO, objection
    if better := [comparison for comparison in against if comparison.verdict == "better"]:
        return YES, f"better than {name}: {_said(max(better, key=lambda comparison: comparison.gain))}"
    return YES, f"not worse than {name}: {_said(min(against, key=lambda comparison: comparison.gain))}"


def _objections(
    candidate: Candidate, incumbent: Candidate, label: str, against: tuple[Comparison, ...]
) -> Iterator[str]:
    """Say what speaks against a candidate, the weightiest first."""
    name = incumbent.name
    if not against:
        hint = "train it on the champion's symbols too, or promote it by hand"
        yield f"expected {LEAST_DAYS} days that {name} forecast as well, found fewer; {hint}"
        return
    compared = {comparison.tier for comparison in against}
    known = {(tier.tier, tier.metric) for tier in incumbent.losses.tiers}
    both = {tier.tier for tier in candidate.losses.tiers if (tier.tier, tier.metric) in known}
    if short := sorted(both - compared):
        hint = "train it on the champion's symbols too, or promote it by hand"
        yield f"expected {LEAST_DAYS} days that {name} forecast as well in tier {short[-1]} too, found fewer; {hint}"
    if lacking := _lacking(candidate.losses, incumbent.losses):
        hint = "train it on that too, or promote it by hand"
        yield f"expected all that {name} forecasts as well, found no {lacking}; {hint}"
    if worse := [comparison for comparison in against if comparison.verdict == "worse"]:
        yield f"worse than {name}: {_said(min(worse, key=lambda comparison: comparison.gain))}"
    better = any(comparison.verdict == "better" for comparison in against)
    if label == NEITHER and not better and _label(incumbent.losses) in SKILLED:
        yield f"{name} is better than naive, and this is not measurably so: {_said(against[-1])}"
    if all(comparison.verdict == "the same" for comparison in against) and candidate.last <= incumbent.last:
        yield f"the same as {name} on all {against[-1].n:,} rows, and knows no later day"


def _lacking(losses: Losses, incumbent: Losses) -> str:
    """Name the tiers and symbols that a champion has and a candidate lacks."""
    tiers = {tier.tier for tier in incumbent.tiers} - {tier.tier for tier in losses.tiers}
    symbols = sorted({*incumbent.symbols} - {*losses.symbols})
    names = [f"tier {tier}" for tier in sorted(tiers)] + symbols[:SHOWN]
    return ", ".join(names) + (" ..." if len(symbols) > SHOWN else "")


def _against_naive(losses: Losses) -> list[Comparison]:
    return [
        _comparison(tier, tier.baseline, Common(tier.date, tier.model, tier.naive), len(losses.tiers))
        for tier in losses.tiers
    ]


def paired(candidate: Candidate, incumbent: Candidate) -> list[Comparison]:
    """Compare two versions in the tiers that both have, by the same score, on enough days.

    Which baseline each was quoted against does not matter: it is their own losses that are compared.
    """
    counterparts = {(tier.tier, tier.metric): tier for tier in incumbent.losses.tiers}
    pairs: list[tuple[TierLosses, Common]] = []
    for tier in candidate.losses.tiers:
        counterpart = counterparts.get((tier.tier, tier.metric))
        if counterpart is not None:
            rows = common(candidate.losses, tier, incumbent.losses, counterpart)
            if len(np.unique(rows.date)) >= LEAST_DAYS:
                pairs.append((tier, rows))
    return [_comparison(tier, incumbent.name, rows, len(pairs)) for tier, rows in pairs]


def _comparison(tier: TierLosses, rival: str, rows: Common, tiers: int) -> Comparison:
    """Compare losses of shape (n,), at the level that one of so many tiers has."""
    sums = DailySums.of(rows.one, rows.other, rows.date)
    level = 1 - 2 * LEVEL / tiers
    if tier.relative:
        difference, interval = sums.skill(), sums.interval(level)
    else:
        difference, interval = sums.gain(), sums.gain_interval(level)
    if np.array_equal(rows.one, rows.other):
        verdict = "the same"
    elif len(sums.rows) < LEAST_DAYS:
        verdict = "too few days"
    elif interval[0] > 0:
        verdict = "better"
    else:
        verdict = "worse" if interval[1] < 0 else "not worse"
    return Comparison(
        tier=tier.tier,
        rival=rival,
        metric=tier.metric,
        n=len(rows.date),
        days=len(sums.rows),
        gain=difference,
        interval=interval,
        verdict=verdict,
    )


def _label(losses: Losses) -> str:
    """Return the verdict of the last tier's score."""
    tier = losses.tiers[-1]
    score = skill if tier.relative else gain
    return score(tier.metric, tier.model, tier.naive, tier.date, against=tier.baseline).verdict


def _said(comparison: Comparison) -> str:
    """Say what was measured."""
    low, high = comparison.interval
    return (
        f"tier {comparison.tier}, {comparison.metric} {comparison.gain:+.4f} [{low:+.4f}, {high:+.4f}] against "
        f"{comparison.rival} on {comparison.n:,} rows"
    )


def headline(scores: tuple[Score, ...]) -> Score:
    """Return the score that answers quote: the first."""
    return scores[0]


def _champion(model: str, version: str, store: ArtifactStore) -> Artifact | None:
    """Return the version that is promoted, or None if it can't serve."""
    try:
        artifact = store.read(model, version)
        certify(artifact)
    except (ArtifactMissing, ArtifactQuarantined, ArtifactUncertified, ArtifactUnsound):
        return None
    return artifact
