"""The inference plane: a question and the models that serve, in; an answer with its envelope, out. Knows no HTTP."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar, cast

import numpy as np

from app import problems
from app.abstention import Abstention
from app.columns import invalid
from app.context import Context, of_sent
from app.errors import ProblemError
from app.horizons import horizon_of
from app.metrics import Metrics
from app.queries import Observations
from app.schemas.answers import Abstain, Skill
from app.serving import Serving, Slot, skill_of
from app.shared_pass import SharedPass
from app.tracing import REQUEST_ID
from feature_mapper.bars import Bars
from feature_mapper.mapper import compute
from models.answer import RowAnswer
from models.families.base import Unexplained
from models.regime import RegimeModel
from models.served import BarsModel, ServedModel
from models.tabular import Mapper, TabularModel
from models.tasks.bands import LevelUnknown
from models.tasks.base import BarsTask, Fields
from models.tasks.registry import task_of
from models.typing import Json

log = logging.getLogger(__name__)

T = TypeVar("T")

Answer = dict[str, object]
"""An answer as it goes to JSON: the envelope around the task's fields, in the order of the contract."""

FAILED: Final = "failed"
NOT_FINITE: Final = "not-finite"

FALLBACK_BARS: Final = 253
"""Bars, from the last back, that a rule of thumb looks at: a year."""

LARGEST_RETURN: Final = 1500.0
"""No two prices that a float can hold lie further apart, in logs."""

LARGEST_LOG: Final = 600.0
"""Logs of prices beyond this are not distinguished; exp of it is still a float."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one model says as of one bar: its fields and tier; or a rule of thumb's fields, with the reason.

    ``strange`` names what makes the bar unlike those of training.
    """

    fields: Fields
    tier: int | None
    reason: str | None
    strange: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explained:
    """How an answer came about, or a note on why that can't be said; neither if nobody asked."""

    content: Fields | None = None
    note: str | None = None


NOT_ASKED: Final = Explained()
RULE_OF_THUMB: Final = Explained(note="no explanation: a rule of thumb answered, not the model")


