"""The forward filter and the weights of the hidden Markov model, held against independent arithmetic."""

import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hmmlearn.hmm import GaussianHMM
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_mapper.typing import FloatArray
from models.families._hmm_filter import FEW_WINDOWS
from models.families.base import FamilyError
from models.families.hmm import GaussianHmm, HmmFit, load

RECORD = HmmFit(
    backend="hmmlearn",
    covariance="full",
    seed=0,
    rows=1,
    sequences=1,
    log_likelihoods=(0.0, None),
    chosen=0,
    converged=True,
    iterations=1,
    condition=(1.0,),
    floored=False,
    transition_pseudo_count=1.0,
    messages=("a word",),
)


def drawn_model(seed: int, k: int = 3, d: int = 2) -> GaussianHmm:
    """Draw a valid model that no fit has touched."""
    rng = np.random.default_rng(seed)
    spread = rng.normal(size=(k, d, d))
    covariances = np.array([s @ s.T + 0.1 * np.eye(d) for s in spread])
    means = rng.normal(size=(k, d))
    return GaussianHmm(
        states=tuple(f"state_{i}" for i in range(k)),
        start=rng.dirichlet(np.ones(k)),
        transitions=rng.dirichlet(np.ones(k), size=k) * 0.99 + 0.01 / k,
        means=means[np.argsort(-means[:, -1] if d > 1 else means[:, 0])],
        covariances=(covariances + covariances.transpose(0, 2, 1)) / 2,
        record=RECORD,
    )


def drawn_rows(seed: int, n: int, d: int = 2, missing: float = 0.0) -> FloatArray:
    """Draw observations; ``missing`` is the share of NaN cells."""
    rng = np.random.default_rng(seed)
    x = rng.normal(scale=2.0, size=(n, d))
    x[rng.random((n, d)) < missing] = np.nan
    return x


def forward_by_hand(model: GaussianHmm, x: FloatArray) -> tuple[list[list[float]], list[float]]:
    """Compute the textbook forward algorithm in log space, cell by cell, with explicit inverses and determinants."""
    k = len(model.states)
    posteriors, scores = [], []
    predicted = [math.log(p) for p in model.start]
    for row in x:
        seen = [i for i, value in enumerate(row) if not math.isnan(value)]
        joint = []
        for state in range(k):
            density = 0.0
            if seen:
                covariance = model.covariances[state][np.ix_(seen, seen)]
                off = row[seen] - model.means[state][seen]
                distance = float(off @ np.linalg.inv(covariance) @ off)
                density = -0.5 * (distance + math.log(np.linalg.det(covariance)) + len(seen) * math.log(2 * math.pi))
            joint.append(predicted[state] + density)
        top = max(joint)
        total = top + math.log(sum(math.exp(value - top) for value in joint))
        posterior = [math.exp(value - total) for value in joint]
        predicted = [math.log(sum(posterior[i] * float(model.transitions[i, j]) for i in range(k))) for j in range(k)]
        posteriors.append(posterior)
        scores.append(total)
    return posteriors, scores


def predictive(model: GaussianHmm, x: FloatArray) -> FloatArray:
    """Return the log density of each row given those before it, from what the model says of both, shape (n,)."""
    expected = np.concatenate([model.start[None], model.next_probabilities(model.filter(x)[:-1])])
    density: FloatArray = np.logaddexp.reduce(np.log(expected) + model.log_likelihoods(x), axis=1)
    return density


def hmmlearn_twin(model: GaussianHmm) -> GaussianHMM:
    """Return hmmlearn's model of the same parameters."""
    twin = GaussianHMM(n_components=len(model.states), covariance_type="full")
    twin.startprob_, twin.transmat_ = model.start, model.transitions
    twin.means_, twin.covars_ = model.means, model.covariances
    return twin


@pytest.mark.parametrize(("k", "d"), [(2, 1), (3, 2), (4, 3)])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_filter_equals_a_forward_algorithm_written_by_hand(k: int, d: int, missing: float) -> None:
    """Posteriors and one-step-ahead log densities agree with the textbook to 1e-8, missing cells included."""
    model, x = drawn_model(k * 10 + d, k, d), drawn_rows(7, 120, d, missing)
    posteriors, scores = forward_by_hand(model, x)

    np.testing.assert_allclose(model.filter(x), posteriors, rtol=0, atol=1e-8)
    np.testing.assert_allclose(predictive(model, x), scores, rtol=0, atol=1e-8)


