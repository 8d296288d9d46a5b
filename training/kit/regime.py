"""Training of regime models: a hidden Markov model of every symbol's sessions, judged by what it predicts.

Options of a spec: ``states`` (int), ``starts`` (int), ``covariance`` ("full" or "diag"), ``weight`` (sessions that the
habit of all symbols counts for), ``stickiness`` (0 to 1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray, IntArray
from models.certificate import Check
from models.families import hmm
from models.families.hmm import log_densities
from models.manifest import Score, Target, TierManifest
from models.regime import WEIGHTS
from models.sessions import Habit, observations, windows, windows_of
from models.states import States, in_spreads
from models.typing import JsonObject
from models.vitals import of_tier
from training.kit import plots
from training.kit.autoregression import fit_autoregression
from training.kit.checks import prefixes, verdict
from training.kit.evaluation import by_symbol, by_year
from training.kit.exports import regime_exports
from training.kit.losses import Losses, TierLosses
from training.kit.outcome import Outcome
from training.kit.panel import dated
from training.kit.progress import Progress
from training.kit.ranges import ranges_of_market
from training.kit.reliability import Calibration, of_densities
from training.kit.scores import gain
from training.kit.spec import ModelSpec, SpecError
from training.kit.splits import PurgedWalkForward
from training.kit.tabular import golden_cases

METRIC: Final = "log_density_gain"
NAIVE: Final = "static_mixture"
"""What the verdict compares with: the model's own states, without memory of which one is on. A single Gaussian loses
to them even on sessions in any order, by the shape of its density alone."""

LEAST_VARIETY: Final = 1e-6
"""Of log volatilities; below, states would be told apart by rounding."""

VARIABLES: Final = ("log return over volatility", "log volatility")
"""What an observation consists of, in its order."""

TARGET: Final = Target(
    name="next_observation",
    definition="density of (log return over volatility, log volatility) of session t+1 given the bars up to t",
    horizon=1,
)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the fit."""

    states: int = 3
    starts: int = 4
    covariance: Literal["full", "diag"] = "full"
    weight: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    stickiness: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Densities:
    """Minus log densities of test rows, by tier and rival, all of shape (n,).

    ``naive`` holds those of the same states in their long-run shares, which know the habit of the tier's bars as well
    and nothing of their order. ``settled`` holds those by each tier's weights averaged over the rows of a fold and
    symbol: where sessions don't follow from each other, nothing beats it, as the logarithm is concave. ``date`` and
    ``symbol`` tell where a row is from, ``outcome`` which log return came. ``transforms``, of shape (n, 2), tells how
    much probability the longest tier had given to values of each variable below the one that came.
    """

    tiers: dict[int, FloatArray]
    naive: dict[int, FloatArray]
    rivals: dict[str, FloatArray]
    date: DateArray
    symbol: IntArray
    outcome: FloatArray
    settled: dict[int, FloatArray]
    transforms: FloatArray


def train(model: str, spec: ModelSpec, series: Mapping[str, Bars], progress: Progress) -> Outcome:  # noqa: ARG001  one signature for all trainers
    """Train, evaluate and check a regime model; write nothing."""
    options = msgspec.convert(spec.options, Options)
    splitter = PurgedWalkForward.of(spec.splits)
    progress.total = splitter.folds + 2
    losses = walk(spec, options, series, splitter, progress)
    fitted = fit_states(list(series.values()), spec, options)
    progress.step("fit on all bars")
    checks = (prefixes(series, fitted, spec.tiers[-1]), _purge_check(series, splitter))
    progress.step("leak checks")
    dates = np.concatenate([dated(bars) for bars in series.values()])
    found = of_densities(spec.tiers[-1], dict(zip(VARIABLES, losses.transforms.T, strict=True)))
    return Outcome(
        tiers=tuple(_manifest(tier, losses, series, spec, options) for tier in spec.tiers),
        weights={WEIGHTS: fitted.dump(), **regime_exports(fitted, series, spec.tiers[-1])},
        target=TARGET,
        losses=Losses(tuple(series), tuple(_tier_losses(tier, losses) for tier in spec.tiers)),
        evaluation={"tiers": [_report(tier, losses, tuple(series)) for tier in spec.tiers]},
        plots=_plots(fitted, series, losses, spec, found),
        calibration=found,
        cases=(*golden_cases(series, spec.tiers), *_window_cases(series)),
        checks=checks,
        rows=sum(len(bars) - 1 for bars in series.values()),
        first=dates.min().item(),
        last=dates.max().item(),
        libraries=("numpy", *(hmm.LIBRARIES if fitted.hmm.record.backend == "hmmlearn" else ("scikit-learn",))),
    )


