"""Training of price forecasts: Prophet a symbol, anchored and conformalised, judged at rolling origins.

Options of a spec: see `training.kit.origins.Options`.
"""

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Final

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from models.certificate import Check
from models.families import prophet
from models.forecast import POOLED, ForecastHead, path_file
from models.golden import MIN_CASES, bars_to_json
from models.manifest import Coverage, Score, Target, TierManifest
from models.typing import Json, JsonObject
from models.vitals import VOLATILITY, of_tier
from training.kit import plots
from training.kit.checks import verdict
from training.kit.coverage import coverage
from training.kit.evaluation import by_symbol, by_year
from training.kit.losses import Losses, TierLosses
from training.kit.origins import HORIZONS, Options
from training.kit.outcome import Outcome
from training.kit.panel import dated
from training.kit.path_errors import Origins
from training.kit.paths import PLAIN_LEVEL, average, evaluate, final_scale, fit_path
from training.kit.progress import Progress
from training.kit.ranges import ranges_of_market
from training.kit.reliability import LEVELS, of_paths
from training.kit.scores import skill
from training.kit.spec import ModelSpec

MEASURED: Final = (0.05, *(round(0.1 * tenth, 1) for tenth in range(1, 10)), 0.95, 0.98, 0.99)
"""Levels that widths are measured for; a request in between is interpolated."""

SHOWN: Final = (5, 1, 20)
"""Horizons that are scored, the one that answers quote first."""

BASELINE: Final = "last_close"
PERIODS: Final = (1, 5, 20, 60)
"""Horizons of the golden examples of a tier."""


def train(model: str, spec: ModelSpec, series: Mapping[str, Bars], progress: Progress) -> Outcome:  # noqa: ARG001  one signature for all trainers
    """Train, evaluate and check a price forecast; write nothing."""
    options = msgspec.convert(spec.options, Options)
    origins = evaluate(series, spec, options, progress)
    fitted = {**series, POOLED: average(series)}
    weights = {
        path_file(symbol): fit_path(bars.tail(options.history), spec, options).dump()
        for symbol, bars in fitted.items()
        if len(bars) >= prophet.MIN_SESSIONS
    }
    progress.step(f"paths of {len(weights)} series")
    dates = np.concatenate([dated(bars) for bars in series.values()])
    longest = max(HORIZONS)
    held = origins.held_by_level(spec.tiers[-1], LEVELS)
    found = of_paths(spec.tiers[-1], dict(zip(HORIZONS, held.tolist(), strict=True)))
    return Outcome(
        tiers=tuple(_manifest(tier, origins, series, spec, options) for tier in spec.tiers),
        weights=weights,
        target=Target(name="close_path", definition=f"close[t+h], h = 1 to {longest} sessions", horizon=longest),
        losses=Losses(tuple(series), tuple(_tier_losses(tier, origins) for tier in spec.tiers)),
        evaluation={
            "options": msgspec.to_builtins(options),
            "shares": {
                "chosen": asdict(origins.chosen),
                "at_origins": {
                    str(day): asdict(shares) for day, shares in zip(origins.first_days, origins.shares, strict=True)
                },
            },
            "before_and_after": comparison(origins, spec.tiers[-1]),
            "tiers": [_report(tier, origins, tuple(series)) for tier in spec.tiers],
        },
        plots={**_plots(origins), plots.CALIBRATION: plots.calibration(found)},
        calibration=found,
        cases=_cases(series, spec.tiers),
        checks=_checks(origins),
        rows=sum(min(len(bars), options.history) for bars in series.values()),
        first=dates.min().item(),
        last=dates.max().item(),
        libraries=("numpy", *prophet.LIBRARIES),
    )


def comparison(origins: Origins, tier: int) -> list[Json]:
    """Return errors relative to the last close and coverages, by horizon: plain Prophet, ours, and ours for strangers.

    ``mase`` is the mean absolute log error over that of the last close: below 1 is better than "tomorrow = today".
    Coverages are of bands of level `PLAIN_LEVEL`. Plain Prophet is asked at the origins only, where its fit is fresh.
    """
    scored, plain = origins.scored, origins.plain
    held, strange = origins.held(tier, PLAIN_LEVEL), origins.held(tier, PLAIN_LEVEL, unseen=True)
    rows: list[Json] = []
    for column, horizon in enumerate(HORIZONS):
        naive = np.abs(scored.naive[:, column]).mean()
        rows.append(
            {
                "horizon": horizon,
                "plain": {
                    "n": len(plain.error),
                    "mase": float(np.abs(plain.error[:, column]).mean() / np.abs(plain.naive[:, column]).mean()),
                    "coverage": float(plain.held[:, column].mean()),
                },
                "anchored": {
                    "n": len(scored),
                    "mase": float(np.abs(scored.error[:, column]).mean() / naive),
                    "coverage": float(held[:, column].mean()),
                },
                "unseen_symbol": {
                    "n": len(scored),
                    "mase": float(np.abs(scored.unseen[:, column]).mean() / naive),
                    "coverage": float(strange[:, column].mean()),
                },
            }
        )
    return rows


def _tier_losses(tier: int, origins: Origins) -> TierLosses:
    """Return the losses at the horizon that answers quote; the path, and so they, are the same for all tiers."""
    own, naive = _losses(origins, SHOWN[0])
    scored = origins.scored
    return TierLosses(
        tier=tier,
        metric=f"mae_skill_{SHOWN[0]}",
        baseline=BASELINE,
        relative=True,
        symbol=scored.symbol,
        date=scored.date,
        outcome=scored.naive[:, HORIZONS.index(SHOWN[0])],
        model=own,
        naive=naive,
    )


