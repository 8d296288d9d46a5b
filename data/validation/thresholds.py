"""From where on something is wrong: the numbers of the expectations, with their defaults."""

import math

import msgspec

from data.quality import FLAT_RUN, JUMP, STALE_SESSIONS, ZERO_VOLUME_RUN, Limits


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers that a person may change; each is finite and not negative."""

    def __post_init__(self) -> None:
        """Refuse a number that no series could keep, or that every series would."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(
                    f"expected a finite threshold of 0 or more for {name}, found {value}; leave it out for the default"
                )


class BarThresholds(Thresholds, frozen=True, kw_only=True):
    """Thresholds of the expectations on bars.

    Attributes
    ----------
    min_rows : int
        Bars; below a quarter of a year no tier but the smallest has rows to learn from.
    max_log_return : float
        Absolute log move from close to close that is an error: 1.5 is +350 %, -78 %.
    jump : float
        The same that a person should look at: 0.4 is +49 %, -33 %.
    max_log_range : float
        Log of high / low of one bar that a person should look at; bad ticks hide in highs and lows.
    stale_sessions, outdated_sessions : int
        Sessions without a bar before today that a person should see, and that are an error.
    flat_run, zero_volume_run : int
        Bars in a row at one price, and without volume.
    restated_price, restated_volume : float
        Relative difference from the previous series, after its constant factor, that rounding does not explain.

    """

    min_rows: int = 64
    max_log_return: float = 1.5
    jump: float = JUMP
    max_log_range: float = 1.0
    stale_sessions: int = STALE_SESSIONS
    outdated_sessions: int = 10
    flat_run: int = FLAT_RUN
    zero_volume_run: int = ZERO_VOLUME_RUN
    restated_price: float = 1e-3
    restated_volume: float = 1e-2

    def limits(self) -> Limits:
        """Return what `data.quality` needs of them."""
        return Limits(
            jump=self.jump,
            flat_run=self.flat_run,
            zero_volume_run=self.zero_volume_run,
            stale_sessions=self.stale_sessions,
        )


class FeatureThresholds(Thresholds, frozen=True, kw_only=True):
    """Thresholds of the expectations on a matrix of features.

    Attributes
    ----------
    varied_rows : int
        Values from which a column must not be one constant, nor equal to another column.
    reference_spans : float
        How far beyond the quantiles of the reference a value may lie, in distances between the two.

    """

    varied_rows: int = 64
    reference_spans: float = 10.0
