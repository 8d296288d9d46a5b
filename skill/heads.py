"""What a price forecast learns from earlier blocks: how much of its paths to believe, and the widths of its bands."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from feature_mapper.typing import BoolArray, DateArray, FloatArray, IntArray
from skill.rivals.prices import LEVELS, SHOWN, Fan
from skill.schedule import blocks_of
from training.kit.origins import HORIZONS
from training.kit.path_bands import PathBands, ScaledErrors
from training.kit.path_errors import best_share, shrunk
from training.kit.questions.base import Rows
from training.kit.splits import Fold


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Outcomes:
    """Log moves over `HORIZONS` that came after n rows, and the days they were known on, shape (n, horizons)."""

    moves: FloatArray
    known: DateArray


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
    outcomes: Outcomes,
    forward: Sequence[tuple[Fold, dict[str, FloatArray]]],
    walked: Sequence[tuple[Fold, dict[str, FloatArray]]],
) -> PathForecast:
    """Choose the shares and learn the widths of each fold from earlier errors, and apply both.

    Shares and settled widths are learnt on the fold's training rows alone: their horizons had ended. Widths then follow
    every evening, as those of a model that is trained each evening do, and know the errors that have come about by it.
    No error of a symbol that is kept apart is among either. Widths are of paths of the symbols' own, as a served model
    has no others to learn from, and of errors that the chosen share would have made. The share of the average is chosen
    by an average of which each symbol is a part; a training leaves each out of its own.

    Parameters
    ----------
    rows : Rows
        All rows, n of them.
    outcomes : Outcomes
        Of the rows.
    forward, walked : sequence of (Fold, dict)
        Folds of forward time and of the mode, each with what `skill.fits.prices.paths` gave for it.

    """
    n, shown = len(rows), [HORIZONS.index(step) for step in SHOWN]
    said = PathForecast(Fan.silent(n), np.full(n, np.nan))
    moves, of_path, own = outcomes.moves, np.full((n, len(HORIZONS)), np.nan), np.zeros(n, np.bool_)
    for fold, arrays in forward:
        of_path[fold.test], own[fold.test] = arrays["error"], arrays["own"] == 1
    blocks = blocks_of([fold for fold, _ in walked])
    for apart in dict.fromkeys(fold.apart for fold, _ in walked):
        of_average = np.full((n, len(HORIZONS)), np.nan)
        scale, mine = np.full(n, np.nan), ~np.isin(rows.symbol, apart)
        for fold, arrays in walked:
            if fold.apart != apart:
                continue
            at = learnt_from(fold, scale)
            with_path = at[own[at]]
            share = best_share(of_path[with_path], moves[with_path])
            strangers = best_share(of_average[at], moves[at])
            block = blocks[fold.first]
            of_average[block], scale[block] = arrays["average"], arrays["scale"]
            if len(with_path) == 0:
                continue
            asked, shares = fold.test, np.where(arrays["own"] == 1, share, strangers)[:, None]
            followed = evenings(mine & own, scale)
            error = shrunk(of_path[followed], moves[followed], share)
            errors = ScaledErrors.of(error, scale[followed], outcomes.known[followed], rows.date[followed])
            bands = PathBands.learnt(errors, np.isin(followed, with_path), fold.first, LEVELS)
            half = bands.reaches(scale[asked], rows.date[asked])[:, shown].transpose(0, 2, 1)
            centre = (moves[asked] - shrunk(arrays["error"], moves[asked], shares))[:, shown]
            said.fan.put(asked, Fan(centre, centre[:, None] - half, centre[:, None] + half))
            said.volatility[asked] = scale[asked]
    return said


def learnt_from(fold: Fold, scale: FloatArray) -> IntArray:
    """Return the rows of earlier blocks, those with a scale, that a fold may train on."""
    return fold.train[~np.isnan(scale[fold.train])]


def evenings(mine: BoolArray, scale: FloatArray) -> IntArray:
    """Return the rows whose errors widths follow once they are known: those that are mine and have a scale."""
    return np.flatnonzero(mine & ~np.isnan(scale))