def _losses(origins: Origins, horizon: int) -> tuple[FloatArray, FloatArray]:
    column, scored = HORIZONS.index(horizon), origins.scored
    return np.abs(scored.error[:, column]), np.abs(scored.naive[:, column])


def _scores(origins: Origins) -> tuple[Score, ...]:
    date = origins.scored.date
    return tuple(skill(f"mae_skill_{horizon}", *_losses(origins, horizon), date, against=BASELINE) for horizon in SHOWN)


def _manifest(
    tier: int, origins: Origins, series: Mapping[str, Bars], spec: ModelSpec, options: Options
) -> TierManifest:
    bands = origins.bands(tier, MEASURED)
    head = ForecastHead(
        scale=final_scale(series, tier),
        horizons=HORIZONS,
        levels=MEASURED,
        widths=tuple(tuple(row) for row in bands.settled.tolist()),
        pulls=tuple(tuple(row) for row in bands.last.tolist()),
        pulled_on=origins.tail.last.astype(dt.date),
        share=origins.chosen.own,
        average_share=origins.chosen.average,
    )
    return TierManifest(
        tier=tier,
        features=(),
        weights=path_file(POOLED),
        parameters=msgspec.to_builtins(options),
        head=msgspec.to_builtins(head),
        scores=_scores(origins),
        coverage=_coverage(tier, origins),
        calibration=None,
        ranges=ranges_of_market(series, tier, (VOLATILITY,) if VOLATILITY in of_tier(tier) else (), spec.splits),
    )


def _coverage(tier: int, origins: Origins) -> Coverage:
    """Return how often the band held at the horizon that answers quote."""
    held, scored = origins.held(tier, PLAIN_LEVEL)[:, HORIZONS.index(SHOWN[0])], origins.scored
    return coverage(PLAIN_LEVEL, held, scored.date, scored.scales[:, origins.tiers.index(tier)])


def _report(tier: int, origins: Origins, symbols: tuple[str, ...]) -> JsonObject:
    scored, (own, base) = origins.scored, _losses(origins, SHOWN[0])
    held = origins.held(tier, PLAIN_LEVEL)
    return {
        "tier": tier,
        "n": len(scored),
        "first": str(scored.date.min()),
        "last": str(scored.date.max()),
        "metric": f"mae_skill_{SHOWN[0]}",
        "baseline": BASELINE,
        "loss": float(own.mean()),
        "rivals": {BASELINE: float(base.mean())},
        "figures": {f"coverage_{horizon}": float(held[:, column].mean()) for column, horizon in enumerate(HORIZONS)},
        "years": by_year(own, base, scored.date),
        "symbols": by_symbol(own, base, scored.symbol, symbols),
    }


def _plots(origins: Origins) -> dict[str, bytes]:
    own, base = _losses(origins, SHOWN[0])
    held = origins.held(origins.tiers[-1], PLAIN_LEVEL).mean(axis=0)
    return {
        "skill_by_year.png": plots.by_year(own, base, origins.scored.date, f"mae_skill_{SHOWN[0]}", BASELINE),
        "coverage.png": plots.coverage(HORIZONS, held, origins.plain.held.mean(axis=0), PLAIN_LEVEL),
    }


def _cases(series: Mapping[str, Bars], tiers: tuple[int, ...]) -> tuple[JsonObject, ...]:
    """Choose golden examples: each tier, seen and unseen symbols, each of the periods."""
    rng = np.random.default_rng(16)
    cases: list[JsonObject] = []
    for tier in tiers:
        able = [bars for bars in series.values() if len(bars) > tier + max(PERIODS)]
        for number in range(max(len(PERIODS), math.ceil(MIN_CASES / len(tiers)))):
            periods = PERIODS[number % len(PERIODS)]
            bars = able[number % len(able)]
            end = int(rng.integers(tier, len(bars) - periods))
            window, ahead = bars[end - tier : end], dated(bars)[end : end + periods]
            known = bars_to_json(window)
            cases.append(
                {
                    "bars": {**known, "symbol": None} if number % 2 else known,
                    "sessions": [str(day) for day in ahead],
                    "level": PLAIN_LEVEL,
                }
            )
    return tuple(cases)


def _checks(origins: Origins) -> tuple[Check, ...]:
    """No path had seen a day after the one that it forecast from; no band knew an error that had not come about yet."""
    errors = origins.errors
    seen = {str(day) for day in errors.date[errors.fitted_to > errors.date]}
    known = set[str]()
    for origin in np.unique(origins.scored.origin).tolist():
        days = errors.date[errors.origin == origin]
        for evening in (days.min(), np.unique(days)[len(np.unique(days)) // 2]):
            by = np.where(errors.known > evening, 100.0, 1.0)
            falsified = replace(origins, errors=replace(errors, of_path=by * errors.of_path, naive=by * errors.naive))
            for tier in origins.tiers:
                one, other = (of.reaches(origin, tier, (PLAIN_LEVEL,))[days <= evening] for of in (origins, falsified))
                if not np.array_equal(one, other):
                    known.add(f"{evening}, tier {tier}")
    return (
        verdict("forecasts_after_fit", seen, f"{len(errors)} days at {len(origins.first_days)} origins"),
        verdict("bands_of_the_evening", known, f"bands of {len(origins.tiers)} tiers, later errors falsified"),
    )
