"""The states of a regime model: a hidden Markov model of sessions, each relative to the habit of those before."""

import math
from dataclasses import dataclass
from typing import Final, Literal, Self

import msgspec
import numpy as np

from feature_mapper.typing import FloatArray
from models.families import hmm
from models.families.base import FamilyError
from models.families.hmm import LARGEST_OBSERVATION
from models.sessions import Habit

AT_ONCE: Final = 1024
"""Windows that are worked off at a time: of a year and three states, some 20 MiB."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: the model holds arrays
class States:
    """A fitted hidden Markov model of relative sessions, and the habit of all symbols that they are relative to."""

    hmm: hmm.GaussianHmm
    habit: Habit

    def filter(self, windows: FloatArray) -> FloatArray:
        """Return the probabilities of the states at the end of each window, shape (n, width, 2) to (n, k)."""
        blocks = np.split(windows, range(AT_ONCE, len(windows), AT_ONCE))
        return np.concatenate([self.hmm.filter_windows(self.relative(block)) for block in blocks])

    def relative(self, windows: FloatArray) -> FloatArray:
        """Return windows with each volatility in spreads above what was usual before its session, same shape."""
        seen = self._with_nights(windows)
        return in_spreads(seen, *self.habit.before(seen[..., 1]))

    def following(self, coming: FloatArray, windows: FloatArray) -> FloatArray:
        """Return the sessions after windows relative to what was usual in those, shape (n, 2) to (n, 2)."""
        return in_spreads(coming, *self._habits(windows))

    def log_densities(self, coming: FloatArray, windows: FloatArray) -> FloatArray:
        """Return the log density of the session after each window in each state, shape (n, 2) to (n, k).

        In units of the observations themselves; NaN where the coming session tells nothing.
        """
        level, spread = self._habits(windows)
        found = self.hmm.log_likelihoods(in_spreads(coming, level, spread)) - np.log(spread)[:, None]
        found[np.isnan(coming).any(axis=1)] = np.nan
        return found

    def usual_volatility(self, window: FloatArray) -> float:
        """Return what was usual before the last session of a window of shape (width, 2), a volatility a session."""
        level, _ = self.habit.before(self._with_nights(window)[:, 1])
        return math.exp(level[-1])

    def _habits(self, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.habit.of(self._with_nights(windows)[..., 1])

    def _with_nights(self, windows: FloatArray) -> FloatArray:
        """Return windows with the mean night in volatilities of bars alone, which have no return and know none."""
        nights = np.where(np.isnan(windows[..., 0]), self.habit.night, 0.0)
        return np.stack([windows[..., 0], windows[..., 1] + nights], axis=-1)

    def dump(self) -> bytes:
        """Return the model as JSON; `load` gives one with the same bits."""
        return msgspec.json.encode(_Stored("regime-1", self.habit, msgspec.Raw(self.hmm.dump())))

    @classmethod
    def load(cls, weights: bytes) -> Self:
        """Rebuild from `dump`; call it on verified bytes only. Raises ``FamilyError`` if they are no such model."""
        try:
            stored = msgspec.json.decode(weights, type=_Stored)
        except (msgspec.MsgspecError, ValueError) as error:  # ValueError: invalid UTF-8
            raise FamilyError(f"expected the JSON of regimes, found: {error}; retrain the model") from error
        habit = stored.habit
        sizes = np.abs([habit.usual, habit.variety, habit.weight, habit.night])
        if not (sizes <= LARGEST_OBSERVATION).all() or min(habit.variety, habit.weight) <= 0:
            raise FamilyError(
                f"expected habits within {LARGEST_OBSERVATION:g}, variety and weight above 0, found {habit}; retrain"
            )
        return cls(hmm.load(bytes(stored.hmm)), habit)


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal["regime-1"]
    habit: Habit
    hmm: msgspec.Raw


def in_spreads(seen: FloatArray, level: FloatArray, spread: FloatArray) -> FloatArray:
    """Return observations with the volatility in spreads above the level, shapes (..., 2) and twice (...)."""
    return np.stack([seen[..., 0], (seen[..., 1] - level) / spread], axis=-1)
