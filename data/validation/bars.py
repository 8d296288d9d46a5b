"""What is expected of a series of bars before anything is made of it."""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import numpy as np

from data.quality import Finding as Oddity
from data.quality import Kind
from data.validation.bar_case import BarCase
from data.validation.expectation import Expectation, Occurrence
from data.validation.report import Severity
from feature_mapper.bars import PRICES
from feature_mapper.typing import BoolArray, IntArray

_NO_ROWS: Final = np.array([], dtype=np.int64)


Bar: TypeAlias = Expectation[BarCase]


def _holding(case: BarCase, broken: IntArray) -> BoolArray:
    holds = np.ones(len(case.frame), dtype=np.bool_)
    holds[broken] = False
    return holds


def _odd(
    kind: Kind, where: Callable[[BarCase, IntArray], bool] = lambda _case, _rows: True
) -> tuple[Callable[[BarCase], BoolArray], Callable[[BarCase, IntArray], Iterator[Occurrence]]]:
    """Return ``holds`` and ``tells`` for what `data.quality` finds, as far as ``where`` agrees."""

    def chosen(case: BarCase) -> list[tuple[Oddity, IntArray]]:
        return [(one, rows) for one, rows in case.oddities(kind) if where(case, rows)]

    def holds(case: BarCase) -> BoolArray:
        return _holding(case, np.concatenate([_NO_ROWS, *(rows for _, rows in chosen(case))]))

    def tells(case: BarCase, _rows: IntArray) -> Iterator[Occurrence]:
        for one, rows in chosen(case):
            # The remedy of a jump is said once for all of them.
            yield Occurrence(rows, one.message.partition("; check ")[0], one.first, one.last)

    return holds, tells


def _quality(
    kind: Kind,
    name: str | None = None,
    *,
    severity: Severity,
    expects: str,
    remedy: str,
    threshold: str | None = None,
    needs: tuple[str, ...] = (),
    where: Callable[[BarCase, IntArray], bool] = lambda _case, _rows: True,
) -> Bar:
    holds, tells = _odd(kind, where)
    return Expectation(
        name=name or kind.value,
        severity=severity,
        expects=expects,
        remedy=remedy,
        threshold=threshold,
        needs=("date", *needs),
        shows=("close", "volume") if "volume" in needs else ("open", "close"),
        holds=holds,
        tells=tells,
    )


def _ascends(case: BarCase) -> BoolArray:
    """Tell which days are no earlier than all before them; an unknown day says nothing."""
    days = case.days.astype(np.int64)  # NaT is the least number
    highest = np.maximum.accumulate(days)
    return np.isnat(case.days) | (days >= highest)


def _positive(case: BarCase) -> BoolArray:
    good = np.ones(len(case.frame), dtype=np.bool_)
    for name in PRICES:
        price = case.column(name)
        good &= np.isnan(price) | (np.isfinite(price) & (price > 0))
    return good


def _low(case: BarCase) -> BoolArray:
    low = case.column("low")
    return ~_positive(case) | ~((low > case.column("open")) | (low > case.column("close")))


def _high(case: BarCase) -> BoolArray:
    high = case.column("high")
    return ~_positive(case) | ~((high < case.column("open")) | (high < case.column("close")))


def _volume(case: BarCase) -> BoolArray:
    volume = case.column("volume")
    return np.isnan(volume) | (np.isfinite(volume) & (volume >= 0))


def _range(case: BarCase) -> BoolArray:
    bars = case.sound_bars
    return _holding(case, case.sound[np.log(bars.high / bars.low) > case.thresholds.max_log_range])


def _excessive(case: BarCase, rows: IntArray) -> bool:
    """Tell whether a jump is beyond what is taken for a market's."""
    at = int(np.flatnonzero(case.sound == rows[0])[0])
    close = case.sound_bars.close
    return bool(abs(np.log(close[at] / close[at - 1])) > case.thresholds.max_log_return)


def _late(case: BarCase, _rows: IntArray) -> bool:
    return case.missed >= case.thresholds.outdated_sessions


def _rows_told(case: BarCase, _rows: IntArray) -> Iterator[Occurrence]:
    yield Occurrence(_NO_ROWS, f"{len(case.frame)} rows")


def _repeated_told(case: BarCase, _rows: IntArray) -> Iterator[Occurrence]:
    yield Occurrence(_NO_ROWS, f"more than once: {', '.join(case.repeated)}")


