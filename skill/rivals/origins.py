"""Rivals of prices at the origins that they are asked from: every row for those that cost nothing, else some."""

from collections.abc import Callable
from typing import Final

import numpy as np

from feature_mapper.typing import FloatArray, IntArray
from skill.fits.rows import stretches
from skill.rivals import elsewhere
from skill.rivals.prices import DRIFT, NAIVE, PLAIN, Fan, plain_prophet, read_by_rivals, walks
from skill.shelf import Shelf
from skill.side_by_side import Told, gathered
from skill.universe import Universe
from training.kit.questions.base import Rows
from training.kit.spec import SEED

CHUNK: Final = 4
"""Symbols that one process elsewhere is asked about: importing its library takes seconds."""

PLAIN_STEP: Final = 4
"""As many steps from one origin of plain Prophet to the next, as its fits and fan cost most."""

ELSEWHERE_STEP: Final = 2
"""The same for what statsforecast fits: at every step it would take a quarter of the time of the whole report."""


def price_rivals(
    universe: Universe,
    rows: Rows,
    asked: IntArray,
    step: int,
    shelf: Shelf,
    processes: int,
    told: Told,
) -> dict[str, Fan]:
    """Return what each rival says of all rows, by name.

    Parameters
    ----------
    universe, rows
        What there is to be asked about.
    asked : IntArray
        Rows that the model answers.
    step : int
        Sessions from one origin of a symbol to the next, for rivals that are fitted anew at each.
    shelf, processes, told
        Where what they said is kept, how many of them are asked at once, and who is told.

    """
    found = {name: Fan.silent(len(rows)) for name in (NAIVE, DRIFT, PLAIN)}
    for part in stretches(rows, asked):
        for name, fan in walks(universe.series[universe.symbols[part.symbol]], part.at).items():
            found[name].put(asked[part.rows], fan)
    some = thinned(rows, asked, step * PLAIN_STEP, len(universe.symbols))
    parts = list(stretches(rows, some))
    pieces = [_plain_piece(universe, part.symbol, part.at, shelf) for part in parts]
    for part, arrays in zip(parts, gathered(pieces, processes, told, f"{PLAIN} of symbol"), strict=True):
        found[PLAIN].put(some[part.rows], Fan.unpacked(arrays))
    if not elsewhere.absent():
        some = thinned(rows, asked, step * ELSEWHERE_STEP, len(universe.symbols))
        found |= _elsewhere(universe, rows, some, shelf, processes, told)
    return found


def thinned(rows: Rows, asked: IntArray, step: int, symbols: int) -> IntArray:
    """Return every ``step``-th asked row of each symbol, the first a little later for each symbol than for the last.

    So the origins of the symbols share few days: of as many forecasts, more days tell more.
    """
    kept = [
        asked[part.rows][(np.arange(len(part.rows)) - part.symbol * step // symbols) % step == 0]
        for part in stretches(rows, asked)
    ]
    return np.sort(np.concatenate(kept))


def _plain_piece(universe: Universe, number: int, at: IntArray, shelf: Shelf) -> Callable[[], dict[str, FloatArray]]:
    symbol = universe.symbols[number]
    key = (PLAIN, symbol, at.tolist())
    return lambda: shelf.kept(key, lambda: plain_prophet(universe.series[symbol], at, SEED).packed())


def _elsewhere(
    universe: Universe, rows: Rows, some: IntArray, shelf: Shelf, processes: int, told: Told
) -> dict[str, Fan]:
    found = {name: Fan.silent(len(rows)) for name in elsewhere.NAMES}
    parts, lock = list(stretches(rows, some)), elsewhere.lock()
    chunks = [parts[start : start + CHUNK] for start in range(0, len(parts), CHUNK)]

    def piece(number: int) -> Callable[[], dict[str, FloatArray]]:
        named = [(universe.symbols[part.symbol], part.at) for part in chunks[number]]
        key = ("elsewhere", lock, [(symbol, at.tolist()) for symbol, at in named])

        def said() -> dict[str, FloatArray]:
            windows = np.concatenate([read_by_rivals(universe.series[symbol], at) for symbol, at in named])
            told = elsewhere.ask(windows)
            return {f"{name}/{part}": values for name, of in told.items() for part, values in of.packed().items()}

        return lambda: shelf.kept(key, said)

    work = [piece(number) for number in range(len(chunks))]
    for chunk, arrays in zip(chunks, gathered(work, processes, told, "statsforecast on chunk"), strict=True):
        at = np.concatenate([some[part.rows] for part in chunk])
        for name, fan in found.items():
            fan.put(at, Fan.unpacked({part: arrays[f"{name}/{part}"] for part in ("centre", "lower", "upper")}))
    return found
