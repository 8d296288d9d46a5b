"""Training of regime models: a hidden Markov model on every symbol's returns and ranges, judged by what it predicts.

Options of a spec: ``states`` (int), ``starts`` (int), ``covariance`` ("full" or "diag"), ``stickiness`` (0 to 1).
"""

from collections.abc import Mapping
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
from models.regime import WEIGHTS, observations, window
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

VARIABLES: Final = ("log return", "log volatility")
"""What an observation consists of, in its order."""

TARGET: Final = Target(
    name="next_observation",
    definition="density of (log return, log Garman-Klass volatility) of session t+1 given the bars up to t",
    horizon=1,
)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the fit."""

    states: int = 3
    starts: int = 4
    covariance: Literal["full", "diag"] = "full"
    stickiness: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Densities:
    """Minus log densities of test rows, by tier and rival, all of shape (n,).

    ``settled`` holds those by each tier's weights averaged over the rows of a fold and symbol: where sessions don't
    follow from each other, nothing beats it, as the logarithm is concave. ``date`` and ``symbol`` tell where a row is
    from, ``outcome`` which log return came. ``transforms``, of shape (n, 2), tells how much probability the longest
    tier had given to a log return, and to a log volatility, below the one that came.
    """

    tiers: dict[int, FloatArray]
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
    fitted = fit_states([observations(bars)[1:] for bars in series.values()], spec, options)
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
        libraries=("numpy", *(hmm.LIBRARIES if fitted.record.backend == "hmmlearn" else ("scikit-learn",))),
    )


def fit_states(sequences: list[FloatArray], spec: ModelSpec, options: Options) -> hmm.GaussianHmm:
    """Fit on observations of several symbols, each of shape (n, 2), where they are whole and follow each other.

    Raises
    ------
    SpecError
        No two sessions that follow each other have a range.

    """
    stretches = [stretch for sequence in sequences for stretch in unbroken(sequence) if len(stretch) > 1]
    if not stretches:
        raise SpecError(
            f"expected bars with high above low, found no two of them in a row in {len(sequences)} series; "
            "give bars with ranges, not closes alone"
        )
    return hmm.fit(
        stretches,
        n_states=options.states,
        seed=spec.seed,
        n_starts=options.starts,
        covariance=options.covariance,
        stickiness=options.stickiness,
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
    settled: dict[int, list[FloatArray]] = {tier: [] for tier in spec.tiers}
    rivals: dict[str, list[FloatArray]] = {NAIVE: [], "single_gaussian": [], "autoregression": []}
    dates: list[DateArray] = []
    symbols: list[IntArray] = []
    outcomes: list[FloatArray] = []
    transforms: list[FloatArray] = []
    for fold in splitter.split(pooled, pooled):
        known = _known(series, pooled[fold.train].max())
        past = [seen[symbol][1:count] for symbol, count in known.items()]
        fitted = fit_states(past, spec, options)
        everything = np.concatenate([stretch for sequence in past for stretch in unbroken(sequence)])
        memory = fit_autoregression(past)
        single = (everything.mean(axis=0)[None], np.cov(everything.T)[None])
        for number, (symbol, bars) in enumerate(series.items()):
            at = _test_rows(bars, fold.first, fold.last, spec.tiers[-1])
            if len(at) == 0:
                continue
            coming = seen[symbol][at + 1]
            density = log_densities(coming, fitted.means, fitted.covariances).T
            for tier in spec.tiers:
                posterior = fitted.filter_windows(*window(seen[symbol][: at[-1] + 1], tier, len(at)))
                weights = fitted.next_probabilities(posterior)
                tiers[tier].append(-mixed(density, weights))
                settled[tier].append(-mixed(density, np.tile(weights.mean(axis=0), (len(at), 1))))
                if tier == spec.tiers[-1]:
                    transforms.append(transformed(coming, weights, fitted))
            rivals[NAIVE].append(-mixed(density, np.tile(fitted.start, (len(at), 1))))
            rivals["single_gaussian"].append(-log_densities(coming, *single)[0])
            rivals["autoregression"].append(-memory.log_density(seen[symbol], at))
            dates.append(dated(bars)[at])
            symbols.append(np.full(len(at), number))
            outcomes.append(coming[:, 0])
        progress.step(f"fold to {fold.last}")
    return Densities(
        tiers={tier: np.concatenate(parts) for tier, parts in tiers.items()},
        rivals={name: np.concatenate(parts) for name, parts in rivals.items()},
        date=np.concatenate(dates),
        symbol=np.concatenate(symbols),
        outcome=np.concatenate(outcomes),
        settled={tier: np.concatenate(parts) for tier, parts in settled.items()},
        transforms=np.concatenate(transforms),
    )


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


def transformed(coming: FloatArray, weights: FloatArray, fitted: hmm.GaussianHmm) -> FloatArray:
    """Return the probability integral transforms ``sum_k w_k Phi((y - m_k) / s_k)`` of each variable by itself.

    ``coming`` is of shape (n, 2), ``weights`` of shape (n, states); of shape (n, 2), inside [0, 1].
    """
    from scipy.special import ndtr

    deviations = np.sqrt(np.diagonal(fitted.covariances, axis1=1, axis2=2))
    below = ndtr((coming[:, None, :] - fitted.means) / deviations)
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
        naive=losses.rivals[NAIVE],
    )


def _scores(tier: int, losses: Densities) -> tuple[Score, ...]:
    return tuple(
        gain(METRIC, losses.tiers[tier], rival, losses.date, against=name) for name, rival in losses.rivals.items()
    )


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
    own, base = losses.tiers[tier], losses.rivals[NAIVE]
    return {
        "tier": tier,
        "n": len(own),
        "first": str(losses.date.min()),
        "last": str(losses.date.max()),
        "metric": METRIC,
        "baseline": NAIVE,
        "loss": float(own.mean()),
        "rivals": {name: float(rival.mean()) for name, rival in losses.rivals.items()},
        "years": by_year(own, base, losses.date, ratio=False),
        "symbols": by_symbol(own, base, losses.symbol, symbols, ratio=False),
    }


def _plots(
    fitted: hmm.GaussianHmm, series: Mapping[str, Bars], losses: Densities, spec: ModelSpec, found: Calibration
) -> dict[str, bytes]:
    symbol, bars = max(series.items(), key=lambda pair: len(pair[1]))
    width = spec.tiers[-1]
    posterior = fitted.filter_windows(*window(observations(bars), width, len(bars) - width + 1))
    own, base = losses.tiers[width], losses.rivals[NAIVE]
    return {
        "regimes.png": plots.regimes(symbol, bars.tail(len(posterior)), posterior, fitted.states),
        "gain_by_year.png": plots.by_year(own, base, losses.date, METRIC, NAIVE, ratio=False),
        plots.CALIBRATION: plots.calibration(found),
    }


def _window_cases(series: Mapping[str, Bars]) -> tuple[JsonObject, ...]:
    """Return golden cases of the second input form: observations themselves, of the longest stretch without a gap."""
    seen = max((part for bars in series.values() for part in unbroken(observations(bars))), key=len)
    return tuple(
        {"returns_window": part[:, 0].tolist(), "volatility_window": np.exp(part[:, 1]).tolist()}
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
