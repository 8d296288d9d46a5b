"""Bands by level: they nest, the next level up answers, and what was never measured is refused."""

from typing import Final

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_mapper.typing import FloatArray
from models.tasks.bands import LEVELS, BandHead, LevelUnknown, at_level
from models.tasks.base import Columns, TabularTask
from models.tasks.direction import DirectionHead
from models.tasks.returns import ReturnHead
from models.tasks.volatility import VolatilityHead
from tests.training.kit.support import MONDAY
from training.kit.questions.base import Question, Rows
from training.kit.questions.returns import ReturnQuestion
from training.kit.questions.volatility import VolatilityQuestion

N: Final = 4000
OWN: Final = 0.9
QUESTIONS: Final[dict[str, Question]] = {"return": ReturnQuestion(), "volatility": VolatilityQuestion()}
every_band = pytest.mark.parametrize("name", QUESTIONS)
levels = st.floats(0.5, 0.99)


def rows(y: FloatArray) -> Rows:
    """Return rows of one symbol on consecutive days."""
    days = MONDAY + np.arange(len(y) + 1)
    return Rows(y, days[:-1], days[1:], np.zeros(len(y), dtype=np.int64), {})


def outcomes(name: str, seed: int, n: int) -> tuple[FloatArray, FloatArray]:
    """Return targets and forecast volatilities: returns of fat tails, or skewed variances that are forecast too low."""
    rng = np.random.default_rng(seed)
    scale = np.exp(rng.normal(-4.5, 0.6, n))
    return (scale * rng.standard_t(4, n) if name == "return" else np.square(scale) * rng.chisquare(3, n)), scale


def head_of(name: str, n: int = N, level: float = OWN) -> BandHead:
    """Learn a head from outcomes of margin 0."""
    y, scale = outcomes(name, 1, n)
    head = QUESTIONS[name].head(np.zeros(n), scale, rows(y), level, np.ones(1))
    assert isinstance(head, BandHead)
    return head


HEADS: Final = {name: head_of(name) for name in QUESTIONS}


def band(task: TabularTask, head: BandHead, scale: FloatArray) -> Columns:
    """Return the forecasts of margin 0."""
    return task.columns(np.zeros(len(scale)), scale, head)


@every_band
@given(one=levels, other=levels)
def test_intervals_nest_by_level(name: str, one: float, other: float) -> None:
    """The band of a lower level lies inside that of a higher one, and around the same forecast."""
    task, (low, high) = QUESTIONS[name].task, sorted((one, other))
    scale = np.array([0.004, 0.02])
    inner, outer = (band(task, HEADS[name].at(level), scale) for level in (low, high))
    assert (outer["lower"] <= inner["lower"]).all()
    assert (inner["lower"] <= inner["upper"]).all()
    assert (inner["upper"] <= outer["upper"]).all()
    centre = "expected_return" if name == "return" else "volatility"
    assert np.array_equal(inner[centre], outer[centre])


@every_band
def test_the_share_inside_is_what_the_level_says(name: str) -> None:
    """On rows that the head never saw, at every level of the table: within four standard errors of both samples."""
    y, scale = outcomes(name, 2, N)
    outcome = y if name == "return" else np.sqrt(y)
    for level in LEVELS:
        forecast = band(QUESTIONS[name].task, HEADS[name].at(level), scale)
        held = np.mean((forecast["lower"] <= outcome) & (outcome <= forecast["upper"]))
        assert held == pytest.approx(level, abs=4 * np.sqrt(2 * level * (1 - level) / N)), level


@every_band
def test_misses_lie_on_the_side_that_the_band_says(name: str) -> None:
    """Half of what is not held lies below, half above, where outcomes are as the head saw them."""
    y, scale = outcomes(name, 3, N)
    outcome = y if name == "return" else np.sqrt(y)
    for level in (0.5, 0.8, 0.95):
        forecast = band(QUESTIONS[name].task, HEADS[name].at(level), scale)
        for beyond in (outcome < forecast["lower"], outcome > forecast["upper"]):
            tail = (1 - level) / 2
            assert np.mean(beyond) == pytest.approx(tail, abs=4 * np.sqrt(2 * tail * (1 - tail) / N)), level


@every_band
def test_the_own_level_is_that_of_a_head_without_a_table(name: str) -> None:
    """What is answered unasked does not depend on the table, to the bit; asked for, it is the same."""
    head = HEADS[name]
    plain = msgspec.structs.replace(head, levels=(), **{f"{field}s": () for field, _ in head.table()})
    scale = np.array([0.004, 0.02])
    for same in (head.at(OWN), plain, plain.at(OWN)):
        columns, expected = band(QUESTIONS[name].task, same, scale), band(QUESTIONS[name].task, head, scale)
        assert all(np.array_equal(columns[key], expected[key]) for key in expected)
    at = head.levels.index(OWN)
    assert all(values[at] == getattr(head, field) for field, values in head.table())


@given(level=levels)
def test_a_level_between_two_is_answered_by_the_next_up(level: float) -> None:
    """Never by less than was asked for, and by hardly more; the answer names the level that was used."""
    head = HEADS["return"].at(level)
    assert level <= head.level < level + 0.01 + 1e-12
    assert head.level in LEVELS
    task = QUESTIONS["return"].task
    (fields,) = task.fields(band(task, head, np.array([0.01])), head)
    interval = fields["interval"]
    assert isinstance(interval, dict)
    assert interval["level"] == head.level


def test_an_own_level_between_those_of_the_table_is_itself() -> None:
    """A specification may ask for any."""
    head = head_of("return", level=0.905)
    assert head.at(0.905) == head
    assert (head.at(0.904).level, head.at(0.906).level) == (0.91, 0.91)
    assert head.at(0.9).level == 0.9


def test_levels_that_were_never_measured_are_refused() -> None:
    """Beyond the table, and where there is none, as in versions of before."""
    old = msgspec.convert({"level": 0.9, "width": 1.7, "mean": 3e-4}, ReturnHead)
    assert old.at(0.9) == old
    with pytest.raises(LevelUnknown, match=r"expected level 0\.9, the only one measured, found 0\.8; .* train"):
        old.at(0.8)
    with pytest.raises(LevelUnknown, match=r"expected a level up to 0\.99, found 0\.995"):
        HEADS["volatility"].at(0.995)


def test_heads_without_a_band_take_any_level() -> None:
    """There is nothing that it could change."""
    head = DirectionHead(slope=1.0, intercept=0.0)
    assert at_level(head, 0.5) is head
    assert at_level(HEADS["return"], None) is HEADS["return"]


@pytest.mark.parametrize(
    "table",
    [
        {"levels": [0.5], "widths": []},
        {"levels": [], "widths": [0.1]},
        {"levels": [0.6, 0.5], "widths": [0.1, 0.2]},
        {"levels": [0.5, 0.5], "widths": [0.1, 0.2]},
    ],
)
def test_tables_that_are_none_are_refused(table: dict[str, list[float]]) -> None:
    """As any other head that is not of its form."""
    with pytest.raises(msgspec.ValidationError, match="ascending levels"):
        ReturnQuestion().task.parse({"level": 0.9, "width": 1.7, "mean": 0.0, **table})
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"level": 0.9, "lower": -1, "upper": 1, "levels": [0.5], "lowers": [-1]}, VolatilityHead)
