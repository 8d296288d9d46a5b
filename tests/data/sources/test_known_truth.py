"""A market whose truth is known: every law that it promises, by theory, by scipy, and by what its own bars tell."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from data.calendars import calendar_for
from data.errors import InvalidSymbol, OutsideCalendar
from data.quality import Kind, inspect
from data.sources._chance import chance_up, random_walk
from data.sources.known_truth import (
    GARCH,
    MAX_VOLATILITY,
    NOISE,
    REGIMES,
    SIGNAL,
    Garch,
    KnownTruth,
    Market,
    Regimes,
    Signal,
    SignalName,
    Truth,
    generate,
)
from feature_mapper.bars import Bars
from feature_mapper.catalogue import select
from feature_mapper.mapper import compute
from feature_mapper.typing import FloatArray
from feature_mapper.volatility import garman_klass_variance, overnight_gap, session_variance
from training.kit.scores import qlike

SIGMAS = 4.0
"""Standard errors that an estimate may lie from the truth: one of these tests in 16,000 would fail by chance."""

MANY = tuple(f"S{number}" for number in range(40))

ALL = KnownTruth(
    garch=Garch(alpha=0.05, beta=0.88, gamma=0.08),
    regimes=Regimes(),
    signal=Signal(-0.2, "log_return_1"),
    degrees=6,
    factor_share=0.3,
)

LAWS = {"noise": NOISE, "garch": GARCH, "regimes": REGIMES, "signal": SIGNAL, "all": ALL}
each_law = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())


def one(law: KnownTruth, sessions: int, seed: int = 1) -> tuple[Bars, Truth]:
    """Return one symbol of a market."""
    market = generate(law, seed=seed, sessions=sessions)
    return market.bars["KNOWN"], market.truth["KNOWN"]


def returns(bars: Bars) -> FloatArray:
    """Return the log returns of bars 1 to n - 1."""
    return np.log(bars.close[1:] / bars.close[:-1])


def autocorrelation(x: FloatArray) -> float:
    """Return the correlation of neighbours."""
    return float(np.corrcoef(x[1:], x[:-1])[0, 1])


def near(values: FloatArray, truth: float) -> bool:
    """Tell whether the mean of independent values lies within `SIGMAS` of its standard errors of the truth."""
    return bool(abs(values.mean() - truth) <= SIGMAS * values.std() / np.sqrt(len(values)) + 1e-12)


def identical(one: Market, other: Market, symbol: str, sessions: int) -> bool:
    """Tell whether bars and truth of a symbol are the same bits over its first sessions."""
    mine, theirs = one.truth[symbol], other.truth[symbol]
    same = [
        np.array_equal(getattr(mine, name)[:sessions], getattr(theirs, name)[:sessions]) for name in Truth.__slots__
    ]
    return all(same) and one.bars[symbol][:sessions].identical(other.bars[symbol][:sessions])


@st.composite
def laws(draw: st.DrawFn) -> KnownTruth:
    """Draw any law: each part present or not, its numbers over all of their range."""
    alpha, gamma, beta = draw(st.floats(0, 0.3)), draw(st.floats(0, 0.2)), draw(st.floats(0, 0.59))
    stay = [draw(st.floats(0, 1)) for _ in range(2)]
    chain = Regimes(
        transitions=((stay[0], 1 - stay[0]), (1 - stay[1], stay[1])),
        drifts=(draw(st.floats(-0.01, 0.01)), 0.0),
        multiples=(1.0, draw(st.floats(0.1, 1.0))),
        shared=draw(st.booleans()),
    )
    signal = Signal(draw(st.floats(-0.9, 0.9)), draw(st.sampled_from(get_args(SignalName))))
    return KnownTruth(
        volatility=draw(st.floats(1e-5, MAX_VOLATILITY)),
        garch=draw(st.sampled_from([None, Garch(alpha, beta, gamma)])),
        regimes=draw(st.sampled_from([None, chain])),
        signal=draw(st.sampled_from([None, signal])),
        degrees=draw(st.sampled_from([None, 5, 8])),
        night_share=draw(st.floats(0, 0.99)),
        factor_share=draw(st.floats(0, 1)),
        steps=draw(st.integers(1, 6)),
        volume=draw(st.booleans()),
    )


@given(law=laws(), seed=st.integers(0, 2**64), sessions=st.integers(1, 90), more=st.integers(1, 90))
def test_every_market_is_sound_and_begins_as_a_longer_one(law: KnownTruth, seed: int, sessions: int, more: int) -> None:
    """Valid bars on every session of XNYS, chances and variances that are some; more sessions change no earlier bit."""
    market = generate(law, seed=seed, sessions=sessions, symbols=["A", "B"])
    longer = generate(law, seed=seed, sessions=sessions + more, symbols=["C", "B"])

    bars, truth = market.bars["B"], market.truth["B"]
    assert bars.date is not None
    Bars.validated(
        open=bars.open, high=bars.high, low=bars.low, close=bars.close, volume=bars.volume, date=bars.date, symbol="B"
    )
    assert (bars.volume is not None) == law.volume
    assert not {Kind.GAP, Kind.OFF_SESSION} & {finding.kind for finding in inspect(bars, calendar_for(name="XNYS"))}
    assert len(bars) == len(truth.variance) == sessions
    assert (truth.variance > 0).all()
    assert ((truth.probability_up >= 0) & (truth.probability_up <= 1)).all()
    assert identical(market, longer, "B", sessions)


@each_law
def test_same_seed_same_bits_whatever_stands_beside(law: KnownTruth) -> None:
    """Order and number of symbols change none of them; another seed and another name do."""
    market = generate(law, seed=3, sessions=60, symbols=["A", "B", "C"])
    assert identical(market, generate(law, seed=3, sessions=60, symbols=["C", "A"]), "A", 60)
    assert not identical(market, generate(law, seed=4, sessions=60, symbols=["A"]), "A", 60)
    assert not np.array_equal(market.bars["A"].close, market.bars["B"].close)


def test_noise_is_noise() -> None:
    """Normal by Kolmogorov and Smirnov, of the stated variance, without memory in itself or in its square."""
    bars, truth = one(NOISE, 8000)
    found = returns(bars)
    assert set(truth.variance) == {NOISE.volatility**2}
    assert not truth.expected_return.any()
    assert set(truth.probability_up) == {0.5}
    assert stats.kstest(found, "norm", args=(0, NOISE.volatility)).pvalue > 1e-4
    assert near(found**2, NOISE.volatility**2)
    for series in (found, found**2):
        assert abs(autocorrelation(series)) < SIGMAS / np.sqrt(len(series))


def test_students_shocks_are_that() -> None:
    """The return in units of its volatility, by scipy's distribution of variance 1."""
    bars, truth = one(ALL, 8000)
    z = (returns(bars) - truth.expected_return[1:]) / np.sqrt(truth.variance[1:])
    scale = np.sqrt((6 - 2) / 6)
    assert stats.kstest(z, "t", args=(6, 0, scale)).pvalue > 1e-4
    assert stats.kstest(z, "norm").pvalue < 1e-4


