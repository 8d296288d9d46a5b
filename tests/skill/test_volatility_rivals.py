"""Rivals of volatility: against other libraries, causal, and given all that came before."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray
from skill.measures import student
from skill.rivals.base import SymbolRival
from skill.rivals.volatility import DECAY, LEAST, Ewma, Garch, Har, known_variance, of_volatility
from tests.training.kit.support import MONDAY, after, market, rewritten

N = 1400
EDGES: DateArray = np.array(["2006-01-01", "2007-01-01", "2008-01-01", "2009-06-01"], dtype="datetime64[D]")

rivals = pytest.mark.parametrize(
    "rival", [*of_volatility(1), *of_volatility(5)], ids=lambda rival: f"{rival.name} {rival.horizon}"
)


def bars() -> Bars:
    """Return a market of five years."""
    return market(N, 3, "A")


def day_of(of: Bars) -> DateArray:
    """Return its days."""
    assert of.date is not None
    return of.date


def variance(rival: SymbolRival, of: Bars, edges: DateArray) -> FloatArray:
    """Return what a rival says of the variance of the session after each bar."""
    return rival.columns(of, edges)["variance"]


def week_ahead(known: FloatArray, horizon: int) -> FloatArray:
    """Return the mean of the next ``horizon`` variances, one slice at a time; NaN where they are not all there."""
    means = [known[at + 1 : at + 1 + horizon].mean() for at in range(len(known) - horizon)]
    return np.append(means, np.full(horizon, np.nan))


@rivals
def test_it_says_something_of_every_bar_between_the_edges(rival: SymbolRival) -> None:
    """And nothing before the first of them, where it would have to know its own future."""
    days = day_of(bars())
    said = variance(rival, bars(), EDGES)
    asked = (days >= EDGES[0]) & (days < EDGES[-1])
    assert np.array_equal(np.isfinite(said), asked)
    assert (said[asked] > 0).all()


@rivals
def test_later_bars_change_nothing(rival: SymbolRival) -> None:
    """What it says at a bar is the same whatever follows."""
    day = np.datetime64("2007-05-16")
    known = day_of(bars()) <= day
    truth, other = (rival.columns(of, EDGES) for of in (bars(), rewritten(bars(), after(bars(), day))))
    for name, values in truth.items():
        assert np.array_equal(values[known], other[name][known], equal_nan=True), name


@rivals
@pytest.mark.parametrize("part", ["first", "last"])
def test_it_learns_on_all_sessions_before_an_edge(rival: SymbolRival, part: str) -> None:
    """The first and the last stretch before an edge are both in what it says long after."""
    stop = int(np.searchsorted(day_of(bars()), EDGES[1]))
    stretch = slice(30, 60) if part == "first" else slice(stop - 3, stop)
    truth, other = (variance(rival, of, EDGES)[stop + 120] for of in (bars(), rewritten(bars(), stretch, 4.0)))
    assert truth != other


@rivals
def test_it_is_unbiased_where_it_learnt(rival: SymbolRival) -> None:
    """Over the sessions before the edge, outcomes are as large as what it says of them."""
    days = day_of(bars())
    whole: DateArray = np.array([days[LEAST + 60], days[-1] + 1])
    said = variance(rival, bars(), whole)
    outcome = week_ahead(known_variance(bars()), rival.horizon)
    ratio = np.nanmean(outcome / said)
    assert 0.8 < ratio < 1.25


def test_ewma_is_that_of_pandas() -> None:
    """By its shape; the level is made unbiased."""
    known = pd.Series(known_variance(bars()))
    start = known[:21].mean()
    recursive = pd.concat([pd.Series([start]), known]).ewm(alpha=1 - DECAY, adjust=False).mean().to_numpy()[1:]
    said = variance(Ewma(), bars(), EDGES)
    block = (day_of(bars()) >= EDGES[0]) & (day_of(bars()) < EDGES[1])
    assert np.ptp(said[block] / recursive[block]) < 1e-12 * said[block].max() / recursive[block].min()


@pytest.mark.parametrize(("of", "into", "back"), [("levels", lambda v: v, lambda v: v), ("logs", np.log, np.exp)])
def test_har_is_that_of_statsmodels(
    of: str, into: Callable[[FloatArray], FloatArray], back: Callable[[FloatArray], FloatArray]
) -> None:
    """Least squares on pandas' rolling means, by another library, and the same coefficients at work."""
    import statsmodels.api as sm

    known = pd.Series(known_variance(bars()))
    terms = sm.add_constant(np.column_stack([into(known.rolling(width).mean().to_numpy()) for width in (1, 5, 22)]))
    start = int(np.searchsorted(day_of(bars()), EDGES[0]))
    stop = int(np.searchsorted(day_of(bars()), EDGES[1]))
    target = into(known_variance(bars()))
    fitted = sm.OLS(target[22:start], terms[21 : start - 1]).fit()
    said = back(fitted.predict(terms[start:stop]))
    ours = variance(Har("levels" if of == "levels" else "logs"), bars(), EDGES)[start:stop]
    ratio = ours / said
    assert np.median(np.abs(ratio / np.median(ratio) - 1)) < 1e-9  # all but what is taken to the ends of the range


