"""Rolling origins of a price forecast: fit at an origin, forecast from every day until the next, keep the errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import BoolArray, DateArray, FloatArray, IntArray
from models.families import prophet
from models.forecast import VOLUME, to_regressor
from models.scale import HarScale, log_levels
from training.kit.origins import HORIZONS, Options, plan, through
from training.kit.panel import dated, fit_scale, har_widths
from training.kit.progress import Progress
from training.kit.scores import conformal_quantiles
from training.kit.spec import ModelSpec
from training.kit.targets import NEXT_VARIANCE

PLAIN_LEVEL: Final = 0.8
"""Level of the bands that are compared before and after."""

PLAIN_PRIOR: Final = 0.05
"""Changepoint prior of plain Prophet: its own default."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Errors:
    """Log errors of forecasts made on n days, by horizon.

    ``error``, ``naive`` and ``unseen`` have shape (n, horizons): of the anchored path with the prior chosen at the
    origin, of the last close, and of the path of the other symbols' average, which a symbol without a path of its own
    gets. ``by_prior`` has shape (n, priors, horizons), ``scales`` shape (n, tiers), all else shape (n,). ``fitted_to``
    is the last day that the paths had seen, ``ends`` the day that the longest horizon reaches.
    """

    origin: IntArray
    symbol: IntArray
    date: DateArray
    fitted_to: DateArray
    ends: DateArray
    error: FloatArray
    naive: FloatArray
    unseen: FloatArray
    by_prior: FloatArray
    scales: FloatArray

    def __len__(self) -> int:
        """Count the days."""
        return len(self.date)

    def take(self, at: BoolArray) -> "Errors":
        """Return the days where ``at`` is true."""
        return Errors(*(getattr(self, name)[at] for name in _FIELDS))

    @classmethod
    def joined(cls, parts: Sequence["Errors"]) -> "Errors":
        """Put parts one after the other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS))


_FIELDS: Final = ("origin", "symbol", "date", "fitted_to", "ends", "error", "naive", "unseen", "by_prior", "scales")


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Plain:
    """Plain Prophet from the origins themselves: log errors, those of the last close, and whether its band held.

    Each of shape (n, horizons).
    """

    error: FloatArray
    naive: FloatArray
    held: BoolArray

    @classmethod
    def joined(cls, parts: Sequence["Plain"]) -> "Plain":
        """Put parts one after the other; there may be none."""
        none = np.empty((0, len(HORIZONS)))
        return cls(
            np.concatenate([none, *(part.error for part in parts)]),
            np.concatenate([none, *(part.naive for part in parts)]),
            np.concatenate([none.astype(np.bool_), *(part.held for part in parts)]),
        )


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Origins:
    """All that the rolling origins gave. ``errors`` includes the teaching origins; ``scored`` leaves them out."""

    errors: Errors
    plain: Plain
    teaching: int
    tiers: tuple[int, ...]
    choices: dict[str, float]
    chosen: float
    first_days: tuple[np.datetime64, ...]

    @property
    def scored(self) -> Errors:
        """Days after the teaching origins."""
        return self.errors.take(self.errors.origin >= self.teaching)

    def held(self, tier: int, level: float, *, unseen: bool = False) -> BoolArray:
        """Tell for each scored day and horizon whether the band held, its width learnt before the day's origin."""
        column, parts = self.tiers.index(tier), list[BoolArray]()
        for origin in np.unique(self.scored.origin).tolist():
            now = self.errors.take(self.errors.origin == origin)
            error = now.unseen if unseen else now.error
            parts.append(np.abs(error) <= self.limits(origin, tier, level) * _units(now, column))
        return np.concatenate(parts)

    def held_by_level(self, tier: int, levels: Sequence[float]) -> FloatArray:
        """Return the shares of scored days that bands of each level held, as `held`, shape (horizons, levels)."""
        column, scored = self.tiers.index(tier), self.scored
        counts = np.zeros((len(HORIZONS), len(levels)))
        for origin in np.unique(scored.origin).tolist():
            now = scored.take(scored.origin == origin)
            known = self._widths(origin, tier, levels)
            reach = _units(now, column)[:, :, None] * known
            counts += np.count_nonzero(np.abs(now.error)[:, :, None] <= reach, axis=0)
        shares: FloatArray = counts / len(scored)
        return shares

    def limits(self, origin: int, tier: int, level: float) -> FloatArray:
        """Return the widths that were known at an origin, shape (horizons,): of forecasts that had ended before it."""
        return self._widths(origin, tier, (level,))[:, 0]

    def _widths(self, origin: int, tier: int, levels: Sequence[float]) -> FloatArray:
        known = self.errors.take(self.errors.ends < self.first_days[origin])
        return widths(known, self.tiers.index(tier), levels)


