"""Fits of a regime model, and what they say of days that they never saw."""

from collections.abc import Mapping

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray, IntArray
from models.sessions import observations, windows
from models.states import States
from skill.fits.rows import known, learnt_by, stretches
from training.kit.panel import dated
from training.kit.paths import scale_until
from training.kit.questions.base import Rows
from training.kit.regime import Options, fit_states, mixed
from training.kit.spec import ModelSpec
from training.kit.splits import Fold

Arrays = dict[str, FloatArray]


def fit(series: Mapping[str, Bars], rows: Rows, fold: Fold, spec: ModelSpec, options: Options) -> Arrays:
    """Fit on all bars that the fold may know; ``weights`` are the bytes of the model, one a number."""
    past = list(known(series, fold, learnt_by(rows, fold)).values())
    return {"weights": np.frombuffer(fit_states(past, spec, options).dump(), np.uint8).astype(np.float64)}


def fitted(arrays: Arrays) -> States:
    """Return the model that `fit` made."""
    return States.load(arrays["weights"].astype(np.uint8).tobytes())


def said(series: Mapping[str, Bars], rows: Rows, fold: Fold, model: States, tiers: tuple[int, ...]) -> Arrays:
    """Return what a fit says of the rows that its fold asks about, each array of shape (n,), in their order.

    ``loss/<tier>`` is minus the log density that the model gives to the next session's observation, NaN where that has
    no range, ``still/<tier>`` that of its states in their long-run shares, ``label/<tier>`` the likeliest state of the
    session itself; all look back over the bars of the tier and at nothing later. ``volatility`` is the yardstick's
    forecast, by which rows are sorted into calm and wild.
    """
    names = tuple(series)
    result = {f"{what}/{tier}": np.empty(len(fold.test)) for tier in tiers for what in ("loss", "still", "label")}
    result["volatility"] = np.empty(len(fold.test))
    last = learnt_by(rows, fold)
    scale = scale_until(known(series, fold, last), max(tiers), last)
    for part in stretches(rows, fold.test):
        bars = series[names[part.symbol]][: part.at[-1] + 2]  # what is asked of the last row is the session after it
        coming, past = observations(bars)[part.at + 1], bars[:-1]
        for tier in tiers:
            read = windows(past, tier, len(part.at))
            posterior = model.filter(read)
            density = model.log_densities(coming, read)
            result[f"loss/{tier}"][part.rows] = -mixed(density, model.hmm.next_probabilities(posterior))
            usual = np.tile(model.hmm.start, (len(coming), 1))
            result[f"still/{tier}"][part.rows] = -mixed(density, usual)
            result[f"label/{tier}"][part.rows] = posterior.argmax(axis=1)
        result["volatility"][part.rows] = scale.volatility(past, len(part.at))
    return result


def kept_labels(
    series: Mapping[str, Bars],
    days: tuple[np.datetime64, np.datetime64],
    pair: tuple[States, ...],
    symbols: IntArray,
    tier: int,
) -> Arrays:
    """Compare the labels that two consecutive fits give to the same days.

    Parameters
    ----------
    series : Mapping of str to Bars
        All series.
    days : tuple of two datetime64
        The last day that the earlier fit knew, and the last that the later one knew.
    pair : tuple of two States
        The earlier and the later fit.
    symbols : IntArray
        Positions of the symbols whose days are compared.
    tier : int
        Bars that a label looks back over.

    Returns
    -------
    dict of FloatArray, each of shape (2,)
        ``kept`` and ``days``: those with the same label and all of them, first of the days that both fits had learnt
        on, then of those since, which only the later one knew.

    """
    names, counts = tuple(series), np.zeros((2, 2))
    for number in symbols.tolist():
        bars = series[names[number]]
        both, later = (int(np.searchsorted(dated(bars), day, side="right")) for day in days)
        rows = later - tier + 1
        if rows <= 0:
            continue
        read = windows(bars[:later], tier, rows)
        one, other = (model.filter(read).argmax(axis=1) for model in pair)
        border = max(both - tier + 1, 0)
        for part, where in enumerate((slice(0, border), slice(border, None))):
            counts[part] += (one[where] == other[where]).sum(), len(one[where])
    return {"kept": counts[:, 0], "days": counts[:, 1]}
