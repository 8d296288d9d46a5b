"""What the law of a market of `data.sources.known_truth` is made of: variance, regimes, a planted signal."""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from feature_mapper.typing import FloatArray

MAX_VOLATILITY: Final = 0.1
"""Largest volatility of a regime, 1/sqrt(session): beyond it prices may leave what floats can hold."""

SignalName = Literal["body_share", "log_return_1", "log_return_21"]
"""Features of the catalogue whose signs may be planted; they need 1, 2 and 22 bars."""


@dataclass(frozen=True, slots=True)
class Garch:
    """How variance follows the shocks before it; ``gamma`` above 0 lets falls weigh more than rises."""

    alpha: float = 0.08
    beta: float = 0.9
    gamma: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a variance that may be negative or has no mean."""
        least = min(self.alpha, self.alpha + self.gamma, self.beta)
        if not (least >= 0 and self.persistence < 1):
            message = f"expected alpha, alpha + gamma and beta of 0 or more and a persistence below 1, found {self}"
            raise ValueError(f"{message}; correct them")

    @property
    def persistence(self) -> float:
        """Share of a deviation from the mean variance that is left a session later, on average."""
        return self.alpha + self.gamma / 2 + self.beta


@dataclass(frozen=True, slots=True)
class Regimes:
    """A Markov chain of states, each with its own drift and volatility.

    Attributes
    ----------
    transitions : tuple of rows
        Row i: probabilities of the next session's state after state i. The chain begins in its stationary distribution.
    drifts : tuple of float
        Expected log return a session of each state.
    multiples : tuple of float
        What the volatility of each state is multiplied by.
    shared : bool
        One path for all symbols, rather than one for each.

    """

    transitions: tuple[tuple[float, ...], ...] = ((0.98, 0.02), (0.04, 0.96))
    drifts: tuple[float, ...] = (0.0006, -0.0012)
    multiples: tuple[float, ...] = (0.7, 2.0)
    shared: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no chain."""
        k = len(self.transitions)
        square = len(self.drifts) == len(self.multiples) == k >= 1 and all(len(row) == k for row in self.transitions)
        chances = square and all(min(row) >= 0 and math.isclose(sum(row), 1, abs_tol=1e-9) for row in self.transitions)
        if not (chances and min(self.multiples) > 0):
            message = "expected as many drifts and multiples above 0 as states, and rows of chances that add up to 1"
            raise ValueError(f"{message}, found {self}; correct them")

    def stationary(self) -> FloatArray:
        """Return the share of time spent in each state, shape (k,)."""
        k = len(self.transitions)
        flow = np.array(self.transitions).T - np.eye(k)
        share, *_ = np.linalg.lstsq(np.vstack([flow, np.ones(k)]), np.append(np.zeros(k), 1.0), rcond=None)
        result: FloatArray = np.maximum(share, 0.0) / np.maximum(share, 0.0).sum()
        return result


@dataclass(frozen=True, slots=True)
class Signal:
    """A sign in the bars up to t-1 that moves the expected return of session t.

    ``strength`` is the correlation of the two, inside (-1, 1): above 0 the price goes on, below 0 it turns.
    """

    strength: float
    feature: SignalName = "body_share"

    def __post_init__(self) -> None:
        """Refuse a correlation that leaves no noise."""
        if not -1 < self.strength < 1:
            raise ValueError(f"expected a strength inside (-1, 1), found {self.strength}; it is a correlation")

    @property
    def pull(self) -> float:
        """Expected return in units of volatility where the sign is 1."""
        return self.strength / math.sqrt(1 - self.strength**2)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTruth:
    """The law of a market. As it stands: noise, of one variance, normal, without anything to be found.

    Attributes
    ----------
    volatility : float
        Root of the mean of h, 1/sqrt(session).
    garch, regimes, signal : Garch, Regimes, Signal or None
        What moves variance and expected return; None: nothing does.
    degrees : int or None
        Degrees of freedom of Student's t, at least 5; None: normal. Session and night of one day share their size.
    night_share : float
        Share of the variance that falls between the close and the next open, inside [0, 1).
    factor_share : float
        Correlation of the normal shocks of any two symbols, inside [0, 1].
    steps : int
        Steps of the path inside a session.
    volume : bool
        Whether bars have a volume. It says nothing about prices.

    """

    volatility: float = 0.01
    garch: Garch | None = None
    regimes: Regimes | None = None
    signal: Signal | None = None
    degrees: int | None = None
    night_share: float = 0.2
    factor_share: float = 0.0
    steps: int = 16
    volume: bool = True

    def __post_init__(self) -> None:
        """Refuse what has no variance, or none that prices survive."""
        largest = self.volatility * max(self.regimes.multiples if self.regimes else (1.0,))
        rules = {
            f"a volatility above 0 and, in each regime, of at most {MAX_VOLATILITY}": 0 < largest <= MAX_VOLATILITY,
            "at least 5 degrees of freedom": self.degrees is None or self.degrees >= 5,
            "a night_share inside [0, 1)": 0 <= self.night_share < 1,
            "a factor_share inside [0, 1]": 0 <= self.factor_share <= 1,
            "at least 1 step": self.steps >= 1,
        }
        if broken := [rule for rule, holds in rules.items() if not holds]:
            raise ValueError(f"expected {'; '.join(broken)}; found {self}; correct the law")

    @property
    def omega(self) -> float:
        """Constant of the variance recursion; ``omega / (1 - persistence)`` is the mean variance."""
        return self.volatility**2 * (1 - (self.garch.persistence if self.garch else 0.0))


NOISE: Final = KnownTruth()
GARCH: Final = KnownTruth(garch=Garch())
REGIMES: Final = KnownTruth(regimes=Regimes())
SIGNAL: Final = KnownTruth(signal=Signal(0.25))
