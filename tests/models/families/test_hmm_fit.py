"""Fitting regimes: by hmmlearn, and by a mixture where hmmlearn is absent."""

import logging
import sys
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from feature_mapper.typing import FloatArray, IntArray
from models.families import _hmm_em
from models.families._hmm_em import TOLERANCE, Covariance, EmRun, empirical_transitions, run_em
from models.families._hmm_filter import log_densities
from models.families._hmm_model import canonical_order
from models.families.base import FamilyError
from models.families.hmm import GaussianHmm, fit, load
from tests.models.families.test_hmm import predictive

STARTS = 3

TRANSITIONS = np.array([[0.95, 0.04, 0.01], [0.02, 0.96, 0.02], [0.01, 0.03, 0.96]])
MEANS = np.array([[-0.02, -3.0], [0.0, -4.0], [0.02, -5.0]])
SPREADS = np.array([[0.012, 0.25], [0.006, 0.25], [0.006, 0.25]])


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Market:
    """Simulated returns and log volatilities, and the regime that was behind each."""

    x: FloatArray
    regime: IntArray


def simulated(seed: int, n: int) -> Market:
    """Walk the chain and draw an observation from each state."""
    rng = np.random.default_rng(seed)
    regime = np.empty(n, dtype=np.int64)
    regime[0] = 1
    for t in range(1, n):
        regime[t] = rng.choice(3, p=TRANSITIONS[regime[t - 1]])
    return Market(MEANS[regime] + SPREADS[regime] * rng.normal(size=(n, 2)), regime)


@pytest.fixture(scope="module")
def markets() -> tuple[Market, Market]:
    """Two symbols of one market."""
    return simulated(1, 900), simulated(2, 600)


@pytest.fixture(scope="module")
def model(markets: tuple[Market, Market]) -> GaussianHmm:
    """Return what hmmlearn learns from both."""
    return fit([market.x for market in markets], seed=0, n_starts=STARTS)


@pytest.fixture
def without_hmmlearn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``import hmmlearn`` fail as it does where it is not installed."""
    for name in [name for name in sys.modules if name.split(".")[0] == "hmmlearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "hmmlearn", None)


def oracle_of(model: GaussianHmm) -> GaussianHmm:
    """Return the filter that knows the parameters the market was simulated with."""
    powers = np.linalg.matrix_power(TRANSITIONS, 10_000)
    covariances = np.array([np.diag(spread**2) for spread in SPREADS])
    return GaussianHmm(model.states, powers[0], TRANSITIONS, MEANS, covariances, model.record)


def agreement(model: GaussianHmm, market: Market) -> float:
    """Return the adjusted Rand index of filtered and true regimes."""
    return float(adjusted_rand_score(market.regime, model.filter(market.x).argmax(axis=1)))


def test_simulated_regimes_are_recovered(model: GaussianHmm) -> None:
    """On unseen data the adjusted Rand index is within 0.03 of the filter that knows the truth."""
    unseen = simulated(99, 3000)
    best = agreement(oracle_of(model), unseen)
    assert best > 0.9
    assert agreement(model, unseen) > best - 0.03


@pytest.mark.usefixtures("without_hmmlearn")
def test_the_mixture_recovers_separated_regimes_too(markets: tuple[Market, Market]) -> None:
    """The fallback is a model in earnest: within 0.05 of the oracle where regimes lie apart."""
    fallback = fit([market.x for market in markets], seed=0, n_starts=STARTS)
    unseen = simulated(99, 3000)
    assert agreement(fallback, unseen) > agreement(oracle_of(fallback), unseen) - 0.05


def test_parameters_come_back_in_their_own_units(model: GaussianHmm) -> None:
    """Means, spreads and transitions are those of the simulation, not of the standardised fit."""
    assert (np.abs(model.means - MEANS) < [0.003, 0.06]).all()
    np.testing.assert_allclose(np.sqrt(np.diagonal(model.covariances, axis1=1, axis2=2)), SPREADS, rtol=0.12)
    np.testing.assert_allclose(model.transitions, TRANSITIONS, rtol=0, atol=0.03)


def test_rows_of_transitions_sum_to_one_and_the_start_is_stationary(model: GaussianHmm) -> None:
    """``p A = p``; every row of A is a distribution."""
    np.testing.assert_allclose(model.transitions.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.start @ model.transitions, model.start, rtol=0, atol=1e-12)


def test_stickiness_changes_nothing_that_em_found(markets: tuple[Market, Market]) -> None:
    """It is the filter's: states, transitions and how long stays last are those of EM."""
    sequences = [market.x for market in markets]
    plain, sticky = (fit(sequences, n_states=3, seed=4, n_starts=1, stickiness=share) for share in (0.0, 0.4))
    assert sticky.stickiness == 0.4
    assert replace(sticky, stickiness=0.0).dump() == plain.dump()
    assert sticky.expected_duration.tolist() == plain.expected_duration.tolist()


