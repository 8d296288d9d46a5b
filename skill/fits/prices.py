"""Fits of a price forecast, and how far its paths were off on days that they never saw."""

from collections.abc import Mapping

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray, IntArray
from models.families import prophet
from skill.fits.rows import Stretch, known, learnt_by, stretches
from training.kit.origins import HORIZONS, Options
from training.kit.paths import Ahead, average, fit_path, scale_until
from training.kit.questions.base import Rows
from training.kit.spec import ModelSpec
from training.kit.splits import Fold

Arrays = dict[str, FloatArray]


def paths(
    series: Mapping[str, Bars], rows: Rows, fold: Fold, block: IntArray, spec: ModelSpec, options: Options
) -> Arrays:
    """Fit a path a symbol on what the fold may know, and hang it on the close of each asked day.

    A symbol that is kept apart, or has too few sessions for a path of its own, gets that of the average of those that
    the fold knows, as a served model answers.

    Parameters
    ----------
    series, rows, fold
        What is fitted and asked about.
    block : IntArray of shape (b,)
        Rows of all symbols in the days of the fold, those of others than the asked ones included.
    spec, options
        Of the model.

    Returns
    -------
    dict of FloatArray
        ``error`` of shape (asked, horizons): log close less path, in the order of ``fold.test``. ``own`` of shape
        (asked,): 1 where the path is the symbol's own, else 0. ``average`` of shape (b, horizons): the errors of the
        average's path. ``scale`` of shape (b,): the forecast volatility of the next session, by a yardstick that knows
        what the fold may know.

    """
    names, last = tuple(series), learnt_by(rows, fold)
    past = known(series, fold, last)
    long = {symbol: bars for symbol, bars in past.items() if len(bars) >= prophet.MIN_SESSIONS}
    of_average = fit_path(average(past).tail(options.history), spec, options)
    error, own = np.empty((len(fold.test), len(HORIZONS))), np.zeros(len(fold.test))
    for part in stretches(rows, fold.test):
        symbol, ahead = names[part.symbol], _ahead(series, part)
        mine = fit_path(long[symbol].tail(options.history), spec, options) if symbol in long else of_average
        error[part.rows] = ahead.errors(mine)
        own[part.rows] = symbol in long
    common, scale = np.empty((len(block), len(HORIZONS))), np.empty(len(block))
    yardstick = scale_until(past, max(spec.tiers), last)
    for part in stretches(rows, block):
        common[part.rows] = _ahead(series, part).errors(of_average)
        scale[part.rows] = yardstick.volatility(series[names[part.symbol]][: part.at[-1] + 1], len(part.at))
    return {"error": error, "own": own, "average": common, "scale": scale}


def _ahead(series: Mapping[str, Bars], part: Stretch) -> Ahead:
    return Ahead(tuple(series.values())[part.symbol], int(part.at[0]), int(part.at[-1]) + 1)