def widths(errors: Errors, tier: int, levels: Sequence[float]) -> FloatArray:
    """Return conformal quantiles of the errors in units of volatility times root horizon, shape (horizons, levels)."""
    scaled = np.abs(errors.error) / _units(errors, tier)
    return np.array([conformal_quantiles(column, levels) for column in scaled.T])


def _units(errors: Errors, tier: int) -> FloatArray:
    return errors.scales[:, tier, None] * np.sqrt(np.array(HORIZONS, dtype=np.float64))


def evaluate(
    series: Mapping[str, Bars], spec: ModelSpec, options: Options, progress: Progress, *, plain: bool = True
) -> Origins:
    """Fit at every origin and forecast every day until the next, beside plain Prophet or not. Raises as `plan`."""
    symbols = tuple(series)
    origins = plan(series, options)
    progress.total = len(origins) + 2
    parts: list[Errors] = []
    plains: list[Plain] = []
    choices: dict[str, float] = {}
    for origin, (start, stretches) in enumerate(origins):
        chosen = best_prior([part.take(part.ends < start) for part in parts], options)
        choices[str(start)] = chosen
        scales = {tier: scale_until(series, tier, start) for tier in spec.tiers}
        for number, first, last in stretches:
            symbol = symbols[number]
            bars = series[symbol]
            ahead = Ahead(bars, first, last)
            past = bars[: through(bars, start)].tail(options.history)
            fits = {prior: fit_path(past, prior, spec, options) for prior in options.priors}
            others = average({name: other for name, other in series.items() if name != symbol}, start)
            stranger = fit_path(others.tail(options.history), chosen, spec, options)
            by_prior = np.stack([ahead.errors(path) for path in fits.values()], axis=1)
            parts.append(
                Errors(
                    origin=np.full(ahead.n, origin),
                    symbol=np.full(ahead.n, number),
                    date=dated(bars)[ahead.at],
                    fitted_to=np.full(ahead.n, max(fits[chosen].train_end, stranger.train_end)),
                    ends=dated(bars)[ahead.at + max(HORIZONS)],
                    error=by_prior[:, options.priors.index(chosen)],
                    naive=ahead.moves,
                    unseen=ahead.errors(stranger),
                    by_prior=by_prior,
                    scales=np.stack([scale.volatility(bars[:last], ahead.n) for scale in scales.values()], axis=1),
                )
            )
            if plain and origin >= options.teaching:
                usual = fits[PLAIN_PRIOR] if PLAIN_PRIOR in fits else fit_path(past, PLAIN_PRIOR, spec, options)
                plains.append(ahead.plain(usual, spec.seed))
        progress.step(f"origin {start}, prior {chosen}")
    errors = Errors.joined(parts)
    return Origins(
        errors=errors,
        plain=Plain.joined(plains),
        teaching=options.teaching,
        tiers=spec.tiers,
        choices=choices,
        chosen=best_prior([errors], options),
        first_days=tuple(start for start, _ in origins),
    )


