"""Fits of a price forecast, and how far its paths were off on days that they never saw."""

from collections.abc import Mapping

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray, IntArray
from models.families import prophet
from skill.fits.rows import known, learnt_by, stretches
from training.kit.origins import HORIZONS, Options
from training.kit.paths import Ahead, average, fit_path, scale_until
from training.kit.questions.base import Rows
from training.kit.spec import ModelSpec
from training.kit.splits import Fold

Arrays = dict[str, FloatArray]


def paths(
    series: Mapping[str, Bars], rows: Rows, fold: Fold, block: IntArray, spec: ModelSpec, options: Options
) -> Arrays:
    """Fit a path a symbol, with each prior, on what the fold may know, and hang it on the close of each asked day.

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
        ``error`` of shape (asked, priors, horizons): log close less path, in the order of ``fold.test``. ``scale`` of
        shape (b,): the forecast volatility of the next session, by a yardstick that knows what the fold may know.

    """
    names, last = tuple(series), learnt_by(rows, fold)
    past = known(series, fold, last)
    long = {symbol: bars for symbol, bars in past.items() if len(bars) >= prophet.MIN_SESSIONS}
    market = average(past)
    pooled = [fit_path(market.tail(options.history), prior, spec, options) for prior in options.priors]
    error = np.empty((len(fold.test), len(options.priors), len(HORIZONS)))
    for part in stretches(rows, fold.test):
        symbol = names[part.symbol]
        ahead = Ahead(series[symbol], int(part.at[0]), int(part.at[-1]) + 1)
        fitted = pooled
        if symbol in long:
            fitted = [fit_path(long[symbol].tail(options.history), prior, spec, options) for prior in options.priors]
        error[part.rows] = np.stack([ahead.errors(path) for path in fitted], axis=1)
    scale, yardstick = np.empty(len(block)), scale_until(past, max(spec.tiers), last)
    for part in stretches(rows, block):
        scale[part.rows] = yardstick.volatility(series[names[part.symbol]][: part.at[-1] + 1], len(part.at))
    return {"error": error, "scale": scale}
