"""Daily bars of a market whose law is known, for tests of whatever claims to find something in a market.

The log return of session t, close to close, is

    r[t] = expected[t] + sqrt(variance[t]) * z[t],    z of mean 0 and variance 1, normal or Student's t

    variance[t] = (multiple of the regime)^2 * h[t]
    h[t+1]      = omega + (alpha + gamma * [e[t] < 0]) * e[t]^2 + beta * h[t],   e[t] = sqrt(h[t]) * z[t]
    expected[t] = drift of the regime + k * sqrt(variance[t]) * s[t],            s[t] in {-1, 0, 1}

(Bollerslev 1986; Glosten, Jagannathan and Runkle 1993; Hamilton 1989). The signal s is a sign that anybody can read off
the bars before t; k makes its correlation with the coming return, in units of volatility, the strength that was asked
for.

A session opens with a gap, which takes its share of the variance and all of the expected return, and then walks without
drift: a Brownian path, given the size of the session's shocks. So Garman-Klass plus squared gap has the mean
``variance[t] + expected[t]^2``. The path is drawn in a few steps, and its extremes between them from their law given
the ends of the step, those of a Brownian bridge. Of one step they are drawn as if they knew nothing of each other,
which biases the Garman-Klass mean by +3.7 % with 1 step, +0.5 % with 2, and less than 0.1 % with 4 or more; extremes of
the ends alone would bias it by -39 % with 16.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Final

import numpy as np

from data.calendars import calendar_for
from data.sources._chance import chance_up, random_walk
from data.sources._law import (
    GARCH,
    MAX_VOLATILITY,
    NOISE,
    REGIMES,
    SIGNAL,
    Garch,
    KnownTruth,
    Regimes,
    Signal,
    SignalName,
)
from data.symbols import check_symbol
from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray, IntArray

__all__ = [
    "GARCH",
    "MAX_VOLATILITY",
    "NOISE",
    "REGIMES",
    "SIGNAL",
    "Garch",
    "KnownTruth",
    "Market",
    "Regimes",
    "Signal",
    "SignalName",
    "Truth",
    "generate",
]

FIRST: Final = np.datetime64("2000-01-03", "D")
"""Session that a market begins with by default."""

START_PRICE: Final = 100.0
MONTH: Final = 21


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Truth:
    """What is true of each session of one symbol; all arrays have shape (n,).

    Entry t is about bar t and depends on the bars before it and on the regime of t alone. So the best forecast as of
    bar t is entry t + 1.

    Attributes
    ----------
    variance : FloatArray
        Variance of the log return, 1/session.
    expected_return : FloatArray
        Mean of the log return.
    probability_up : FloatArray
        Chance that the close is above the one before.
    regime : IntArray
        State of the chain; 0 where there is none.
    signal : FloatArray
        Sign of the planted feature as of bar t - 1; 0 without signal, and before there is enough history.

    """

    variance: FloatArray
    expected_return: FloatArray
    probability_up: FloatArray
    regime: IntArray
    signal: FloatArray


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Market:
    """Bars by symbol, and what is true of them."""

    law: KnownTruth
    seed: int
    bars: dict[str, Bars]
    truth: dict[str, Truth]


class _Draw(IntEnum):
    """What random numbers are for: each has its own stream, so that a longer market begins as a shorter one."""

    PATH = 0
    NIGHT = 1
    HIGH = 2
    LOW = 3
    SIZE = 4
    REGIME = 5
    VOLUME = 6


_COMMON: Final = ""
"""Name of the streams that all symbols share; no symbol is called so."""


def generate(
    law: KnownTruth, *, seed: int, sessions: int, symbols: Sequence[str] = ("KNOWN",), first: np.datetime64 = FIRST
) -> Market:
    """Return a market of this law on sessions of XNYS.

    The same seed gives the same bits. A symbol's bars depend on its name, not on the symbols beside it, and more
    sessions leave the earlier ones as they are.

    Parameters
    ----------
    law : KnownTruth
        What is to be true.
    seed : int
        0 or more.
    sessions : int
        Bars of each symbol, at least 1.
    symbols : sequence of str
        Names.
    first : numpy.datetime64
        Day from which the first session is taken.

    Raises
    ------
    ValueError
        No session is asked for.
    InvalidSymbol
        A name that can't be a symbol.
    OutsideCalendar
        The calendar doesn't know so many sessions.

    """
    if sessions < 1:
        raise ValueError(f"expected at least 1 session, found {sessions}; ask for more")
    date = calendar_for(name="XNYS").next_sessions(first - 1, sessions)
    bars, truth = {}, {}
    for symbol in map(check_symbol, symbols):
        bars[symbol], truth[symbol] = _one(law, seed, symbol, sessions, date)
    return Market(law, seed, bars, truth)


def _stream(seed: int, name: str, draw: _Draw) -> np.random.Generator:
    words = np.frombuffer(sha256(name.encode()).digest(), dtype="<u4").tolist()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words, draw])))


def _one(law: KnownTruth, seed: int, symbol: str, n: int, date: DateArray) -> tuple[Bars, Truth]:
    def shocks(draw: _Draw, *shape: int) -> FloatArray:
        own = _stream(seed, symbol, draw).standard_normal(shape)
        if not law.factor_share:
            return own
        common = _stream(seed, _COMMON, draw).standard_normal(shape)
        return math.sqrt(law.factor_share) * common + math.sqrt(1 - law.factor_share) * own

    walk = random_walk(
        shocks(_Draw.PATH, n, law.steps),
        _stream(seed, symbol, _Draw.HIGH).random((n, law.steps)),
        _stream(seed, symbol, _Draw.LOW).random((n, law.steps)),
    )
    size = np.ones(n)
    if law.degrees is not None:
        size = np.sqrt((law.degrees - 2) / _stream(seed, symbol, _Draw.SIZE).chisquare(law.degrees, n))
    night = math.sqrt(law.night_share) * size * shocks(_Draw.NIGHT, n)
    open_session = math.sqrt(1 - law.night_share) * size
    z = night + open_session * walk.end

    regime, drift, multiple = _regimes(law, seed, symbol, n)
    variance = multiple * multiple * _garch(law, z)
    volatility = np.sqrt(variance)
    signal, expected = _expected(law, drift, volatility, z, walk.end)

    close = np.cumsum(expected + volatility * z)
    opened = np.append(0.0, close[:-1]) + expected + volatility * night
    span = volatility * open_session
    price = START_PRICE * np.exp(np.stack([opened, opened + span * walk.highest, opened + span * walk.lowest, close]))
    volume = np.round(1e6 * np.exp(0.3 * _stream(seed, symbol, _Draw.VOLUME).standard_normal(n))) + 1.0
    bars = Bars.validated(
        open=price[0],
        high=price.max(axis=0),  # the last bit of an exponential may put the close above the high
        low=price.min(axis=0),
        close=price[3],
        volume=volume if law.volume else None,
        date=date,
        symbol=symbol,
    )
    return bars, Truth(variance, expected, chance_up(expected / volatility, law.degrees), regime, signal)


def _regimes(law: KnownTruth, seed: int, symbol: str, n: int) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return state, drift and multiple of volatility of each session."""
    if law.regimes is None:
        return np.zeros(n, dtype=np.int64), np.zeros(n), np.ones(n)
    chain = law.regimes
    chance = _stream(seed, _COMMON if chain.shared else symbol, _Draw.REGIME).random(n)
    # The last bound is infinite, as a row of chances may add up to a little less than 1.
    bounds = np.cumsum(np.vstack([chain.stationary(), np.array(chain.transitions)]), axis=1)
    bounds[:, -1] = np.inf
    state, path = -1, np.empty(n, dtype=np.int64)
    for t, drawn in enumerate(chance.tolist()):
        state = int(np.searchsorted(bounds[state + 1], drawn, side="right"))
        path[t] = state
    return path, np.array(chain.drifts)[path], np.array(chain.multiples)[path]


