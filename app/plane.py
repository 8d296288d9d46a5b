"""The inference plane: a question and the models that serve, in; an answer with its envelope, out. Knows no HTTP."""

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np

from app import problems
from app.context import Context, calendar_of
from app.errors import ProblemError
from app.metrics import Metrics
from app.queries import Observations
from app.schemas.answers import Skill
from app.serving import Serving, Slot, skill_of
from feature_mapper.bars import Bars
from feature_mapper.feature import Feature
from feature_mapper.mapper import compute
from feature_mapper.typing import FloatArray
from models.answer import RowAnswer
from models.regime import RegimeModel
from models.served import BarsModel
from models.tabular import Mapper, TabularModel
from models.tasks.base import BarsTask, Fields
from models.tasks.registry import task_of
from models.typing import Json

log = logging.getLogger(__name__)

Answer = dict[str, object]
"""An answer as it goes to JSON: the envelope around the task's fields, in the order of the contract."""

FAILED: Final = "failed"
NOT_FINITE: Final = "not-finite"

LARGEST_LOG: Final = 600.0
"""Logs of prices beyond this are not distinguished; exp of it is still a float."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one model said: its fields and tier, or a rule of thumb's, with the reason."""

    slot: Slot
    fields: Fields
    tier: int | None
    reason: str | None


class Plane:
    """Answers questions from what serves."""

    def __init__(self, serving: Serving, metrics: Metrics) -> None:
        """Store."""
        self.serving = serving
        self._metrics = metrics
        self._skills: dict[tuple[str, str, int], Skill | None] = {}

    def predict(self, model: str, asked: Context, mapped: Mapper = compute) -> Answer:
        """Answer one question about bars by one model.

        Raises
        ------
        ProblemError
            model-unavailable, where the service is strict.

        """
        slot = self.serving.slot(model)
        return self._answer(self._verdict(slot, asked, mapped), asked)

    def regime_of(self, model: str, seen: Observations) -> Answer:
        """Answer from ready-made observations instead of bars."""
        slot = self.serving.slot(model)
        bars = implied_bars(seen)
        asked = Context(bars, seen.symbol, calendar_of(seen.symbol, self.serving.bars), ())
        if slot.loaded is None or not isinstance(slot.loaded.model, RegimeModel):
            return self._answer(self._fallback(slot, bars, slot.condition), asked)
        regimes = slot.loaded.model
        verdict = self._tried(slot, bars, lambda: regimes.answer_observations(seen.returns, seen.volatility))
        return self._answer(verdict, asked)

    def together(self, models: Sequence[str], asked: Context) -> dict[str, Answer]:
        """Answer one question by several models in one feature pass."""
        shared = SharedPass((self.serving.slot(model) for model in models), asked.bars)
        return {model: self.predict(model, asked, shared) for model in models}

    def _verdict(self, slot: Slot, asked: Context, mapped: Mapper) -> Verdict:
        if slot.loaded is None:
            return self._fallback(slot, asked.bars, slot.condition)
        model = slot.loaded.model
        if isinstance(model, TabularModel):
            return self._tried(slot, asked.bars, lambda: model.answer(asked.bars, 1, mapped)[0])
        return self._tried(slot, asked.bars, lambda: cast("BarsModel", model).answer(asked.bars, 1)[0])

    def _tried(self, slot: Slot, bars: Bars, answer: Callable[[], RowAnswer]) -> Verdict:
        try:
            said = answer()
        except (ArithmeticError, ValueError, RuntimeError, LookupError, TypeError):
            # Whatever a model does wrong on input that is valid is the model's fault: it is logged with its stack,
            # counted, and answered for.
            log.exception("%s failed", slot.model)
            return self._fallback(slot, bars, FAILED)
        if not finite(said.fields):
            log.error("%s answered a number that is not finite", slot.model)
            return self._fallback(slot, bars, NOT_FINITE)
        return Verdict(slot, said.fields, said.tier, None)

    def count_fallback(self, slot: Slot, reason: str) -> None:
        """Count that a rule of thumb is to answer, or refuse to have it answer.

        Raises
        ------
        ProblemError
            model-unavailable, where the service is strict.

        """
        if self.serving.strict:
            detail = f"expected {slot.model} to answer, found it {reason}; GET /health says what to do"
            raise ProblemError(problems.MODEL_UNAVAILABLE, detail)
        self._metrics.fallbacks.labels(slot.model, reason).inc()

    def _fallback(self, slot: Slot, bars: Bars, reason: str) -> Verdict:
        self.count_fallback(slot, reason)
        task = cast("BarsTask", task_of(slot.model))
        return Verdict(slot, task.fallback(bars, slot.head), None, reason)

    def _answer(self, verdict: Verdict, asked: Context) -> Answer:
        return self.envelope(verdict.slot, asked, verdict.fields, verdict.tier, verdict.reason)

    def envelope(
        self, slot: Slot, asked: Context, fields: Mapping[str, object], tier: int | None, reason: str | None
    ) -> Answer:
        """Put the envelope around the task's fields."""
        loaded = None if reason is not None else slot.loaded
        horizon = task_of(slot.model).identity.horizon
        return {
            "model": slot.model,
            "model_version": None if loaded is None else loaded.version,
            "symbol": asked.symbol,
            "as_of": asked.as_of,
            "target_date": asked.target_date(horizon),
            "horizon": horizon,
            **fields,
            "history": {
                "bars": len(asked.bars),
                "tier": tier,
                "full_tier": None if loaded is None else loaded.manifest.tiers[-1].tier,
            },
            "skill": None if tier is None else self.skill(slot, tier),
            "source": "model" if loaded is not None else "fallback",
            "reason": reason,
            "warnings": list(asked.warnings),
        }

    def skill(self, slot: Slot, tier: int) -> Skill | None:
        """Return the measured worth of a tier of what serves."""
        if slot.loaded is None:
            return None
        key = (slot.model, slot.loaded.version, tier)
        if key not in self._skills:
            manifest = slot.loaded.manifest
            self._skills[key] = next(skill_of(each.scores[0]) for each in manifest.tiers if each.tier == tier)
        return self._skills[key]


