"""The model card: what the figures say and what the folder's author says, question by question."""

from collections.abc import Iterable
from typing import Final

import msgspec

from models.manifest import Draft, Score, TierManifest
from training.kit import plots
from training.kit.card_tables import calibrated, families, followed, foremost, table
from training.kit.notes import Notes
from training.kit.outcome import Outcome
from training.kit.trading import Followed
from training.kit.trials import Trials

SECTIONS: Final = (
    "Task",
    "Data and features",
    "How it is made",
    "Worth, out of sample",
    "Rivals",
    "By year",
    "Calibration, and bars unlike those of training",
    "Followed blindly",
    "What was tried, and did not help",
    "Hurdles, and what is done about them",
    "Caveats",
    "Leak checks",
    "Further plots",
    "Gate",
)
"""Headings of a card, in order; every model has them all, and says so where one does not apply."""

EXPLANATION: Final = (
    "Every score is of rows that came after everything the forecast was learnt from. A skill is 1 - loss / loss of the "
    "baseline on the same rows (1 perfect, 0 no better); a gain is the baseline's mean loss less the model's. "
    "95 % intervals by a block bootstrap of days."
)


LIMITS: Final = (
    "The band: the share that it promises, and the shares that it held of rows that no fit had seen, with widths "
    "learnt on earlier rows; in the calendar year that it held least, and by thirds of the volatility that was "
    "forecast. Calibration is the mean distance of probabilities from frequencies. The last column is how often a bar "
    "that no fit had seen was said to be unlike those of training."
)

RIVALS: Final[dict[str, str]] = {
    "training_mean": "the mean return of the training rows",
    "zero": "no return at all",
    "base_rate": "the share of up sessions in the training rows",
    "har": "a heterogeneous autoregression of log volatility over day, week, month and longer, pooled; the yardstick",
    "rolling_mean": "the mean variance of the symbol's last 21 sessions, made unbiased on the training rows",
    "ewma": "RiskMetrics' exponentially weighted variance, decay 0.94, made unbiased on the training rows",
    "long_run": "the mean variance of all of the symbol's sessions so far, made unbiased on the training rows",
    "own_bar": "the variance that the last bar's own prices tell, made unbiased on the training rows",
    "persistence": "how often each class followed today's class in the training rows; it knows the last two years",
    "class_shares": "the shares of the classes in the training rows",
    "last_close": "tomorrow is as today",
    "single_gaussian": "one Gaussian for all days",
    "static_mixture": "the model's own states, without memory of which one is on",
    "autoregression": "an autoregression of volatility with memory and without states",
}
"""What each naive rival says, by its name in scores."""


class _Losses(msgspec.Struct, frozen=True):
    """What the card reads of a tier in ``evaluation.json``."""

    loss: float
    rivals: dict[str, float]


def card(draft: Draft, outcome: Outcome, notes: Notes, trials: Trials, books: tuple[Followed, ...]) -> str:
    """Return the card in Markdown: figures from the manifest and the evaluation, judgements from the notes."""
    bodies = (
        f"{_question(draft)}\n\n{notes.task}",
        f"{_origin(draft)}\n\n{notes.data}\n\n{families(draft.tiers)}{foremost(draft.tiers[-1], outcome.foremost)}",
        notes.made,
        f"{_worth(draft.tiers)}\n\n{EXPLANATION}",
        _rivals(draft.tiers[-1], outcome),
        _shown(name for name in outcome.plots if name.endswith(plots.BY_YEAR)),
        f"{_limits(draft.tiers)}\n\n{LIMITS}\n\n{calibrated(outcome.calibration)}\n\n{_shown((plots.CALIBRATION,))}",
        followed(books, trials),
        f"{notes.tried}\n\n{_counted(trials)}",
        notes.hurdles,
        notes.caveats,
        "\n".join(
            f"- {'passed' if check.passed else 'FAILED'}: {check.name} ({check.detail})" for check in draft.checks
        ),
        _shown(name for name in outcome.plots if not name.endswith(plots.BY_YEAR) and name != plots.CALIBRATION),
        f"{'Promoted' if draft.gate.promoted else 'Kept as candidate'}: {draft.gate.reason}.",
    )
    parts = (f"## {heading}\n\n{body}" for heading, body in zip(SECTIONS, bodies, strict=True))
    return "\n\n".join((f"# {draft.model}", *parts)) + "\n"


def _question(draft: Draft) -> str:
    target = draft.target
    return (
        f"**{draft.task}**: `{target.name}` = {target.definition}, {target.horizon} session(s) ahead. "
        f"Family: {draft.family}."
    )


def _origin(draft: Draft) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in draft.libraries.items())
    return (
        f"Trained on {', '.join(draft.symbols)}, {draft.first_date} to {draft.last_date}, {draft.rows:,} rows; "
        f"seed {draft.seed}; data `{draft.data_fingerprint[:12]}`; {libraries}."
    )


def _shown(names: Iterable[str]) -> str:
    return "\n".join(f"![{name.removesuffix('.png')}]({name})" for name in sorted(names)) or "None."


def _counted(trials: Trials) -> str:
    return (
        f"Configurations looked at: {trials.count} = {trials.model} that serves + {trials.histories} other histories "
        f"+ {trials.alternatives} alternatives of the declaration + {trials.tried} entries above + {trials.searched} "
        "trials of a search. That is what is on record, so at least so many; models of the same question, tried on the "
        "same rows, are not in it."
    )


def _rivals(tier: TierManifest, outcome: Outcome) -> str:
    told = msgspec.convert(outcome.evaluation["tiers"], tuple[_Losses, ...])[-1]
    lines = [(f"`{name}`", RIVALS.get(name, ""), f"{loss:.6g}") for name, loss in told.rivals.items()]
    lines.append(("this model", "", f"{told.loss:.6g}"))
    heads = ("rival", "what it says", f"mean loss of {tier.tier} bars")
    return f"{table(heads, lines)}\n\nLower is better. Rivals and model are asked about the same rows."


def _limits(tiers: tuple[TierManifest, ...]) -> str:
    heads = ("tier (bars)", "band", "held", "worst year", "calm", "middling", "rough", "calibration", "unlike training")
    lines = []
    for tier in tiers:
        band = [""] * 6
        if (found := tier.coverage) is not None:
            worst = min(found.years, key=lambda year: year.share)
            shares = [f"{share:.1%}" for share in found.terciles]
            band = [f"{found.level:.0%}", f"{found.overall:.1%}", f"{worst.share:.1%} ({worst.year})", *shares]
        calibration = "" if tier.calibration is None else f"{tier.calibration:.4f}"
        alarms = "" if tier.ranges is None else f"{tier.ranges.false_alarms:.2%}"
        lines.append([str(tier.tier), *band, calibration, alarms])
    return table(heads, lines)


def _worth(tiers: tuple[TierManifest, ...]) -> str:
    heads = ("tier (bars)", "features", "score", "against", "value", "95 % interval", "n", "verdict")
    return table(heads, [_line(tier, score) for tier in tiers for score in tier.scores])


def _line(tier: TierManifest, score: Score) -> list[str]:
    interval = "" if score.ci95 is None else f"{score.ci95[0]:+.4f} to {score.ci95[1]:+.4f}"
    told = (score.metric, score.baseline, f"{score.value:+.4f}", interval, f"{score.n:,}", score.verdict)
    return [str(tier.tier), str(len(tier.features)), *told]
