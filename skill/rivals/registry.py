"""The rivals of each task, beside the naive baselines that every evaluation has."""

from collections.abc import Callable, Sequence

import numpy as np

from feature_mapper.typing import DateArray, FloatArray
from models.tasks.base import Columns
from skill.rivals.base import FoldRival, VarianceRival
from skill.rivals.direction import DIRECTION
from skill.rivals.volatility import VOLATILITY
from skill.shelf import Shelf, fold_key
from skill.side_by_side import side_by_side
from skill.universe import Universe
from training.kit.panel import Panel, dated
from training.kit.splits import Fold

FOLD_RIVALS: dict[str, tuple[FoldRival, ...]] = {"direction": DIRECTION}
"""By task: rivals that fit on the rows of a fold."""

Told = Callable[[str], None]


def rivals_of(
    task: str, universe: Universe, panel: Panel, folds: Sequence[Fold], shelf: Shelf, processes: int, told: Told
) -> dict[str, Columns]:
    """Return what each rival says of every row of a panel, by name; NaN where it says nothing.

    Rivals that look at one symbol alone know that symbol's past also where the model does not.
    """
    if task == "volatility":
        edges = np.append(np.unique([fold.first for fold in folds]), panel.rows.date.max() + np.timedelta64(1, "D"))
        return _variances(universe, panel, edges, shelf, processes, told)
    found: dict[str, Columns] = {}
    for rival in FOLD_RIVALS.get(task, ()):
        work = [_fold_piece(rival, panel, fold, shelf) for fold in folds]
        for at, said in side_by_side(work, processes):
            for name, values in said.items():
                shape = (len(panel.rows), *values.shape[1:])
                found.setdefault(rival.name, {}).setdefault(name, np.full(shape, np.nan))[folds[at].test] = values
        told(f"{rival.name} on {len(folds)} folds")
    return found


def _fold_piece(rival: FoldRival, panel: Panel, fold: Fold, shelf: Shelf) -> Callable[[], Columns]:
    key = ("fold rival", rival.name, panel.tier, [feature.name for feature in panel.features], fold_key(fold))
    return lambda: shelf.kept(key, lambda: rival.columns(panel, fold))


def _variances(
    universe: Universe, panel: Panel, edges: DateArray, shelf: Shelf, processes: int, told: Told
) -> dict[str, Columns]:
    found = {rival.name: np.full(len(panel.rows), np.nan) for rival in VOLATILITY}
    pieces = [(rival, number) for number in range(len(universe.symbols)) for rival in VOLATILITY]
    work = [_variance_piece(universe, rival, number, edges, shelf) for rival, number in pieces]
    for done, (at, said) in enumerate(side_by_side(work, processes), start=1):
        rival, number = pieces[at]
        mine = panel.rows.symbol == number
        place = np.searchsorted(dated(universe.series[universe.symbols[number]]), panel.rows.date[mine])
        found[rival.name][mine] = np.sqrt(said[place])
        if done % (10 * len(VOLATILITY)) == 0:
            told(f"rivals of {done // len(VOLATILITY)} of {len(universe.symbols)} symbols")
    return {name: {"volatility": said} for name, said in found.items()}


def _variance_piece(
    universe: Universe, rival: VarianceRival, number: int, edges: DateArray, shelf: Shelf
) -> Callable[[], FloatArray]:
    symbol = universe.symbols[number]
    key = ("variance", rival.name, symbol, [str(edge) for edge in edges])

    def said() -> FloatArray:
        return shelf.kept(key, lambda: {"variance": rival.forecast(universe.series[symbol], edges)})["variance"]

    return said