@pytest.mark.parametrize("model", [Garch(), Garch(alpha=0.03, beta=0.85, gamma=0.12)], ids=["garch", "gjr"])
def test_mean_variance_is_the_stationary_one(model: Garch) -> None:
    """``omega / (1 - alpha - gamma / 2 - beta)``, in the truth and in the returns, over independent symbols."""
    law = replace(GARCH, garch=model)
    expected = law.omega / (1 - model.alpha - model.gamma / 2 - model.beta)
    market = generate(law, seed=2, sessions=1500, symbols=MANY)
    assert near(np.array([truth.variance.mean() for truth in market.truth.values()]), expected)
    assert near(np.array([np.mean(returns(bars) ** 2) for bars in market.bars.values()]), expected)


def test_garch_clusters_as_theory_says() -> None:
    """Autocorrelation of squared returns: ``alpha (1 - ab - b^2) / (1 - 2ab - b^2)`` (Bollerslev 1986)."""
    a, b = 0.1, 0.7
    law = KnownTruth(garch=Garch(a, b))
    market = generate(law, seed=5, sessions=4000, symbols=MANY)
    found = np.array([autocorrelation(returns(bars) ** 2) for bars in market.bars.values()])
    theory = a * (1 - a * b - b * b) / (1 - 2 * a * b - b * b)
    assert found.mean() > 10 * found.std() / np.sqrt(len(found))
    assert found.mean() == pytest.approx(theory, rel=0.1)  # the estimate is biased downwards in a finite sample


def test_variance_follows_from_the_closes_before() -> None:
    """The recursion of Glosten, Jagannathan and Runkle, run by hand over the returns: nothing later is needed."""
    model = Garch(alpha=0.05, beta=0.88, gamma=0.08)
    bars, truth = one(replace(GARCH, garch=model, signal=Signal(0.3), degrees=7), 400)
    shocks = returns(bars) - truth.expected_return[1:]
    h = truth.variance[1]
    for t in range(1, 399):
        h = GARCH.volatility**2 * (1 - 0.97) + (0.05 + 0.08 * (shocks[t - 1] < 0)) * shocks[t - 1] ** 2 + 0.88 * h
        assert h == pytest.approx(truth.variance[t + 1], rel=1e-9)


