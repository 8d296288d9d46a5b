"""`Bars`: a validated, ascending run of bars of one symbol, the only input of the feature mapper."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from feature_mapper.errors import BarFault, InvalidBars
from feature_mapper.typing import BoolArray, DateArray, FloatArray

MAX_FAULTS = 20
"""How many faults `InvalidBars` lists; the rest is counted."""

PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume", "date")

_NO_DAY = np.datetime64("NaT", "D").view(np.int64)


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: arrays have no single truth value; see `identical`
class Bars:
    """A run of sessions of one symbol, oldest first.

    Attributes
    ----------
    open, high, low, close : FloatArray of shape (n,)
        Prices in the symbol's currency, finite and positive; ``low <= min(open, close)``, ``high >= max(open, close)``.
    volume : FloatArray of shape (n,) or None
        Units traded, ``>= 0``. ``None``: the market reports none (FX, indices). A single unknown volume is NaN.
    date : DateArray of shape (n,) or None
        Session days, strictly ascending. ``None``: not given; calendar features are NaN then.
    symbol : str or None
        Name of the series.

    Build one with `Bars.validated`; the plain constructor checks nothing and is for slices of what was checked.

    """

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray | None = None
    date: DateArray | None = None
    symbol: str | None = None

    @classmethod
    def validated(
        cls,
        *,
        open: FloatArray,  # noqa: A002  the field's standard name is worth more than the builtin here
        high: FloatArray,
        low: FloatArray,
        close: FloatArray,
        volume: FloatArray | None = None,
        date: DateArray | None = None,
        symbol: str | None = None,
    ) -> Self:
        """Check every rule of the class and return the run.

        Raises
        ------
        InvalidBars
            Unequal lengths, no bar at all, a price that is not finite and positive, an impossible bar, a negative
            or infinite volume, dates that do not ascend. Lists the first `MAX_FAULTS` faults with their rows.

        """
        bars = cls(open, high, low, close, volume, date, symbol)
        faults, total = _faults(bars)
        if faults:
            raise InvalidBars(tuple(faults), total)
        return bars

    def __len__(self) -> int:
        """Count the bars."""
        return len(self.close)

    def __getitem__(self, rows: slice) -> Self:
        """Return a contiguous, ascending part; arrays are views."""
        volume, date = self.volume, self.date
        return type(self)(
            self.open[rows],
            self.high[rows],
            self.low[rows],
            self.close[rows],
            None if volume is None else volume[rows],
            None if date is None else date[rows],
            self.symbol,
        )

    def tail(self, n: int) -> Self:
        """Return the last ``n`` bars, or all of them if there are fewer."""
        return self if n >= len(self) else self[len(self) - n :]

    def columns(self) -> Iterator[tuple[str, FloatArray]]:
        """Yield the numeric columns that are present, by name."""
        for name in PRICES:
            yield name, getattr(self, name)
        if self.volume is not None:
            yield "volume", self.volume

    def identical(self, other: "Bars") -> bool:
        """Tell whether both runs hold the same bits (NaN equals NaN)."""
        if self.symbol != other.symbol or len(self) != len(other) or (self.date is None) != (other.date is None):
            return False
        if self.date is not None and other.date is not None and not np.array_equal(self.date, other.date):
            return False
        mine, theirs = dict(self.columns()), dict(other.columns())
        return mine.keys() == theirs.keys() and all(mine[k].tobytes() == theirs[k].tobytes() for k in mine)


def _faults(bars: Bars) -> tuple[list[BarFault], int]:
    n = len(bars)
    if n == 0:
        return [BarFault(None, None, "expected at least one bar, found none; send the newest bar")], 1
    for name in COLUMNS:
        column = getattr(bars, name)
        if column is not None and len(column) != n:
            message = f"expected {n} values in {name} (as many as in close), found {len(column)}; send equal lengths"
            return [BarFault(None, name, message)], 1
    top = np.maximum(bars.open, bars.close)
    bottom = np.minimum(bars.open, bars.close)
    # The good case in few passes: whatever is NaN fails its comparison. Reductions by name, as those of the arrays and
    # of numpy itself spend as long on their arguments as on 260 bars.
    good = bool(
        np.minimum.reduce(bars.low) > 0
        and np.maximum.reduce(bars.high) < np.inf
        and np.logical_and.reduce(bars.low <= bottom)
        and np.logical_and.reduce(top <= bars.high)
        and (bars.volume is None or _volume_good(bars.volume))
        and (bars.date is None or _dates_good(bars.date))
    )
    return ([], 0) if good else _explain(bars, top, bottom)


def _volume_good(volume: FloatArray) -> bool:
    # fmin and fmax pass over NaN, which is a volume that is not known; if none is, they give NaN, which compares false.
    return not (np.fmin.reduce(volume) < 0 or np.fmax.reduce(volume) == np.inf)


def _dates_good(date: DateArray) -> bool:
    days = date.view(np.int64)  # compared twice as fast
    # A missing day is the least of them, so only the first can be one.
    return bool(np.logical_and.reduce(days[1:] > days[:-1]) and days[0] != _NO_DAY)


def _explain(bars: Bars, top: FloatArray, bottom: FloatArray) -> tuple[list[BarFault], int]:
    """Name what is wrong, row by row. Slow next to the good case, and only run when something is wrong."""
    checks: list[tuple[str, BoolArray, str]] = []
    sound = np.ones(len(bars), dtype=np.bool_)
    for name in PRICES:
        column: FloatArray = getattr(bars, name)
        bad = ~(np.isfinite(column) & (column > 0))
        sound &= ~bad
        checks.append((name, bad, "expected a finite price above 0"))
    checks.append(("high", sound & (bars.high < top), "expected high >= open and close"))
    checks.append(("low", sound & (bars.low > bottom), "expected low <= open and close"))
    if bars.volume is not None:
        bad = np.isinf(bars.volume) | (bars.volume < 0)
        checks.append(("volume", bad, "expected a volume of 0 or more (leave it out if unknown)"))
    if bars.date is not None:
        unknown = np.isnat(bars.date)
        late = np.zeros(len(bars), dtype=np.bool_)
        late[1:] = bars.date[1:] <= bars.date[:-1]
        checks.append(("date", unknown, "expected a day"))
        checks.append(("date", late, "expected dates that ascend, oldest bar first, no day twice"))
    faults = [
        (int(row), BarFault(int(row), name, f"bar {int(row)}, {name}: {rule}, found {_shown(bars, name, int(row))}"))
        for name, bad, rule in checks
        for row in np.flatnonzero(bad)[:MAX_FAULTS]
    ]
    faults.sort(key=lambda pair: pair[0])
    total = sum(int(np.count_nonzero(bad)) for _, bad, _ in checks)
    return [fault for _, fault in faults[:MAX_FAULTS]], total


def _shown(bars: Bars, name: str, row: int) -> str:
    if name == "date":
        dates = bars.date
        if dates is None or np.isnat(dates[row]):
            return "NaT"
        return f"{dates[row]} after {dates[row - 1]}"
    value = float(getattr(bars, name)[row])
    if name == "high":
        return f"{value:g} with open {bars.open[row]:g} and close {bars.close[row]:g}"
    if name == "low":
        return f"{value:g} with open {bars.open[row]:g} and close {bars.close[row]:g}"
    return f"{value:g}"
