"""Whether an answer had better be left alone, and why: said beside it, never in its place."""

import datetime as dt
from collections.abc import Callable
from typing import Final

from prometheus_client import Counter

from app.context import Context
from app.metrics import Metrics
from app.schemas.answers import AbstainReason
from app.serving import Slot
from data.quality import STALE_SESSIONS
from models.manifest import TierManifest
from models.verdicts import SKILLED

NAMED: Final = 5
"""Features that a reason names, at most."""


def utc_day() -> dt.date:
    """Return the day of the clock, in UTC."""
    return dt.datetime.now(dt.UTC).date()


Reasons = tuple[AbstainReason, ...]


class Abstention:
    """Finds the reasons, and counts them. Safe for threads."""

    def __init__(self, metrics: Metrics, today: Callable[[], dt.date] = utc_day) -> None:
        """Store."""
        self._metrics = metrics
        self._today = today
        # What a tier always says, and looking a counter up by its labels costs more than counting.
        self._standing: dict[tuple[str, str, int], Reasons] = {}
        self._counters: dict[tuple[str, str], Counter] = {}

    def reasons(
        self, slot: Slot, tier: int | None, reason: str | None, strange: tuple[str, ...], asked: Context | None
    ) -> Reasons:
        """Return the reasons not to act on an answer, and count them.

        Parameters
        ----------
        slot : Slot
            Whose answer it is.
        tier : int or None
            Of the predictor that answered; None for a rule of thumb, whose ``reason`` says why it did.
        reason : str or None
            As above.
        strange : tuple of str
            What makes the bars unlike those of training.
        asked : Context or None
            What was asked about; None for rows of a file, whose age is known to whoever sent it.

        """
        if tier is None or slot.loaded is None:
            found: Reasons = (AbstainReason(code="fallback", detail=f"a rule of thumb answered: {reason}"),)
        else:
            key = (slot.model, slot.loaded.version, tier)
            if key not in self._standing:
                self._standing[key] = _standing(*_tiers(slot, tier))
            found = self._standing[key]
            if strange:
                found = (*found, _strange(strange, _tiers(slot, tier)[0]))
        if asked is not None and asked.stored and asked.is_stale(self._today()):
            found = (*found, _stale(asked))
        for one in found:
            counter = self._counters.get((slot.model, one.code))
            if counter is None:
                counter = self._counters[slot.model, one.code] = self._metrics.abstentions.labels(slot.model, one.code)
            counter.inc()
        return found


def _tiers(slot: Slot, tier: int) -> tuple[TierManifest, TierManifest]:
    """Return the tier that answered, and the longest one."""
    if slot.loaded is None:
        raise AssertionError(slot.model)  # a tier of it answered
    tiers = slot.loaded.manifest.tiers
    return next(each for each in tiers if each.tier == tier), tiers[-1]


def _standing(tier: TierManifest, full: TierManifest) -> Reasons:
    """Return what is to be said of every answer of a tier."""
    found: list[AbstainReason] = []
    score = tier.scores[0]
    if score.verdict not in SKILLED:
        low, high = (None, None) if score.ci95 is None else score.ci95
        span = "" if low is None else f" [{low:+.4f}, {high:+.4f}]"
        word = f"measurably worse than {score.baseline}" if high is not None and high < 0 else score.verdict
        found.append(
            AbstainReason(
                code="no_skill", detail=f"{word}: {score.metric} {score.value:+.4f}{span} against {score.baseline}"
            )
        )
    if tier.tier < full.tier:
        detail = f"answered from a history of {tier.tier}; the model's best predictor looks at {full.tier} bars"
        found.append(AbstainReason(code="short_tier", detail=detail))
    return tuple(found)


def _strange(names: tuple[str, ...], tier: TierManifest) -> AbstainReason:
    more = "" if len(names) <= NAMED else f" and {len(names) - NAMED} more"
    detail = f"{', '.join(names[:NAMED])}{more}: beyond what training saw"
    if tier.ranges is not None:
        detail += f", as on {tier.ranges.false_alarms:.2%} of the days that were held out"
    return AbstainReason(code="out_of_distribution", detail=detail)


def _stale(asked: Context) -> AbstainReason:
    behind = f"{STALE_SESSIONS} or more sessions of {asked.calendar.name} before the day that is asked about"
    return AbstainReason(
        code="stale_data", detail=f"the stored history of {asked.symbol} ends on {asked.as_of}, {behind}"
    )
