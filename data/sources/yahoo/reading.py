"""From a chart to a series that can be believed, or to the reason why it can't.

yfinance drops rows, merges rows and writes 0 for a volume that lacks, and says nothing. So the chart is judged as it
was sent, and what yfinance made of it has to agree.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from data.adjustment import PRICE_TOLERANCE, check_dividends
from data.sources.yahoo.chart import Numbers, Result, days_of
from data.sources.yahoo.client import Reading
from data.sources.yahoo.outcomes import SHOWN, Damaged, Empty, Stopped
from data.sources.yahoo.series import YahooSeries
from data.sources.yahoo.sessions import Sessions
from feature_mapper.bars import PRICES
from feature_mapper.typing import BoolArray, DateArray, FloatArray

if TYPE_CHECKING:
    import pandas as pd

OVERLAP: Final = 10
"""Newest sessions in which a fault refuses the answer, and known sessions that are asked for again."""

MAX_LEFT_OUT: Final = 0.01
"""Share of the rows that may be left out of an answer."""

AHEAD: Final = timedelta(hours=6)
"""How far ahead of our clock a bar may begin: a session that is about to open."""

UNIT: Final = 100.0
UNIT_TOLERANCE: Final = 0.1
"""Factor of a currency to its cent, and how near to it a move from close to close is taken for a mix-up of the two."""

CLEAR_SPLIT: Final = 1.8
"""Smallest split, one way or the other, that a price which didn't take part in it can't be mistaken for."""

_FRAME: Final = {
    "open": "Open",
    "high": "High",
    "low": "Low",
    "close": "Close",
    "dividends": "Dividends",
    "splits": "Stock Splits",
    "capital_gains": "Capital Gains",
}


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Read:
    """A believable answer, the sessions it was judged by, and what was left out of it."""

    series: YahooSeries
    sessions: Sessions
    notes: tuple[str, ...]


def read(symbol: str, reading: Reading, now: datetime, calendar: str | None) -> Read:
    """Return the whole bars of a chart.

    Raises
    ------
    Stopped
        There are none, or they can't be believed.
    UnknownCalendar
        No calendar of that name.

    """
    result = reading.result
    sessions = Sessions.at(now, result, calendar)
    date, keep, notes = _rows(symbol, result, sessions, now)
    values = _columns(result)
    bad, more = _left_out(symbol, date, keep, values, sessions)
    notes += more
    keep &= ~bad
    if not keep.any():
        raise Stopped(Empty(symbol, ", ".join(notes) or "no row"))
    prices = {name: values[name][keep] for name in PRICES}
    series = YahooSeries(
        symbol,
        result.meta.currency or "",
        result.meta.exchange_timezone_name,
        result.meta.instrument_type,
        date[keep],
        **{name: column[keep] for name, column in values.items()},
        **_agreed(symbol, reading.frame, date[keep], prices, date[bad]),
    )
    if jump := suspicious(series):
        raise Stopped(Damaged(symbol, jump))
    return Read(series, sessions, (*notes, *_dividend_notes(series)))


def _rows(symbol: str, result: Result, sessions: Sessions, now: datetime) -> tuple[DateArray, BoolArray, list[str]]:
    """Return the day of each row, which rows are of sessions that are over, and what is to be said of the others."""
    if (wrong := _order(result, now)) is not None:
        raise Stopped(Damaged(symbol, wrong))
    date = np.array(days_of(result), dtype="datetime64[D]")
    keep = date <= sessions.whole
    if len(date) > 1 and date[-1] == date[-2]:
        keep[-2] = False  # the running bar, sent apart from the day's; yfinance takes the later one, too
    twice = date[keep][1:][date[keep][1:] == date[keep][:-1]]
    if len(twice):
        raise Stopped(Damaged(symbol, f"expected one bar a day, found several on {_listed(twice)}"))
    running = date[date > sessions.whole]
    notes = [f"the bar of {running[-1]} was left out, its session isn't over"] if len(running) else []
    return date, keep, notes


def _left_out(
    symbol: str, date: DateArray, keep: BoolArray, values: dict[str, FloatArray], sessions: Sessions
) -> tuple[BoolArray, list[str]]:
    """Return which rows are no bars, and what is to be said of them.

    Yahoo sends a row without prices for a holiday, and has a few old bars that can't be; those are left out, aloud. A
    new bar that lacks prices is often there an hour later, so it refuses the answer.
    """
    gaps = np.isnan(np.array([values[name] for name in PRICES])).all(axis=0)
    bad = keep & (_faults(values) | gaps)
    holiday = np.zeros(len(date), dtype=np.bool_)
    for row in np.flatnonzero(bad & gaps):
        holiday[row] = not sessions.is_session(date[row])
    recent = np.zeros(len(date), dtype=np.bool_)
    recent[np.flatnonzero(keep)[-OVERLAP:]] = True
    wrong = bad & ~holiday
    if (refused := wrong & recent).any():
        raise Stopped(Damaged(symbol, _explain(date, values, gaps, refused)))
    if wrong.sum() > MAX_LEFT_OUT * keep.sum():
        raise Stopped(Damaged(symbol, f"{_explain(date, values, gaps, wrong)}: too many to leave out"))
    notes = []
    for what, rows in (("without prices", bad & gaps), ("that can't be", bad & ~gaps)):
        if rows.any():
            notes.append(f"{rows.sum()} {'bar' if rows.sum() == 1 else 'bars'} {what} left out: {_listed(date[rows])}")
    return bad, notes


def _order(result: Result, now: datetime) -> str | None:
    """Say what is wrong with the order of the rows; None if nothing is."""
    stamps = np.array(result.timestamp, dtype=np.int64)
    if (stamps > (now + AHEAD).timestamp()).any():
        first = np.datetime64(int(stamps[stamps > now.timestamp()][0]), "s")
        return f"expected no bar after {now:%Y-%m-%d %H:%M} UTC, found one of {first} UTC; look at the clock"
    if (wrong := np.flatnonzero(np.diff(stamps) <= 0)).size:
        before, after = (np.datetime64(int(stamps[row]), "s") for row in (wrong[0], wrong[0] + 1))
        return f"expected bars in the order of time, found one of {after} UTC after one of {before} UTC"
    return None


def _columns(result: Result) -> dict[str, FloatArray]:
    rows = len(result.timestamp)

    def column(values: Numbers) -> FloatArray:
        return np.array(values or [None] * rows, dtype=np.float64)

    found = {name: column(getattr(result.quote, name)) for name in (*PRICES, "volume")}
    return found | {"adj_close": column(result.adjclose)}


def _faults(values: dict[str, FloatArray]) -> BoolArray:
    """Find rows that are no bar: a price that lacks or isn't above 0, an impossible range, a volume below 0."""
    wrong = (values["volume"] < 0) | np.isinf(values["volume"]) | np.isinf(values["adj_close"])
    for name in PRICES:
        wrong |= ~(np.isfinite(values[name]) & (values[name] > 0))
    adjusted = np.isfinite(values["adj_close"])
    if adjusted.any():
        wrong |= ~adjusted
    wrong |= ~(values["low"] <= np.minimum(values["open"], values["close"]))
    wrong |= ~(values["high"] >= np.maximum(values["open"], values["close"]))
    return wrong