def fit_states(series: Sequence[Bars], spec: ModelSpec, options: Options) -> States:
    """Fit on bars of several symbols, where sessions are whole and follow each other.

    Each session is taken relative to the habit of those before it, as many of them as the longest tier reads.

    Raises
    ------
    SpecError
        No two sessions that follow each other have a range, or all are of one size.

    """
    seen = [observations(bars)[1:] for bars in series]
    if not any(np.isfinite(sequence).any() for sequence in seen):
        raise _no_ranges(len(series))
    width = max(spec.tiers[-1] - 1, 1)
    before = [windows_of(sequence[:-1, 1], width, len(sequence)) for sequence in seen]
    habit = _habit(series, seen, before, options.weight)
    related = [in_spreads(sequence, *habit.of(read)) for sequence, read in zip(seen, before, strict=True)]
    stretches = [stretch for sequence in related for stretch in unbroken(sequence) if len(stretch) > 1]
    if not stretches:
        raise _no_ranges(len(series))
    model = hmm.fit(
        stretches,
        n_states=options.states,
        seed=spec.seed,
        n_starts=options.starts,
        covariance=options.covariance,
        stickiness=options.stickiness,
    )
    return States(model, habit)


def _habit(series: Sequence[Bars], seen: Sequence[FloatArray], before: Sequence[FloatArray], weight: float) -> Habit:
    """Return what is usual, of bars, their observations and the log volatilities before each, of shape (n, width)."""
    sizes = [sequence[:, 1] for sequence in seen]
    usual = float(np.mean([np.nanmean(values) for values in sizes if not np.isnan(values).all()]))
    levels = [Habit(usual, 1.0, weight, 0.0).of(read)[0] for read in before]
    apart = np.concatenate([values - level for values, level in zip(sizes, levels, strict=True)])
    alone = np.concatenate([windows(bars, 1, len(bars) - 1)[:, 0, 1] for bars in series])
    variety = float(np.sqrt(np.nanmean(np.square(apart))))
    if variety < LEAST_VARIETY:
        raise SpecError(
            f"expected sessions of different sizes, found log volatilities within {variety:.1g} of what is usual in "
            f"{len(series)} series; give real bars"
        )
    return Habit(usual, variety, weight, float(np.nanmean(np.concatenate(sizes) - alone)))


def _no_ranges(series: int) -> SpecError:
    return SpecError(
        f"expected bars with high above low, found no two of them in a row in {series} series; "
        "give bars with ranges, not closes alone"
    )


def unbroken(sequence: FloatArray) -> list[FloatArray]:
    """Return the stretches of rows without NaN, of shape (n, 2); a session without a range ends one."""
    at = np.flatnonzero(~np.isnan(sequence).any(axis=1))
    return [sequence[part] for part in np.split(at, np.flatnonzero(np.diff(at) > 1) + 1)]


