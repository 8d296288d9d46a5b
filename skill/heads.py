"""What a price forecast learns from earlier blocks: the stiffness of its trend and the widths of its bands."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from feature_mapper.typing import BoolArray, FloatArray
from skill.rivals.prices import LEVELS, SHOWN, Fan
from skill.schedule import blocks_of
from training.kit.origins import HORIZONS, Options
from training.kit.paths import Errors, best_prior, widths
from training.kit.questions.base import Rows
from training.kit.splits import Fold


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class PathForecast:
    """What a model said of n rows, and its yardstick's forecast of volatility, shape (n,); NaN where it was taught."""

    fan: Fan
    volatility: FloatArray

    @property
    def scored(self) -> BoolArray:
        """Tell for each row whether something was said, shape (n,)."""
        return ~np.isnan(self.volatility)


def price_heads(
    rows: Rows,
    moves: FloatArray,
    forward: Sequence[tuple[Fold, dict[str, FloatArray]]],
    walked: Sequence[tuple[Fold, dict[str, FloatArray]]],
    options: Options,
) -> PathForecast:
    """Choose the prior and learn the widths of each fold from earlier errors, and apply both.

    Earlier errors are those of the fold's training rows alone: their horizons had ended, and a symbol that is kept
    apart has none among them. They are of paths of the symbols' own, as a served model has no others to learn from.

    Parameters
    ----------
    rows : Rows
        All rows, n of them.
    moves : FloatArray of shape (n, horizons)
        Log moves that came.
    forward, walked : sequence of (Fold, dict)
        Folds of forward time and of the mode, each with what `skill.fits.prices.paths` gave for it.
    options : Options
        Of the model.

    """
    n, shown = len(rows), [HORIZONS.index(step) for step in SHOWN]
    said = PathForecast(Fan.silent(n), np.full(n, np.nan))
    by_prior = np.full((n, len(options.priors), len(HORIZONS)), np.nan)
    for fold, arrays in forward:
        by_prior[fold.test] = arrays["error"]
    blocks = blocks_of([fold for fold, _ in walked])
    for apart in dict.fromkeys(fold.apart for fold, _ in walked):
        error, scale = np.full((n, len(HORIZONS)), np.nan), np.full((n, 1), np.nan)
        for fold, arrays in walked:
            if fold.apart != apart:
                continue
            known = _known(rows, moves, fold, error, scale, by_prior)
            prior = options.priors.index(best_prior([known], options))
            block = blocks[fold.first]
            error[block], scale[block, 0] = by_prior[block, prior], arrays["scale"]
            if len(known) == 0:
                continue
            width = widths(known, 0, LEVELS).T[:, shown]
            half = width * (scale[fold.test, :, None] * np.sqrt(np.array(SHOWN, dtype=np.float64)))
            centre = (moves[fold.test] - arrays["error"][:, prior])[:, shown]
            said.fan.put(fold.test, Fan(centre, centre[:, None] - half, centre[:, None] + half))
            said.volatility[fold.test] = scale[fold.test, 0]
    return said


def _known(
    rows: Rows, moves: FloatArray, fold: Fold, error: FloatArray, scale: FloatArray, by_prior: FloatArray
) -> Errors:
    """Return the errors of earlier blocks that a fold may learn from."""
    at = fold.train[~np.isnan(scale[fold.train, 0])]
    return Errors(
        origin=rows.symbol[at],
        symbol=rows.symbol[at],
        date=rows.date[at],
        fitted_to=rows.date[at],
        ends=rows.label_end[at],
        error=error[at],
        naive=moves[at],
        unseen=error[at],
        by_prior=by_prior[at],
        scales=scale[at],
    )
