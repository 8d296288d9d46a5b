"""What the project has set itself, as data; the page shows each with what was measured."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from models.manifest import Coverage
from models.tasks.registry import task_named, task_of
from skill import prices, regimes
from skill.judge import THIRDS, Comparison
from skill.report import Judged, Report, deepest
from skill.rivals.prices import LEVELS, NAIVE, SHOWN
from skill.rivals.regimes import REGIME
from skill.schedule import Mode

HAR: Final = "HAR of the symbol"
LOG_HAR: Final = "log HAR of the symbol"
GJR: Final = "GJR-GARCH"

FIVE_PER_CENT: Final = 1.96
"""The statistic beyond which a year counts as lost, two-sided."""

POINTS: Final = 0.02
"""By how much the share that a band holds may miss its level."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured, in words, and whether it is enough."""

    measured: str
    met: bool


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on what the models of a task do by one measure, in either mode.

    ``rival`` is who is compared with, None where the bound is on the model alone; ``outcome`` is None where the report
    can't tell.
    """

    task: str
    metric: str
    rival: str | None
    said: str
    outcome: Callable[[Judged], Outcome | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a target: one model in one mode, with the longest history."""

    target: Target
    model: str
    mode: Mode
    outcome: Outcome


def _against(task: str, metric: str, rival: str, said: str, outcome: Callable[[Comparison], Outcome]) -> Target:
    def told(result: Judged) -> Outcome | None:
        return outcome(result.rivals[rival].overall) if rival in result.rivals else None

    return Target(task, metric, rival, said, told)


def _below(task: str, metric: str, words: str, rival: str, limit: float, p: float) -> Target:
    def outcome(of: Comparison) -> Outcome:
        surely = of.p is not None and of.p < p
        enough = of.ratio < 1 if limit == 1 else of.ratio <= limit
        return Outcome(f"{of.ratio:.4f}, p {'none' if of.p is None else format(of.p, '.1e')}", enough and surely)

    bound = "below the rival's" if limit == 1 else f"at most {limit:.2f} of the rival's"
    return _against(task, metric, rival, f"{words} {bound}, p < {p:g}", outcome)


def _everywhere(rival: str) -> Target:
    return _against(
        "volatility",
        "qlike",
        rival,
        "better on 95 % of symbols or more, the worst at most 1.05",
        lambda of: Outcome(
            f"{of.better:.0%}, worst {of.worst[0]} {of.worst[1]:.3f}", of.better >= 0.95 and of.worst[1] <= 1.05
        ),
    )


def _no_year_lost(task: str, metric: str, words: str, rival: str) -> Target:
    def told(result: Judged) -> Outcome | None:
        if rival not in result.rivals:
            return None
        years = {year: part.dm for year, part in result.rivals[rival].by_year.items() if part.dm is not None}
        if not years:
            return None
        worst = min(years, key=lambda year: years[year])
        return Outcome(f"worst year {worst}, DM {years[worst]:+.1f}", years[worst] > -FIVE_PER_CENT)

    return Target(task, metric, rival, f"{words} in no year above the rival's, at 5 %", told)


def _figure(task: str, metric: str, name: str, words: str, limit: float) -> Target:
    def told(result: Judged) -> Outcome | None:
        value = result.figures.get(name)
        return None if value is None else Outcome(f"{value:.4f}", value <= limit)

    return Target(task, metric, None, f"{words} at most {limit:g}", told)


def parts_of(bands: Coverage) -> dict[str, float]:
    """Return what bands held by year and by third of forecast volatility, by name."""
    years = {str(year.year): year.share for year in bands.years}
    return years | dict(zip(THIRDS, bands.terciles, strict=True))


