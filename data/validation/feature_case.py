"""`FeatureCase`: a matrix of features while it is judged, and what is worked out of it once for all expectations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from data.validation.engine import text_of
from data.validation.expectation import Column
from data.validation.frames import NUMBER
from data.validation.thresholds import FeatureThresholds
from feature_mapper.bars import Bars
from feature_mapper.feature import Feature
from feature_mapper.mapper import compute
from feature_mapper.typing import BoolArray, DateArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

UNIT_BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "1/sqrt(session)": (0.0, 5.0),
    "correlation": (-1.0, 1.0),
    "days": (0.0, 3660.0),
    "index": (0.0, 12.0),
    "log ratio": (-25.0, 25.0),
    "log return": (-12.0, 12.0),
    "percent": (0.0, 100.0),
    "ratio": (-1e4, 1e4),
    "sessions": (0.0, 600.0),
    "share": (-1.0, 1.0),
    "standard deviations": (-100.0, 100.0),
    "t-statistic": (-1e6, 1e6),
}
"""Least and largest value that a unit allows: by definition (share, percent), or far beyond any market (log return)."""

UNIT_TOLERANCE: Final = 1e-9
"""How far rounding may carry a value beyond a bound of its unit."""

QUANTILES: Final = (0.01, 0.99)
"""Quantiles of a `Reference`."""


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """Where the values of each feature lay when a model was trained: the two `QUANTILES`, by name."""

    bounds: dict[str, tuple[float, float]]


def reference_of(matrices: Sequence[FloatArray], features: Sequence[Feature]) -> Reference:
    """Return the reference of matrices of shape (n, len(features)); NaN is passed over, an empty column left out."""
    bounds = {}
    for index, feature in enumerate(features):
        values = np.concatenate([matrix[:, index] for matrix in matrices])
        values = values[np.isfinite(values)]
        if len(values):
            low, high = np.quantile(values, QUANTILES)
            bounds[feature.name] = (float(low), float(high))
    return Reference(bounds=bounds)


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Matrix:
    """A matrix of features as somebody made or stored it.

    Attributes
    ----------
    bars : Bars
        What it was made of.
    names : tuple of str
        Name of each column, in order.
    numbers : numpy.ndarray of shape (n, len(names))
        One row a bar.
    date : DateArray of shape (n,) or None
        Day of each row; None where the bars have no dates.

    """

    bars: Bars
    names: tuple[str, ...]
    numbers: FloatArray
    date: DateArray | None

    @classmethod
    def of(cls, bars: Bars, features: Sequence[Feature]) -> "Matrix":
        """Compute it, as training and service do."""
        return cls(bars, tuple(feature.name for feature in features), compute(bars, features), bars.date)


@dataclass(frozen=True, eq=False)  # no slots: cached properties live in __dict__; eq=False: holds arrays
class FeatureCase:
    """A matrix of features that is being judged against the features that it should hold."""

    symbol: str
    matrix: Matrix
    features: tuple[Feature, ...]
    reference: Reference | None
    thresholds: FeatureThresholds
    varying: frozenset[str] = frozenset()
    """Features that are not constant in some other series."""

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """The matrix with its names; a name that comes again is left out, and is a finding of its own."""
        import pandas as pd

        names = pd.Index(self.matrix.names)
        shape = self.matrix.numbers.shape
        if shape[1:] != (len(names),):
            raise ValueError(
                f"expected a matrix of {len(names)} columns, one a name, found shape {shape}; give one name a column"
            )
        return pd.DataFrame(self.matrix.numbers, columns=names, copy=False).loc[:, ~names.duplicated()]

    @property
    def columns(self) -> Mapping[str, Column]:
        """One column a feature, of float64; where it may be NaN is for the expectations."""
        return {feature.name: Column(NUMBER, nullable=True, required=True) for feature in self.features}

    @cached_property
    def usable(self) -> frozenset[str]:
        """``numbers``, ``rows`` (one a bar), ``reference``: as far as they are there."""
        rows = len(self.frame) == len(self.matrix.bars)
        there = {
            "numbers": self.matrix.numbers.dtype == np.float64,
            "rows": rows,
            "reference": self.reference is not None,
        }
        return frozenset(name for name, is_there in there.items() if is_there)

    def day(self, row: int) -> np.datetime64 | None:
        """Return the day of the bar of a row."""
        date = self.matrix.bars.date
        return None if date is None or row >= len(date) else date[row]

    def cells(self, row: int, names: tuple[str, ...]) -> dict[str, str]:
        """Return the values of a row that are worth showing: wrong ones first, of the named columns or of any."""
        chosen = list(names)
        if "rows" in self.usable and "numbers" in self.usable:
            wrong = self.wrong[row]
            chosen = [feature.name for feature, is_wrong in zip(self.known, wrong, strict=True) if is_wrong] or chosen
        return {name: text_of(self.frame[name].iloc[row]) for name in chosen[:6]}

    @cached_property
    def known(self) -> tuple[Feature, ...]:
        """The features that the matrix does hold."""
        return tuple(feature for feature in self.features if feature.name in self.frame.columns)

    @cached_property
    def numbers(self) -> FloatArray:
        """Values of `known`, shape (n, len(known))."""
        names = [feature.name for feature in self.known]
        same = names == list(self.matrix.names)
        numbers: FloatArray = self.matrix.numbers if same else self.frame[names].to_numpy()
        return numbers

    @cached_property
    def _reach(self) -> BoolArray:
        """Where enough bars end, and there are dates for what needs them; of the shape of `numbers`."""
        rows = np.arange(1, len(self.matrix.bars) + 1)[:, None]
        lookback = np.array([feature.lookback for feature in self.known], dtype=np.int64)
        undated = np.array([feature.needs == "date" and self.matrix.bars.date is None for feature in self.known])
        reach: BoolArray = (rows >= lookback) & ~undated.astype(np.bool_)
        return reach

    @cached_property
    def due(self) -> BoolArray:
        """Where a number is due: within reach, and every volume in the window is known."""
        return self._with_volumes(lambda unknown, _lookback: unknown == 0)

    @cached_property
    def possible(self) -> BoolArray:
        """Where a number may be: within reach, some volume in the window is known. A formula may not use them all."""
        return self._with_volumes(lambda unknown, lookback: unknown < lookback)

    def _with_volumes(self, enough: Callable[[IntArray, int], BoolArray]) -> BoolArray:
        volume = self.matrix.bars.volume
        gone = np.ones(len(self.matrix.bars), dtype=np.bool_) if volume is None else np.isnan(volume)
        counted = np.concatenate([[0], np.cumsum(gone)])
        end = np.arange(1, len(gone) + 1)
        there = self._reach.copy()
        for column, feature in enumerate(self.known):
            if feature.needs == "volume":
                unknown = counted[end] - counted[np.maximum(end - feature.lookback, 0)]
                there[:, column] &= enough(unknown, feature.lookback)
        return there

    @cached_property
    def lacking(self) -> BoolArray:
        """Where a number is due and there is none; infinity is none anywhere."""
        return (self.due & ~np.isfinite(self.numbers)) | (self.possible & np.isinf(self.numbers))

    @cached_property
    def made_up(self) -> BoolArray:
        """Where something is that can't be known."""
        return ~self.possible & ~np.isnan(self.numbers)

    @cached_property
    def beyond_unit(self) -> BoolArray:
        """Where a value lies outside the bounds of its unit."""
        undeclared = sorted({feature.unit for feature in self.known} - UNIT_BOUNDS.keys())
        if undeclared:
            raise ValueError(f"expected units with bounds, found {', '.join(undeclared)}; add them to UNIT_BOUNDS")
        return self._outside(UNIT_TOLERANCE, {feature.name: UNIT_BOUNDS[feature.unit] for feature in self.known})

    @cached_property
    def beyond_reference(self) -> BoolArray:
        """Where a value lies far beyond the quantiles of the reference; a column that it lacks is left alone."""
        bounds = {} if self.reference is None else self.reference.bounds
        spans = self.thresholds.reference_spans
        widened = {
            name: (low - spans * (high - low), high + spans * (high - low)) for name, (low, high) in bounds.items()
        }
        return self._outside(0.0, widened)

    def _outside(self, tolerance: float, bounds: Mapping[str, tuple[float, float]]) -> BoolArray:
        both = [bounds.get(feature.name, (-np.inf, np.inf)) for feature in self.known]
        low, high = np.array(both, dtype=np.float64).reshape(-1, 2).T
        outside: BoolArray = (self.numbers < low - tolerance) | (self.numbers > high + tolerance)
        return outside & np.isfinite(self.numbers)

    @cached_property
    def wrong(self) -> BoolArray:
        """Where anything of the four above is, for the samples of a row."""
        wrong = self.lacking | self.made_up | self.beyond_unit
        return wrong | self.beyond_reference if self.reference is not None else wrong

    @cached_property
    def _varied(self) -> tuple[BoolArray, BoolArray]:
        """Columns that have enough values to be judged, and those of them that are one constant."""
        number = np.isfinite(self.numbers)
        enough = np.count_nonzero(number, axis=0) >= self.thresholds.varied_rows
        lowest = np.min(self.numbers, axis=0, where=number, initial=np.inf)
        highest = np.max(self.numbers, axis=0, where=number, initial=-np.inf)
        return enough, enough & (lowest == highest)

    @cached_property
    def constant(self) -> tuple[str, ...]:
        """Columns of one constant. Features of the calendar are left out: a market may open at even distances."""
        return tuple(
            feature.name
            for feature, is_constant in zip(self.known, self._varied[1], strict=True)
            if is_constant and feature.needs != "date"
        )

    @cached_property
    def not_constant(self) -> frozenset[str]:
        """Columns with enough values to be judged and more than one of them."""
        enough, constant = self._varied
        return frozenset(feature.name for feature, varies in zip(self.known, enough & ~constant, strict=True) if varies)

    @cached_property
    def twins(self) -> tuple[tuple[str, str], ...]:
        """Pairs of columns with the same bits, constants left out."""
        enough, constant = self._varied
        first: dict[bytes, str] = {}
        pairs = []
        for column in np.flatnonzero(enough & ~constant):
            name = self.known[column].name
            twin = first.setdefault(self.numbers[:, column].tobytes(), name)
            if twin != name:
                pairs.append((twin, name))
        return tuple(pairs)