def test_true_variance_beats_every_constant() -> None:
    """By QLIKE of the session variance, also the constant that is best in hindsight."""
    bars, truth = one(replace(GARCH, garch=Garch(0.1, 0.88)), 4000)
    realised = session_variance(bars)[1:]
    best = np.array([qlike(np.full_like(realised, realised.mean() * by), realised).mean() for by in (0.8, 1, 1.25)])
    own = qlike(truth.variance[1:], realised).mean()
    assert best.argmin() == 1
    assert own < 0.9 * best.min()


@pytest.mark.parametrize("degrees", [None, 8])
@pytest.mark.parametrize("night_share", [0.0, 0.3])
def test_range_and_night_measure_the_variance(degrees: int | None, night_share: float) -> None:
    """Mean of estimate over truth is 1, of session and night together and of each by itself."""
    law = replace(ALL, degrees=degrees, night_share=night_share, steps=16)
    bars, truth = one(law, 8000)
    variance, mean = truth.variance[1:], truth.expected_return[1:]
    assert near(session_variance(bars)[1:] / (variance + mean**2), 1.0)
    assert near(garman_klass_variance(bars)[1:] / variance, 1 - night_share)
    assert near((overnight_gap(bars)[1:] - mean) ** 2 / variance, night_share)


def test_few_steps_are_enough_and_one_is_not() -> None:
    """The bias of the Garman-Klass mean that the module states: +3.7 % with one step, below 0.1 % with 4."""
    rng = np.random.default_rng(0)

    def garman_klass(steps: int) -> FloatArray:
        n = 200_000
        walk = random_walk(rng.standard_normal((n, steps)), rng.random((n, steps)), rng.random((n, steps)))
        assert ((walk.lowest <= np.minimum(walk.end, 0)) & (walk.highest >= np.maximum(walk.end, 0))).all()
        estimate: FloatArray = 0.5 * (walk.highest - walk.lowest) ** 2 - (2 * np.log(2) - 1) * walk.end**2
        return estimate

    assert near(garman_klass(1), 1.037)
    assert near(garman_klass(4), 1.0)


def test_extremes_are_those_of_a_path_in_continuous_time() -> None:
    """The maximum of a Brownian path is distributed as the size of its end (reflection principle)."""
    rng = np.random.default_rng(0)
    walk = random_walk(rng.standard_normal((20_000, 3)), rng.random((20_000, 3)), rng.random((20_000, 3)))
    assert stats.kstest(walk.highest, "halfnorm").pvalue > 1e-4
    assert stats.kstest(-walk.lowest, "halfnorm").pvalue > 1e-4