def test_the_filter_equals_hmmlearn_at_the_end_of_every_prefix() -> None:
    """The smoothed posterior of hmmlearn looks ahead everywhere but in its last row; there it is ours."""
    model, x = drawn_model(1), drawn_rows(2, 80)
    twin = hmmlearn_twin(model)

    ends = [twin.predict_proba(x[: t + 1])[-1] for t in range(len(x))]

    np.testing.assert_allclose(model.filter(x), ends, rtol=0, atol=1e-8)
    assert predictive(model, x).sum() == pytest.approx(twin.score(x), abs=1e-8)


def looks_ahead(posterior: Callable[[FloatArray], FloatArray], x: FloatArray) -> bool:
    """Tell whether bars after a row change that row in any bit."""
    whole = posterior(x)
    return any(posterior(x[:cut]).tobytes() != whole[:cut].tobytes() for cut in range(1, len(x)))


def test_later_bars_change_no_earlier_probability() -> None:
    """Filtered probabilities of a prefix are those of the whole, bit for bit."""
    model, x = drawn_model(3), drawn_rows(4, 60, missing=0.1)
    assert not looks_ahead(model.filter, x)


def test_a_smoothed_regime_is_caught_as_a_leak() -> None:
    """The check above does see the leak that hmmlearn's ``predict_proba`` would plant."""
    model, x = drawn_model(3), drawn_rows(4, 60)
    assert looks_ahead(hmmlearn_twin(model).predict_proba, x)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 60),
    width=st.integers(1, 40),
    missing=st.sampled_from([0.0, 0.2]),
)
def test_a_batch_of_windows_equals_single_windows_bit_for_bit(
    seed: int, count: int, width: int, missing: float
) -> None:
    """Each window of a batch has the bits of a request that holds just it."""
    model = drawn_model(seed)
    windows = drawn_rows(seed, count * width, missing=missing).reshape(count, width, 2)
    batch = model.filter_windows(windows)

    assert batch.shape == (count, 3)
    for row, window in zip(batch, windows, strict=True):
        assert row.tobytes() == model.filter(window)[-1].tobytes()
        assert row.tobytes() == model.filter_windows(window[None])[0].tobytes()


def test_both_ways_of_walking_windows_are_taken() -> None:
    """One window more than `FEW_WINDOWS` runs on arrays, and the bits stay."""
    model, windows = drawn_model(5), drawn_rows(6, 253 * (FEW_WINDOWS + 1)).reshape(-1, 253, 2)
    few, many = model.filter_windows(windows[1:]), model.filter_windows(windows)
    assert few.tobytes() == many[1:].tobytes()


def test_a_missing_bar_moves_probabilities_by_one_transition() -> None:
    """A row of NaN says nothing: its posterior is the prediction made from the row before."""
    model, x = drawn_model(8), drawn_rows(9, 10)
    gap = np.concatenate((x, [[np.nan, np.nan]]))
    posterior = model.filter(gap)
    np.testing.assert_allclose(posterior[-1], model.next_probabilities(posterior[-2:-1])[0], rtol=0, atol=1e-15)


def test_next_probabilities_and_durations_follow_the_chain() -> None:
    """Next probabilities are ``p A``, and a stay lasts as long as in a simulated chain."""
    model, posterior = drawn_model(10), np.random.default_rng(0).dirichlet(np.ones(3), size=50)
    np.testing.assert_allclose(model.next_probabilities(posterior), posterior @ model.transitions, rtol=0, atol=1e-15)

    rng = np.random.default_rng(1)
    for state, expected in enumerate(model.expected_duration):
        stays = rng.geometric(1.0 - model.transitions[state, state], size=40_000)
        assert stays.mean() == pytest.approx(expected, rel=0.03)
        assert expected * (1.0 - model.transitions[state, state]) == pytest.approx(1.0, rel=1e-12)


