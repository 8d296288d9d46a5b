"""The fitted Gaussian hidden Markov model: its numbers, what they say of a sequence, and its JSON."""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec
import numpy as np

from feature_mapper.typing import FloatArray, IntArray
from models.families._hmm_em import Backend, Covariance
from models.families._hmm_filter import log_densities, posteriors, window_posteriors
from models.families.base import FamilyError

MIN_TRANSITION: Final = 1e-12
"""Smallest transition probability a model may have; keeps the forward recursion from underflow."""

LARGEST_OBSERVATION: Final = 1e100
"""Beyond this the square of an observation may not be a number any more."""

ROUNDING: Final = 1e-9
"""How far a sum of probabilities may lie from 1."""


class HmmFit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model was fitted.

    Attributes
    ----------
    backend : {"hmmlearn", "gmm"}
        ``gmm``: hmmlearn was absent; a mixture was fitted and its transitions counted afterwards (empirical).
    covariance : {"full", "diag"}
        Form of the states' covariances.
    seed, rows, sequences : int
        What EM started from and what it saw.
    log_likelihoods : tuple of float or None
        Of each start, in the units of the observations, as the backend's own model has it (a mixture knows no
        transitions). ``None``: EM broke down. ``chosen`` is the index of the best, which was kept.
    converged : bool
        EM came to rest in the chosen start.
    iterations : int
        Of the chosen start.
    condition : tuple of float
        Condition number of each state's covariance, standardised units, state order; above 1e3 the observables say
        nearly the same.
    floored : bool
        An eigenvalue had to be lifted to `COVARIANCE_FLOOR`.
    transition_pseudo_count : float
        Weight of the prior on each transition.
    messages : tuple of str
        What the libraries warned of.

    """

    backend: Backend
    covariance: Covariance
    seed: int
    rows: int
    sequences: int
    log_likelihoods: tuple[float | None, ...]
    chosen: int
    converged: bool
    iterations: int
    condition: tuple[float, ...]
    floored: bool
    transition_pseudo_count: float
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: arrays have no single truth value
class GaussianHmm:
    """A hidden Markov model with k states and Gaussian observations of d dimensions.

    States are in canonical order, see `canonical_order`. So a retrain never turns "bull" into "bear".

    Attributes
    ----------
    states : tuple of str
        Names in canonical order: bear, neutral, bull for three.
    start : FloatArray of shape (k,)
        The stationary distribution of ``transitions``: a window may begin anywhere in a market's life.
    transitions : FloatArray of shape (k, k)
        Row i: probabilities of the next session's state after state i.
    means, covariances : FloatArray of shape (k, d) and (k, d, d)
        Observations of each state, in their own units.
    record : HmmFit
        How it was fitted.
    stickiness : float
        Share of each day's chance to leave a state that `filter` takes off, from 0 to below 1: it steps by
        ``(1 - s) transitions + s I``, so that the noise of one day moves the state less. The long-run shares stay.

    """

    states: tuple[str, ...]
    start: FloatArray
    transitions: FloatArray
    means: FloatArray
    covariances: FloatArray
    record: HmmFit
    stickiness: float = 0.0

    @property
    def _held(self) -> FloatArray:
        """Transitions of the filter."""
        return (1.0 - self.stickiness) * self.transitions + self.stickiness * np.eye(len(self.start))

    @property
    def expected_duration(self) -> FloatArray:
        """Sessions that a stay in each state lasts on average, shape (k,): ``1 / (1 - p_ii)``."""
        return 1.0 / (1.0 - np.diagonal(self.transitions))

    def filter(self, x: FloatArray) -> FloatArray:
        """Return the probabilities of the states at each row given the rows up to it, shape (n, k).

        Parameters
        ----------
        x : FloatArray of shape (n, d)
            Observations, oldest first. A NaN cell is marginalised; a row of NaN moves the probabilities by one
            transition and says nothing.

        Raises
        ------
        FamilyError
            Not d columns, or a value that is infinite or beyond `LARGEST_OBSERVATION`.

        """
        return posteriors(self._log_densities(x), self.start, self._held)

    def filter_windows(self, windows: FloatArray) -> FloatArray:
        """Return what `filter` says last of each window, shape (n, width, d) to (n, k).

        Bit-identical to ``filter(window)[-1]`` for each of them, so a batch answers exactly as single requests do.

        Raises
        ------
        FamilyError
            As `filter`; also where a window has no row.

        """
        n, width, d = windows.shape
        if width < 1:
            raise FamilyError("expected windows of at least 1 row, found none; send observations")
        steps = np.ascontiguousarray(windows.transpose(1, 0, 2)).reshape(-1, d)
        density = self._log_densities(steps).reshape(len(self.start), width, n)
        return window_posteriors(density, self.start, self._held)

    def next_probabilities(self, posterior: FloatArray) -> FloatArray:
        """Return the probabilities of the next session's states after ``posterior``, both of shape (n, k)."""
        return _stepped(posterior, self.transitions)

    def held_probabilities(self, posterior: FloatArray) -> FloatArray:
        """Return what `filter` steps to from ``posterior`` before it sees the next row, both of shape (n, k)."""
        return _stepped(posterior, self._held)

    def log_likelihoods(self, x: FloatArray) -> FloatArray:
        """Return the log density of each row in each state, whatever came before, shape (n, k).

        In units of the observations; 0 where a row has no observed cell. Raises as `filter`.
        """
        return self._log_densities(x).T

    def dump(self) -> bytes:
        """Return the model as JSON; `load` gives one with the same bits."""
        return msgspec.json.encode(
            _Weights(
                format="hmm-2",
                states=self.states,
                start=self.start.tolist(),
                transitions=self.transitions.tolist(),
                means=self.means.tolist(),
                covariances=self.covariances.tolist(),
                record=self.record,
                stickiness=self.stickiness,
            )
        )

    def _log_densities(self, x: FloatArray) -> FloatArray:
        d = self.means.shape[1]
        if x.ndim != 2 or x.shape[1] != d:
            raise FamilyError(
                f"expected observations of shape (n, {d}), found {x.shape}; send what the model was fitted on"
            )
        if (np.abs(x) > LARGEST_OBSERVATION).any():
            found = float(np.nanmax(np.abs(x)))
            raise FamilyError(f"expected observations below {LARGEST_OBSERVATION:g}, found {found:g}; check the bars")
        return log_densities(x, self.means, self.covariances)