def test_eight_seeds_give_one_canonical_order(markets: tuple[Market, Market]) -> None:
    """A library numbers states differently from seed to seed; canonical order makes the regimes agree."""
    x = markets[0].x
    models = [fit([x], seed=seed, n_starts=2) for seed in range(8)]
    labels = [model.filter(x).argmax(axis=1) for model in models]
    for model in models:
        assert model.states == ("bear", "neutral", "bull")
        assert (np.diff(model.means[:, 1]) < 0).all()
    for first, second in pairwise(labels):
        assert (first == second).mean() > 0.99


def test_the_wildest_state_comes_first_and_ties_are_broken_by_the_return() -> None:
    """Whatever their returns, which a refit knows far less surely; of returns alone, the lowest comes first."""
    assert canonical_order(np.array([[0.0, 2.0], [0.001, 1.0], [-1.0, 1.5]])).tolist() == [0, 2, 1]
    assert canonical_order(np.array([[0.0, 2.0], [-1.0, 2.0], [1.0, 3.0]])).tolist() == [2, 1, 0]
    assert canonical_order(np.array([[0.3], [-0.1], [0.2]])).tolist() == [1, 2, 0]


def test_the_likeliest_start_is_kept(model: GaussianHmm, markets: tuple[Market, Market]) -> None:
    """All likelihoods are on record, the best was kept, and it is the likelihood of that model."""
    scores = model.record.log_likelihoods
    kept = scores[model.record.chosen]
    assert len(scores) == STARTS
    assert kept is not None
    assert kept == max(score for score in scores if score is not None)
    # hmmlearn scores with the start distribution it fitted, two rows of 1500; hence the tolerance of a few nats.
    total = sum(float(predictive(model, market.x).sum()) for market in markets)
    assert total == pytest.approx(kept, abs=10.0)
    assert model.record.converged
    assert all(1.0 <= figure < 1e3 for figure in model.record.condition)


def at_rest(log_likelihood: float) -> EmRun:
    """Return a run that came to rest there."""
    nothing = np.zeros((1, 1))
    return EmRun(nothing, nothing, nothing, log_likelihood, iterations=1, converged=True)


