"""Targets: what is called met is met, and what misses by a hair is not."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from models.manifest import Coverage, CoveredYear
from skill.judge import Comparison, Part
from skill.report import Judged, Rival
from skill.rivals.prices import LEVELS
from skill.targets import TARGETS, Target

SOUND = Comparison(
    rival="any",
    n=1000,
    days=100,
    loss=0.7,
    rival_loss=1.0,
    ratio=0.7,
    ratio_ci95=(0.6, 0.8),
    gain=0.3,
    dm=9.0,
    p=1e-9,
    better=1.0,
    worst=("A", 0.9),
)

FIGURES = {"calibration_error": 0.009, "label_kept": 0.98, "label_kept_least": 0.98, "mean_duration": 10.0}

targets = pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.task}: {target.said}, {target.rival}")


def _years(*shares: float) -> tuple[CoveredYear, ...]:
    return tuple(CoveredYear(2020 + at, 9, share) for at, share in enumerate(shares))


def judged(target: Target, *, lost: dict[str, float] | None = None, **changes: Any) -> Judged:
    """Return a result that meets every target, but for what is changed of its comparison, figures or bands."""
    level = next((level for level in LEVELS if f"{level:.0%} band" in target.said), 0.9)
    bands = Coverage(level=level, n=9, overall=level, years=_years(level), terciles=(level, level, level))
    comparison = {name: value for name, value in changes.items() if name in Comparison.__struct_fields__}
    held = {name: value for name, value in changes.items() if name in Coverage.__struct_fields__}
    rival = Rival(
        overall=msgspec.structs.replace(SOUND, **comparison),
        by_year={year: Part(n=9, ratio=1.0, dm=dm) for year, dm in (lost or {"2020": -1.9}).items()},
        by_tercile={},
        by_symbol={},
    )
    return Judged(
        model=f"any_{target.task}",
        tier=253,
        mode="forward",
        metric=target.metric,
        n=1000,
        loss=0.7,
        figures={name: changes.get(name, value) for name, value in FIGURES.items()},
        bands=msgspec.structs.replace(bands, **held),
        rivals={} if target.rival is None else {target.rival: rival},
    )


@targets
def test_what_is_far_better_meets_every_target(target: Target) -> None:
    """And says what was measured."""
    outcome = target.outcome(judged(target))
    assert outcome is not None
    assert outcome.met
    assert any(digit in outcome.measured for digit in "0123456789")


@targets
def test_a_target_of_a_rival_that_was_not_run_says_nothing(target: Target) -> None:
    """It is neither met nor missed."""
    if target.rival is not None:
        assert target.outcome(msgspec.structs.replace(judged(target), rivals={})) is None


MISSES: tuple[tuple[Callable[[Target], bool], tuple[dict[str, Any], ...]], ...] = (
    (lambda target: "at most 0.88" in target.said, ({"ratio": 0.8801}, {"p": 0.0011}, {"p": None})),
    (lambda target: "at most 0.78" in target.said, ({"ratio": 0.7801}, {"p": 0.0011}, {"p": None})),
    (lambda target: "below the rival's, p < 0.01" in target.said, ({"ratio": 1.0}, {"p": 0.011}, {"p": None})),
    (lambda target: "below the rival's, p < 0.05" in target.said, ({"ratio": 1.0}, {"p": 0.051}, {"p": None})),
    (lambda target: "95 % of symbols" in target.said, ({"better": 0.94}, {"worst": ("A", 1.051)})),
    (lambda target: "in no year" in target.said, ({"lost": {"2020": 3.0, "2021": -2.0}},)),
    (lambda target: "calibration error" in target.said, ({"calibration_error": 0.0101},)),
    (lambda target: "MASE" in target.said, ({"ratio": 1.0001},)),
    (lambda target: "over all refits" in target.said, ({"label_kept": 0.9799},)),
    (lambda target: "where fewest do" in target.said, ({"label_kept_least": 0.9799},)),
    (lambda target: "stay in a regime" in target.said, ({"mean_duration": 9.99},)),
    (
        lambda target: "80% band" in target.said,
        ({"overall": 0.779}, {"overall": 0.821}, {"years": _years(0.779)}, {"years": _years(0.8, 0.821)}),
    ),
    (lambda target: "95% band" in target.said, ({"overall": 0.929}, {"years": _years(0.971)})),
    (lambda target: "holds" in target.said, ({"overall": 0.889}, {"overall": 0.911})),
    (
        lambda target: "every year and third" in target.said,
        (
            {"years": _years(0.869)},
            {"years": _years(0.9, 0.931)},
            {"terciles": (0.9, 0.9, 0.869)},
        ),
    ),
)


@targets
def test_a_miss_of_any_part_is_a_miss(target: Target) -> None:
    """By ratio, by chance, by symbols, by the worst of them, by a year or by a third."""
    (misses,) = [misses for asked, misses in MISSES if asked(target)]
    for miss in misses:
        outcome = target.outcome(judged(target, **miss))
        assert outcome is not None, miss
        assert not outcome.met, miss
