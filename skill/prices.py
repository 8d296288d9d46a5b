"""A price forecast on a universe: errors of its path and of its bands at each horizon, beside those of rivals."""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec
import numpy as np

from feature_mapper.typing import FloatArray, IntArray
from skill.audit import check_folds
from skill.fits.prices import paths
from skill.fits.rows import sequence_rows, stretches
from skill.heads import Outcomes, PathForecast, price_heads
from skill.judge import Scored
from skill.rivals.origins import price_rivals
from skill.rivals.prices import LEVELS, NAIVE, SHOWN, Fan
from skill.schedule import MODES, Mode, Schedule, blocks_of
from skill.shelf import Shelf, fold_key
from skill.side_by_side import Told, gathered
from skill.tabular import Result
from skill.universe import Universe
from training.kit.coverage import coverage
from training.kit.discover import spec_of
from training.kit.origins import HORIZONS, Options
from training.kit.panel import dated
from training.kit.questions.base import Rows
from training.kit.scores import LEAST_DAYS
from training.kit.spec import ModelSpec
from training.kit.splits import Fold

ERROR: Final = "scaled_error"
SCORE: Final = "interval_score"
"""Measures, followed by the level of the band and by the horizon in sessions."""

LEAST_STEP: Final = 21
"""Sessions from one origin of a symbol to the next, at least, of rivals that are fitted anew at each."""

MEASURES: Final = {
    **{f"{ERROR}_{step}": f"absolute log error {step} ahead, over the symbol's mean move so far" for step in SHOWN},
    **{
        f"{SCORE}_{level * 100:.0f}_{step}": f"interval score of the {level:.0%} band {step} ahead, in the same units"
        for level in LEVELS
        for step in SHOWN
    },
}
"""What each is, in words."""


def results(
    model: str,
    tiers: tuple[int, ...],
    universe: Universe,
    schedule: Schedule,
    shelf: Shelf,
    processes: int,
    told: Told,
) -> list[Result]:
    """Evaluate a price forecast in both modes, with the longest history only: paths are the same for all.

    The first block teaches shares and widths and is not scored.

    Raises
    ------
    SpecError
        There is too little history.
    FoldFault
        The schedule lets something train on what it is asked about.
    RivalFault
        A rival in a process of its own gave no answer.

    """
    spec = spec_of(model)
    options = msgspec.convert(spec.options, Options)
    rows = sequence_rows(universe.series, max(spec.tiers), max(HORIZONS))
    told(f"{len(rows):,} rows")
    came, unit = outcomes(universe, rows)
    forward: list[tuple[Fold, dict[str, FloatArray]]] = []
    others: dict[str, Fan] = {}
    found: list[Result] = []
    for mode in MODES:
        folds = schedule.folds(rows, universe.symbols, mode)
        check_folds(rows, folds, mode, schedule.embargo)
        blocks = blocks_of(folds)
        work = [_piece(model, spec, options, universe, rows, fold, blocks[fold.first], shelf) for fold in folds]
        walked = list(zip(folds, gathered(work, processes, told, "paths of fold"), strict=True))
        forward = forward or walked
        said = price_heads(rows, came, forward, walked)
        asked = np.flatnonzero(said.scored)
        if mode == "forward":
            # One symbol a day, in turn, where refits are yearly: of as many forecasts, more days tell more.
            step = max(len(universe.symbols), LEAST_STEP) * schedule.years
            others = _enough(rows, price_rivals(universe, rows, asked, step, shelf, processes, told), told)
        found += _judged(model, max(tiers), mode, universe, rows, asked, came.moves, unit, said, others)
    return found


def _enough(rows: Rows, others: dict[str, Fan], told: Told) -> dict[str, Fan]:
    """Leave out rivals that were asked on some days only, and on too few to draw an interval from."""
    days = {name: len(np.unique(rows.date[~np.isnan(fan.centre[:, 0])])) for name, fan in others.items()}
    least = min(LEAST_DAYS, max(days.values()))
    for name, count in days.items():
        if count < least:
            told(f"{name} is left out: asked on {count} days, fewer than {least}")
    return {name: fan for name, fan in others.items() if days[name] >= least}