def test_only_the_likeliest_start_goes_on_to_its_end(
    markets: tuple[Market, Market], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one, where it breaks down on the way; none of those that looked worse at first."""
    asked: list[tuple[int, int]] = []

    def start(z: FloatArray, lengths: object, n: int, covariance: str, seed: int, iterations: int) -> EmRun:  # noqa: ARG001  as the real one
        number = seeds.index(seed)
        asked.append((number, iterations))
        if number == breaks and iterations > _hmm_em.LOOK:
            raise np.linalg.LinAlgError("a state has shrunk to a point")
        return at_rest([1.0, 4.0, 3.0, 2.0][number] + (iterations > _hmm_em.LOOK))

    breaks, seeds = 1, np.random.SeedSequence(5).generate_state(4).tolist()
    monkeypatch.setattr(_hmm_em, "_markov", start)
    em = _hmm_em.run_em(markets[0].x, [len(markets[0].x)], 3, "full", 5, 4)
    looks = [(number, _hmm_em.LOOK) for number in range(4)]
    assert asked == [*looks, (1, _hmm_em.MAX_ITERATIONS), (2, _hmm_em.MAX_ITERATIONS)]
    assert [None if run is None else run.log_likelihood for run in em.runs] == [1.0, None, 4.0, 2.0]
    assert em.messages == ("start 1: a state has shrunk to a point",)


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_scaled_recursions_lead_where_those_in_logarithms_do(covariance: Covariance) -> None:
    """Even with a session so wild that its density is 0 under every state, where hmmlearn's own scaling gives up."""
    from hmmlearn.hmm import GaussianHMM

    x, lengths = np.concatenate([simulated(6, 1800).x, simulated(7, 1200).x]), [1800, 1200]
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    z[700] = -300.0, 8.0
    (found,) = run_em(z, lengths, 3, covariance, seed=4, n_starts=1).runs
    assert found is not None

    def oracle(implementation: str) -> GaussianHMM:
        seed = int(np.random.SeedSequence(4).generate_state(1)[0])
        model = GaussianHMM(
            3,
            covariance_type=covariance,
            transmat_prior=2.0,
            n_iter=500,
            tol=TOLERANCE * len(z),
            random_state=seed,
            init_params="sc",
            implementation=implementation,
        )
        model.transmat_ = np.full((3, 3), 0.05) + np.eye(3) * 0.85
        model.means_ = np.random.default_rng(seed).choice(z, 3, replace=False)
        return model.fit(z, lengths)

    with pytest.raises(ValueError, match="underflow"):
        oracle("scaling")
    by_logarithms = oracle("log")
    assert found.iterations == by_logarithms.monitor_.iter
    assert found.log_likelihood == pytest.approx(by_logarithms.score(z, lengths), rel=1e-10)
    np.testing.assert_allclose(found.transitions, by_logarithms.transmat_, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(found.means, by_logarithms.means_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.covariances, by_logarithms.covars_, rtol=1e-7, atol=1e-9)


def test_the_same_seed_gives_the_same_bytes(model: GaussianHmm, markets: tuple[Market, Market]) -> None:
    """Two trainings on the same data do not differ."""
    assert fit([market.x for market in markets], seed=0, n_starts=STARTS).dump() == model.dump()


@pytest.mark.usefixtures("without_hmmlearn")
def test_a_mixture_takes_over_where_hmmlearn_is_absent(
    markets: tuple[Market, Market], model: GaussianHmm, caplog: pytest.LogCaptureFixture
) -> None:
    """The fallback says so in its record and in the log, and both backends load and serve without hmmlearn."""
    with caplog.at_level(logging.WARNING):
        fallback = fit([market.x for market in markets], seed=0, n_starts=STARTS)
    assert fallback.record.backend == "gmm"
    assert "hmmlearn is absent" in caplog.text
    for trained in (fallback, model):
        served = load(trained.dump())
        assert served.record.backend == trained.record.backend
        assert served.filter(markets[1].x).tobytes() == trained.filter(markets[1].x).tobytes()
        np.testing.assert_allclose(served.filter(markets[1].x).sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert model.record.backend == "hmmlearn"


@pytest.mark.usefixtures("without_hmmlearn")
def test_empirical_transitions_follow_the_likeliest_states(markets: tuple[Market, Market]) -> None:
    """The mixture's transitions are the counts of its likeliest states plus the prior."""
    fallback = fit([market.x for market in markets], seed=0, n_starts=STARTS)
    counts = np.ones((3, 3))
    for market in markets:
        # Mixture weights shift a boundary case here and there against bare densities; hence the tolerance.
        states = log_densities(market.x, fallback.means, fallback.covariances).argmax(axis=0)
        for before, after in pairwise(states):
            counts[before, after] += 1
    np.testing.assert_allclose(fallback.transitions, counts / counts.sum(axis=1, keepdims=True), rtol=0, atol=0.02)


def test_no_transition_is_counted_between_sequences() -> None:
    """The last day of one symbol is not followed by the first day of the next."""
    counted = empirical_transitions(np.array([0, 0, 1, 1, 1, 0]), [2, 3, 1], 2)
    np.testing.assert_allclose(counted, [[2 / 3, 1 / 3], [1 / 4, 3 / 4]], rtol=0, atol=1e-15)


def test_diagonal_covariances_have_no_off_diagonal(markets: tuple[Market, Market]) -> None:
    """``covariance="diag"`` is honoured by the backend and served by the same filter."""
    diagonal = fit([markets[0].x], seed=0, n_starts=1, covariance="diag")
    assert (diagonal.covariances[:, 0, 1] == 0.0).all()
    assert np.isfinite(load(diagonal.dump()).filter(markets[0].x)).all()


def test_a_state_that_shrinks_to_a_line_is_floored() -> None:
    """Observables that repeat each other give a singular covariance; the floor keeps it invertible and says so."""
    x = simulated(3, 800).x[:, :1]
    twice = fit([np.hstack((x, 2.0 * x))], seed=0, n_starts=1)
    assert twice.record.floored
    assert max(twice.record.condition) > 1e2
    assert np.isfinite(twice.filter(np.hstack((x, 2.0 * x)))).all()


@pytest.mark.parametrize(
    ("sequences", "words"),
    [
        ([np.zeros((209, 2))], "at least 210 observations"),
        ([], "leave short ones out"),
        ([np.zeros((300, 2)), np.zeros((300, 3))], "leave short ones out"),
        ([np.zeros((300, 2)), np.zeros((1, 2))], "leave short ones out"),
        ([np.full((300, 2), np.nan)], "finite observations"),
        ([np.column_stack((np.arange(300.0), np.ones(300)))], r"constant columns \[1\]"),
    ],
)
def test_data_that_cannot_carry_the_model_are_refused(sequences: list[FloatArray], words: str) -> None:
    """Too little history, NaN, constants and unequal widths are told apart, with what to do."""
    with pytest.raises(FamilyError, match=words):
        fit(sequences, seed=0, n_starts=1)


def test_a_model_needs_two_states() -> None:
    """One state has no transitions to learn."""
    with pytest.raises(FamilyError, match="n_states >= 2"):
        fit([np.zeros((300, 2))], n_states=1, seed=0, n_starts=1)


def test_a_start_in_which_em_breaks_down_is_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """One lost start costs that start; if all are lost, the error says so."""
    from hmmlearn.hmm import GaussianHMM

    whole, calls = GaussianHMM.fit, []

    def fragile(self: GaussianHMM, x: FloatArray, lengths: list[int]) -> GaussianHMM:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("'covars' must be symmetric, positive-definite")
        return whole(self, x, lengths)

    monkeypatch.setattr(GaussianHMM, "fit", fragile)
    x = simulated(4, 400).x
    survived = fit([x], seed=0, n_starts=2)
    assert survived.record.log_likelihoods[0] is None
    assert survived.record.chosen == 1
    assert any("positive-definite" in message for message in survived.record.messages)

    calls.clear()
    with pytest.raises(FamilyError, match="use fewer states"):
        fit([x], seed=0, n_starts=1)


def test_em_that_is_cut_short_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A fit that had not come to rest is marked and logged."""
    monkeypatch.setattr("models.families._hmm_em.MAX_ITERATIONS", 2)
    with caplog.at_level(logging.WARNING):
        hasty = fit([simulated(5, 400).x], seed=0, n_starts=1)
    assert not hasty.record.converged
    assert "had not come to rest" in caplog.text
