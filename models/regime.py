"""A served regime model: filtered state probabilities from a bounded window of bars."""

import math
from typing import Final, Self

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray
from models.answer import RowAnswer
from models.families.base import FamilyError
from models.golden import bars_from_json
from models.manifest import Manifest
from models.ranges import KnownRanges, strange_bars
from models.sessions import observed, windows
from models.states import States
from models.store import Artifact
from models.tasks.base import Fields
from models.tasks.regime import Regime
from models.tiers import spans, tier_at
from models.typing import Json, JsonObject

WEIGHTS: Final = "hmm.json"

EXPLAINED: Final = 20
"""Sessions, the last included, whose states an explanation lists: about a month."""


class RegimeModel:
    """A loaded artifact of the regime task.

    Every answer reads the window of its tier and nothing older, so that the same day gives the same answer whether the
    bars were posted or come from a longer stored history; nothing later, because the recursion only runs forward.
    """

    __slots__ = ("_bars", "_hmm", "_ranges", "_states", "manifest", "task")

    def __init__(self, manifest: Manifest, states: States) -> None:
        """Store."""
        self._ranges = tuple(KnownRanges.of(tier) for tier in manifest.tiers)
        self.manifest = manifest
        self.task = Regime()
        self._states = states
        self._hmm = states.hmm
        self._bars = tuple(tier.tier for tier in manifest.tiers)

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> Self:
        """Build from verified bytes; raises ``FamilyError`` if they are no such states."""
        return cls(artifact.manifest, States.load(artifact.files[WEIGHTS]))

    def answer(self, bars: Bars, rows: int = 1) -> list[RowAnswer]:
        """Answer as of each of the last ``rows`` bars, oldest first."""
        answers: list[RowAnswer] = []
        for start, stop, position in spans(self._bars, len(bars), rows):
            tier = self._bars[position]
            posterior = self._states.filter(windows(bars[:stop], tier, stop - start))
            strange = strange_bars(self._ranges[position], bars[:stop], stop - start)
            answers += [
                RowAnswer(fields, tier, odd) for fields, odd in zip(self._fields(posterior), strange, strict=True)
            ]
        return answers

    def answer_observations(self, returns: FloatArray, volatility: FloatArray) -> RowAnswer:
        """Answer from log returns and volatilities themselves, both of shape (n,), oldest first.

        n observations stand for n + 1 bars. ``volatility`` is the root of the Garman-Klass variance plus the squared
        overnight gap, a session each.

        Raises
        ------
        FamilyError
            There is no observation, or one that is huge.

        """
        tier, seen = self._read(returns, volatility)
        return RowAnswer(self._fields(self._states.filter(seen))[0], tier)

    def _read(self, returns: FloatArray, volatility: FloatArray) -> tuple[int, FloatArray]:
        """Return the tier of ready-made observations and the window that it reads, shape (1, width, 2)."""
        if len(returns) == 0:
            raise FamilyError("expected observations, found none; send at least one return and its volatility")
        tier = self._bars[tier_at(self._bars, len(returns) + 1)]
        return tier, observed(returns, volatility)[None, -max(tier - 1, 1) :]

    def explain(self, bars: Bars) -> Fields:
        """Say how the answer as of the last bar came about: the states of the last sessions, and the last step.

        The states are those of the one recursion that ends in the answer, each by the sessions up to it in the window.
        An earlier day's own answer may differ: its window began earlier, and knew more of the symbol's habit.
        """
        tier = self._bars[tier_at(self._bars, len(bars))]
        returns = np.log(bars.close[-1:] / bars.close[-2:-1])  # of one bar: empty
        return self._explanation(windows(bars, tier, 1), returns, bars.date)

    def explain_observations(self, returns: FloatArray, volatility: FloatArray) -> Fields:
        """Say how the answer of `answer_observations` came about; arguments and errors are the same."""
        return self._explanation(self._read(returns, volatility)[1], returns[-1:], None)

    def _explanation(self, window: FloatArray, returns: FloatArray, dates: DateArray | None) -> Fields:
        """Explain by one window, of shape (1, width, 2), and its last return; ``dates`` end on the same day."""
        seen = self._states.relative(window)[0]
        posterior = self._hmm.filter(seen)
        rows = min(EXPLAINED, len(posterior))
        before = self._hmm.start if len(posterior) == 1 else self._hmm.held_probabilities(posterior[-2:-1])[0]
        moved, logs = window[0, -1].tolist()
        return {
            "kind": "states",
            "path": [
                {
                    "date": None if day is None else str(day),
                    "regime": self._hmm.states[int(np.argmax(shares))],
                    "probabilities": self._named(shares),
                }
                for day, shares in zip(
                    [None] * rows if dates is None else dates[-rows:], posterior[-rows:], strict=True
                )
            ],
            "last_step": {
                "log_return": None if math.isnan(moved) else returns.item(),
                "volatility": None if math.isnan(logs) else math.exp(logs),
                "usual_volatility": self._states.usual_volatility(window[0]),
                "expected": self._named(before),
                "log_likelihood": self._named(self._hmm.log_likelihoods(seen[-1:])[0]),
                "probabilities": self._named(posterior[-1]),
            },
        }

    def _named(self, numbers: FloatArray) -> Fields:
        return dict(zip(self._hmm.states, numbers.tolist(), strict=True))

    def _fields(self, posterior: FloatArray) -> list[Fields]:
        following = self._hmm.next_probabilities(posterior)
        durations, states = self._hmm.expected_duration.tolist(), self._hmm.states
        fields: list[Fields] = []
        for now, then in zip(posterior.tolist(), following.tolist(), strict=True):
            at = max(range(len(states)), key=now.__getitem__)
            fields.append(
                {
                    "regime": states[at],
                    "probabilities": dict(zip(states, now, strict=True)),
                    "confidence": now[at],
                    "next_probabilities": dict(zip(states, then, strict=True)),
                    "expected_duration": durations[at],
                    "backend": self._hmm.record.backend,
                }
            )
        return fields

    def golden_answer(self, case: JsonObject) -> dict[str, Json]:
        """Answer a golden case: bars, or the two windows of observations."""
        if "returns_window" in case:
            returns, volatility = (
                np.array(msgspec.convert(case[name], list[float])) for name in ("returns_window", "volatility_window")
            )
            answer = self.answer_observations(returns, volatility)
        else:
            (answer,) = self.answer(bars_from_json(case))
        return {"tier": answer.tier, "answer": answer.fields}