def outcomes(universe: Universe, rows: Rows) -> tuple[Outcomes, FloatArray]:
    """Return what came after each row, and what log moves are measured by over `SHOWN`, one row each.

    The unit is that of the mean absolute scaled error (Hyndman and Koehler 2006) with the horizon's own differences:
    the mean absolute move over as many sessions of the symbol, over its whole past up to the row.
    """
    moves, unit = np.empty((len(rows), len(HORIZONS))), np.empty((len(rows), len(SHOWN)))
    known = np.empty(moves.shape, rows.date.dtype)
    for part in stretches(rows, np.arange(len(rows))):
        bars, ahead = universe.series[universe.symbols[part.symbol]], part.at[:, None] + np.array(HORIZONS)
        log = np.log(bars.close)
        moves[part.rows], known[part.rows] = log[ahead] - log[part.at][:, None], dated(bars)[ahead]
        for column, step in enumerate(SHOWN):
            past = np.cumsum(np.abs(log[step:] - log[:-step]))
            unit[part.rows, column] = past[part.at - step] / (part.at - step + 1)
    return Outcomes(moves, known), unit


def scaled_errors(fan: Fan, moves: FloatArray, unit: FloatArray) -> FloatArray:
    """Return absolute log errors of the centre, in units, shape (n, horizons) as all arguments over `SHOWN`."""
    errors: FloatArray = np.abs(moves - fan.centre) / unit
    return errors


def interval_scores(fan: Fan, moves: FloatArray, unit: FloatArray, row: int) -> FloatArray:
    """Return the interval scores of the band of a level, by its row in `LEVELS`, in units, shape (n, horizons).

    ``upper - lower + 2 / (1 - level) * distance outside`` (Gneiting and Raftery 2007): least, in the mean, for the true
    quantiles.
    """
    lower, upper = fan.lower[:, row], fan.upper[:, row]
    outside = np.maximum(lower - moves, 0) + np.maximum(moves - upper, 0)
    scores: FloatArray = (upper - lower + 2 / (1 - LEVELS[row]) * outside) / unit
    return scores


def held(fan: Fan, moves: FloatArray, row: int) -> FloatArray:
    """Return 1 where the band of a level held and 0 where it did not, shape (n, horizons); NaN where there is none."""
    inside = (fan.lower[:, row] <= moves) & (moves <= fan.upper[:, row])
    return np.where(np.isnan(fan.lower[:, row]), np.nan, inside)


def _piece(
    model: str,
    spec: ModelSpec,
    options: Options,
    universe: Universe,
    rows: Rows,
    fold: Fold,
    block: IntArray,
    shelf: Shelf,
) -> Callable[[], dict[str, FloatArray]]:
    key = ("paths", model, repr(spec), fold_key(fold))
    return lambda: shelf.kept(key, lambda: paths(universe.series, rows, fold, block, spec, options))


def _judged(
    model: str,
    tier: int,
    mode: Mode,
    universe: Universe,
    rows: Rows,
    asked: IntArray,
    moves: FloatArray,
    unit: FloatArray,
    said: PathForecast,
    others: dict[str, Fan],
) -> Iterator[Result]:
    """Yield the error of the path at each horizon, then the score of each band at each."""
    mine, volatility = rows.take(asked), said.volatility[asked]
    moves, unit = moves[asked][:, [HORIZONS.index(step) for step in SHOWN]], unit[asked]
    own, rivals = said.fan.take(asked), {name: fan.take(asked) for name, fan in others.items()}
    errors = scaled_errors(own, moves, unit)
    of_rivals = {name: scaled_errors(fan, moves, unit) for name, fan in rivals.items()}

    def scored(losses: FloatArray, theirs: dict[str, FloatArray]) -> Scored:
        return Scored(mine.date, mine.symbol, universe.symbols, losses, theirs)

    for column, step in enumerate(SHOWN):
        theirs = {name: values[:, column] for name, values in of_rivals.items()}
        figures = {"mase": float(errors[:, column].mean()), f"mase of {NAIVE}": float(theirs[NAIVE].mean())}
        told = scored(errors[:, column], theirs)
        yield Result(model, tier, mode, f"{ERROR}_{step}", told, volatility, figures)
    for row, level in enumerate(LEVELS):
        scores = interval_scores(own, moves, unit, row)
        of_rivals = {name: interval_scores(fan, moves, unit, row) for name, fan in rivals.items()}
        inside, theirs_inside = held(own, moves, row), {name: held(fan, moves, row) for name, fan in rivals.items()}
        for column, step in enumerate(SHOWN):
            told = scored(scores[:, column], {name: values[:, column] for name, values in of_rivals.items()})
            figures = {
                f"held by {name}": float(np.nanmean(values[:, column])) for name, values in theirs_inside.items()
            }
            bands = coverage(level, inside[:, column] == 1, mine.date, volatility)
            metric = f"{SCORE}_{level * 100:.0f}_{step}"
            yield Result(model, tier, mode, metric, told, volatility, figures, bands)