def _restated_told(*, volume: bool) -> Callable[[BarCase, IntArray], Iterator[Occurrence]]:
    def tells(case: BarCase, _rows: IntArray) -> Iterator[Occurrence]:
        for change in case.restated.volumes if volume else case.restated.prices:
            rows = case.sound[change.rows]
            # Any day would do for one change, and then for every later one of any of its days. The last day alone
            # keeps an old line from saying yes to a change that goes on to later days.
            yield Occurrence(rows, change.message, accepted_on=case.day(int(rows[-1])))

    return tells


def _lost_told(case: BarCase, _rows: IntArray) -> Iterator[Occurrence]:
    lost = case.lost
    listed = ", ".join(map(str, lost[:3])) + (f" and {len(lost) - 3} more up to {lost[-1]}" if len(lost) > 3 else "")
    yield Occurrence(_NO_ROWS, f"gone: {listed}", lost[0], lost[-1])


def _changed(case: BarCase, *, volume: bool) -> BoolArray:
    changes = case.restated.volumes if volume else case.restated.prices
    return _holding(case, np.concatenate([_NO_ROWS, *(case.sound[change.rows] for change in changes)]))


_SOUND: Final = ("date", *PRICES)

BAR_EXPECTATIONS: Final[tuple[Bar, ...]] = (
    Expectation(
        name="missing-column",
        severity=Severity.ERROR,
        expects="columns date, open, high, low and close",
        remedy="Give each field its column, under this very name.",
        reason="COLUMN_NOT_IN_DATAFRAME",
    ),
    Expectation(
        name="repeated-column",
        severity=Severity.ERROR,
        expects="each column once",
        remedy="Keep the column that is meant.",
        holds=lambda case: not case.repeated,
        tells=_repeated_told,
    ),
    Expectation(
        name="wrong-type",
        severity=Severity.ERROR,
        expects="days in date, numbers in all other columns",
        remedy="Parse the text first; `barcast data read` shows how a file is understood.",
        reason="WRONG_DATATYPE",
    ),
    Expectation(
        name="too-few-rows",
        severity=Severity.ERROR,
        expects="at least {min_rows} rows",
        remedy="Load more history, or leave the symbol out.",
        threshold="min_rows",
        holds=lambda case: len(case.frame) >= case.thresholds.min_rows,
        tells=_rows_told,
    ),
    Expectation(
        name="missing-date",
        severity=Severity.ERROR,
        expects="a day in every row",
        remedy="Drop the row or give it its day.",
        reason="SERIES_CONTAINS_NULLS",
        of=("date",),
        shows=("open", "close"),
    ),
    Expectation(
        name="duplicate-day",
        severity=Severity.ERROR,
        expects="no day twice",
        remedy="Keep the row that the source means, usually the later download.",
        needs=("date",),
        shows=("open", "close"),
        holds=lambda case: case.first_of_day | np.isnat(case.days),
    ),
    Expectation(
        name="unordered-days",
        severity=Severity.ERROR,
        expects="days that ascend, oldest first",
        remedy="Sort the rows by day.",
        needs=("date",),
        shows=("open", "close"),
        holds=_ascends,
    ),
    Expectation(
        name="future-day",
        severity=Severity.ERROR,
        expects="no day later than tomorrow",
        remedy="Look for swapped day and month, or a clock that is wrong.",
        needs=("date", "today"),
        shows=("open", "close"),
        holds=lambda case: ~(case.days > _tomorrow(case)),
    ),
    Expectation(
        name="missing-price",
        severity=Severity.ERROR,
        expects="four prices in every row",
        remedy="Load the row again, or drop it.",
        reason="SERIES_CONTAINS_NULLS",
        of=PRICES,
        shows=PRICES,
    ),
    Expectation(
        name="price-not-positive",
        severity=Severity.ERROR,
        expects="finite prices above 0",
        remedy="Correct or drop the row; a back-adjusted future can't be used as it is.",
        needs=PRICES,
        shows=PRICES,
        holds=_positive,
    ),
    Expectation(
        name="low-above",
        severity=Severity.ERROR,
        expects="low at or below open and close",
        remedy="Correct or drop the row; often two columns are swapped.",
        needs=PRICES,
        shows=("open", "low", "close"),
        holds=_low,
    ),
    Expectation(
        name="high-below",
        severity=Severity.ERROR,
        expects="high at or above open and close",
        remedy="Correct or drop the row; often two columns are swapped.",
        needs=PRICES,
        shows=("open", "high", "close"),
        holds=_high,
    ),
    Expectation(
        name="bad-volume",
        severity=Severity.ERROR,
        expects="volumes that are finite and 0 or more, or unknown",
        remedy="Leave an unknown volume empty.",
        needs=("volume",),
        shows=("close", "volume"),
        holds=_volume,
    ),
    _quality(
        Kind.SPLIT,
        severity=Severity.ERROR,
        expects="no step of the close by the ratio of a split",
        remedy="Adjust the series for the split; if the market did move so, accept the day.",
        needs=PRICES,
    ),
    _quality(
        Kind.UNIT,
        severity=Severity.ERROR,
        expects="no step of the close by a factor of 100, or of 20 and more",
        remedy="Bring all rows to one unit.",
        needs=PRICES,
    ),
    _quality(
        Kind.JUMP,
        "excessive-move",
        severity=Severity.ERROR,
        expects="no log return beyond {max_log_return:g} either way",
        remedy="Correct the price; if the market did move so, accept the day.",
        threshold="max_log_return",
        needs=PRICES,
        where=_excessive,
    ),
    Expectation(
        name="restated-history",
        severity=Severity.ERROR,
        expects="prices of the previous series times one factor, within {restated_price:g}",
        remedy="Find out who changed it, or whether the name is another's now; accept the last day of each stretch "
        "that is right.",
        threshold="restated_price",
        needs=(*_SOUND, "previous"),
        shows=PRICES,
        holds=lambda case: _changed(case, volume=False),
        tells=_restated_told(volume=False),
    ),
    _quality(
        Kind.STALE,
        "outdated",
        severity=Severity.ERROR,
        expects="fewer than {outdated_sessions} sessions since the last bar",
        remedy="Find out why no bars come: a delisting, another symbol, a broken source.",
        threshold="outdated_sessions",
        needs=("calendar", "today"),
        where=_late,
    ),
    _quality(
        Kind.STALE,
        severity=Severity.WARNING,
        expects="fewer than {stale_sessions} sessions since the last bar",
        remedy="Load the newest bars.",
        threshold="stale_sessions",
        needs=("calendar", "today"),
        where=lambda case, rows: not _late(case, rows),
    ),
    _quality(
        Kind.GAP,
        severity=Severity.WARNING,
        expects="a bar for every session of the calendar",
        remedy="Load the missing days; check the calendar if there are many.",
    ),
    _quality(
        Kind.OFF_SESSION,
        severity=Severity.WARNING,
        expects="no bar on a day that is no session",
        remedy="Check the calendar and the time zone of the source.",
        needs=("calendar",),
    ),
    _quality(
        Kind.JUMP,
        severity=Severity.WARNING,
        expects="no log return of {jump:g} or more either way",
        remedy="Check it against the news of the day.",
        threshold="jump",
        needs=PRICES,
        where=lambda case, rows: not _excessive(case, rows),
    ),
    Expectation(
        name="wide-range",
        severity=Severity.WARNING,
        expects="no log of high / low beyond {max_log_range:g}",
        remedy="Look for a bad tick in the high or the low.",
        threshold="max_log_range",
        needs=_SOUND,
        shows=PRICES,
        holds=_range,
    ),
    _quality(
        Kind.FLAT,
        severity=Severity.WARNING,
        expects="fewer than {flat_run} bars in a row at one price",
        remedy="Check whether the symbol traded at all.",
        threshold="flat_run",
        needs=PRICES,
    ),
    _quality(
        Kind.ZERO_VOLUME,
        severity=Severity.WARNING,
        expects="fewer than {zero_volume_run} bars in a row without volume",
        remedy="Check whether the symbol traded, and whether the source reports its volume.",
        threshold="zero_volume_run",
        needs=(*PRICES, "volume"),
    ),
    _quality(
        Kind.PLACEHOLDER,
        severity=Severity.WARNING,
        expects="no bar that repeats the close before it on volume 0",
        remedy="Drop the bars that a vendor wrote for holidays.",
        needs=(*PRICES, "volume"),
    ),
    Expectation(
        name="restated-volume",
        severity=Severity.WARNING,
        expects="volumes of the previous series times one factor, within {restated_volume:g}",
        remedy="Nothing, if it is the last day; otherwise find out who changed it.",
        threshold="restated_volume",
        needs=(*_SOUND, "volume", "previous"),
        shows=("close", "volume"),
        holds=lambda case: _changed(case, volume=True),
        tells=_restated_told(volume=True),
    ),
    Expectation(
        name="lost-days",
        severity=Severity.WARNING,
        expects="every day of the previous series",
        remedy="Find out why the source no longer has them.",
        needs=("date", "past"),
        holds=lambda case: not len(case.lost),
        tells=_lost_told,
    ),
)
"""What is expected of bars, in the order of the report: the one source of the schema and of docs/validation.md."""


def _tomorrow(case: BarCase) -> np.datetime64:
    """Return the latest day that a bar can have: exchanges east of here are a day ahead."""
    if case.today is None:
        raise TypeError("expected a day to compare with")
    return case.today + np.timedelta64(1, "D")
