"""The ablation of names finds an effect that was planted, and none on symbols that it never saw."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.sources.known_truth import NOISE, generate
from skill.schedule import Schedule
from skill.shelf import Shelf
from skill.universe import Universe
from tests.figures import identity
from tests.figures.identity import ablation, bucket, collisions, named
from training.kit.discover import spec_of
from training.kit.panel import Panel, build
from training.kit.questions.registry import question_of

MODEL = "lightgbm_return"
SYMBOLS = tuple(f"S{number}" for number in range(12))


def market() -> tuple[Universe, Panel]:
    """Return noise, and its rows."""
    universe = Universe("noise", generate(NOISE, seed=3, sessions=2300, symbols=SYMBOLS).bars, {}, len(SYMBOLS))
    return universe, build(universe.series, question_of(MODEL), spec_of(MODEL).features_of(1), 1)


@pytest.mark.slow
def test_a_planted_effect_is_found_where_the_symbol_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each symbol drifts by itself; names tell that forward in time, and nothing of a symbol that is kept apart."""
    monkeypatch.setattr(identity, "SCHEDULE", Schedule(groups=2, unseen_years=1))
    universe, panel = market()
    drift = np.random.default_rng(1).normal(0, 0.3 * panel.rows.y.std(), len(SYMBOLS))
    planted = replace(panel, rows=replace(panel.rows, y=panel.rows.y + drift[panel.rows.symbol]))
    few, many, _, apart = ablation(MODEL, planted, universe, (2, 256), Shelf.of(tmp_path, universe), 2)
    assert many.mode == "forward"
    assert many.against.ratio < few.against.ratio < 1.0
    assert many.against.p is not None
    assert many.against.p < 1e-6
    assert many.against.better > 0.7
    assert apart.mode == "unseen"
    assert 1.0 - apart.against.ratio < 0.2 * (1.0 - many.against.ratio)


def test_each_symbol_is_in_one_bucket_and_those_that_share_it_are_counted() -> None:
    """Collisions are counted by hand."""
    _, panel = market()
    wide = named(panel, SYMBOLS, 20)
    columns = wide.x[:, panel.x.shape[1] :]
    assert (columns.sum(axis=1) == 1).all()
    of = [bucket(symbol, 20) for symbol in SYMBOLS]
    assert columns.shape[1] == len(set(of)) == len(wide.features) - len(panel.features)
    assert collisions(SYMBOLS, 20) == sum(of.count(one) > 1 for one in of) / len(of)
    assert collisions(SYMBOLS, 1) == 1.0
    assert collisions(SYMBOLS[:1], 1) == 0.0


def test_buckets_are_the_same_in_every_process() -> None:
    """Python's own hash of a text is not."""
    program = "from tests.figures.identity import bucket; print(bucket('AAPL', 1000), bucket('Ω', 1000))"
    root = Path(__file__).parents[2]
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == [str(bucket("AAPL", 1000)), str(bucket("Ω", 1000))]
