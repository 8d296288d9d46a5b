"""The rival with memory: against statsmodels-free oracles, and blind to what comes later."""

import numpy as np
import pytest
from scipy.stats import norm

from training.kit.autoregression import fit_autoregression


def simulated(n: int, seed: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Return (return over volatility, log volatility), whose volatility remembers its last day by 0.8."""
    rng = np.random.default_rng(seed)
    log_volatility = np.empty(n)
    log_volatility[0] = -4.0
    for t in range(1, n):
        log_volatility[t] = -0.8 + 0.8 * log_volatility[t - 1] + 0.2 * rng.standard_normal()
    return np.stack([0.05 + 0.9 * rng.standard_normal(n), log_volatility], axis=1)


def test_it_finds_the_recursion_that_made_the_data() -> None:
    """The day's weight is 0.8, those of week and month are none, the spread is 0.2."""
    fitted = fit_autoregression([simulated(6000, seed) for seed in range(3)])
    assert fitted.coefficients == pytest.approx([-0.8, 0.8, 0.0, 0.0], abs=0.06)
    assert fitted.spread == pytest.approx(0.2, rel=0.03)
    assert fitted.mean_return == pytest.approx(0.05, abs=0.03)
    assert fitted.deviation == pytest.approx(0.9, rel=0.03)


def test_its_density_is_that_of_two_gaussians() -> None:
    """By scipy, from a prediction made by hand."""
    seen = simulated(400, 9)
    fitted = fit_autoregression([seen])
    at = np.array([30, 200, 398])
    found = fitted.log_density(seen, at)
    for row, density in zip(at, found, strict=True):
        means = [1.0, seen[row, 1], seen[row - 4 : row + 1, 1].mean(), seen[row - 21 : row + 1, 1].mean()]
        predicted = float(np.dot(fitted.coefficients, means))
        by_hand = norm.logpdf(seen[row + 1, 1], predicted, fitted.spread) + norm.logpdf(
            seen[row + 1, 0], fitted.mean_return, fitted.deviation
        )
        assert density == pytest.approx(by_hand, rel=1e-12)


def test_later_rows_change_nothing() -> None:
    """A row's density depends on the rows up to the one after it."""
    seen = simulated(300, 4)
    fitted = fit_autoregression([seen])
    at = np.arange(50, 150)
    assert np.array_equal(fitted.log_density(seen, at), fitted.log_density(seen[:151], at))


def test_a_session_without_a_range_tells_it_nothing() -> None:
    """The last volatility stands; what comes without one has no density; before any, the usual one stands."""
    seen = simulated(400, 9)
    fitted = fit_autoregression([seen])
    gaps, carried, at = seen.copy(), seen.copy(), np.array([30, 200, 201, 398])
    gaps[[0, 199, 202]], carried[0, 1], carried[199, 1] = np.nan, fitted.usual, seen[198, 1]
    found, full = fitted.log_density(gaps, at), fitted.log_density(carried, at)
    assert found[[0, 1, 3]] == pytest.approx(full[[0, 1, 3]], rel=1e-12)
    assert np.isnan(found[2])


def test_it_learns_from_sessions_with_a_range() -> None:
    """A tenth of the ranges missing: the recursion is found as before, and nothing of it is the floor's."""
    rng, gaps = np.random.default_rng(3), simulated(6000, 0)
    gaps[rng.random(len(gaps)) < 0.1] = np.nan
    fitted = fit_autoregression([gaps])
    assert fitted.spread == pytest.approx(0.21, abs=0.02)
    assert fitted.coefficients[1:].sum() == pytest.approx(0.8, abs=0.06)
    assert fitted.usual == pytest.approx(-4.0, abs=0.05)
