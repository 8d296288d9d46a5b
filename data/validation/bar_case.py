"""`BarCase`: a series of bars while it is judged, and what is worked out of it once for all expectations."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from data.calendars import Calendar
from data.quality import Finding as Oddity
from data.quality import Kind, holes, oddities, staleness
from data.validation.engine import cells_of
from data.validation.expectation import Column
from data.validation.frames import DAY, NUMBER, Source, framed
from data.validation.restated import Restated, compare
from data.validation.thresholds import BarThresholds
from feature_mapper.bars import PRICES, Bars
from feature_mapper.typing import BoolArray, DateArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)  # no slots: cached properties live in __dict__; eq=False: holds frames
class BarCase:
    """A series of bars that is being judged. `Bars` are sound by construction; a frame may be anything."""

    symbol: str
    source: Source
    calendar: Calendar | None
    today: np.datetime64 | None
    previous: Bars | None
    thresholds: BarThresholds
    explained: bool = False
    """Whether the source explains what differs from the previous series; its days have to be there all the same."""

    @cached_property
    def _framed(self) -> "tuple[pd.DataFrame, tuple[str, ...], frozenset[str]]":
        found = framed(self.source)
        return found.frame, found.repeated, found.usable

    @property
    def frame(self) -> "pd.DataFrame":
        """The series in the columns of `data.validation.frames.COLUMNS`."""
        return self._framed[0]

    @property
    def repeated(self) -> tuple[str, ...]:
        """Columns that the source has more than once."""
        return self._framed[1]

    @property
    def columns(self) -> Mapping[str, Column]:
        """Volume may be missing, as of an index; a single volume may be unknown."""
        prices = {name: Column(NUMBER, nullable=False, required=True) for name in PRICES}
        volume = Column(NUMBER, nullable=True, required=False)
        return {"date": Column(DAY, nullable=False, required=True), **prices, "volume": volume}

    @cached_property
    def usable(self) -> frozenset[str]:
        """Columns of the right type, and what there is to compare with."""
        at_hand = {
            "calendar": self.calendar,
            "today": self.today,
            "past": self.previous,
            "previous": None if self.explained else self.previous,
        }
        return self._framed[2] | {name for name, value in at_hand.items() if value is not None}

    @cached_property
    def days(self) -> DateArray:
        """Day of each row; NaT where it is unknown."""
        return self.frame["date"].to_numpy().astype("datetime64[D]")

    def day(self, row: int) -> np.datetime64 | None:
        """Return the day of a row, if it has one."""
        if "date" not in self.usable or np.isnat(self.days[row]):
            return None
        day: np.datetime64 = self.days[row]
        return day

    def cells(self, row: int, names: tuple[str, ...]) -> dict[str, str]:
        """Return the named cells of a row as text."""
        return dict(cells_of(self.frame, row, names))

    def column(self, name: str) -> FloatArray:
        """Return a column of numbers."""
        values: FloatArray = self.frame[name].to_numpy()
        return values

    @cached_property
    def priced(self) -> BoolArray:
        """Rows whose four prices are finite and positive."""
        good = np.ones(len(self.frame), dtype=np.bool_)
        for name in PRICES:
            good &= np.isfinite(self.column(name)) & (self.column(name) > 0)
        return good

    @cached_property
    def first_of_day(self) -> BoolArray:
        """Rows that have a day which no earlier row has."""
        good = ~np.isnat(self.days)
        good[good] = ~self.frame["date"][good].duplicated().to_numpy()
        return good

    @cached_property
    def order(self) -> IntArray:
        """Rows with a day of their own, by day."""
        rows = np.flatnonzero(self.first_of_day)
        return rows[np.argsort(self.days[rows], kind="stable")]

    @cached_property
    def sound(self) -> IntArray:
        """Rows that can be bars, by day: what the finders of `data.quality` may look at."""
        bottom = np.minimum(self.column("open"), self.column("close"))
        top = np.maximum(self.column("open"), self.column("close"))
        good = self.priced & (self.column("low") <= bottom) & (self.column("high") >= top)
        if "volume" in self.usable:
            volume = self.column("volume")
            good &= np.isnan(volume) | (np.isfinite(volume) & (volume >= 0))
        return self.order[good[self.order]]

    @cached_property
    def sound_bars(self) -> Bars:
        """The rows of `sound` as bars."""
        columns = {name: self.column(name)[self.sound] for name in PRICES}
        volume = self.column("volume")[self.sound] if "volume" in self.usable else None
        return Bars(**columns, volume=volume, date=self.days[self.sound], symbol=self.symbol)

    @cached_property
    def _of_days(self) -> tuple[Oddity, ...]:
        return tuple(holes(self.days[self.order], self.calendar, self.thresholds.limits()))

    @cached_property
    def _of_prices(self) -> tuple[Oddity, ...]:
        bars = self.sound_bars
        return tuple(oddities(bars, self.days[self.sound], self.thresholds.limits())) if len(bars) else ()

    @cached_property
    def _of_today(self) -> tuple[Oddity, ...]:
        days = self.days[self.order]
        return tuple(staleness(days, self.calendar, self.today, self.thresholds.limits())) if len(days) else ()

    def oddities(self, kind: Kind) -> list[tuple[Oddity, IntArray]]:
        """Return what `data.quality` found of one kind, with the rows of this frame."""
        match kind:
            case Kind.GAP | Kind.OFF_SESSION:
                found, rows = self._of_days, self.order
            case Kind.STALE:
                found, rows = self._of_today, self.order
            case _:
                found, rows = self._of_prices, self.sound
        return [(one, np.sort(rows[list(one.rows)])) for one in found if one.kind is kind]

    @cached_property
    def missed(self) -> int:
        """Sessions after the last bar, up to today."""
        days = self.days[self.order]
        if self.calendar is None or self.today is None or not len(days) or self.today <= days[-1]:
            return 0
        return len(self.calendar.sessions_between(days[-1] + 1, self.today))

    @cached_property
    def restated(self) -> Restated:
        """What became of the previous series."""
        limits = self.thresholds
        return compare(self.sound_bars, self._past, limits.restated_price, limits.restated_volume)

    @cached_property
    def lost(self) -> DateArray:
        """Days of the previous series that are in no row, be it sound or not."""
        past = self._past.date
        return np.array([], dtype="datetime64[D]") if past is None else np.setdiff1d(past, self.days)

    @property
    def _past(self) -> Bars:
        if self.previous is None:
            raise TypeError("expected a previous series to compare with")
        return self.previous
