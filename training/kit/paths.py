"""Rolling origins of a price forecast: fit at an origin, forecast from every day until the next, keep the errors."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from models.families import prophet
from models.forecast import VOLUME, to_regressor
from models.scale import HarScale, log_levels
from training.kit.origins import HORIZONS, Options, plan, through
from training.kit.panel import dated, fit_scale, har_widths
from training.kit.path_errors import Errors, Origins, Plain, Shares, shrunk
from training.kit.progress import Progress
from training.kit.spec import ModelSpec
from training.kit.targets import NEXT_VARIANCE

PLAIN_LEVEL: Final = 0.8
"""Level of the bands that are compared before and after."""

PLAIN_PRIOR: Final = 0.05
"""Changepoint prior of plain Prophet: its own default."""


def evaluate(
    series: Mapping[str, Bars], spec: ModelSpec, options: Options, progress: Progress, *, plain: bool = True
) -> Origins:
    """Fit at every origin and forecast every day until the next, beside plain Prophet or not. Raises as `plan`."""
    symbols = tuple(series)
    origins = plan(series, options)
    progress.total = len(origins) + 2
    parts: list[Errors] = []
    tails: list[Errors] = []
    plains: list[Plain] = []
    chosen: list[Shares] = []
    for origin, (start, stretches) in enumerate(origins):
        shares = Shares.of([part.take(part.ends < start) for part in parts])
        chosen.append(shares)
        scales = {tier: scale_until(series, tier, start) for tier in spec.tiers}
        for number, first, last in stretches:
            symbol = symbols[number]
            bars = series[symbol]
            # Of the last days of a series some horizons have ended and the longest has not.
            stop = len(bars) - 1 if last == len(bars) - max(HORIZONS) else last
            ahead = Ahead(bars, first, stop)
            past = bars[: through(bars, start)].tail(options.history)
            others = average({name: other for name, other in series.items() if name != symbol}, start)
            own = fit_path(past, spec, options)
            stranger = fit_path(others.tail(options.history), spec, options)
            of_path, of_average = ahead.errors(own), ahead.errors(stranger)
            made = Errors(
                origin=np.full(ahead.n, origin),
                symbol=np.full(ahead.n, number),
                date=dated(bars)[ahead.at],
                fitted_to=np.full(ahead.n, max(own.train_end, stranger.train_end)),
                known=ahead.known,
                error=shrunk(of_path, ahead.moves, shares.own),
                unseen=shrunk(of_average, ahead.moves, shares.average),
                naive=ahead.moves,
                of_path=of_path,
                of_average=of_average,
                scales=np.stack([scale.volatility(bars[:stop], ahead.n) for scale in scales.values()], axis=1),
            )
            parts.append(made.take(made.ended))
            tails.append(made.take(~made.ended))
            if plain and origin >= options.teaching:
                usual = own if options.prior == PLAIN_PRIOR else fit_path(past, spec, options, prior=PLAIN_PRIOR)
                plains.append(ahead.plain(usual, spec.seed))
        progress.step(f"origin {start}, share {shares.own:g}")
    return Origins(
        errors=Errors.joined(parts),
        tail=Errors.joined(tails),
        plain=Plain.joined(plains),
        teaching=options.teaching,
        tiers=spec.tiers,
        shares=tuple(chosen),
        chosen=Shares.of(parts),
        first_days=tuple(start for start, _ in origins),
    )


class Ahead:
    """Days of one symbol from position ``first`` to ``last - 1``, and what followed them.

    Of a horizon that ends after the last bar ``moves`` are NaN and ``known`` is NaT.
    """

    def __init__(self, bars: Bars, first: int, last: int) -> None:
        self.at = np.arange(first, last)
        self.n = len(self.at)
        self._log = np.log(bars.close)
        self._date = dated(bars)
        self._volume = None if bars.volume is None else float(to_regressor(bars.volume[first : first + 1])[0])
        ahead = self.at[:, None] + np.array(HORIZONS)
        self._ahead, came = np.minimum(ahead, len(bars) - 1), ahead < len(bars)
        self.moves = np.where(came, self._log[self._ahead] - self._log[self.at][:, None], np.nan)
        self.known = np.where(came, self._date[self._ahead], np.datetime64("NaT"))

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


def fit_path(bars: Bars, spec: ModelSpec, options: Options, *, prior: float | None = None) -> prophet.ProphetPath:
    """Fit one path to the log close, with log volume as a regressor where the options want it and the bars have it.

    ``prior``: one in place of that of the options.
    """
    volume = bars.volume
    wanted = options.volume and volume is not None and not np.isnan(volume).any()
    return prophet.fit(
        dated(bars),
        np.log(bars.close),
        regressors={VOLUME: to_regressor(volume)} if wanted and volume is not None else {},
        changepoint_prior_scale=options.prior if prior is None else prior,
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
