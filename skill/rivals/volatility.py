"""Rivals that know one symbol: RiskMetrics' EWMA, HAR of each symbol, GARCH(1,1) and GJR-GARCH with Student's t.

Each is made unbiased on the sessions that it learnt on (``mean(outcome / forecast) = 1``), so that none loses by its
level alone: GARCH models close-to-close returns, and what is asked is the variance of a session with its night.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray, IntArray
from feature_mapper.volatility import session_variance
from feature_mapper.windows import windows
from models.scale import FLOOR
from models.tasks.base import Columns
from skill.rivals.base import SymbolRival, blocks

LEAST: Final = 250
"""Sessions that a rival needs to learn on; before, it says nothing and is not compared."""

HAR_WIDTHS: Final = (1, 5, 22)
DECAY: Final = 0.94
"""RiskMetrics' daily decay (J.P. Morgan 1996)."""
PER_CENT: Final = 100.0


def known_variance(bars: Bars) -> FloatArray:
    """Return session variance, floored, shape (n,); the first session has no night before it and repeats the second."""
    variance = session_variance(bars)
    known: FloatArray = np.maximum(np.concatenate([variance[1:2], variance[1:]]), FLOOR)
    return known


@dataclass(frozen=True, slots=True)
class Ewma:
    """``v[t+1] = 0.94 v[t] + 0.06 variance[t]``, from the mean of the first month on."""

    name: str = "RiskMetrics"

    def columns(self, bars: Bars, edges: DateArray) -> Columns:
        """As `SymbolRival`."""
        variance = known_variance(bars)
        level = np.empty(len(variance))
        state = float(variance[:21].mean())
        for day, value in enumerate(variance.tolist()):
            state = DECAY * state + (1 - DECAY) * value
            level[day] = state
        result = np.full(len(bars), np.nan)
        for start, stop in blocks(bars, edges):
            at = _learnt(variance, start)
            if len(at) >= LEAST:
                result[start:stop] = level[start:stop] * np.mean(variance[at + 1] / level[at])
        return {"variance": result}


@dataclass(frozen=True, slots=True)
class Har:
    """A heterogeneous autoregression (Corsi 2009) of each symbol on the means of the last day, week and month.

    Least squares, refitted at each edge on all sessions before. ``levels``: of variances, where a forecast outside the
    range of what was learnt on is taken to its end, as is usual (Bollerslev, Patton & Quaedvlieg 2016). ``logs``: of
    their logs.
    """

    of: Literal["levels", "logs"]

    @property
    def name(self) -> str:
        """As tables show it."""
        return {"levels": "HAR of the symbol", "logs": "log HAR of the symbol"}[self.of]

    def columns(self, bars: Bars, edges: DateArray) -> Columns:
        """As `SymbolRival`."""
        variance = known_variance(bars)
        x = _har_terms(variance)
        if self.of == "logs":
            x[:, 1:] = np.log(x[:, 1:])
        y = np.log(variance) if self.of == "logs" else variance
        result = np.full(len(bars), np.nan)
        for start, stop in blocks(bars, edges):
            at = _learnt(variance, start)
            at = at[at >= HAR_WIDTHS[-1] - 1]
            if len(at) < LEAST:
                continue
            coefficients, *_ = np.linalg.lstsq(x[at], y[at + 1], rcond=None)
            level = x[:stop] @ coefficients
            if self.of == "logs":
                level = np.exp(level)
            else:
                level = np.clip(level, variance[at + 1].min(), variance[at + 1].max())
            result[start:stop] = level[start:] * np.mean(variance[at + 1] / level[at])
        return {"variance": result}


@dataclass(frozen=True, slots=True)
class Garch:
    """GARCH(1,1) (Bollerslev 1986) or GJR-GARCH (Glosten, Jagannathan & Runkle 1993) of returns, with Student's t."""

    leverage: bool

    @property
    def name(self) -> str:
        """As tables show it."""
        return "GJR-GARCH" if self.leverage else "GARCH"

    def columns(self, bars: Bars, edges: DateArray) -> Columns:
        """As `SymbolRival`."""
        from arch import arch_model

        variance = known_variance(bars)
        returns = PER_CENT * np.log(bars.close[1:] / bars.close[:-1])  # returns[i] belongs to bar i + 1
        said = {name: np.full(len(bars), np.nan) for name in ("variance", "mean", "deviation", "freedom")}
        for start, stop in blocks(bars, edges):
            at = _learnt(variance, start)
            if len(at) < LEAST:
                continue
            model = arch_model(returns[: stop - 1], p=1, o=int(self.leverage), q=1, dist="t", rescale=False)
            fitted = model.fit(last_obs=start - 1, disp="off", show_warning=False)
            one_ahead = fitted.forecast(horizon=1, start=0, reindex=False).variance.to_numpy()[:, 0]
            level = np.concatenate([one_ahead[:1], one_ahead])  # level[t] is said at bar t of the session after it
            said["variance"][start:stop] = level[start:stop] * np.mean(variance[at + 1] / level[at])
            said["mean"][start:stop] = fitted.params["mu"] / PER_CENT
            said["deviation"][start:stop] = np.sqrt(level[start:stop]) / PER_CENT
            said["freedom"][start:stop] = fitted.params["nu"]
        return said


GARCHES: Final[tuple[SymbolRival, ...]] = (Garch(leverage=False), Garch(leverage=True))

VOLATILITY: Final[tuple[SymbolRival, ...]] = (
    Ewma(),
    Har("levels"),
    Har("logs"),
    *GARCHES,
)


def _har_terms(variance: FloatArray) -> FloatArray:
    """Return a constant and the means over `HAR_WIDTHS` up to each session, shape (n, 4); NaN before they are full."""
    x = np.full((len(variance), len(HAR_WIDTHS) + 1), np.nan)
    x[:, 0] = 1
    for column, width in enumerate(HAR_WIDTHS, start=1):
        rows = len(variance) - width + 1
        if rows > 0:
            x[width - 1 :, column] = np.add.reduce(windows(variance, width, rows), axis=-1) / width
    return x


def _learnt(variance: FloatArray, start: int) -> IntArray:
    """Return the sessions before a position whose next one is before it too, and neither of them is flat.

    A session of a single price has no range: what follows it is up to a million times the floor, and a mean of such
    ratios would be made of a few of them.
    """
    flat = variance[:start] <= FLOOR
    return np.flatnonzero(~flat[:-1] & ~flat[1:])
