"""Rivals that know one symbol: RiskMetrics' EWMA, HAR of each symbol, GARCH(1,1) and GJR-GARCH with Student's t.

Each is made unbiased on the sessions that it learnt on (``mean(outcome / forecast) = 1``), so that none loses by its
level alone: GARCH models close-to-close returns, and what is asked is the variance of a session with its night.

Asked of several sessions, an outcome is their mean variance, and all of them lie before the edge where it is learnt on.
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
    """``v[t+1] = 0.94 v[t] + 0.06 variance[t]``, from the mean of the first month on; of later sessions the same."""

    horizon: int = 1
    name: str = "RiskMetrics"

    def columns(self, bars: Bars, edges: DateArray) -> Columns:
        """As `SymbolRival`."""
        variance = known_variance(bars)
        ahead = _means_ahead(variance, self.horizon)
        level = np.empty(len(variance))
        state = float(variance[:21].mean())
        for day, value in enumerate(variance.tolist()):
            state = DECAY * state + (1 - DECAY) * value
            level[day] = state
        result = np.full(len(bars), np.nan)
        for start, stop in blocks(bars, edges):
            at = _learnt(variance, start, self.horizon)
            if len(at) >= LEAST:
                result[start:stop] = level[start:stop] * np.mean(ahead[at] / level[at])
        return {"variance": result}


@dataclass(frozen=True, slots=True)
class Har:
    """A heterogeneous autoregression (Corsi 2009) of each symbol on the means of the last day, week and month.

    Least squares, refitted at each edge on all sessions before; of several sessions ahead, on their mean itself and not
    by repeating forecasts of one. ``levels``: of variances, where a forecast outside the
    range of what was learnt on is taken to its end, as is usual (Bollerslev, Patton & Quaedvlieg 2016). ``logs``: of
    their logs.
    """

    of: Literal["levels", "logs"]
    horizon: int = 1

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
        ahead = _means_ahead(variance, self.horizon)
        y = np.log(ahead) if self.of == "logs" else ahead
        result = np.full(len(bars), np.nan)
        for start, stop in blocks(bars, edges):
            at = _learnt(variance, start, self.horizon)
            at = at[at >= HAR_WIDTHS[-1] - 1]
            if len(at) < LEAST:
                continue
            coefficients, *_ = np.linalg.lstsq(x[at], y[at], rcond=None)
            level = x[:stop] @ coefficients
            level = np.exp(level) if self.of == "logs" else np.clip(level, ahead[at].min(), ahead[at].max())
            result[start:stop] = level[start:] * np.mean(ahead[at] / level[at])
        return {"variance": result}


@dataclass(frozen=True, slots=True)
class Garch:
    """GARCH(1,1) (Bollerslev 1986) or GJR-GARCH (Glosten, Jagannathan & Runkle 1993) of returns, with Student's t.

    Of several sessions, the variance of each is that of the model's own recursion, and the return over all of them has
    the sum of their variances. Its law is no Student's t then, and has no closed form. One of the degrees of a single
    session stands for it: sums come nearer to the normal law, while variance that clusters keeps their tails heavy.
    """

    leverage: bool
    horizon: int = 1

    @property
    def name(self) -> str:
        """As tables show it."""
        return "GJR-GARCH" if self.leverage else "GARCH"

    def columns(self, bars: Bars, edges: DateArray) -> Columns:
        """As `SymbolRival`."""
        from arch import arch_model

        variance = known_variance(bars)
        ahead = _means_ahead(variance, self.horizon)
        returns = PER_CENT * np.log(bars.close[1:] / bars.close[:-1])  # returns[i] belongs to bar i + 1
        said = {name: np.full(len(bars), np.nan) for name in ("variance", "mean", "deviation", "freedom")}
        for start, stop in blocks(bars, edges):
            at = _learnt(variance, start, self.horizon)
            if len(at) < LEAST:
                continue
            model = arch_model(returns[: stop - 1], p=1, o=int(self.leverage), q=1, dist="t", rescale=False)
            fitted = model.fit(last_obs=start - 1, disp="off", show_warning=False)
            steps = fitted.forecast(horizon=self.horizon, start=0, reindex=False).variance.to_numpy()
            mean = np.mean(steps, axis=1)
            level = np.concatenate([mean[:1], mean])  # level[t] is said at bar t of the sessions after it
            said["variance"][start:stop] = level[start:stop] * np.mean(ahead[at] / level[at])
            said["mean"][start:stop] = self.horizon * fitted.params["mu"] / PER_CENT
            said["deviation"][start:stop] = np.sqrt(self.horizon * level[start:stop]) / PER_CENT
            said["freedom"][start:stop] = fitted.params["nu"]
        return said


def garches(horizon: int) -> tuple[SymbolRival, ...]:
    """Return the rivals that have a distribution of the return over so many sessions."""
    return Garch(leverage=False, horizon=horizon), Garch(leverage=True, horizon=horizon)


def of_volatility(horizon: int) -> tuple[SymbolRival, ...]:
    """Return the rivals of the volatility over so many sessions."""
    return Ewma(horizon), Har("levels", horizon), Har("logs", horizon), *garches(horizon)


def _har_terms(variance: FloatArray) -> FloatArray:
    """Return a constant and the means over `HAR_WIDTHS` up to each session, shape (n, 4); NaN before they are full."""
    x = np.full((len(variance), len(HAR_WIDTHS) + 1), np.nan)
    x[:, 0] = 1
    for column, width in enumerate(HAR_WIDTHS, start=1):
        rows = len(variance) - width + 1
        if rows > 0:
            x[width - 1 :, column] = np.add.reduce(windows(variance, width, rows), axis=-1) / width
    return x


def _means_ahead(variance: FloatArray, horizon: int) -> FloatArray:
    """Return the mean variance of the sessions after each, shape (n,); NaN where they are not all there."""
    result = np.full(len(variance), np.nan)
    rows = len(variance) - horizon
    if rows > 0:
        result[:rows] = np.mean(windows(variance[1:], horizon, rows), axis=-1)
    return result


def _learnt(variance: FloatArray, start: int, horizon: int) -> IntArray:
    """Return the sessions whose horizon ends before a position, where neither they nor the next one are flat.

    A session of a single price has no range: what follows it is up to a million times the floor, and a mean of such
    ratios would be made of a few of them.
    """
    flat = variance[:start] <= FLOOR
    sound = ~flat[:-1] & ~flat[1:]
    return np.flatnonzero(sound[: max(start - horizon, 0)])
