"""From which days a price forecast is judged, and which symbols can be forecast from each of them."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from training.kit.panel import dated
from training.kit.spec import SpecError

HORIZONS: Final = (1, 2, 3, 5, 10, 20)
"""Sessions ahead that errors are measured at."""

Stretch: TypeAlias = tuple[int, int, int]
"""Days that a symbol is forecast on from one origin: its number, the position of the first day, that after the last."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of a price forecast.

    Attributes
    ----------
    prior : float
        Changepoint prior: how readily the trend bends.
    history : int
        Sessions that a path is fitted on.
    step : int
        Sessions between origins.
    teaching : int
        First origins that choose shares and widths and are not scored.
    least : int
        Sessions that a symbol must have before an origin to be forecast from it.
    volume : bool
        Use log volume as a regressor.
    yearly_order, weekly_order : int
        Harmonics of the seasonalities, 0 for none.

    """

    prior: float = 0.002
    history: int = 750
    step: int = 126
    teaching: int = 4
    least: int = 250
    volume: bool = True
    yearly_order: int = 0
    weekly_order: int = 0


def plan(series: Mapping[str, Bars], options: Options) -> list[tuple[np.datetime64, list[Stretch]]]:
    """Return the origins, oldest first, each with the stretches of days that are forecast from it.

    A symbol is forecast from an origin by which it has `Options.least` sessions, and the others together have as many.
    An origin that no symbol is forecast from is none: the oldest series of many may be alone for decades.

    Raises
    ------
    SpecError
        There is one symbol only, or histories are too short for the teaching origins and one more. Known before the
        first fit, as the last one may be hours away.

    """
    if len(series) == 1:
        raise SpecError(
            "expected two symbols or more, as strangers are judged by the others' path, found one; add data"
        )
    days = np.unique(np.concatenate([dated(bars) for bars in series.values()]))
    trading = np.stack([np.isin(days, dated(bars), assume_unique=True) for bars in series.values()])
    others = np.cumsum(trading.sum(axis=0) > trading, axis=1)  # days so far on which any other symbol traded
    starts = days[options.history : -max(HORIZONS) : options.step]
    origins: list[tuple[np.datetime64, list[Stretch]]] = []
    for start, stop in itertools.pairwise([*starts, days[-1]]):
        day = int(np.searchsorted(days, start))
        stretches = [
            (number, first, last)
            for number, bars in enumerate(series.values())
            if min(through(bars, start), int(others[number, day])) >= options.least
            and (first := _before(bars, start)) < (last := min(_before(bars, stop), len(bars) - max(HORIZONS)))
        ]
        if stretches:
            origins.append((start, stretches))
    _require_scored(origins, series, options, len(days))
    return origins


def _require_scored(
    origins: Sequence[tuple[np.datetime64, list[Stretch]]], series: Mapping[str, Bars], options: Options, days: int
) -> None:
    """Raise unless an origin is left to score, and some forecast from the teaching origins has ended by then."""
    if len(origins) <= options.teaching:
        wanted = options.history + (options.teaching + 1) * options.step + max(HORIZONS)
        raise SpecError(
            f"expected at least {wanted} sessions of history, and symbols with {options.least} of them before "
            f"{options.teaching + 1} origins or more, found {days} sessions and {len(origins)} such origins; add data"
        )
    bars, scored = list(series.values()), origins[options.teaching][0]
    teaching = (
        dated(bars[number])[first + max(HORIZONS)]
        for _, stretches in origins[: options.teaching]
        for number, first, _ in stretches
    )
    if not any(end < scored for end in teaching):
        raise SpecError(
            f"expected a forecast from the {options.teaching} teaching origins to end, {max(HORIZONS)} sessions ahead, "
            f"before the first one that is scored, {scored}, found none; raise teaching or step"
        )


def _before(bars: Bars, day: np.datetime64) -> int:
    """Count the sessions before a day."""
    return int(np.searchsorted(dated(bars), day))


def through(bars: Bars, day: np.datetime64) -> int:
    """Count the sessions up to a day, itself included."""
    return int(np.searchsorted(dated(bars), day, side="right"))
