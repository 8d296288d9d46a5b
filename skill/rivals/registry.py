"""The rivals of each task, beside the naive baselines that every evaluation has."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from feature_mapper.typing import DateArray, FloatArray
from models.tasks.base import Columns, Identity
from skill.rivals.base import FoldRival, SymbolRival
from skill.rivals.direction import DIRECTION
from skill.rivals.risk import RISK
from skill.rivals.volatility import garches, of_volatility
from skill.shelf import Shelf, fold_key
from skill.side_by_side import Told, side_by_side
from skill.universe import Universe
from training.kit.panel import Panel, dated
from training.kit.splits import Fold

FOLD_RIVALS: Final[dict[str, tuple[FoldRival, ...]]] = {"direction": DIRECTION, "risk": RISK}
"""By task: rivals that fit on the rows of a fold."""

SYMBOL_RIVALS: Final[dict[str, Callable[[int], tuple[SymbolRival, ...]]]] = {
    "volatility": of_volatility,
    "return": garches,
}
"""By task, for a horizon: rivals that know one symbol's past, also where the model does not."""


def fold_rivals(
    task: Identity, panel: Panel, folds: Sequence[Fold], shelf: Shelf, processes: int, told: Told
) -> dict[str, Columns]:
    """Return what rivals that fit on the rows of a fold say of every row of a panel; NaN where they say nothing."""
    found: dict[str, Columns] = {}
    for rival in FOLD_RIVALS.get(task.name, ()):
        work = [_fold_piece(rival, task.horizon, panel, fold, shelf) for fold in folds]
        for done, (at, said) in enumerate(side_by_side(work, processes), start=1):
            for name, values in said.items():
                shape = (len(panel.rows), *values.shape[1:])
                found.setdefault(rival.name, {}).setdefault(name, np.full(shape, np.nan))[folds[at].test] = values
            told(f"{rival.name}, fold {done} of {len(folds)}")
    return found


def _fold_piece(rival: FoldRival, horizon: int, panel: Panel, fold: Fold, shelf: Shelf) -> Callable[[], Columns]:
    names = [feature.name for feature in panel.features]
    key = ("fold rival", rival.name, horizon, panel.tier, names, fold_key(fold))
    return lambda: shelf.kept(key, lambda: rival.columns(panel, fold))


def symbol_rivals(
    task: Identity, universe: Universe, panel: Panel, edges: DateArray, shelf: Shelf, processes: int, told: Told
) -> dict[str, Columns]:
    """Return what rivals that know one symbol's past say of every row, fitted anew at each edge but the last."""
    rivals = SYMBOL_RIVALS[task.name](task.horizon) if task.name in SYMBOL_RIVALS else ()
    found: dict[str, Columns] = {rival.name: {} for rival in rivals}
    pieces = [(rival, number) for number in range(len(universe.symbols)) for rival in rivals]
    work = [_symbol_piece(universe, rival, number, edges, shelf) for rival, number in pieces]
    for done, (at, said) in enumerate(side_by_side(work, processes), start=1):
        rival, number = pieces[at]
        mine = panel.rows.symbol == number
        place = np.searchsorted(dated(universe.series[universe.symbols[number]]), panel.rows.date[mine])
        for name, values in _answers(said).items():
            found[rival.name].setdefault(name, np.full(len(panel.rows), np.nan))[mine] = values[place]
        if done % (10 * len(rivals)) == 0:
            told(f"rivals of {done // len(rivals)} of {len(universe.symbols)} symbols")
    return found


def _symbol_piece(
    universe: Universe, rival: SymbolRival, number: int, edges: DateArray, shelf: Shelf
) -> Callable[[], dict[str, FloatArray]]:
    symbol = universe.symbols[number]
    key = ("symbol rival", rival.name, rival.horizon, symbol, [str(edge) for edge in edges])
    return lambda: shelf.kept(key, lambda: rival.columns(universe.series[symbol], edges))


def _answers(said: Columns) -> Columns:
    """Return what a rival says in the names of the tasks, beside its own."""
    result = {**said, "volatility": np.sqrt(said["variance"])}
    if "mean" in said:
        result["expected_return"] = said["mean"]
    return result
