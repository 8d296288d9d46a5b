"""What training rows are like: ranges that they lie in, and how often later rows do not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import BoolArray, DateArray, FloatArray, IntArray
from models.manifest import Ranges
from models.ranges import outside
from models.vitals import measured
from training.kit.panel import dated
from training.kit.questions.base import Rows
from training.kit.spec import Splits
from training.kit.splits import Fold, PurgedWalkForward

TAIL: Final = 0.001
"""Share of the training rows beyond each end of a feature's range, and of those with too many features outside."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Vitals:
    """Vitals of bars of several symbols that have a tier's history: values of shape (n, names), the rest (n,)."""

    names: tuple[str, ...]
    values: FloatArray
    date: DateArray
    symbol: IntArray

    def of(self, rows: Rows) -> FloatArray:
        """Return the vitals of a panel's rows, in its order."""
        start = np.datetime64("0001-01-01", "D")
        mine, theirs = (part.symbol * 10_000_000 + (part.date - start).astype(np.int64) for part in (self, rows))
        return self.values[np.searchsorted(mine, theirs)]


def vitals_of(series: Mapping[str, Bars], tier: int, names: tuple[str, ...]) -> Vitals:
    """Measure the named vitals of every bar that has ``tier`` bars of history, symbol by symbol."""
    able = [(number, bars) for number, bars in enumerate(series.values()) if len(bars) >= tier]
    return Vitals(
        names=names,
        values=np.concatenate([measured(names, bars, len(bars) - tier + 1, tier) for _, bars in able]),
        date=np.concatenate([dated(bars)[tier - 1 :] for _, bars in able]),
        symbol=np.concatenate([np.full(len(bars) - tier + 1, number) for number, bars in able]),
    )


def ranges_of_market(series: Mapping[str, Bars], tier: int, names: tuple[str, ...], splits: Splits) -> Ranges | None:
    """Return the ranges of a model that reads no features, from every bar that fills the tier; None without a name."""
    if not names:
        return None
    vitals = vitals_of(series, tier, names)
    folds = PurgedWalkForward.of(splits).split(vitals.date, vitals.date)
    return learn(np.empty((len(vitals.date), 0)), names, vitals.values, folds)


def learn(x: FloatArray, names: tuple[str, ...], vitals: FloatArray, folds: Iterable[Fold]) -> Ranges:
    """Learn ranges from all rows: features ``x`` of shape (n, features), vitals of shape (n, names).

    ``folds`` tell how often later rows are strange: each learns on its own training rows, and asks its test rows.
    """
    learnt = _Learnt.of(x, vitals)
    alarms = [_Learnt.of(x[fold.train], vitals[fold.train]).strange(x[fold.test], vitals[fold.test]) for fold in folds]
    ends = zip(learnt.least.tolist(), learnt.largest.tolist(), strict=True)
    return Ranges(
        lower=_or_none(learnt.lower),
        upper=_or_none(learnt.upper),
        most=learnt.most,
        vitals=dict(zip(names, ends, strict=True)),
        false_alarms=float(np.mean(np.concatenate(alarms))),
    )


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class _Learnt:
    """Ranges of features, NaN where no row has one; how many may lie outside; ranges of vitals."""

    lower: FloatArray
    upper: FloatArray
    most: int
    least: FloatArray
    largest: FloatArray

    @classmethod
    def of(cls, x: FloatArray, vitals: FloatArray) -> "_Learnt":
        known = ~np.isnan(x).all(axis=0)
        lower, upper = np.full((2, x.shape[1]), np.nan)
        if known.any():
            lower[known], upper[known] = np.nanquantile(x[:, known], (TAIL, 1 - TAIL), axis=0)
        counts = np.count_nonzero(outside(x, lower, upper), axis=1)
        most = int(np.quantile(counts, 1 - TAIL, method="higher"))
        return cls(lower, upper, most, vitals.min(axis=0), vitals.max(axis=0))

    def strange(self, x: FloatArray, vitals: FloatArray) -> BoolArray:
        many: BoolArray = np.count_nonzero(outside(x, self.lower, self.upper), axis=1) > self.most
        return many | outside(vitals, self.least, self.largest).any(axis=1)


def _or_none(values: FloatArray) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else value for value in values.tolist())