def test_garch_forecasts_are_those_of_a_fit_on_the_past_alone() -> None:
    """A fit on a series that ends at the edge, asked about the next session, says the same but for the level."""
    from arch import arch_model

    start = int(np.searchsorted(day_of(bars()), EDGES[0]))
    returns = 100 * np.log(bars().close[1:start] / bars().close[: start - 1])
    for rival in (Garch(leverage=False), Garch(leverage=True)):
        said = variance(rival, bars(), EDGES)
        model = arch_model(returns, p=1, o=int(rival.leverage), q=1, dist="t", rescale=False)
        fitted = model.fit(disp="off", show_warning=False)
        path = fitted.conditional_volatility**2
        bias = np.mean(known_variance(bars())[2:start] / path[1:])
        ahead = float(fitted.forecast(horizon=1, reindex=False).variance.to_numpy()[-1, 0])
        # The bar before the edge is the last that the fit saw; what it says of the edge is one step of its recursion.
        again = variance(rival, bars()[: start + 1], np.array([EDGES[0], EDGES[1]]))
        assert again[start] == said[start]
        omega, alpha, *gamma, beta = (float(value) for value in fitted.params.to_numpy()[1:-1])
        shock = 100 * float(np.log(bars().close[start] / bars().close[start - 1])) - float(fitted.params.iloc[0])
        leverage = gamma[0] if gamma and shock < 0 else 0.0
        assert said[start] / bias == pytest.approx(omega + (alpha + leverage) * shock**2 + beta * ahead, rel=2e-3)


def test_har_of_a_week_is_fitted_on_weeks_that_ended_before_the_edge() -> None:
    """By statsmodels, on the mean of the five sessions ahead: the last row is five sessions before the edge."""
    import statsmodels.api as sm

    known = known_variance(bars())
    terms = sm.add_constant(
        np.column_stack([pd.Series(known).rolling(width).mean().to_numpy() for width in (1, 5, 22)])
    )
    start, stop = (int(np.searchsorted(day_of(bars()), edge)) for edge in EDGES[:2])
    fitted = sm.OLS(week_ahead(known, 5)[21 : start - 5], terms[21 : start - 5]).fit()
    ratio = variance(Har("levels", 5), bars(), EDGES)[start:stop] / fitted.predict(terms[start:stop])
    assert np.median(np.abs(ratio / np.median(ratio) - 1)) < 1e-9


def test_garch_of_a_week_adds_up_its_own_recursion() -> None:
    """Each step's expected variance from the one before; a shock below the mean is as likely as one above it."""
    from arch import arch_model

    start = int(np.searchsorted(day_of(bars()), EDGES[0]))
    returns = 100 * np.log(bars().close[1:start] / bars().close[: start - 1])
    for leverage in (False, True):
        day, week = (Garch(leverage, horizon).columns(bars(), EDGES) for horizon in (1, 5))
        fitted = arch_model(returns, p=1, o=int(leverage), q=1, dist="t", rescale=False).fit(disp="off")
        mean, omega, alpha, *gamma, beta = (float(value) for value in fitted.params.to_numpy()[:-1])
        steps = [(100 * day["deviation"][start]) ** 2]
        for _ in range(4):
            steps.append(omega + (alpha + sum(gamma) / 2 + beta) * steps[-1])
        assert (100 * week["deviation"][start]) ** 2 == pytest.approx(sum(steps), rel=1e-6)
        assert week["mean"][start] == pytest.approx(5 * mean / 100, rel=1e-3)


def test_garch_gives_a_distribution_of_the_next_return() -> None:
    """Of returns with Student's t, the deviation is that of the whole, and outcomes fill its quantiles evenly."""
    rng = np.random.default_rng(5)
    truth = 0.0004 + 0.012 * np.sqrt(4 / 6) * rng.standard_t(6, 6000)
    close = 100 * np.exp(np.cumsum(truth))
    date = np.busday_offset(MONDAY, np.arange(6000))
    of = Bars(close, close * 1.001, close / 1.001, close, np.full(6000, 1e6), date, "T")
    said = Garch(leverage=True).columns(of, np.array([date[5000], date[-1] + 1]))
    assert np.nanmedian(said["mean"]) == pytest.approx(0.0004, abs=0.0005)
    assert np.nanmedian(said["deviation"]) == pytest.approx(0.012, rel=0.06)
    assert 4 < np.nanmedian(said["freedom"]) < 9
    known = {name: values[5000:-1] for name, values in said.items()}
    quantile = student(known["mean"], known["deviation"], known["freedom"])
    for tau in (0.05, 0.5, 0.95):
        assert np.mean(truth[5001:] < quantile(tau)) == pytest.approx(tau, abs=0.04)
