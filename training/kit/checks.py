"""Leak checks that every training run makes on its own data, and whose results the artifact keeps."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.feature import Feature
from feature_mapper.mapper import compute
from feature_mapper.typing import BoolArray, FloatArray
from models.families.hmm import GaussianHmm
from models.manifest import LeakCheck
from models.regime import observations, window
from training.kit.panel import Panel
from training.kit.splits import PurgedWalkForward
from training.kit.targets import Target

CUTS: Final = 12
"""Cut points a series; a third of them lie inside the warm-up, where backfills hide."""


def run_checks(
    series: Mapping[str, Bars], features: Sequence[Feature], target: Target, panel: Panel, splitter: PurgedWalkForward
) -> tuple[LeakCheck, ...]:
    """Run all checks; deterministic."""
    return (
        truncation(series, features),
        lookback(series, features),
        target_horizon(series, target),
        purge(panel, splitter),
    )


def truncation(series: Mapping[str, Bars], features: Sequence[Feature]) -> LeakCheck:
    """Row t is the same bits whether or not the bars after t are there."""
    rng, faults, tried = np.random.default_rng(1), set[str](), 0
    for bars in series.values():
        whole = compute(bars, features)
        warm_up = min(max(feature.lookback for feature in features), len(bars))
        cuts = np.concatenate((rng.integers(1, warm_up + 1, CUTS // 3), rng.integers(1, len(bars) + 1, CUTS)))
        for cut in cuts:
            same = np.logical_and.reduce(_same(compute(bars[: int(cut)], features), whole[:cut]), axis=0)
            faults |= {feature.name for feature, fine in zip(features, same.tolist(), strict=True) if not fine}
            tried += 1
    return verdict("truncation_invariance", faults, f"{len(features)} features at {tried} cuts")


def lookback(series: Mapping[str, Bars], features: Sequence[Feature]) -> LeakCheck:
    """A row from exactly ``lookback`` bars is the row of the full history; from one bar fewer it is NaN."""
    faults: set[str] = set()
    for bars in series.values():
        whole = compute(bars, features)
        for column, feature in enumerate(features):
            if len(bars) < feature.lookback:
                continue
            exact = compute(bars.tail(feature.lookback), [feature], 1)[0]
            fewer = (
                compute(bars.tail(feature.lookback - 1), [feature], 1)[0]
                if feature.lookback > 1
                else np.array([np.nan])
            )
            if not _same(exact, whole[-1:, column]).all() or not np.isnan(fewer[0]):
                faults.add(feature.name)
    return verdict("lookback_true", faults, f"{len(features)} features of {len(series)} series")


def target_horizon(series: Mapping[str, Bars], target: Target) -> LeakCheck:
    """The last ``horizon`` rows have no label, and a label depends on no bar beyond its horizon."""
    rng, faults, tried = np.random.default_rng(1), set[str](), 0
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
            if not _same(target.values(bars[:cut])[:known], values[:known]).all():
                faults.add(f"{symbol}: label looks beyond {target.horizon} sessions")
            tried += 1
    return verdict("target_horizon", faults, f"{target.name} at {tried} cuts of {len(series)} series")


def purge(panel: Panel, splitter: PurgedWalkForward) -> LeakCheck:
    """No training label ends on or after the first test day, less the embargo."""
    faults, gaps = set[str](), []
    days = np.unique(panel.rows.date)
    for fold in splitter.split(panel.rows.date, panel.rows.label_end):
        last = panel.rows.label_end[fold.train].max()
        gap = int(np.searchsorted(days, fold.first) - np.searchsorted(days, last))
        gaps.append(gap)
        if gap <= splitter.embargo:
            faults.add(f"fold {fold.number}: {gap} sessions")
    return verdict("purged_splits", faults, f"{len(gaps)} folds, shortest gap {min(gaps)} sessions")


def prefixes(series: Mapping[str, Bars], fitted: GaussianHmm, tier: int) -> LeakCheck:
    """The regime probabilities of a day are the same bits whether or not later bars are there."""
    rng, faults, tried = np.random.default_rng(1), set[str](), 0
    for symbol, bars in series.items():
        rows = len(bars) - 1  # the first bar has no return
        whole = fitted.filter_windows(*window(observations(bars), tier, rows))
        for cut in rng.integers(1, rows + 1, CUTS).tolist():
            known = observations(bars[: cut + 1])
            if not _same(fitted.filter_windows(*window(known, tier, cut)), whole[:cut]).all():
                faults.add(symbol)
            tried += 1
    return verdict("filter_prefix_invariance", faults, f"{tried} prefixes of {len(series)} series")


def verdict(name: str, faults: set[str], tried: str) -> LeakCheck:
    """Sum a check up: what was tried, and the first of what failed."""
    detail = tried if not faults else f"{tried}; fails for {', '.join(sorted(faults)[:10])}"
    return LeakCheck(name=name, passed=not faults, detail=detail)


def _same(left: FloatArray, right: FloatArray) -> BoolArray:
    same: BoolArray = (left == right) | (np.isnan(left) & np.isnan(right))
    return same
