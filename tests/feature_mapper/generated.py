"""Generated bars: quiet and wild markets, ticks with ties, gaps, halts, frozen prices, days without trade."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from feature_mapper.bars import Bars


@dataclass(frozen=True, slots=True)
class Market:
    """How a generated market behaves. A seed and a few traits draw faster than thousands of single prices."""

    seed: int
    volatility: float
    price: float
    tick: float
    """Smallest price step as a share of the first price; 0 for none. Coarse ticks give ties."""
    gappy: bool
    frozen: float
    """Share of sessions in stretches of constant price."""
    silent: float
    """Share of sessions without trade."""
    halted: bool
    """Whether calendar days are missing for months."""

    def bars(self, n: int) -> Bars:
        """Return ``n`` validated bars."""
        rng = np.random.default_rng(self.seed)
        v = self.volatility
        night = rng.normal(0.0, v * (1.0 if self.gappy else 0.1), n)
        if self.gappy:
            night += np.where(rng.random(n) < 0.02, rng.choice([-1.5, 1.5], n), 0.0)
        day = rng.normal(0.0, v, n)
        up, down = np.abs(rng.normal(0.0, v, (2, n)))
        still = np.repeat(rng.random(n // 10 + 1) < self.frozen, 10)[:n]
        for part in (night, day, up, down):
            part[still] = 0.0
        close = np.cumsum(night + day)
        open_ = close - day
        high, low = np.maximum(open_, close) + up, np.minimum(open_, close) - down
        high, low = np.where(still, close, high), np.where(still, close, low)
        open_ = np.where(still, close, open_)
        columns = [self.price * np.exp(np.clip(column, -40.0, 40.0)) for column in (open_, high, low, close)]
        if self.tick:
            step = self.price * self.tick
            columns = [np.maximum(np.round(column / step), 1.0) * step for column in columns]
        volume = np.round(rng.lognormal(10.0, 1.0, n))
        volume[rng.random(n) < self.silent] = 0.0
        step_days = rng.choice([1, 1, 1, 1, 3], n)
        if self.halted:
            step_days[rng.random(n) < 0.02] = 100
        date = np.datetime64("1999-12-27") + np.cumsum(step_days)
        return Bars.validated(
            open=columns[0], high=columns[1], low=columns[2], close=columns[3], volume=volume, date=date
        )


def of_closes(closes: ArrayLike) -> Bars:
    """Return bars without range that close here, on a market without volume."""
    close = np.asarray(closes, dtype=np.float64)
    return Bars.validated(open=close, high=close, low=close, close=close)


markets = st.builds(
    Market,
    seed=st.integers(0, 2**32 - 1),
    volatility=st.sampled_from([1e-3, 1e-2, 5e-2, 0.5]),
    price=st.sampled_from([1e-4, 0.7, 100.0, 3.1e6]),
    tick=st.sampled_from([0.0, 1e-4, 1e-2]),
    gappy=st.booleans(),
    frozen=st.sampled_from([0.0, 0.2, 1.0]),
    silent=st.sampled_from([0.0, 0.1, 1.0]),
    halted=st.booleans(),
)
"""Markets of every temper."""

runs = st.builds(Market.bars, markets, st.one_of(st.integers(1, 70), st.integers(240, 320), st.integers(505, 560)))
"""Runs of bars, some shorter than any window, some longer than every one."""

long_runs = st.builds(Market.bars, markets, st.integers(512, 560))
"""Runs that fill every window."""
