"""Markets and panels that training is tested on: small, seeded, and with nothing in them but what was planted."""

from collections.abc import Mapping

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.catalogue import CATALOGUE
from feature_mapper.typing import FloatArray
from models.families.base import Parameters, tabular_family
from training.kit.panel import Panel
from training.kit.questions.base import Question, Rows
from training.kit.spec import ModelSpec
from training.kit.splits import PurgedWalkForward
from training.kit.walk import OutOfFold, walk_forward

FAST: Parameters = {"rounds": 12, "learning_rate": 0.1, "num_leaves": 4, "min_data_in_leaf": 40, "max_bin": 31}
"""A booster that fits in milliseconds."""

MONDAY = np.datetime64("2004-01-05")


def market(n: int, seed: int, symbol: str | None = None, *, persistence: float = 0.97) -> Bars:
    """Return weekdays of a random walk whose volatility wanders as it does on exchanges."""
    rng = np.random.default_rng(seed)
    shocks = rng.normal(0.0, 0.25, n)
    level = np.zeros(n)
    for day in range(1, n):
        level[day] = persistence * level[day - 1] + shocks[day]
    spread = 0.01 * np.exp(0.5 * level)
    night, session = 0.3 * spread * rng.normal(size=n), spread * rng.normal(size=n)
    close = np.cumsum(night + session)
    opened = close - session
    up, down = np.abs(spread * rng.normal(0.0, 0.7, (2, n)))
    high, low = np.maximum(opened, close) + up, np.minimum(opened, close) - down
    prices = [80.0 * np.exp(column) for column in (opened, high, low, close)]
    return Bars.validated(
        open=prices[0],
        high=prices[1],
        low=prices[2],
        close=prices[3],
        volume=np.round(rng.lognormal(12.0, 0.4, n)) + 1.0,
        date=np.busday_offset(MONDAY, np.arange(n)),
        symbol=symbol,
    )


def rewritten(bars: Bars, part: slice, by: float = 3.0) -> Bars:
    """Stretch the log moves of a part of the bars by a factor: wilder, calmer or, below 0, upside down."""
    anchor = bars.close[max((part.start or 0) - 1, 0)]

    def stretched(prices: FloatArray) -> FloatArray:
        copy = prices.copy()
        copy[part] = anchor * (prices[part] / anchor) ** by
        return copy

    prices = [stretched(column) for column in (bars.open, bars.high, bars.low, bars.close)]
    return Bars(prices[0], prices[1], prices[2], prices[3], bars.volume, bars.date, bars.symbol)


def closes_alone(bars: Bars, part: slice) -> Bars:
    """Return the bars as where nothing but the close of some sessions was recorded: no range."""
    prices = [column.copy() for column in (bars.open, bars.high, bars.low)]
    for column in prices:
        column[part] = bars.close[part]
    return Bars(prices[0], prices[1], prices[2], bars.close, bars.volume, bars.date, bars.symbol)


def after(bars: Bars, day: np.datetime64) -> slice:
    """Return the part of dated bars that follows a day."""
    assert bars.date is not None
    return slice(int(np.searchsorted(bars.date, day, side="right")), None)


def markets(n: int, symbols: int = 2) -> Mapping[str, Bars]:
    """Return as many markets, by symbol."""
    return {f"S{number}": market(n, number, f"S{number}") for number in range(symbols)}


def pooled(x: FloatArray, y: FloatArray) -> Panel:
    """Return a panel of two symbols on the same days with these features and these outcomes of the next session."""
    n = len(y) // 2
    days = np.busday_offset(MONDAY, np.arange(n + 1))
    rows = Rows(
        y=y, date=np.tile(days[:n], 2), label_end=np.tile(days[1:], 2), symbol=np.repeat(np.arange(2), n), context={}
    )
    return Panel(1, CATALOGUE[: x.shape[1]], x, rows, np.full((2 * n, 1), np.log(1e-4)), np.full(2 * n, 1e-4))


def walk(panel: Panel, question: Question, spec: ModelSpec, splitter: PurgedWalkForward | None = None) -> OutOfFold:
    """Walk forward in silence."""
    chosen = splitter or PurgedWalkForward()
    return walk_forward(panel, question, spec, tabular_family(spec.family), chosen, lambda _: None)