class SharedPass:
    """A feature mapper for several models about the same last bar: each feature is computed once."""

    def __init__(self, slots: Iterable[Slot], bars: Bars) -> None:
        """Compute every feature that the models' tiers for so many bars ask for."""
        models = [slot.loaded.model for slot in slots if slot.loaded is not None]
        union = {
            feature.name: feature
            for model in models
            if isinstance(model, TabularModel)
            for feature in model.tier_for(len(bars)).features
        }
        self._row = compute(bars, tuple(union.values()), 1)
        self._at = {name: column for column, name in enumerate(union)}
        self._length = len(bars)

    def __call__(self, bars: Bars, features: Sequence[Feature], rows: int) -> FloatArray:
        """Return the features of the last bar, shape (1, features)."""
        if rows != 1 or len(bars) != self._length:
            message = f"expected one row as of bar {self._length}, found {rows} as of bar {len(bars)}"
            raise ValueError(message)
        return np.ascontiguousarray(self._row[:, [self._at[feature.name] for feature in features]])


def finite(value: Json) -> bool:
    """Tell whether every number in an answer is finite; JSON has no word for the others, and null would hide them."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(finite(part) for part in value.values())
    if isinstance(value, list | tuple):
        return all(finite(part) for part in value)
    return True


def implied_bars(seen: Observations) -> Bars:
    """Return bars that have these returns, for a fallback to look at; the first close is 1, none leaves the floats."""
    close = np.exp(np.clip(np.concatenate(([0.0], np.cumsum(seen.returns))), -LARGEST_LOG, LARGEST_LOG))
    return Bars(close, close, close, close, None, None, seen.symbol)