def walk(
    spec: ModelSpec, options: Options, series: Mapping[str, Bars], splitter: PurgedWalkForward, progress: Progress
) -> Densities:
    """Score every test session by the density that each rival gave it one session ahead."""
    seen = {symbol: observations(bars) for symbol, bars in series.items()}
    pooled = np.concatenate([dated(bars)[1:] for bars in series.values()])
    tiers: dict[int, list[FloatArray]] = {tier: [] for tier in spec.tiers}
    naive: dict[int, list[FloatArray]] = {tier: [] for tier in spec.tiers}
    settled: dict[int, list[FloatArray]] = {tier: [] for tier in spec.tiers}
    rivals: dict[str, list[FloatArray]] = {"single_gaussian": [], "autoregression": []}
    dates: list[DateArray] = []
    symbols: list[IntArray] = []
    outcomes: list[FloatArray] = []
    transforms: list[FloatArray] = []
    for fold in splitter.split(pooled, pooled):
        known = _known(series, pooled[fold.train].max())
        past = [seen[symbol][1:count] for symbol, count in known.items()]
        fitted = fit_states([series[symbol][:count] for symbol, count in known.items() if count > 1], spec, options)
        everything = np.concatenate([stretch for sequence in past for stretch in unbroken(sequence)])
        memory = fit_autoregression(past)
        single = (everything.mean(axis=0)[None], np.cov(everything.T)[None])
        for number, (symbol, bars) in enumerate(series.items()):
            at = _test_rows(bars, fold.first, fold.last, spec.tiers[-1])
            told = ~np.isnan(seen[symbol][at + 1, 1])
            if not told.any():
                continue
            coming = seen[symbol][at[told] + 1]
            for tier in spec.tiers:
                read = windows(bars[: at[-1] + 1], tier, len(at))[told]
                weights = fitted.hmm.next_probabilities(fitted.filter(read))
                density = fitted.log_densities(coming, read)
                tiers[tier].append(-mixed(density, weights))
                naive[tier].append(-mixed(density, np.tile(fitted.hmm.start, (len(coming), 1))))
                settled[tier].append(-mixed(density, np.tile(weights.mean(axis=0), (len(coming), 1))))
                if tier == spec.tiers[-1]:
                    transforms.append(transformed(coming, read, weights, fitted))
            rivals["single_gaussian"].append(-log_densities(coming, *single)[0])
            rivals["autoregression"].append(-memory.log_density(seen[symbol], at[told]))
            dates.append(dated(bars)[at[told]])
            symbols.append(np.full(len(coming), number))
            outcomes.append(coming[:, 0] * np.exp(coming[:, 1]))
        progress.step(f"fold to {fold.last}")
    if not dates:
        raise SpecError("expected sessions with a range in the test folds, found none; give bars with high above low")
    return Densities(
        tiers=_joined(tiers),
        naive=_joined(naive),
        rivals={name: np.concatenate(parts) for name, parts in rivals.items()},
        date=np.concatenate(dates),
        symbol=np.concatenate(symbols),
        outcome=np.concatenate(outcomes),
        settled=_joined(settled),
        transforms=np.concatenate(transforms),
    )


def _joined(parts: Mapping[int, list[FloatArray]]) -> dict[int, FloatArray]:
    return {tier: np.concatenate(arrays) for tier, arrays in parts.items()}


def _known(series: Mapping[str, Bars], day: np.datetime64) -> dict[str, int]:
    """Count the bars of each symbol up to and including ``day``."""
    return {symbol: int(np.searchsorted(dated(bars), day, side="right")) for symbol, bars in series.items()}


def _test_rows(bars: Bars, first: np.datetime64, last: np.datetime64, history: int) -> IntArray:
    """Return the bars inside the fold that have the longest tier's history and a session after them."""
    date = dated(bars)
    start, stop = int(np.searchsorted(date, first)), int(np.searchsorted(date, last, side="right"))
    return np.arange(max(start, history - 1), min(stop, len(bars) - 1))