def test_regimes_follow_their_chain() -> None:
    """Frequencies of transitions, lengths of stays, share of time, and what each state does to the return."""
    chain = Regimes(
        transitions=((0.95, 0.04, 0.01), (0.10, 0.85, 0.05), (0.02, 0.08, 0.90)),
        drifts=(0.001, 0.0, -0.004),
        multiples=(0.5, 1.0, 3.0),
    )
    bars, truth = one(KnownTruth(regimes=chain), 10_000)
    path = truth.regime
    for state, row in enumerate(chain.transitions):
        after = path[1:][path[:-1] == state]
        for then, chance in enumerate(row):
            assert abs(np.mean(after == then) - chance) < SIGMAS * np.sqrt(chance * (1 - chance) / len(after))
        ends = np.flatnonzero(np.diff(path))
        stays = np.diff(ends)[path[ends[:-1] + 1] == state]
        assert near(stays.astype(np.float64), 1 / (1 - row[state]))
        mine = returns(bars)[path[1:] == state]
        assert near(mine, chain.drifts[state])
        assert near((mine - chain.drifts[state]) ** 2, (0.01 * chain.multiples[state]) ** 2)
    values, vectors = np.linalg.eig(np.array(chain.transitions).T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    assert chain.stationary() == pytest.approx(stationary / stationary.sum())


def test_regimes_are_shared_if_so_declared() -> None:
    """One path for all symbols, and else one each."""
    shared = generate(KnownTruth(regimes=Regimes(shared=True)), seed=1, sessions=500, symbols=["A", "B"])
    apart = generate(REGIMES, seed=1, sessions=500, symbols=["A", "B"])
    assert np.array_equal(shared.truth["A"].regime, shared.truth["B"].regime)
    assert not np.array_equal(apart.truth["A"].regime, apart.truth["B"].regime)


@pytest.mark.parametrize("name", get_args(SignalName))
@pytest.mark.parametrize("strength", [0.3, -0.2])
def test_signal_is_the_sign_of_a_feature_of_the_bars_before(name: SignalName, strength: float) -> None:
    """By the feature mapper itself, of the bars up to t-1 alone; its correlation with what comes is its strength."""
    law = KnownTruth(garch=Garch(), signal=Signal(strength, name), degrees=6)
    bars, truth = one(law, 6000)
    feature = compute(bars, select([name]))[:-1, 0]
    known = ~np.isnan(feature)
    assert np.array_equal(truth.signal[1:][known], np.sign(feature[known]))
    assert not truth.signal[1:][~known].any()
    standardised = returns(bars) / np.sqrt(truth.variance[1:])
    found = np.corrcoef(np.sign(feature[known]), standardised[known])[0, 1]
    assert abs(found - strength) < SIGMAS / np.sqrt(known.sum())
    scaled = truth.expected_return / np.sqrt(truth.variance)
    assert scaled == pytest.approx(truth.signal * strength / np.sqrt(1 - strength**2))
    assert truth.probability_up == pytest.approx(stats.t.cdf(scaled * np.sqrt(6 / 4), 6))


@each_law
def test_probability_up_is_calibrated(law: KnownTruth) -> None:
    """As often up as was said, in all and in each third of the chances."""
    bars, truth = one(law, 8000)
    up, chance = returns(bars) > 0, truth.probability_up[1:]
    for part in np.array_split(np.argsort(chance, kind="stable"), 3):
        error = np.sqrt(np.sum(chance[part] * (1 - chance[part]))) / len(part)
        assert abs(up[part].mean() - chance[part].mean()) < SIGMAS * error


@pytest.mark.parametrize("degrees", [None, 3, 5, 6, 11, 30])
@given(drift=st.floats(-1000, 1000))
@example(drift=-766.386134)
def test_chance_up_by_scipy(degrees: int | None, drift: float) -> None:
    """Standard normal, or Student's t scaled to variance 1."""
    found = chance_up(np.array([drift]), degrees)
    expected = (
        stats.norm.cdf(drift) if degrees is None else stats.t.cdf(drift * np.sqrt(degrees / (degrees - 2)), degrees)
    )
    assert found == pytest.approx([expected], abs=1e-14)
    assert 0 <= found[0] <= 1


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_symbols_correlate_as_declared(share: float) -> None:
    """Correlation of the returns of two symbols with normal shocks."""
    market = generate(KnownTruth(factor_share=share), seed=1, sessions=8000, symbols=["A", "B"])
    found = np.corrcoef(returns(market.bars["A"]), returns(market.bars["B"]))[0, 1]
    assert abs(found - share) < SIGMAS * (1 - share**2) / np.sqrt(8000)


def test_volume_says_nothing() -> None:
    """It is there or not, and knows nothing of the size of moves."""
    bars, _ = one(GARCH, 4000)
    assert bars.volume is not None
    assert abs(np.corrcoef(bars.volume[1:], np.abs(returns(bars)))[0, 1]) < SIGMAS / np.sqrt(4000)
    bare, _ = one(replace(GARCH, volume=False), 4000)
    assert bare.volume is None
    assert np.array_equal(bare.close, bars.close)


def test_an_impossible_law_is_refused() -> None:
    """With what was expected."""
    with pytest.raises(ValueError, match="persistence below 1"):
        Garch(alpha=0.2, beta=0.8)
    with pytest.raises(ValueError, match="alpha, alpha \\+ gamma and beta"):
        Garch(alpha=0.02, gamma=-0.1)
    with pytest.raises(ValueError, match="add up to 1"):
        Regimes(transitions=((0.9, 0.2), (0.1, 0.9)))
    with pytest.raises(ValueError, match="as many drifts"):
        Regimes(drifts=(0.0,))
    with pytest.raises(ValueError, match="strength"):
        Signal(1.0)
    for wrong in ({"volatility": 0.0}, {"volatility": 0.2}, {"degrees": 2}, {"night_share": 1.0}, {"steps": 0}):
        with pytest.raises(ValueError, match="correct the law"):
            replace(NOISE, **wrong)
    with pytest.raises(ValueError, match="at least 1 session"):
        generate(NOISE, seed=1, sessions=0)
    with pytest.raises(InvalidSymbol):
        generate(NOISE, seed=1, sessions=1, symbols=["../A"])
    with pytest.raises(OutsideCalendar):
        generate(NOISE, seed=1, sessions=30_000)
