"""Targets: what is called met is met, and what misses by a hair is not."""

import msgspec
import pytest

from skill.judge import Comparison
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

targets = pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.rival}: {target.said}")


@targets
def test_what_is_far_better_meets_every_target(target: Target) -> None:
    """And says by how much."""
    assert target.met(SOUND)
    assert "0.7" in target.measured(SOUND) or "100%" in target.measured(SOUND)


@targets
def test_a_miss_of_any_part_is_a_miss(target: Target) -> None:
    """By ratio, by chance, by symbols or by the worst of them."""
    if target.said.startswith("QLIKE"):
        misses: tuple[dict[str, object], ...] = ({"ratio": 0.8801}, {"p": 0.0011}, {"p": None})
    else:
        misses = ({"better": 0.94}, {"worst": ("A", 1.051)})
    for miss in misses:
        assert not target.met(msgspec.structs.replace(SOUND, **miss)), miss