def test_a_sticky_filter_is_that_of_a_chain_which_leaves_more_seldom() -> None:
    """Of (1 - s) A + s I; what comes next and how long stays last are told by A itself."""
    model, x = drawn_model(11), drawn_rows(12, 40)
    sticky, slow = replace(model, stickiness=0.4), replace(model, transitions=0.6 * model.transitions + 0.4 * np.eye(3))
    assert sticky.filter(x) == pytest.approx(slow.filter(x), abs=1e-12)
    assert not np.allclose(sticky.filter(x), model.filter(x), atol=1e-3)
    posterior = sticky.filter(x)
    assert sticky.held_probabilities(posterior) == pytest.approx(posterior @ slow.transitions, abs=1e-12)
    assert sticky.next_probabilities(posterior) == pytest.approx(posterior @ model.transitions, abs=1e-12)
    assert sticky.expected_duration.tolist() == model.expected_duration.tolist()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.floats(0.0, 1e6), k=st.integers(2, 5))
def test_probabilities_stay_probabilities_far_from_every_state(seed: int, size: float, k: int) -> None:
    """However far an observation lies from every state, the posterior is finite and sums to 1."""
    model, x = drawn_model(seed, k), drawn_rows(seed, 30) * size
    posterior = model.filter(x)
    assert (posterior >= 0).all()
    np.testing.assert_allclose(posterior.sum(axis=1), 1.0, rtol=0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(2, 4), d=st.integers(1, 3))
def test_json_keeps_every_bit(seed: int, k: int, d: int) -> None:
    """A model that went through JSON gives the same bytes of weights and of probabilities."""
    model, x = drawn_model(seed, k, d), drawn_rows(seed, 40, d)
    again = load(model.dump())
    assert again.dump() == model.dump()
    assert again.filter(x).tobytes() == model.filter(x).tobytes()
    assert again.record == model.record


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("start", [0.5, 0.4, 0.2], "sum to 1"),
        ("transitions", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], "1e-12 or more"),
        ("transitions", [[0.5, 0.5], [0.5, 0.5]], "shapes"),
        ("means", [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], "canonical order"),
        ("means", [[1e300, 0.0], [1e300, 1.0], [1e300, 2.0]], "finite means"),
        ("means", [[1.0, 0.0], [2.0], [3.0, 0.0]], "retrain"),
        ("covariances", [[[1.0, 2.0], [2.0, 1.0]]] * 3, "positive definite"),
        ("covariances", [[[1.0, 0.5], [0.4, 1.0]]] * 3, "positive definite"),
        ("start", ["a", "b", "c"], "retrain"),
        ("format", "hmm-1", "retrain"),
        ("stickiness", 1.0, "stickiness"),
        ("surprise", 1, "retrain"),
    ],
)
def test_weights_that_are_no_model_are_refused(part: str, value: object, words: str) -> None:
    """Numbers that cannot be a hidden Markov model never become one."""
    weights = json.loads(drawn_model(0).dump()) | {part: value}
    with pytest.raises(FamilyError, match=words):
        load(json.dumps(weights).encode())


@settings(max_examples=100, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_damaged_weights_load_or_are_refused_but_never_crash(where: float, bit: int, cut: bool) -> None:  # noqa: FBT001  drawn
    """The store's hash comes first; should damage get past it, `FamilyError` is all that can happen."""
    weights = bytearray(drawn_model(0).dump())
    place = int(where * len(weights))
    if cut:
        del weights[place:]
    else:
        weights[place] ^= 1 << bit
    try:
        model = load(bytes(weights))
    except FamilyError:
        return
    assert np.isfinite(model.filter(drawn_rows(0, 5))).all()


@pytest.mark.parametrize("x", [np.zeros((4, 3)), np.zeros(4), np.array([[np.inf, 0.0]]), np.array([[0.0, 1e200]])])
def test_observations_of_another_kind_are_refused(x: FloatArray) -> None:
    """Another width, an infinite or a huge value is an error, not a number."""
    with pytest.raises(FamilyError, match="expected observations"):
        drawn_model(0).filter(x)


def test_windows_without_rows_are_refused() -> None:
    """They say nothing, not even that nothing was seen."""
    with pytest.raises(FamilyError, match="send observations"):
        drawn_model(0).filter_windows(np.empty((3, 0, 2)))
