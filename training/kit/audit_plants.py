"""Leaks that an audit plants to see itself find them: one that can find nothing certifies nothing.

Each plant is a fault of a kind that was made before, in the model's own bars. The check that is to find it has to say
no and to name it; and it has to say yes to the honest twin, so that it is the fault that is found.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.feature import Feature
from feature_mapper.series import Series
from feature_mapper.typing import DateArray, FloatArray
from feature_mapper.windows import Values
from models.certificate import Check
from models.families.hmm import GaussianHmm, HmmFit
from models.sessions import Habit
from models.states import States
from training.kit.audit_null import Scored, no_skill
from training.kit.audit_serving import apart
from training.kit.checks import lookback, prefixes, purge, truncation, verdict
from training.kit.falsify import textured
from training.kit.panel import Panel, dated, longest
from training.kit.questions.base import Rows
from training.kit.splits import Fold, PurgedWalkForward

SERIES: Final = 2
BARS: Final = 300
"""Longest series that leaks are planted in, and how many of their last bars."""

TIER: Final = 64
"""Bars of history of the regime model that smooths."""

WIDTH: Final = 20
HORIZON: Final = 5
SEED: Final = 3


@dataclass(frozen=True, slots=True)
class Plant:
    """A fault, the check that is to find it, and whether that says yes to the honest twin and names the fault."""

    name: str
    check: str
    found: Callable[[Mapping[str, Bars]], bool]


def planted(series: Mapping[str, Bars]) -> Check:
    """Plant every leak and say whether each was found by name, and no honest twin."""
    bars = {symbol: run.tail(BARS) for symbol, run in longest(series, SERIES).items()}
    missed = {f"{plant.name} (not found by {plant.check})" for plant in PLANTS if not plant.found(bars)}
    told = f"{len(PLANTS)} leaks planted and looked for: {', '.join(plant.name for plant in PLANTS)}"
    counts = {"planted": len(PLANTS), "found": len(PLANTS) - len(missed), "series": len(bars)}
    return verdict("planted_leaks", missed, told, counts, SEED)


def feature(name: str, cheat: Callable[[FloatArray], FloatArray], width: int = WIDTH) -> Feature:
    """Return a feature that a function makes from all closes at once; where that looks is up to it."""

    def kernel(series: Series, rows: int) -> Values:
        values = cheat(series.close.values)[-rows:]
        return np.float64(values[0]) if rows == 1 else values

    return Feature(name=name, family="trend", unit="ratio", lookback=width, formula="", kernel=kernel)


def distance(close: FloatArray) -> FloatArray:
    """Return the honest feature that the cheats are made from: the close over its mean of `WIDTH` bars, less 1."""
    values = np.full(len(close), np.nan)
    if len(close) >= WIDTH:
        means = np.lib.stride_tricks.sliding_window_view(close, WIDTH).mean(axis=-1)
        values[WIDTH - 1 :] = close[WIDTH - 1 :] / means - 1.0
    return values


def tomorrow(close: FloatArray) -> FloatArray:
    """Return the next bar's value; the last row, which has none, repeats its own."""
    values = distance(close)
    return np.append(values[1:], values[-1:])


def scaled(close: FloatArray) -> FloatArray:
    """Return the value in deviations from the mean, both of all rows there are, later ones among them."""
    values = distance(close)
    return (values - np.nanmean(values)) / np.nanstd(values) if (~np.isnan(values)).sum() > 1 else values


def endless(close: FloatArray) -> FloatArray:
    """Return the close over an average that never forgets, less 1: no future, and more past than is declared."""
    decay, level = 2.0 / (WIDTH + 1.0), float(close[0])
    values = np.empty(len(close))
    for at, price in enumerate(close.tolist()):
        level += decay * (price - level)
        values[at] = price / level - 1.0
    return values


class Unpurged(PurgedWalkForward):
    """Splits by row: all before the first test day trains, whatever its label reaches into."""

    def split(self, date: DateArray, label_end: DateArray) -> Iterator[Fold]:  # noqa: ARG002  that is the mistake
        """Forget that labels end later than they begin."""
        return PurgedWalkForward(self.folds, self.warm_up, 0).split(date, date)


