"""The model card: what the figures say, then what the folder's author says."""

from typing import Final

from models.manifest import Draft, Score, TierManifest
from training.kit.outcome import Outcome

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


def card(draft: Draft, outcome: Outcome, notes: str) -> str:
    """Return the card in Markdown. Every figure comes from the manifest or the evaluation; ``notes`` is ``card.md``."""
    parts = [
        f"# {draft.model}",
        _question(draft),
        _origin(draft),
        "## Worth, out of sample",
        _worth(draft.tiers),
        EXPLANATION,
        "## Bands, probabilities, and bars unlike those of training",
        _limits(draft.tiers),
        LIMITS,
        "## Leak checks",
        "\n".join(
            f"- {'passed' if check.passed else 'FAILED'}: {check.name} ({check.detail})" for check in draft.checks
        ),
        "## Plots",
        "\n".join(f"![{name.removesuffix('.png')}]({name})" for name in sorted(outcome.plots)),
        "## Notes",
        notes.strip(),
        "## Gate",
        f"{'Promoted' if draft.gate.promoted else 'Kept as candidate'}: {draft.gate.reason}.",
    ]
    return "\n\n".join(parts) + "\n"


def _question(draft: Draft) -> str:
    target = draft.target
    return (
        f"Task: **{draft.task}**. Target: `{target.name}` = {target.definition}, {target.horizon} session(s) ahead. "
        f"Family: {draft.family}."
    )


def _origin(draft: Draft) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in draft.libraries.items())
    return (
        f"Trained on {', '.join(draft.symbols)}, {draft.first_date} to {draft.last_date}, {draft.rows:,} rows; "
        f"seed {draft.seed}; data `{draft.data_fingerprint[:12]}`; {libraries}."
    )


def _limits(tiers: tuple[TierManifest, ...]) -> str:
    heads = ("tier (bars)", "band", "held", "worst year", "calm", "middling", "rough", "calibration", "unlike training")
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for tier in tiers:
        band = [""] * 6
        if (found := tier.coverage) is not None:
            worst = min(found.years, key=lambda year: year.share)
            shares = [f"{share:.1%}" for share in found.terciles]
            band = [f"{found.level:.0%}", f"{found.overall:.1%}", f"{worst.share:.1%} ({worst.year})", *shares]
        calibration = "" if tier.calibration is None else f"{tier.calibration:.4f}"
        alarms = "" if tier.ranges is None else f"{tier.ranges.false_alarms:.2%}"
        lines.append(f"| {' | '.join([str(tier.tier), *band, calibration, alarms])} |")
    return "\n".join(lines)


def _worth(tiers: tuple[TierManifest, ...]) -> str:
    lines = ["| tier (bars) | features | score | against | value | 95 % interval | n | verdict |", "|" + "---|" * 8]
    lines += [_line(tier, score) for tier in tiers for score in tier.scores]
    return "\n".join(lines)


def _line(tier: TierManifest, score: Score) -> str:
    interval = "" if score.ci95 is None else f"{score.ci95[0]:+.4f} to {score.ci95[1]:+.4f}"
    return (
        f"| {tier.tier} | {len(tier.features)} | {score.metric} | {score.baseline} | {score.value:+.4f} "
        f"| {interval} | {score.n:,} | {score.verdict} |"
    )