def _stepped(posterior: FloatArray, transitions: FloatArray) -> FloatArray:
    return np.stack([np.add.reduce(posterior * column, axis=1) for column in transitions.T], axis=1)


class _Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal["hmm-2"]
    states: tuple[str, ...]
    start: list[float]
    transitions: list[list[float]]
    means: list[list[float]]
    covariances: list[list[list[float]]]
    record: HmmFit
    stickiness: float


def load(weights: bytes) -> GaussianHmm:
    """Rebuild a model from `GaussianHmm.dump`; call it on verified bytes only.

    Raises
    ------
    FamilyError
        Not such JSON, or numbers that are no hidden Markov model.

    """
    try:
        stored = msgspec.json.decode(weights, type=_Weights)
        return checked(
            GaussianHmm(
                states=stored.states,
                start=np.array(stored.start, dtype=np.float64),
                transitions=np.array(stored.transitions, dtype=np.float64),
                means=np.array(stored.means, dtype=np.float64),
                covariances=np.array(stored.covariances, dtype=np.float64),
                record=stored.record,
                stickiness=stored.stickiness,
            )
        )
    except (msgspec.MsgspecError, ValueError) as error:  # ValueError: invalid UTF-8, ragged lists
        raise FamilyError(f"expected the JSON of a hidden Markov model, found: {error}; retrain the model") from error


def canonical_order(means: FloatArray) -> IntArray:
    """Return the order of descending last observable (log volatility), ties by ascending first one (the return).

    Of the return alone: ascending. Mean returns of states differ by a few of their standard errors, so an order by them
    turned over from refit to refit on few symbols; mean volatilities differ by hundreds.
    """
    first, last = means[:, 0], -means[:, -1] if means.shape[1] > 1 else means[:, 0]
    order: IntArray = np.lexsort((first, last))
    return order


def checked(model: GaussianHmm) -> GaussianHmm:
    """Return the model if its numbers are one, else raise `FamilyError`."""
    k = len(model.states)
    d = model.means.shape[-1] if model.means.ndim == 2 else 0
    shapes = (model.start.shape, model.transitions.shape, model.means.shape, model.covariances.shape)
    if k < 2 or d < 1 or shapes != ((k,), (k, k), (k, d), (k, d, d)):
        raise FamilyError(
            f"expected start, transitions, means and covariances of {k} states, found shapes {shapes}; retrain"
        )
    sums = np.append(model.transitions.sum(axis=1), model.start.sum())
    rules = {
        "start and every row of transitions sum to 1": (np.abs(sums - 1.0) < ROUNDING).all(),
        f"transitions of {MIN_TRANSITION:g} or more": (model.transitions >= MIN_TRANSITION).all(),
        "start probabilities of 0 or more": (model.start >= 0.0).all(),
        "a stickiness from 0 to below 1": 0.0 <= model.stickiness < 1.0,
        "finite means": (np.abs(model.means) <= LARGEST_OBSERVATION).all(),
        "symmetric positive definite covariances": _positive_definite(model.covariances),
        "states in canonical order": (canonical_order(model.means) == np.arange(k)).all(),
    }
    broken = [rule for rule, holds in rules.items() if not holds]
    if broken:
        raise FamilyError(f"expected {'; '.join(broken)}; found otherwise; retrain the model")
    return model


def _positive_definite(covariances: FloatArray) -> bool:
    if not np.isfinite(covariances).all() or (covariances != covariances.transpose(0, 2, 1)).any():
        return False
    return bool((np.linalg.eigvalsh(covariances) > 0.0).all())