class Smoothed(States):
    """A regime model that answers by all bars, later ones included, as smoothing does."""

    def filter(self, windows: FloatArray) -> FloatArray:
        """Forward as it should be, then backward over what comes after."""
        forward = States.filter(self, windows)
        smooth, transitions = forward.copy(), self.hmm.transitions
        for day in range(len(windows) - 2, -1, -1):
            ahead = forward[day] @ transitions
            smooth[day] = forward[day] * (transitions @ (smooth[day + 1] / ahead))
        return smooth


def _feature_found(
    name: str, cheat: Callable[[FloatArray], FloatArray], check: Callable[[Mapping[str, Bars], list[Feature]], Check]
) -> Callable[[Mapping[str, Bars]], bool]:
    def found(series: Mapping[str, Bars]) -> bool:
        honest = check(series, [feature("honest", distance)])
        return honest.passed and _named(check(series, [feature("honest", distance), feature(name, cheat)]), name)

    return found


def _named(check: Check, name: str) -> bool:
    return not check.passed and check.detail.endswith(f"fails for {name}")


def _overlap_found(series: Mapping[str, Bars]) -> bool:
    rows = [(dated(bars)[:-HORIZON], dated(bars)[HORIZON:]) for bars in series.values()]
    date, label_end = (np.concatenate(columns) for columns in zip(*rows, strict=True))
    nothing = np.zeros(len(date))
    panel = Panel(
        1, (), nothing[:, None], Rows(nothing, date, label_end, nothing.astype(np.int64), {}), nothing[:, None], nothing
    )
    return purge(panel, PurgedWalkForward()).passed and "fold 0" in purge(panel, Unpurged()).detail


def _smoothing_found(series: Mapping[str, Bars]) -> bool:
    """Posteriors that move from day to day, whatever the bars are: closes alone would leave them where they begin."""
    moving = {symbol: textured(bars, SEED) for symbol, bars in series.items()}
    record = HmmFit("gmm", "full", 0, BARS, len(series), (None,), 0, True, 0, (1.0, 1.0), False, 0.0, ())  # noqa: FBT003  the fields of a record, in order
    model = GaussianHmm(
        ("bear", "bull"),
        np.array([0.5, 0.5]),
        np.array([[0.95, 0.05], [0.05, 0.95]]),
        np.array([[1.0, 1.0], [-1.0, -1.0]]),
        np.stack([np.eye(2)] * 2),
        record,
    )
    habit = Habit(usual=-4.5, variety=0.5, weight=1.0, night=0.0)
    tier = min(TIER, *(len(bars) for bars in moving.values()))
    smooth = prefixes(moving, Smoothed(model, habit), tier)
    return prefixes(moving, States(model, habit), tier).passed and all(symbol in smooth.detail for symbol in moving)


def _known_label_found(series: Mapping[str, Bars]) -> bool:
    """A forecast of heads or tails that holds a fifth of what fell."""
    days = np.concatenate([dated(bars) for bars in series.values()])
    drawn = np.random.default_rng(SEED).choice([-1.0, 1.0], len(days))
    rival = np.square(drawn)
    honest = Scored("tier 1", np.square(drawn - 0.02), rival, days, relative=True)
    knows = Scored("tier 1", np.square(drawn - 0.2 * drawn), rival, days, relative=True)
    return no_skill([honest], "").passed and "tier 1" in no_skill([knows], "").detail.partition("fails for ")[2]


def _last_bit_found(series: Mapping[str, Bars]) -> bool:
    """A served row of which one number is the next float."""
    row = next(iter(series.values())).close[:WIDTH].copy()
    other = row.copy()
    other[-1] = np.nextafter(other[-1], np.inf)
    return apart(other, row) and not apart(row.copy(), row)


PLANTS: Final = (
    Plant("feature_of_tomorrow", "truncation_invariance", _feature_found("feature_of_tomorrow", tomorrow, truncation)),
    Plant("whole_sample_scaler", "truncation_invariance", _feature_found("whole_sample_scaler", scaled, truncation)),
    Plant("smoothed_posterior", "truncation_invariance", _smoothing_found),
    Plant("endless_average", "lookback_true", _feature_found("endless_average", endless, lookback)),
    Plant("label_in_test_fold", "purged_splits", _overlap_found),
    Plant("forecast_that_knows_its_label", "shuffled_target", _known_label_found),
    Plant("last_bit_of_a_served_row", "serving_parity", _last_bit_found),
)
"""Every plant, in the order of the checks that find them."""