def mixed(log_density: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the log of the mixture density, both arguments of shape (n, states)."""
    top = log_density.max(axis=1)
    result: FloatArray = top + np.log(np.sum(weights * np.exp(log_density - top[:, None]), axis=1))
    return result


def transformed(coming: FloatArray, read: FloatArray, weights: FloatArray, fitted: States) -> FloatArray:
    """Return the probability integral transforms ``sum_k w_k Phi((y - m_k) / s_k)`` of each variable by itself.

    ``coming`` is of shape (n, 2), ``read`` the windows before it, ``weights`` of shape (n, states); of shape (n, 2),
    inside [0, 1].
    """
    from scipy.special import ndtr

    deviations = np.sqrt(np.diagonal(fitted.hmm.covariances, axis1=1, axis2=2))
    below = ndtr((fitted.following(coming, read)[:, None, :] - fitted.hmm.means) / deviations)
    result: FloatArray = np.einsum("nk,nkv->nv", weights, below)
    return result


def _tier_losses(tier: int, losses: Densities) -> TierLosses:
    return TierLosses(
        tier=tier,
        metric=METRIC,
        baseline=NAIVE,
        relative=False,
        symbol=losses.symbol,
        date=losses.date,
        outcome=losses.outcome,
        model=losses.tiers[tier],
        naive=losses.naive[tier],
    )


def _scores(tier: int, losses: Densities) -> tuple[Score, ...]:
    rivals = {NAIVE: losses.naive[tier], **losses.rivals}
    return tuple(gain(METRIC, losses.tiers[tier], rival, losses.date, against=name) for name, rival in rivals.items())


def _manifest(
    tier: int, losses: Densities, series: Mapping[str, Bars], spec: ModelSpec, options: Options
) -> TierManifest:
    return TierManifest(
        tier=tier,
        features=(),
        weights=WEIGHTS,
        parameters={**spec.parameters, **msgspec.to_builtins(options)},
        head={},
        scores=_scores(tier, losses),
        coverage=None,
        calibration=None,
        ranges=ranges_of_market(series, tier, of_tier(tier), spec.splits),
    )


def _report(tier: int, losses: Densities, symbols: tuple[str, ...]) -> JsonObject:
    own, base = losses.tiers[tier], losses.naive[tier]
    rivals = {NAIVE: base, **losses.rivals}
    return {
        "tier": tier,
        "n": len(own),
        "first": str(losses.date.min()),
        "last": str(losses.date.max()),
        "metric": METRIC,
        "baseline": NAIVE,
        "loss": float(own.mean()),
        "rivals": {name: float(rival.mean()) for name, rival in rivals.items()},
        "years": by_year(own, base, losses.date, ratio=False),
        "symbols": by_symbol(own, base, losses.symbol, symbols, ratio=False),
    }


def _plots(
    fitted: States, series: Mapping[str, Bars], losses: Densities, spec: ModelSpec, found: Calibration
) -> dict[str, bytes]:
    symbol, bars = max(series.items(), key=lambda pair: len(pair[1]))
    width = spec.tiers[-1]
    posterior = fitted.filter(windows(bars, width, len(bars) - width + 1))
    own, base = losses.tiers[width], losses.naive[width]
    return {
        "regimes.png": plots.regimes(symbol, bars.tail(len(posterior)), posterior, fitted.hmm.states),
        "gain_by_year.png": plots.by_year(own, base, losses.date, METRIC, NAIVE, ratio=False),
        plots.CALIBRATION: plots.calibration(found),
    }


def _window_cases(series: Mapping[str, Bars]) -> tuple[JsonObject, ...]:
    """Return golden cases of the second input form: observations themselves, of the longest stretch without a gap."""
    seen = max((part for bars in series.values() for part in unbroken(observations(bars))), key=len)
    return tuple(
        {"returns_window": (part[:, 0] * np.exp(part[:, 1])).tolist(), "volatility_window": np.exp(part[:, 1]).tolist()}
        for part in (seen[:n] for n in (1, 21, min(252, len(seen))))
    )


def _purge_check(series: Mapping[str, Bars], splitter: PurgedWalkForward) -> Check:
    """No observation of training lies within the embargo before a test fold."""
    pooled = np.concatenate([dated(bars)[1:] for bars in series.values()])
    days = np.unique(pooled)
    faults, gaps = set[str](), []
    for fold in splitter.split(pooled, pooled):
        known = _known(series, pooled[fold.train].max())
        last = max(dated(bars)[known[symbol] - 1] for symbol, bars in series.items() if known[symbol])
        gaps.append(int(np.searchsorted(days, fold.first) - np.searchsorted(days, last)))
        if gaps[-1] <= splitter.embargo:
            faults.add(f"fold {fold.number}: {gaps[-1]} sessions")
    counts = {"folds": len(gaps), "shortest_gap": min(gaps), "embargo": splitter.embargo}
    return verdict("purged_splits", faults, f"{len(gaps)} folds, shortest gap {min(gaps)} sessions", counts)
