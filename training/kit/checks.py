"""Leak checks that every training run makes on its own data: the first part of its audit (`training.kit.audit`)."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.feature import Feature
from feature_mapper.mapper import compute
from feature_mapper.typing import BoolArray, FloatArray
from models.certificate import Check
from models.scale import log_levels
from models.sessions import windows
from models.states import States
from training.kit.falsify import earlier, later, textured
from training.kit.panel import Panel, har_widths
from training.kit.questions.base import Question
from training.kit.splits import PurgedWalkForward
from training.kit.targets import Target

CUTS: Final = 12
"""Cut points a series; a third of them lie inside the warm-up, where backfills hide."""

FALSIFIED: Final = 2
"""Cuts a series behind which the bars are others: whole histories are dear."""

WINDOWS: Final = 12
"""Windows a series in which all bars are changed: a sign, say, does not move in each."""

BEFORE: Final = 64
"""Days before a cut whose regimes are compared."""

SEED: Final = 1
"""Of the cuts."""

Inputs = Callable[[Bars], Mapping[str, FloatArray]]
"""What else training takes from bars row by row, each of shape (n,), by name."""


def run_checks(
    series: Mapping[str, Bars],
    features: Sequence[Feature],
    question: Question,
    panel: Panel,
    splitter: PurgedWalkForward,
) -> tuple[Check, ...]:
    """Run all checks; deterministic."""
    return (
        truncation(series, features, lambda bars: inputs(bars, question, panel.tier)),
        lookback(series, features),
        target_horizon(series, question.target),
        purge(panel, splitter),
    )


def inputs(bars: Bars, question: Question, tier: int) -> dict[str, FloatArray]:
    """Return what stands beside the features: the context of the baselines, and the levels of the yardstick."""
    widths, rows = har_widths(tier), len(bars) - tier + 1
    found = {f"context {name}": values for name, values in question.context(bars).items()}
    if rows > 0:
        for width, known in zip(widths, log_levels(bars, widths, rows), strict=True):
            found[f"yardstick {width}"] = np.concatenate([np.full(tier - 1, np.nan), known])
    return found


def truncation(series: Mapping[str, Bars], features: Sequence[Feature], others: Inputs = lambda _: {}) -> Check:
    """Row t is the same bits whether the bars after t are there, are not, or are others."""
    rng, faults, tried, altered = np.random.default_rng(SEED), set[str](), 0, 0
    for bars in series.values():
        whole, beside = compute(bars, features), others(bars)
        warm_up = min(max(feature.lookback for feature in features), len(bars))
        cuts = np.concatenate((rng.integers(1, warm_up + 1, CUTS // 3), rng.integers(1, len(bars) + 1, CUTS)))
        for cut in cuts.tolist():
            faults |= _differing(features, compute(bars[:cut], features), whole[:cut])
            faults |= _others_differing(others(bars[:cut]), beside, cut)
            tried += 1
        for cut in cuts[:: len(cuts) // FALSIFIED][:FALSIFIED].tolist():  # the first one lies within the warm-up
            other = later(bars, cut)
            faults |= _differing(features, compute(other, features)[:cut], whole[:cut])
            faults |= _others_differing(others(other), beside, cut)
            altered += 1
    told = f"{len(features)} features at {tried} cuts, {altered} times with other bars after the cut"
    counts = {"features": len(features), "series": len(series), "cuts": tried, "falsified": altered}
    return verdict("truncation_invariance", faults, told, counts, SEED)


def lookback(series: Mapping[str, Bars], features: Sequence[Feature]) -> Check:
    """A row reads ``lookback`` bars, and no other.

    From exactly these it is the row of the full history, and from one bar fewer it is NaN; other bars before them
    change no bit. Features that do not move either when all of these are others are counted as idle.
    """
    rng, faults, idle, windows_tried = np.random.default_rng(SEED), set[str](), {f.name for f in features}, 0
    ordered = sorted(features, key=lambda feature: feature.lookback)
    for bars in series.values():
        whole = compute(bars, features)
        split = len(bars) // 2
        other = compute(earlier(bars, split), features)
        for column, feature in enumerate(features):
            first = min(split + feature.lookback - 1, len(bars))
            if not _same(other[first:, column], whole[first:, column]).all():
                faults.add(feature.name)
        for length, group in itertools.groupby(ordered, key=lambda feature: feature.lookback):
            mine = list(group)
            if len(bars) < length:
                continue
            columns = [features.index(feature) for feature in mine]
            faults |= _differing(mine, compute(bars.tail(length), mine, 1), whole[-1:, columns])
            if length > 1:
                fewer = np.isnan(compute(bars.tail(length - 1), mine, 1)[0])
                faults |= {feature.name for feature, empty in zip(mine, fewer.tolist(), strict=True) if not empty}
            for end in rng.integers(length, len(bars) + 1, WINDOWS).tolist():
                waiting = [feature for feature in mine if feature.name in idle]
                if not waiting:
                    break
                idle -= _moved(waiting, bars[end - length : end])
                windows_tried += 1
    idle &= _answerable(series, features)
    told = f"{len(features)} features of {len(series)} series"
    if idle:  # no leak: on such bars (closes alone, weeks of seven days) there may be nothing for it to see
        told += f", {len(idle)} of which no bar moves, such as {min(idle)}"
    counts = {"features": len(features), "series": len(series), "windows": windows_tried, "idle": len(idle)}
    return verdict("lookback_true", faults, told, counts, SEED)


def _moved(features: Sequence[Feature], bars: Bars) -> set[str]:
    """Return the features whose last row moves when every bar of their window is another."""
    known = textured(bars, SEED)
    return _differing(features, compute(earlier(known, len(known)), features, 1), compute(known, features, 1))


def _answerable(series: Mapping[str, Bars], features: Sequence[Feature]) -> set[str]:
    """Return the features that are a number in the last row of some series."""
    known = [~np.isnan(compute(bars, features, 1)[0]) for bars in series.values()]
    return {feature.name for feature, able in zip(features, np.any(known, axis=0).tolist(), strict=True) if able}


def target_horizon(series: Mapping[str, Bars], target: Target) -> Check:
    """The last ``horizon`` rows have no label, and a label depends on no bar beyond its horizon."""
    rng, faults, tried = np.random.default_rng(SEED), set[str](), 0
    for symbol, bars in series.items():
        values = target.values(bars)
        if not np.isnan(values[-target.horizon :]).all():
            faults.add(f"{symbol}: label of the last {target.horizon} rows")
        labelled = np.flatnonzero(~np.isnan(values))
        if len(labelled) == 0:
            continue
        # Cuts before the first label would compare nothing with nothing.
        for cut in rng.integers(labelled[0] + 1, len(bars) + 1, CUTS).tolist():
            known = max(cut - target.horizon, 0)
            for other in (bars[:cut], later(bars, cut)):
                if not _same(target.values(other)[:known], values[:known]).all():
                    faults.add(f"{symbol}: label looks beyond {target.horizon} sessions")
            tried += 1
    told = f"{target.name} at {tried} cuts of {len(series)} series"
    return verdict("target_horizon", faults, told, {"series": len(series), "cuts": tried}, SEED)


def purge(panel: Panel, splitter: PurgedWalkForward) -> Check:
    """No training label ends on or after the first test day, less the embargo."""
    faults, gaps = set[str](), []
    days = np.unique(panel.rows.date)
    for fold in splitter.split(panel.rows.date, panel.rows.label_end):
        last = panel.rows.label_end[fold.train].max()
        gap = int(np.searchsorted(days, fold.first) - np.searchsorted(days, last))
        gaps.append(gap)
        if gap <= splitter.embargo:
            faults.add(f"fold {fold.number}: {gap} sessions")
    counts = {"folds": len(gaps), "shortest_gap": min(gaps), "embargo": splitter.embargo}
    return verdict("purged_splits", faults, f"{len(gaps)} folds, shortest gap {min(gaps)} sessions", counts)


def prefixes(series: Mapping[str, Bars], fitted: States, tier: int) -> Check:
    """The regime probabilities of a day are the same bits whether later bars are there, are not, or are others.

    Of the `BEFORE` days up to each cut, as whatever looks ahead does so there.
    """
    rng, faults, tried = np.random.default_rng(SEED), set[str](), 0
    for symbol, bars in series.items():
        rows = len(bars) - 1  # the first bar has no return
        whole = fitted.filter(windows(bars, tier, rows))
        cuts = rng.integers(1, rows + 1, CUTS).tolist()
        others = [(cut, bars[: cut + 1]) for cut in cuts] + [(cut, later(bars, cut + 1)) for cut in cuts[:FALSIFIED]]
        for cut, other in others:
            before = min(cut, BEFORE)
            known = fitted.filter(windows(other, tier, len(other) - 1 - cut + before))
            if not _same(known[:before], whole[cut - before : cut]).all():
                faults.add(symbol)
        tried += len(cuts)
    altered = FALSIFIED * len(series)
    told = f"posteriors before {tried} cuts of {len(series)} series, {altered} times with other bars after the cut"
    counts = {"series": len(series), "cuts": tried, "falsified": altered}
    return verdict("truncation_invariance", faults, told, counts, SEED)


def verdict(
    name: str, faults: set[str], tried: str, counts: Mapping[str, int] | None = None, seed: int | None = None
) -> Check:
    """Sum a check up: what was tried, and the first of what failed."""
    detail = tried if not faults else f"{tried}; fails for {', '.join(sorted(faults)[:10])}"
    return Check(name=name, passed=not faults, detail=detail, counts=dict(counts or {}), seed=seed)


def _differing(features: Sequence[Feature], found: FloatArray, expected: FloatArray) -> set[str]:
    """Return the names of the features in any row of which two computations differ."""
    same = np.logical_and.reduce(_same(found, expected), axis=0)
    return {feature.name for feature, fine in zip(features, same.tolist(), strict=True) if not fine}


def _others_differing(found: Mapping[str, FloatArray], expected: Mapping[str, FloatArray], cut: int) -> set[str]:
    return {name for name, values in found.items() if not _same(values[:cut], expected[name][:cut]).all()}


def _same(left: FloatArray, right: FloatArray) -> BoolArray:
    same: BoolArray = (left == right) | (np.isnan(left) & np.isnan(right))
    return same
