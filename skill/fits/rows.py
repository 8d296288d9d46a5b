"""Rows of models that read bars themselves: which days are asked about, and what a fit may know by then."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import IntArray
from training.kit.panel import dated
from training.kit.questions.base import Rows
from training.kit.spec import SpecError
from training.kit.splits import Fold

PLACE = "place"
"""Context of a row: the position of its bar in the series of its symbol."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Stretch:
    """Neighbouring rows of one symbol: their positions among the rows of a fold, and those of their bars."""

    symbol: int
    rows: IntArray
    at: IntArray


def sequence_rows(series: Mapping[str, Bars], history: int, horizon: int) -> Rows:
    """Return a row for each bar with ``history`` bars up to itself and ``horizon`` after it, whose log move is ``y``.

    Raises
    ------
    SpecError
        No bar has both.

    """
    parts: list[Rows] = []
    for number, bars in enumerate(series.values()):
        at, log, date = np.arange(history - 1, len(bars) - horizon), np.log(bars.close), dated(bars)
        if len(at):
            place = {PLACE: at.astype(np.float64)}
            parts.append(
                Rows(log[at + horizon] - log[at], date[at], date[at + horizon], np.full(len(at), number), place)
            )
    if not parts:
        longest = max((len(bars) for bars in series.values()), default=0)
        message = f"expected a history of {history + horizon} bars, found at most {longest}; add data"
        raise SpecError(message)
    return Rows(
        y=np.concatenate([part.y for part in parts]),
        date=np.concatenate([part.date for part in parts]),
        label_end=np.concatenate([part.label_end for part in parts]),
        symbol=np.concatenate([part.symbol for part in parts]),
        context={PLACE: np.concatenate([part.context[PLACE] for part in parts])},
    )


def learnt_by(rows: Rows, fold: Fold) -> np.datetime64:
    """Return the last day that the fit of a fold may know: that on which the last of its training labels ended."""
    last: np.datetime64 = rows.label_end[fold.train].max()
    return last


def known(series: Mapping[str, Bars], fold: Fold, last: np.datetime64) -> dict[str, Bars]:
    """Return the bars up to and including a day, of the symbols that a fold does not keep apart and that have some."""
    counted = {
        symbol: bars[: int(np.searchsorted(dated(bars), last, side="right"))]
        for number, (symbol, bars) in enumerate(series.items())
        if number not in fold.apart
    }
    return {symbol: bars for symbol, bars in counted.items() if len(bars)}


def day_before(first: np.datetime64) -> np.datetime64:
    """Return the last day that a rival may know: the one before the first that is asked about."""
    day: np.datetime64 = first - np.timedelta64(1, "D")
    return day


def stretches(rows: Rows, asked: IntArray) -> Iterator[Stretch]:
    """Yield the asked rows, symbol by symbol; those of one symbol are neighbours."""
    symbol, place = rows.symbol[asked], rows.context[PLACE][asked].astype(np.int64)
    for number in np.unique(symbol).tolist():
        mine = np.flatnonzero(symbol == number)
        yield Stretch(number, mine, place[mine])