class Plane:
    """Answers questions from what serves."""

    def __init__(self, serving: Serving, metrics: Metrics) -> None:
        """Store."""
        self.serving = serving
        self.abstention = Abstention(metrics)
        self._metrics = metrics
        self._skills: dict[tuple[str, str, int], Skill | None] = {}

    def predict(self, slot: Slot, asked: Context, *, level: float | None = None, explain: bool = False) -> Answer:
        """Answer one question about bars by one version of a model.

        Raises
        ------
        ProblemError
            A level that it never measured; model-unavailable, where the service is strict.

        """
        self.check_level([slot], level)
        return self._predicted(slot, asked, level, compute, explain=explain)

    def _predicted(self, slot: Slot, asked: Context, level: float | None, mapped: Mapper, *, explain: bool) -> Answer:
        (verdict,) = self.verdicts(slot, asked.bars, 1, mapped, level)
        if not explain:
            return self._answer(slot, asked, verdict, NOT_ASKED)
        told = self.explained(slot, verdict.reason, lambda model: _explained(model, asked.bars, mapped))
        return self._answer(slot, asked, verdict, told)

    def check_level(self, slots: Sequence[Slot], level: float | None) -> None:
        """Refuse a level of intervals that one of the models never measured, by a ``ProblemError``.

        Before any of them is asked: whatever a model raises when it is asked is taken for its failure.
        """
        for slot in slots if level is not None else ():
            model = None if slot.loaded is None else slot.loaded.model
            if level is not None and isinstance(model, TabularModel):
                try:
                    model.check_level(level)
                except LevelUnknown as error:
                    raise invalid("/level", f"{slot.model}: {error}") from None

    def together(
        self, slots: Sequence[Slot], asked: Context, *, level: float | None = None, explain: bool = False
    ) -> dict[str, Answer]:
        """Answer one question by several models in one feature pass. Raises as `predict`."""
        self.check_level(slots, level)
        shared = SharedPass(slots, asked.bars)
        return {slot.model: self._predicted(slot, asked, level, shared, explain=explain) for slot in slots}

    def regime_of(self, slot: Slot, seen: Observations) -> Answer:
        """Answer from ready-made observations instead of bars.

        Raises
        ------
        ProblemError
            A return that no prices have; or as `predict`.

        """
        wild = np.flatnonzero(np.abs(seen.returns) > LARGEST_RETURN)
        if len(wild):
            row = int(wild[0])
            detail = f"expected a log return within {LARGEST_RETURN:g} of 0, found {seen.returns[row]:g}; correct it"
            raise invalid(f"/returns_window/{row}", detail)
        bars = implied_bars(seen)
        asked = replace(of_sent(bars, seen.symbol, self.serving.bars), warnings=())  # there is nothing to say of bars
        told = NOT_ASKED
        if slot.loaded is None:
            verdict = self._fallback(slot, bars, slot.condition)
        else:
            regimes = cast("RegimeModel", slot.loaded.model)
            said = self.attempt(slot, lambda: [regimes.answer_observations(seen.returns, seen.volatility)])
            (verdict,) = self._judged(slot, bars, said)
        if seen.explain:
            told = self.explained(
                slot,
                verdict.reason,
                lambda model: cast("RegimeModel", model).explain_observations(seen.returns, seen.volatility),
            )
        return self._answer(slot, asked, verdict, told)

    def shared_verdicts(self, slots: Sequence[Slot], bars: Bars, level: float | None = None) -> list[Verdict]:
        """Judge as of the last bar by several models in one feature pass."""
        shared = SharedPass(slots, bars)
        return [verdict for slot in slots for verdict in self.verdicts(slot, bars, 1, shared, level)]

    def verdicts(
        self, slot: Slot, bars: Bars, rows: int, mapped: Mapper = compute, level: float | None = None
    ) -> list[Verdict]:
        """Judge as of each of the last ``rows`` bars, oldest first, as that many questions one by one would.

        ``level`` is that of intervals, and one that `check_level` takes.

        Raises
        ------
        ProblemError
            model-unavailable, where the service is strict.

        """
        return self._verdicts(slot, bars, rows, mapped, level, told=False)

    def _verdicts(
        self, slot: Slot, bars: Bars, rows: int, mapped: Mapper, level: float | None, *, told: bool
    ) -> list[Verdict]:
        if slot.loaded is None:
            return [self._fallback(slot, known, slot.condition) for known in _prefixes(bars, rows)]
        model = cast("BarsModel", slot.loaded.model)
        said = self.attempt(slot, lambda: _asked(model, bars, rows, mapped, level), told=told)
        if said is not None or rows == 1:
            return self._judged(slot, bars, said, rows)
        # A row that a model fails on must not take the others with it.
        halves = ((bars[: len(bars) - rows + rows // 2], rows // 2), (bars, rows - rows // 2))
        return [
            verdict for half, count in halves for verdict in self._verdicts(slot, half, count, mapped, level, told=True)
        ]

    def attempt(
        self, slot: Slot, ask: Callable[[], T], *, told: bool = False, passed: tuple[type[Exception], ...] = ()
    ) -> T | None:
        """Return what the model says; None if it raises, which is logged with its stack unless that was ``told``.

        What is ``passed`` is for the caller.
        """
        try:
            with np.errstate(all="ignore"):  # prices at the edges of the floats; what is not finite is seen to later
                return ask()
        except passed:
            raise
        except Exception:  # whatever a model raises on valid input is the model's fault, and it is answered for
            if not told:
                log.exception("request %s: %s failed", REQUEST_ID.get(), slot.model)
            return None

    def explained(self, slot: Slot, reason: str | None, ask: Callable[[ServedModel], Fields]) -> Explained:
        """Return what the model says of its own answer; ``reason`` is why a rule of thumb answered, if it did."""
        if reason is not None or slot.loaded is None:
            return RULE_OF_THUMB
        model = slot.loaded.model
        try:
            said = self.attempt(slot, lambda: ask(model), passed=(Unexplained,))
        except Unexplained as error:
            return Explained(note=f"no explanation: {error}")
        if said is None or not finite(said):
            return Explained(note="no explanation: the model answered, and its explanation failed; the log says why")
        return Explained(said)

    def _judged(self, slot: Slot, bars: Bars, said: Sequence[RowAnswer] | None, rows: int = 1) -> list[Verdict]:
        """Take finite answers as they are, and put a rule of thumb in the place of others."""
        if said is None:
            return [self._fallback(slot, known, FAILED) for known in _prefixes(bars, rows)]
        verdicts = [Verdict(answer.fields, answer.tier, None, answer.strange) for answer in said]
        wild = [row for row, answer in enumerate(said) if not finite(answer.fields)]
        if wild:
            message = "request %s: %s answered %d of %d rows with a number that is not finite"
            log.error(message, REQUEST_ID.get(), slot.model, len(wild), rows)
        for row in wild:
            verdicts[row] = self._fallback(slot, bars[: len(bars) - rows + row + 1], NOT_FINITE)
        return verdicts

    def count_fallback(self, slot: Slot, reason: str) -> None:
        """Count that a rule of thumb is to answer, or refuse to have it answer.

        Raises
        ------
        ProblemError
            model-unavailable, where the service is strict.

        """
        if self.serving.strict:
            detail = f"expected {slot.model} to answer, found it {reason}; GET /health and the log say why"
            raise ProblemError(problems.MODEL_UNAVAILABLE, detail)
        self._metrics.fallbacks.labels(slot.model, reason).inc()

    def _fallback(self, slot: Slot, bars: Bars, reason: str) -> Verdict:
        self.count_fallback(slot, reason)
        task = cast("BarsTask", task_of(slot.model))
        return Verdict(task.fallback(bars.tail(FALLBACK_BARS), slot.head), None, reason)

    def _answer(self, slot: Slot, asked: Context, verdict: Verdict, told: Explained) -> Answer:
        horizon = horizon_of(slot.model)
        return self.envelope(slot, asked, horizon, verdict.fields, verdict.tier, verdict.reason, told, verdict.strange)

    def envelope(
        self,
        slot: Slot,
        asked: Context,
        horizon: int,
        fields: Mapping[str, object],
        tier: int | None,
        reason: str | None,
        told: Explained = NOT_ASKED,
        strange: tuple[str, ...] = (),
    ) -> Answer:
        """Put the envelope around the task's fields."""
        loaded = None if reason is not None else slot.loaded
        as_of = asked.as_of
        reasons = self.abstention.reasons(slot, tier, reason, strange, asked)
        warnings = list(asked.warnings)
        if loaded is not None and as_of is not None and as_of < loaded.manifest.last_date:
            seen = f"the model was trained on sessions after as_of, up to {loaded.manifest.last_date}"
            warnings.append(f"{seen}: its measured skill does not apply to this answer")
        if told.note is not None:
            warnings.append(told.note)
        return {
            "model": slot.model,
            "model_version": None if loaded is None else loaded.version,
            "symbol": asked.symbol,
            "as_of": as_of,
            "target_date": asked.target_date(horizon),
            "horizon": horizon,
            **fields,
            "history": {
                "bars": len(asked.bars),
                "tier": tier,
                "full_tier": None if loaded is None else loaded.manifest.tiers[-1].tier,
            },
            "skill": None if tier is None else self.skill(slot, tier),
            "abstain": Abstain(advised=bool(reasons), reasons=list(reasons)),
            "source": "model" if loaded is not None else "fallback",
            "reason": reason,
            "warnings": warnings,
            "explanation": told.content,
        }

    def skill(self, slot: Slot, tier: int) -> Skill | None:
        """Return the measured worth of a tier of what serves."""
        if slot.loaded is None:
            return None
        key = (slot.model, slot.loaded.version, tier)
        if key not in self._skills:
            manifest = slot.loaded.manifest
            self._skills[key] = next(skill_of(each) for each in manifest.tiers if each.tier == tier)
        return self._skills[key]


def _asked(model: BarsModel, bars: Bars, rows: int, mapped: Mapper, level: float | None) -> list[RowAnswer]:
    return model.answer(bars, rows, mapped, level) if isinstance(model, TabularModel) else model.answer(bars, rows)


def _explained(model: ServedModel, bars: Bars, mapped: Mapper) -> Fields:
    if isinstance(model, TabularModel):
        return model.explain(bars, mapped)
    return cast("BarsModel", model).explain(bars)


def _prefixes(bars: Bars, rows: int) -> Iterator[Bars]:
    """Yield what was known as of each of the last ``rows`` bars."""
    for end in range(len(bars) - rows + 1, len(bars) + 1):
        yield bars[:end]


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
