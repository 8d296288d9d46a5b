"""Expectation maximisation from several starts: hmmlearn's hidden Markov model, or a mixture where hmmlearn is absent.

Works in standardised units (each observable has mean 0 and deviation 1): hmmlearn's prior on covariances is absolute,
and on daily returns, with their variance near 1e-4, it would outweigh the data.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from feature_mapper.typing import FloatArray, IntArray

Backend = Literal["hmmlearn", "gmm"]
Covariance = Literal["full", "diag"]

TRANSITION_PSEUDO_COUNT: Final = 1.0
"""Transitions between each pair of states that are assumed seen before the data (Dirichlet prior, concentration 2)."""

MAX_ITERATIONS: Final = 500
TOLERANCE: Final = 1e-7
"""Gain of the log likelihood a row below which EM stops."""

AGREED: Final = 1e-6
"""Difference in log likelihood a row within which two starts have come to rest at the same place."""

_STICKY: Final = 0.9  # regimes last: EM starts from transition matrices with this diagonal


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class EmRun:
    """Where EM came to rest from one start; arrays as in `models.families.hmm.GaussianHmm`, standardised units."""

    transitions: FloatArray
    means: FloatArray
    covariances: FloatArray
    log_likelihood: float
    iterations: int
    converged: bool


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class EmRuns:
    """Starts that ran, in order; ``None`` where EM broke down. ``messages``: what libraries warned of, each once."""

    backend: Backend
    runs: tuple[EmRun | None, ...]
    messages: tuple[str, ...]


def run_em(
    z: FloatArray, lengths: Sequence[int], n_states: int, covariance: Covariance, seed: int, n_starts: int
) -> EmRuns:
    """Run starts, one after the other, until the two likeliest agree or all have run.

    Where two at random came to the same place, so do nearly all: further ones would cost as much and find the same.

    Parameters
    ----------
    z : FloatArray of shape (n, d)
        Sequences end to end, finite, standardised.
    lengths : sequence of int
        Length of each sequence; transitions are learnt inside sequences only.

    """
    try:
        from hmmlearn.hmm import GaussianHMM  # noqa: F401  only to learn whether it is there
    except ImportError:
        backend: Backend = "gmm"
        one_start: Callable[..., EmRun] = _mixture
    else:
        backend, one_start = "hmmlearn", _markov
    seeds = np.random.SeedSequence(seed).generate_state(n_starts).tolist()
    runs: list[EmRun | None] = []
    with _collected_warnings() as messages:
        for number, start_seed in enumerate(seeds):
            try:
                run = one_start(z, lengths, n_states, covariance, start_seed)
            except (ValueError, np.linalg.LinAlgError) as error:  # a state has shrunk to a point: this start is lost
                messages.append(f"start {number}: {error}")
                run = None
            runs.append(run if run is not None and np.isfinite(run.log_likelihood) else None)
            if agree(runs, AGREED * len(z)):
                break
    return EmRuns(backend, tuple(runs), tuple(dict.fromkeys(messages)))


def agree(runs: Sequence[EmRun | None], within: float) -> bool:
    """Tell whether the two likeliest runs lie ``within`` of each other in log likelihood."""
    *_, second, best = [-np.inf, -np.inf, *sorted(run.log_likelihood for run in runs if run is not None)]
    return bool(np.isfinite(second) and best - second <= within)


def _markov(z: FloatArray, lengths: Sequence[int], n_states: int, covariance: Covariance, seed: int) -> EmRun:
    """Fit by hmmlearn, from states that sit on observations drawn at random.

    Its own start, k-means centres, led to worse optima on daily bars, and its last bits depend on the number of
    processor cores.
    """
    from hmmlearn.hmm import GaussianHMM

    model = GaussianHMM(
        n_components=n_states,
        covariance_type=covariance,
        transmat_prior=1.0 + TRANSITION_PSEUDO_COUNT,
        n_iter=MAX_ITERATIONS,
        tol=TOLERANCE * len(z),  # hmmlearn's is the gain of all rows together
        random_state=seed,
        init_params="sc",
    )
    off_diagonal = (1.0 - _STICKY) / (n_states - 1)
    model.transmat_ = np.full((n_states, n_states), off_diagonal) + np.eye(n_states) * (_STICKY - off_diagonal)
    model.means_ = np.random.default_rng(seed).choice(z, n_states, replace=False)
    model.fit(z, list(lengths))
    return EmRun(
        transitions=model.transmat_,
        means=model.means_,
        covariances=model.covars_,
        log_likelihood=float(model.score(z, list(lengths))),
        iterations=model.monitor_.iter,
        converged=model.monitor_.iter < MAX_ITERATIONS,  # hmmlearn's own flag is also set when it gives up
    )


def _mixture(z: FloatArray, lengths: Sequence[int], n_states: int, covariance: Covariance, seed: int) -> EmRun:
    """Fit a mixture, which knows no order in time; count transitions between the likeliest states afterwards."""
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(
        n_states,
        covariance_type=covariance,
        max_iter=MAX_ITERATIONS,
        tol=TOLERANCE,
        random_state=seed,
        init_params="random_from_data",
    ).fit(z)
    covariances = model.covariances_
    return EmRun(
        transitions=empirical_transitions(model.predict(z), lengths, n_states),
        means=model.means_,
        covariances=covariances if covariance == "full" else covariances[:, :, np.newaxis] * np.eye(z.shape[1]),
        log_likelihood=float(model.score(z)) * len(z),
        iterations=model.n_iter_,
        converged=model.converged_,
    )


def empirical_transitions(states: IntArray, lengths: Sequence[int], n_states: int) -> FloatArray:
    """Return the shares of the transitions inside sequences, pseudo-counts included."""
    counts = np.full((n_states, n_states), TRANSITION_PSEUDO_COUNT)
    for sequence in np.split(states, np.cumsum(lengths)[:-1]):
        np.add.at(counts, (sequence[:-1], sequence[1:]), 1.0)
    shares: FloatArray = counts / counts.sum(axis=1, keepdims=True)
    return shares


@contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    """Gather what hmmlearn logs and scikit-learn warns of: EM from a bad start complains, and the record keeps it."""
    messages: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        messages.append(record.getMessage())
        return False

    loggers = [logging.getLogger(name) for name in ("hmmlearn.base", "hmmlearn.hmm")]
    for logger in loggers:
        logger.addFilter(keep)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield messages
        messages.extend(str(warning.message) for warning in caught)
    finally:
        for logger in loggers:
            logger.removeFilter(keep)
