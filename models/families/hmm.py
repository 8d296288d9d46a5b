"""Market regimes by a Gaussian hidden Markov model. Weights are JSON; only fitting needs hmmlearn.

The filtered probabilities of the states come from our own forward recursion: hmmlearn's ``predict_proba`` is smoothed,
which means that it looks ahead.
"""

import logging
from collections.abc import Sequence
from typing import Final

import numpy as np

from feature_mapper.typing import FloatArray
from models.families._hmm_em import TRANSITION_PSEUDO_COUNT, Covariance, EmRun, EmRuns, run_em
from models.families._hmm_filter import log_densities
from models.families._hmm_model import LARGEST_OBSERVATION, GaussianHmm, HmmFit, canonical_order, checked, load
from models.families.base import FamilyError

__all__ = ["LARGEST_OBSERVATION", "LIBRARIES", "SUFFIX", "GaussianHmm", "HmmFit", "fit", "load", "log_densities"]

SUFFIX: Final = "json"
LIBRARIES: Final = ("hmmlearn", "scikit-learn")

MIN_ROWS_PER_PARAMETER: Final = 10
"""Fewer observations than this a free parameter are refused: the states would be accidents of the sample."""

COVARIANCE_FLOOR: Final = 1e-4
"""Smallest eigenvalue of a state's covariance, in units where each observable has variance 1."""

_NAMES: Final = {2: ("bear", "bull"), 3: ("bear", "neutral", "bull")}

_logger = logging.getLogger(__name__)


def fit(
    sequences: Sequence[FloatArray],
    *,
    n_states: int = 3,
    seed: int,
    n_starts: int,
    covariance: Covariance = "full",
    stickiness: float = 0.0,
) -> GaussianHmm:
    """Fit a model by EM from several starts and keep the likeliest.

    Without hmmlearn, a Gaussian mixture takes its place: ``record.backend`` is then ``"gmm"``, and a warning is logged.

    Parameters
    ----------
    sequences : sequence of FloatArray, each of shape (n_i, d)
        Observations without NaN, oldest first, one array for each stretch of a symbol without a gap. The first
        observable is the return, the last, if there are several, the log volatility: it orders the states, the wildest
        first.
    n_states : int
        At least 2.
    seed : int
        Same data and seed give the same bits.
    n_starts : int
        Starts of EM, which only finds local optima; the likeliest after `LOOK` iterations goes on to its end.
    covariance : {"full", "diag"}
        Form of the states' covariances.
    stickiness : float
        Of the model's filter; EM knows none.

    Raises
    ------
    FamilyError
        Too few observations (`MIN_ROWS_PER_PARAMETER`), values that are not finite, a constant observable, or EM
        broke down from every start.

    """
    x = _stacked(sequences, n_states, n_starts, covariance)
    centre, spread = x.mean(axis=0), x.std(axis=0)
    if (spread == 0).any():
        constant = np.flatnonzero(spread == 0).tolist()
        raise FamilyError(f"expected observables that vary, found constant columns {constant}; leave them out")
    em = run_em((x - centre) / spread, [len(s) for s in sequences], n_states, covariance, seed, n_starts)
    chosen, best = _best(em)
    covariances, floored = _floored(best.covariances)
    order = canonical_order(best.means)
    transitions = (best.transitions / best.transitions.sum(axis=1, keepdims=True))[np.ix_(order, order)]
    units = len(x) * float(np.log(spread).sum())  # the log density of x is that of z less the logs of the spreads
    record = HmmFit(
        backend=em.backend,
        covariance=covariance,
        seed=seed,
        rows=len(x),
        sequences=len(sequences),
        log_likelihoods=tuple(None if run is None else run.log_likelihood - units for run in em.runs),
        chosen=chosen,
        converged=best.converged,
        iterations=best.iterations,
        condition=tuple(np.linalg.cond(covariances[order]).tolist()),
        floored=floored,
        transition_pseudo_count=TRANSITION_PSEUDO_COUNT,
        messages=em.messages,
    )
    _warn(record)
    return checked(
        GaussianHmm(
            states=_NAMES.get(n_states, tuple(f"state_{i}" for i in range(n_states))),
            start=_stationary(transitions),
            transitions=transitions,
            means=best.means[order] * spread + centre,
            covariances=covariances[order] * np.outer(spread, spread),
            record=record,
            stickiness=stickiness,
        )
    )


def _stacked(sequences: Sequence[FloatArray], n_states: int, n_starts: int, covariance: Covariance) -> FloatArray:
    if n_states < 2 or n_starts < 1:
        raise FamilyError(f"expected n_states >= 2 and n_starts >= 1, found {n_states} and {n_starts}; see the spec")
    shapes = [sequence.shape for sequence in sequences]
    if not shapes or any(len(s) != 2 or s[0] < 2 or s[1] != shapes[0][1] for s in shapes):
        raise FamilyError(
            f"expected sequences of shape (n, d) with n >= 2 and one d, found {shapes}; leave short ones out"
        )
    x = np.concatenate(sequences)
    if not (np.abs(x) <= LARGEST_OBSERVATION).all():
        raise FamilyError("expected finite observations, found NaN, infinite or huge ones; cut the warm-up rows off")
    d = x.shape[1]
    parameters = n_states * (d + (d * (d + 1) // 2 if covariance == "full" else d) + n_states - 1)
    needed = MIN_ROWS_PER_PARAMETER * parameters
    if len(x) < needed:
        raise FamilyError(
            f"expected at least {needed} observations for {n_states} states of {d} dimensions "
            f"({MIN_ROWS_PER_PARAMETER} a free parameter), found {len(x)}; give more history"
        )
    return x


def _best(em: EmRuns) -> tuple[int, EmRun]:
    alive = [(number, run) for number, run in enumerate(em.runs) if run is not None]
    if not alive:
        raise FamilyError(
            f"expected EM to come to rest from one of {len(em.runs)} starts, found none ({'; '.join(em.messages)}); "
            "use fewer states or more history"
        )
    return max(alive, key=lambda pair: pair[1].log_likelihood)


def _floored(covariances: FloatArray) -> tuple[FloatArray, bool]:
    """Lift eigenvalues to `COVARIANCE_FLOOR`, and make the matrices exactly symmetric."""
    symmetric = (covariances + covariances.transpose(0, 2, 1)) / 2.0
    values, vectors = np.linalg.eigh(symmetric)
    if (values >= COVARIANCE_FLOOR).all():
        return symmetric, False
    scaled = vectors * np.maximum(values, COVARIANCE_FLOOR)[:, np.newaxis, :]
    lifted = scaled @ vectors.transpose(0, 2, 1)
    return (lifted + lifted.transpose(0, 2, 1)) / 2.0, True


def _stationary(transitions: FloatArray) -> FloatArray:
    """Solve ``p A = p`` with ``sum(p) = 1``."""
    k = len(transitions)
    system = np.vstack((transitions.T - np.eye(k), np.ones(k)))
    solution, *_ = np.linalg.lstsq(system, np.append(np.zeros(k), 1.0))
    positive = np.maximum(solution, 0.0)
    probabilities: FloatArray = positive / positive.sum()
    return probabilities


def _warn(record: HmmFit) -> None:
    if record.backend == "gmm":
        _logger.warning("hmmlearn is absent: a Gaussian mixture was fitted and its transitions were counted afterwards")
    if not record.converged:
        _logger.warning("EM had not come to rest after %d iterations: %s", record.iterations, record.messages)