def _explain(date: DateArray, values: dict[str, FloatArray], gaps: BoolArray, rows: BoolArray) -> str:
    row = int(np.argmax(rows))
    told = ", ".join(f"{name} {values[name][row]:g}" for name in (*PRICES, "adj_close", "volume"))
    found = "no price at all" if gaps[row] else told.replace("nan", "missing")
    more = f" and {rows.sum() - 1} more such bars" if rows.sum() > 1 else ""
    return f"expected prices above 0 with low <= open, close <= high, found {found} on {date[row]}{more}"


def _agreed(
    symbol: str, frame: "pd.DataFrame", date: DateArray, prices: dict[str, FloatArray], left_out: DateArray
) -> dict[str, FloatArray]:
    """Return the events that yfinance put on each day, if it read the same prices as we did."""
    if frame.empty:
        raise Stopped(Damaged(symbol, f"expected yfinance to read {len(date)} bars, found that it reads none"))
    days = frame.index.tz_localize(None).to_numpy().astype("datetime64[D]")  # type: ignore[attr-defined]  # of days
    # yfinance adds a row without prices for an event on a day that has no bar.
    ours = (days <= date[-1]) & ~np.isin(days, left_out) & frame["Close"].notna().to_numpy()
    if not np.array_equal(days[ours], date):
        odd = _listed(np.setxor1d(days[ours], date))
        raise Stopped(Damaged(symbol, f"expected yfinance to read {len(date)} bars, found that it differs on {odd}"))
    found = {
        name: frame[label].to_numpy(dtype=np.float64)[ours] if label in frame else np.zeros(len(date))
        for name, label in _FRAME.items()
    }
    for name, sent in prices.items():
        if (differs := found.pop(name) != sent).any():
            days = _listed(date[differs])
            raise Stopped(Damaged(symbol, f"expected yfinance to read each {name} as sent, found others on {days}"))
    for name, column in found.items():
        if (wrong := ~(np.isfinite(column) & (column >= 0))).any():
            row = int(np.argmax(wrong))
            cause = f"expected {name} of 0 or more, found {column[row]:g} on {date[row]}"
            raise Stopped(Damaged(symbol, cause))
    return found


def suspicious(series: YahooSeries, rows: int = OVERLAP) -> str | None:
    """Say what can't be in the steps to the newest ``rows`` bars: another unit, a split not yet applied; or None."""
    close, splits = series.close[-rows - 1 :], series.splits[-rows - 1 :][1:]
    step = close[1:] / close[:-1]
    days = series.date[-rows - 1 :][1:]
    for row in range(len(step)):
        size = max(step[row], 1 / step[row])
        ratio = splits[row]
        if ratio == 0 and abs(size / UNIT - 1) <= UNIT_TOLERANCE:
            return (
                f"expected closes in one unit, found {close[row]:g} and then {close[row + 1]:g} on {days[row]}: "
                "a factor of 100, as between a currency and its cent"
            )
        if ratio > 0 and max(ratio, 1 / ratio) >= CLEAR_SPLIT and abs(1 / step[row] / ratio - 1) <= PRICE_TOLERANCE:
            return (
                f"expected prices before the split of {days[row]} freed of it, found {close[row]:g} and then "
                f"{close[row + 1]:g}: Yahoo announced it ({ratio:g} new for one old) and hasn't applied it yet"
            )
    return None


def _dividend_notes(series: YahooSeries) -> list[str]:
    if not (series.adj_close > 0).all():
        return []
    last = series.take(slice(-OVERLAP - 1, None))
    return [str(one) for one in check_dividends(last.date, last.close, last.adj_close, last.dividends)]


def _listed(days: DateArray) -> str:
    return ", ".join(map(str, days[:SHOWN])) + (f" and {len(days) - SHOWN} more" if len(days) > SHOWN else "")
