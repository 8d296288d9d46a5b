"""Comparisons: against an independent oracle, and what they say where the truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import gmean

from feature_mapper.typing import FloatArray
from skill.judge import LAG, Scored, by_group, compare, diebold_mariano

DAYS = np.datetime64("2010-01-01") + np.arange(900)


def scored(own: FloatArray, other: FloatArray) -> Scored:
    """Return losses of three symbols on each day, given for (days, 3)."""
    n = len(own)
    date, symbol = np.repeat(DAYS[:n], 3), np.tile(np.arange(3), n)
    return Scored(date, symbol, ("A", "B", "C"), own.ravel(), {"rival": other.ravel()})


@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_the_statistic_is_that_of_a_regression_on_a_constant(memory: float) -> None:
    """Statsmodels' heteroskedasticity and autocorrelation robust t of a mean is the same number."""
    import statsmodels.api as sm

    rng = np.random.default_rng(5)
    shocks = rng.normal(0.05, 1, 900)
    differences = np.zeros(900)
    for day in range(1, 900):
        differences[day] = memory * differences[day - 1] + shocks[day]
    fitted = sm.OLS(differences, np.ones(900)).fit(cov_type="HAC", cov_kwds={"maxlags": LAG, "use_correction": False})
    assert diebold_mariano(differences) == pytest.approx(float(fitted.tvalues[0]), rel=1e-9)


def test_equal_forecasts_have_no_statistic() -> None:
    """Nothing differs, so nothing is significant."""
    assert diebold_mariano(np.zeros(50)) is None


def test_a_better_model_is_called_better() -> None:
    """Losses of 0.9 of the rival's, under noise that both share."""
    rng = np.random.default_rng(1)
    shared = rng.exponential(1, (900, 3))
    found = compare(scored(0.9 * shared + 0.001 * rng.random((900, 3)), shared), "rival")
    assert found.ratio == pytest.approx(0.9005, abs=2e-3)
    assert found.ratio_ci95[0] < found.ratio < found.ratio_ci95[1] < 1
    assert (found.n, found.days, found.better) == (2700, 900, 1.0)
    assert found.p is not None
    assert found.p < 1e-6
    assert found.dm is not None
    assert found.dm > 0


def test_log_densities_are_compared_by_their_ratio() -> None:
    """Below 1 where the model gave more, in the geometric mean, whatever the sign of a density's log."""
    rng = np.random.default_rng(4)
    shared = rng.normal(0, 1, (900, 3))
    own = shared - 0.1 + 0.05 * rng.normal(size=(900, 3))
    told = scored(own, shared)
    found = compare(replace(told, log=True), "rival")
    density = {"own": np.exp(-own.ravel()), "rival": np.exp(-shared.ravel())}
    assert found.ratio == pytest.approx(gmean(density["rival"]) / gmean(density["own"]), rel=1e-9)
    assert found.ratio_ci95[0] < found.ratio < found.ratio_ci95[1] < 1
    assert found.gain == pytest.approx(-np.log(found.ratio), rel=1e-9)
    assert found.better == 1.0
    assert found.worst[1] < 1
    year = by_group(replace(told, log=True), "rival", np.arange(2700) // 1350, ("early", "late"))["late"]
    # parts are told to five digits
    assert year.ratio == pytest.approx(gmean(density["rival"][1350:]) / gmean(density["own"][1350:]), rel=5e-5)


def test_symbols_of_a_day_count_as_one() -> None:
    """Three copies of one symbol prove no more than one does."""
    rng = np.random.default_rng(2)
    one = rng.normal(1.02, 0.3, (900, 1))
    own, other = np.ones((900, 3)), np.repeat(one, 3, axis=1)
    assert compare(scored(own, other), "rival").dm == pytest.approx(diebold_mariano(one[:, 0] - 1), rel=1e-9)


def test_noise_is_rarely_significant() -> None:
    """Of two equals under losses with a month of memory, five in a hundred differ at five per cent, not thirty."""
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(300):
        shocks = rng.normal(0, 1, 1020)
        differences = np.convolve(shocks, np.ones(10) / 10, mode="valid")[:1000]
        wrong += abs(diebold_mariano(differences) or 0.0) > 1.96
    assert wrong <= 300 * 0.11  # Newey and West's variance is known to be a little small


def test_only_rows_that_both_answer_are_compared() -> None:
    """A rival that says nothing of a symbol's first year neither wins nor loses by it."""
    own, other = np.full((900, 3), 1.0), np.full((900, 3), 2.0)
    other[:300, 1] = np.nan
    own[:300, 1] = 1e9
    found = compare(scored(own, other), "rival")
    assert (found.n, found.ratio) == (2400, 0.5)


def test_the_worst_symbol_is_named() -> None:
    """It is the one that a mean hides."""
    own, other = np.full((900, 3), 0.5), np.ones((900, 3))
    own[:, 2] = 3.6
    found = compare(scored(own, other), "rival")
    symbol, ratio = found.worst
    assert (symbol, round(ratio, 9)) == ("C", 3.6)
    assert found.better == pytest.approx(2 / 3)
