"""Rivals of regimes: densities of the next session's observation from Gaussians, mixtures and a regression.

They learn on all sessions of all symbols up to the day before, without an embargo, also where the model does not know
the symbol; those *of the symbol* learn on its sessions alone, and so know its own level of all its years.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray, IntArray
from models.families.hmm import log_densities
from models.sessions import observations
from skill.fits.rows import day_before, known, stretches
from training.kit.autoregression import fit_autoregression
from training.kit.questions.base import Rows
from training.kit.regime import mixed
from training.kit.splits import Fold

LEAST: Final = 250
"""Sessions that a rival of one symbol needs; before, it says nothing and is not compared."""

COMPONENTS: Final = 3
"""Of a mixture: as many as the model has states."""

Density = Callable[[FloatArray, IntArray], FloatArray]
"""From all observations of a symbol and positions: the log density that was given to the one after each of them."""


@dataclass(frozen=True, slots=True)
class DensityRival:
    """A density learnt on sequences of observations, each of shape (n, 2); ``own``: on those of the asked symbol."""

    name: str
    fit: Callable[[Sequence[FloatArray]], Density]
    own: bool = False


def single_gaussian(sequences: Sequence[FloatArray]) -> Density:
    """Return one Gaussian with the mean and the covariance of all sessions."""
    everything = _whole(sequences)
    mean, covariance = everything.mean(axis=0)[None], np.cov(everything.T)[None]
    return lambda seen, at: log_densities(seen[at + 1], mean, covariance)[0]


def static_mixture(sequences: Sequence[FloatArray]) -> Density:
    """Return scikit-learn's Gaussian mixture of all sessions, which knows no order in time.

    It is fitted to standardised observations: its floor of variances is absolute.
    """
    from sklearn.mixture import GaussianMixture

    everything = _whole(sequences)
    centre, spread = everything.mean(axis=0), everything.std(axis=0)
    mixture = GaussianMixture(COMPONENTS, covariance_type="full", max_iter=500, random_state=0)
    mixture.fit((everything - centre) / spread)
    means, covariances = mixture.means_ * spread + centre, mixture.covariances_ * np.outer(spread, spread)

    def density(seen: FloatArray, at: IntArray) -> FloatArray:
        coming = seen[at + 1]
        return mixed(log_densities(coming, means, covariances).T, np.tile(mixture.weights_, (len(at), 1)))

    return density


def _whole(sequences: Sequence[FloatArray]) -> FloatArray:
    """Return the sessions of all sequences that have a return and a range, shape (n, 2)."""
    everything = np.concatenate(sequences)
    return everything[~np.isnan(everything).any(axis=1)]


def autoregression(sequences: Sequence[FloatArray]) -> Density:
    """Return the kit's rival with memory and without states."""
    return fit_autoregression(sequences).log_density


REGIME: Final = (
    DensityRival("single Gaussian", single_gaussian),
    DensityRival("static mixture", static_mixture),
    DensityRival("single Gaussian of the symbol", single_gaussian, own=True),
    DensityRival("static mixture of the symbol", static_mixture, own=True),
    DensityRival("autoregression", autoregression),
)


def losses(series: Mapping[str, Bars], rows: Rows, fold: Fold) -> dict[str, FloatArray]:
    """Return minus the log densities that each rival gives to the rows of a fold, by name, each of shape (n,).

    NaN where the coming session has no range, and where a rival says nothing.
    """
    names, result = tuple(series), {rival.name: np.full(len(fold.test), np.nan) for rival in REGIME}
    past = {symbol: observations(bars)[1:] for symbol, bars in known(series, fold, day_before(fold.first)).items()}
    pooled = {rival.name: rival.fit(list(past.values())) for rival in REGIME if not rival.own}
    for part in stretches(rows, fold.test):
        symbol = names[part.symbol]
        seen = observations(series[symbol][: part.at[-1] + 2])
        told = ~np.isnan(seen[part.at + 1]).any(axis=1)
        mine = _whole([past.get(symbol, seen[:0])])
        for rival in REGIME:
            if rival.own and len(mine) < LEAST:
                continue
            density = rival.fit([mine]) if rival.own else pooled[rival.name]
            result[rival.name][part.rows] = np.where(told, -density(seen, part.at), np.nan)
    return result