class Ahead:
    """Days of one symbol from position ``first`` to ``last - 1``, and what followed them."""

    def __init__(self, bars: Bars, first: int, last: int) -> None:
        self.at = np.arange(first, last)
        self.n = len(self.at)
        self._log = np.log(bars.close)
        self._date = dated(bars)
        self._volume = None if bars.volume is None else float(to_regressor(bars.volume[first : first + 1])[0])
        self._ahead = self.at[:, None] + np.array(HORIZONS)
        self.moves = self._log[self._ahead] - self._log[self.at][:, None]

    def errors(self, path: prophet.ProphetPath) -> FloatArray:
        """Return log errors of the path hung on each day's close, shape (n, horizons).

        The regressor of the future is filled with its last known value, and so cancels.
        """
        span = slice(self.at[0], self._ahead[-1, -1] + 1)
        dates = self._date[span]
        values = path.path(dates, self._regressors(path, len(dates)))
        drawn = values[self._ahead - self.at[0]] - values[self.at - self.at[0]][:, None]
        error: FloatArray = self.moves - drawn
        return error

    def plain(self, path: prophet.ProphetPath, seed: int) -> Plain:
        """Return what plain Prophet says on the first day: its own level, its own band."""
        steps = self._ahead[0]
        dates = self._date[steps]
        regressors = self._regressors(path, len(dates))
        lower, upper = prophet.plain_interval(path, dates, regressors, level=PLAIN_LEVEL, seed=seed)
        closes = self._log[steps]
        return Plain(
            error=(closes - path.path(dates, regressors))[None],
            naive=self.moves[:1],
            held=((lower <= closes) & (closes <= upper))[None],
        )

    def _regressors(self, path: prophet.ProphetPath, n: int) -> dict[str, FloatArray]:
        last = self._volume
        return {name: np.full(n, path.last_values[name] if last is None else last) for name in path.regressors}


def fit_path(bars: Bars, prior: float, spec: ModelSpec, options: Options) -> prophet.ProphetPath:
    """Fit one path to the log close, with log volume as a regressor where the options want it and the bars have it."""
    volume = bars.volume
    wanted = options.volume and volume is not None and not np.isnan(volume).any()
    return prophet.fit(
        dated(bars),
        np.log(bars.close),
        regressors={VOLUME: to_regressor(volume)} if wanted and volume is not None else {},
        changepoint_prior_scale=prior,
        seed=spec.seed,
        yearly_order=options.yearly_order,
        weekly_order=options.weekly_order,
    )


def average(series: Mapping[str, Bars], until: np.datetime64 | None = None) -> Bars:
    """Return the market that the symbols make: each day's mean log return of those that trade, from 100 on.

    It has closes only (open, high and low repeat them) and no volume. ``until``: leave out later days.
    """
    days = np.unique(np.concatenate([dated(bars) for bars in series.values()]))
    total, count = np.zeros(len(days)), np.zeros(len(days))
    for bars in series.values():
        at = np.searchsorted(days, dated(bars)[1:])
        total[at] += np.log(bars.close[1:] / bars.close[:-1])
        count[at] += 1
    close = 100.0 * np.exp(np.cumsum(total / np.maximum(count, 1)))
    kept = len(days) if until is None else int(np.searchsorted(days, until, side="right"))
    close = close[:kept]
    return Bars(close, close, close, close, None, days[:kept], None)


def best_prior(parts: Sequence[Errors], options: Options) -> float:
    """Return the prior whose absolute errors, relative to those of the last close, were least; the stiffest if none."""
    known = Errors.joined(parts) if parts else None
    if known is None or len(known) == 0:
        return options.priors[0]
    relative = np.abs(known.by_prior).mean(axis=0) / np.abs(known.naive).mean(axis=0)
    return options.priors[int(np.argmin(relative.mean(axis=1)))]


def final_scale(series: Mapping[str, Bars], tier: int) -> HarScale:
    """Fit the yardstick on all days that have a next session."""
    return scale_until(series, tier, max(dated(bars)[-1] for bars in series.values()))


def scale_until(series: Mapping[str, Bars], tier: int, until: np.datetime64) -> HarScale:
    """Fit the yardstick on the days whose next session is known on day ``until``."""
    widths = har_widths(tier)
    level_parts, variance_parts = list[FloatArray](), list[FloatArray]()
    for bars in series.values():
        known = bars[: through(bars, until)]
        rows = len(known) - tier
        if rows > 0:
            level_parts.append(np.stack(log_levels(known[:-1], widths, rows), axis=1))
            variance_parts.append(NEXT_VARIANCE.values(known)[tier - 1 : -1])
    return fit_scale(widths, np.concatenate(level_parts), np.concatenate(variance_parts))