def _coverage(overall: tuple[float, float], parts: tuple[float, float]) -> Iterator[Target]:
    def whole(result: Judged) -> Outcome | None:
        held = None if result.bands is None else result.bands.overall
        return None if held is None else Outcome(f"{held:.1%}", overall[0] <= held <= overall[1])

    def worst(result: Judged) -> Outcome | None:
        if result.bands is None:
            return None
        held = parts_of(result.bands)
        low, high = min(held, key=lambda name: held[name]), max(held, key=lambda name: held[name])
        words = f"{low} {held[low]:.1%}, {high} {held[high]:.1%}"
        return Outcome(words, parts[0] <= held[low] and held[high] <= parts[1])

    yield Target("return", "mse", None, f"90 % band holds {overall[0]:.0%} to {overall[1]:.0%}", whole)
    yield Target("return", "mse", None, f"in every year and third {parts[0]:.0%} to {parts[1]:.0%}", worst)


def _at_least(task: str, metric: str, name: str, words: str, limit: float) -> Target:
    def told(result: Judged) -> Outcome | None:
        value = result.figures.get(name)
        return None if value is None else Outcome(f"{value:.4g}", value >= limit)

    return Target(task, metric, None, f"{words} at least {limit:g}", told)


def _path(step: int) -> Target:
    return _against(
        "forecast",
        f"{prices.ERROR}_{step}",
        NAIVE,
        f"MASE {step} ahead at most 1.00 of the rival's",
        lambda of: Outcome(f"{of.ratio:.4f} (by past moves {of.loss:.3f})", of.ratio <= 1),
    )


def _held(level: float, step: int) -> Target:
    def told(result: Judged) -> Outcome | None:
        if result.bands is None:
            return None
        overall, worst = result.bands.overall, max(result.bands.years, key=lambda year: abs(year.share - level))
        met = all(round(abs(share - level), 9) <= POINTS for share in (overall, worst.share))
        return Outcome(f"{overall:.1%}, {worst.year} {worst.share:.1%}", met)

    said = f"{level:.0%} band {step} ahead within 2 points, over all and in every year"
    return Target("forecast", f"{prices.SCORE}_{level * 100:.0f}_{step}", None, said, told)


TARGETS: Final = (
    _below("volatility", "qlike", "QLIKE", HAR, 0.88, 0.001),
    _below("volatility", "qlike", "QLIKE", LOG_HAR, 0.88, 0.001),
    _below("volatility", "qlike", "QLIKE", GJR, 0.78, 0.001),
    _everywhere(HAR),
    _everywhere(LOG_HAR),
    *_coverage((0.89, 0.91), (0.87, 0.93)),
    _below("return", "interval_score", "interval score", GJR, 1, 0.01),
    _below("return", "crps", "CRPS", GJR, 1, 0.01),
    _figure("direction", "log_loss", "calibration_error", "calibration error", 0.01),
    _below("direction", "log_loss", "log loss", "base_rate", 1, 0.05),
    _no_year_lost("direction", "log_loss", "log loss", "base_rate"),
    *(
        _below("risk", metric, words, rival, 1, 0.01)
        for metric, words in (("rps", "RPS"), ("balanced_error", "1 - balanced accuracy"))
        for rival in ("persistence", "today's class", "ordered logit")
    ),
    *(
        _below("regime", regimes.METRIC, "minus log density", name, 1, 0.01)
        for name in (regimes.STILL, *(rival.name for rival in REGIME[:-1]))
    ),
    _at_least("regime", regimes.METRIC, "label_kept", "share of days that keep their label over all refits", 0.98),
    _at_least(
        "regime",
        regimes.METRIC,
        "label_kept_least",
        "share of days that keep their label over the refit where fewest do",
        0.98,
    ),
    _at_least("regime", regimes.METRIC, "mean_duration", "mean stay in a regime, in sessions,", 10),
    *(_path(step) for step in SHOWN),
    *(_held(level, step) for level in LEVELS for step in SHOWN),
)


def verdicts(found: Report) -> Iterator[Verdict]:
    """Yield every target that the report can tell about, with the longest history of each model.

    Targets are about the horizon that a task has where a model's name states none.
    """
    for target in TARGETS:
        for result in deepest(found):
            asked = task_of(result.model) is task_named(target.task) and result.metric == target.metric
            if asked and (outcome := target.outcome(result)) is not None:
                yield Verdict(target, result.model, result.mode, outcome)
