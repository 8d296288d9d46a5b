"""Two forecasts of the same rows, and whether one is better: by how much, how surely, when, where and for whom.

Rows of one day share the day's news, and neighbouring days share their volatility. So losses are added up by day. The
interval of their ratio is a circular block bootstrap of days, and the test is that of Diebold and Mariano (1995) on
daily sums, with Newey and West's (1987) variance.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from feature_mapper.typing import DateArray, FloatArray, IntArray
from training.kit.scores import DailySums

LAG: Final = 21
"""Days over which loss differences are taken to be correlated: a month."""

THIRDS: Final = ("calm", "middle", "wild")
"""Of rows, by forecast volatility."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A model against one rival on the rows that both answer.

    ``ratio`` is the model's mean loss over the rival's, with an interval of 95 %, or what `Scored` says of log losses;
    ``gain`` is the mean of rival less model. ``dm`` is the statistic of Diebold and Mariano, above 0 where the model is
    better, and ``p`` its chance, two-sided. ``better`` is the share of symbols with a ratio below 1, ``worst`` the
    greatest ratio of a symbol.
    """

    rival: str
    n: int
    days: int
    loss: float
    rival_loss: float
    ratio: float
    ratio_ci95: tuple[float, float]
    gain: float
    dm: float | None
    p: float | None
    better: float
    worst: tuple[str, float]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison on some of the rows, to five digits; ``dm`` is null where equal forecasts leave no test."""

    n: int
    ratio: float
    dm: float | None


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Scored:
    """Losses of one model and its rivals on the same rows, each of shape (n,); a rival that says nothing has NaN.

    ``log``: losses are minus log densities, whose zero means nothing. A ratio is then that of the densities, the
    rival's over the model's, in the geometric mean: still below 1 where the model is better.
    """

    date: DateArray
    symbol: IntArray
    symbols: tuple[str, ...]
    own: FloatArray
    rivals: dict[str, FloatArray]
    log: bool = False


def compare(scored: Scored, rival: str) -> Comparison:
    """Compare the model with a rival, on the rows where the rival says something."""
    at = np.flatnonzero(~np.isnan(scored.rivals[rival]))
    own, other, date, symbol = scored.own[at], scored.rivals[rival][at], scored.date[at], scored.symbol[at]
    sums = DailySums.of(own, other, date)
    statistic = diebold_mariano(sums.baseline - sums.model)
    ratios = by_symbol(own, other, symbol, log=scored.log)
    worst = max(ratios, key=ratios.__getitem__)
    return Comparison(
        rival=rival,
        n=len(at),
        days=len(sums.rows),
        loss=float(own.mean()),
        rival_loss=float(other.mean()),
        ratio=ratio(own.sum(), other.sum(), len(at), log=scored.log),
        ratio_ci95=_interval(sums, log=scored.log),
        gain=float(other.mean() - own.mean()),
        dm=statistic,
        p=None if statistic is None else math.erfc(abs(statistic) / math.sqrt(2)),
        better=float(np.mean([ratio < 1 for ratio in ratios.values()])),
        worst=(scored.symbols[worst], ratios[worst]),
    )


def diebold_mariano(differences: FloatArray, lag: int = LAG) -> float | None:
    """Return ``sum(d) / sqrt(n V)`` with Newey and West's long-run variance ``V`` of ``d``, shape (n,), day by day.

    None where the differences do not vary: equal forecasts are neither better nor worse.
    """
    n = len(differences)
    centred = differences - differences.mean()
    variance = float(centred @ centred) / n
    for step in range(1, min(lag, n - 1) + 1):
        variance += 2 * (1 - step / (lag + 1)) * float(centred[step:] @ centred[:-step]) / n
    return float(differences.sum() / math.sqrt(n * variance)) if variance > 0 else None


def ratio(own: float, other: float, n: int, *, log: bool) -> float:
    """Return the ratio of two sums of n losses, as `Scored` has it."""
    return math.exp((own - other) / n) if log else float(own / other)


def _interval(sums: DailySums, *, log: bool) -> tuple[float, float]:
    """Return the interval of the ratio."""
    low, high = sums.gain_interval() if log else sums.interval()
    return (math.exp(-high), math.exp(-low)) if log else (1 - high, 1 - low)


def by_symbol(own: FloatArray, other: FloatArray, symbol: IntArray, *, log: bool = False) -> dict[int, float]:
    """Return the ratio of mean losses of each symbol."""
    own_sum, other_sum, n = np.bincount(symbol, own), np.bincount(symbol, other), np.bincount(symbol)
    return {at: ratio(own_sum[at], other_sum[at], n[at], log=log) for at in np.unique(symbol).tolist()}


def by_group(scored: Scored, rival: str, group: IntArray, names: Sequence[str]) -> dict[str, Part]:
    """Compare on each group of rows that has some."""
    result: dict[str, Part] = {}
    other = scored.rivals[rival]
    for number, name in enumerate(names):
        at = np.flatnonzero((group == number) & ~np.isnan(other))
        if len(at):
            sums = DailySums.of(scored.own[at], other[at], scored.date[at])
            of = ratio(scored.own[at].sum(), other[at].sum(), len(at), log=scored.log)
            dm = diebold_mariano(sums.baseline - sums.model)
            result[name] = Part(n=len(at), ratio=_short(of), dm=None if dm is None else _short(dm))
    return result


def _short(number: float) -> float:
    """Return five digits of a number: there are some ten thousand of parts, and no page shows more."""
    return float(f"{number:.5g}")


def terciles(volatility: FloatArray) -> tuple[IntArray, tuple[str, ...]]:
    """Return the third of all rows that each row's forecast volatility lies in: known before the outcome."""
    edges = np.quantile(volatility, (1 / 3, 2 / 3))
    return np.searchsorted(edges, volatility), THIRDS