def _garch(law: KnownTruth, z: FloatArray) -> FloatArray:
    """Return h; it begins at its mean, so that its mean is the same in every session."""
    level = law.volatility**2
    if law.garch is None:
        return np.full(len(z), level)
    omega, model = law.omega, law.garch
    h = np.empty(len(z))
    for t, shock in enumerate(z.tolist()):
        h[t] = level
        level = omega + ((model.alpha + model.gamma * (shock < 0)) * shock * shock + model.beta) * level
    return h


def _expected(
    law: KnownTruth, drift: FloatArray, volatility: FloatArray, z: FloatArray, end: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the planted sign and the expected return of each session."""
    n = len(z)
    if law.signal is None:
        return np.zeros(n), drift
    pull = law.signal.pull * volatility
    if law.signal.feature == "body_share":
        sign = np.append(0.0, np.sign(end[:-1]))
        return sign, drift + pull * sign
    width = 1 if law.signal.feature == "log_return_1" else MONTH
    sign, expected, close = np.zeros(n), drift.copy(), np.zeros(n)
    for t in range(n):
        if t > width:  # the first bar has no close before it
            sign[t] = np.sign(close[t - 1] - close[t - 1 - width])
            expected[t] += pull[t] * sign[t]
        close[t] = (close[t - 1] if t else 0.0) + expected[t] + volatility[t] * z[t]
    return sign, expected
