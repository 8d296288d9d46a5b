"""A served regime model: filtered state probabilities from a bounded window of bars."""

import math
from typing import Final, Self

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray
from feature_mapper.volatility import garman_klass_variance
from models.answer import RowAnswer
from models.families import hmm
from models.golden import bars_from_json
from models.manifest import Manifest
from models.ranges import KnownRanges, strange_bars
from models.scale import FLOOR
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

    __slots__ = ("_bars", "_hmm", "_ranges", "manifest", "task")

    def __init__(self, manifest: Manifest, model: hmm.GaussianHmm) -> None:
        """Store."""
        self._ranges = tuple(KnownRanges.of(tier) for tier in manifest.tiers)
        self.manifest = manifest
        self.task = Regime()
        self._hmm = model
        self._bars = tuple(tier.tier for tier in manifest.tiers)

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> Self:
        """Build from verified bytes; raises ``FamilyError`` if they are no hidden Markov model."""
        return cls(artifact.manifest, hmm.load(artifact.files[WEIGHTS]))

    def answer(self, bars: Bars, rows: int = 1) -> list[RowAnswer]:
        """Answer as of each of the last ``rows`` bars, oldest first."""
        seen = observations(bars)
        answers: list[RowAnswer] = []
        for start, stop, position in spans(self._bars, len(bars), rows):
            tier = self._bars[position]
            posterior = self._hmm.filter_windows(*window(seen[:stop], tier, stop - start))
            strange = strange_bars(self._ranges[position], bars[:stop], stop - start)
            answers += [
                RowAnswer(fields, tier, odd) for fields, odd in zip(self._fields(posterior), strange, strict=True)
            ]
        return answers

    def answer_observations(self, returns: FloatArray, volatility: FloatArray) -> RowAnswer:
        """Answer from log returns and range volatilities themselves, both of shape (n,), oldest first.

        n observations stand for n + 1 bars. ``volatility`` is the root of the Garman-Klass variance, a session each.
        """
        tier = self._bars[tier_at(self._bars, len(returns) + 1)]
        posterior = self._hmm.filter_windows(_observed(returns, volatility), max(tier - 1, 1), 1)
        return RowAnswer(self._fields(posterior)[0], tier)

    def explain(self, bars: Bars) -> Fields:
        """Say how the answer as of the last bar came about: the states of the last sessions, and the last step.

        The states are those of the one recursion that ends in the answer. An earlier day's own answer may differ in
        small digits, as its window began earlier.
        """
        tier = self._bars[tier_at(self._bars, len(bars))]
        seen, width, _ = window(observations(bars), tier, 1)
        return self._explanation(seen[-width:], bars.date)

    def explain_observations(self, returns: FloatArray, volatility: FloatArray) -> Fields:
        """Say how the answer of `answer_observations` came about."""
        tier = self._bars[tier_at(self._bars, len(returns) + 1)]
        return self._explanation(_observed(returns, volatility)[-max(tier - 1, 1) :], None)

    def _explanation(self, seen: FloatArray, dates: DateArray | None) -> Fields:
        """Explain by the rows of a window; ``dates`` end on the same day."""
        posterior = self._hmm.filter(seen)
        rows = min(EXPLAINED, len(posterior))
        before = self._hmm.start if len(posterior) == 1 else self._hmm.next_probabilities(posterior[-2:-1])[0]
        moved, logs = seen[-1].tolist()
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
                "log_return": None if math.isnan(moved) else moved,
                "volatility": None if math.isnan(logs) else math.exp(logs),
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


def observations(bars: Bars) -> FloatArray:
    """Return log return and log range volatility of each bar, shape (n, 2).

    NaN is what a bar does not tell: the first one no return, one whose high is its low no volatility. Where closes
    alone were recorded every bar is such a one, and as zeros they would make a state of their own.
    """
    returns = np.full(len(bars), np.nan)
    returns[1:] = np.log(bars.close[1:] / bars.close[:-1])
    volatility = 0.5 * np.log(np.maximum(garman_klass_variance(bars), FLOOR))
    return np.stack([returns, np.where(bars.high > bars.low, volatility, np.nan)], axis=1)


def _observed(returns: FloatArray, volatility: FloatArray) -> FloatArray:
    return np.stack([returns, np.log(np.maximum(volatility, FLOOR**0.5))], axis=1)


def window(seen: FloatArray, tier: int, rows: int) -> tuple[FloatArray, int, int]:
    """Return what ``filter_windows`` is to read for a tier: observations, width, rows.

    A window of one bar has a range but no return. In a longer one the first bar only gives the close that the first
    return is counted from.
    """
    if tier == 1:
        bare = seen[len(seen) - rows :].copy()
        bare[:, 0] = np.nan
        return bare, 1, rows
    return seen, tier - 1, rows
