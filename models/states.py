"""The states of a regime model: a hidden Markov model of sessions, each seen relative to the habit of its window."""

from dataclasses import dataclass
from typing import Literal, Self

import msgspec
import numpy as np

from feature_mapper.typing import FloatArray
from models.families import hmm
from models.families.base import FamilyError
from models.families.hmm import LARGEST_OBSERVATION
from models.sessions import Habit


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: the model holds arrays
class States:
    """A fitted hidden Markov model of relative sessions, and the habit of all symbols that they are relative to."""

    hmm: hmm.GaussianHmm
    habit: Habit

    def filter(self, windows: FloatArray) -> FloatArray:
        """Return the probabilities of the states at the end of each window, shape (n, width, 2) to (n, k)."""
        level, spread = self.habit.of(windows[..., 1])
        return self.hmm.filter_windows(relative(windows, level[:, None], spread[:, None]))

    def log_densities(self, coming: FloatArray, windows: FloatArray) -> FloatArray:
        """Return the log density of the session after each window in each state, shape (n, 2) to (n, k).

        In units of the observations themselves; NaN where the coming session tells nothing.
        """
        level, spread = self.habit.of(windows[..., 1])
        found = self.hmm.log_likelihoods(relative(coming, level, spread)) - np.log(spread)[:, None]
        found[np.isnan(coming).all(axis=1)] = np.nan
        return found

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
        sizes = np.abs([habit.usual, habit.variety, habit.weight])
        if not (sizes <= LARGEST_OBSERVATION).all() or min(habit.variety, habit.weight) <= 0:
            raise FamilyError(f"expected finite habits, variety and weight above 0, found {habit}; retrain the model")
        return cls(hmm.load(bytes(stored.hmm)), habit)


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal["regime-1"]
    habit: Habit
    hmm: msgspec.Raw


def relative(seen: FloatArray, level: FloatArray, spread: FloatArray) -> FloatArray:
    """Return observations with the volatility in spreads above the level, shapes (..., 2) and twice (...)."""
    return np.stack([seen[..., 0], (seen[..., 1] - level) / spread], axis=-1)
