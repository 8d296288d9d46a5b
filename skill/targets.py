"""What the project has set itself, as data; the page shows each with what was measured."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from skill.judge import Comparison
from skill.report import Report
from skill.schedule import MODES, Mode

HAR: Final = "HAR of the symbol"
LOG_HAR: Final = "log HAR of the symbol"
GJR: Final = "GJR-GARCH"


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on a comparison, in either mode."""

    model: str
    rival: str
    said: str
    measured: Callable[[Comparison], str]
    met: Callable[[Comparison], bool]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a target in one mode."""

    target: Target
    mode: Mode
    measured: str
    met: bool


def _ratio(rival: str, limit: float) -> Target:
    return Target(
        model="lightgbm_volatility",
        rival=rival,
        said=f"QLIKE at most {limit:.2f} of the rival's, p < 0.001",
        measured=lambda of: f"{of.ratio:.3f}, p {'none' if of.p is None else format(of.p, '.1e')}",
        met=lambda of: of.ratio <= limit and of.p is not None and of.p < 0.001,
    )


def _everywhere(rival: str) -> Target:
    return Target(
        model="lightgbm_volatility",
        rival=rival,
        said="better on 95 % of symbols or more, the worst at most 1.05",
        measured=lambda of: f"{of.better:.0%}, worst {of.worst[0]} {of.worst[1]:.3f}",
        met=lambda of: of.better >= 0.95 and of.worst[1] <= 1.05,
    )


TARGETS: Final = (_ratio(HAR, 0.88), _ratio(LOG_HAR, 0.88), _ratio(GJR, 0.78), _everywhere(HAR), _everywhere(LOG_HAR))


def verdicts(found: Report) -> Iterator[Verdict]:
    """Yield every target that the report can tell about, with the longest history of its model."""
    for target in TARGETS:
        mine = [result for result in found.results if result.model == target.model]
        deepest = max((result.tier for result in mine), default=0)
        for mode in MODES:
            for result in mine:
                if result.mode == mode and result.tier == deepest and target.rival in result.rivals:
                    overall = result.rivals[target.rival].overall
                    yield Verdict(target, mode, target.measured(overall), target.met(overall))
