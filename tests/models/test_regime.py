"""Served regimes: filtered, bounded to their window, and the same however they are asked for."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from feature_mapper.volatility import session_variance
from models import strict_json
from models.families.base import FamilyError
from models.regime import EXPLAINED, RegimeModel
from models.sessions import observations, windows
from models.tasks.base import Fields
from tests.models.trained import STRANGER, TIERS, artifact_of, bare, quiet
from tests.training.kit.support import closes_alone

borders = st.one_of(
    st.sampled_from([n for tier in TIERS for n in (tier, tier + 1, max(tier - 1, 1))]), st.integers(1, 90)
)


def model() -> RegimeModel:
    """Load the model from its artifact."""
    return RegimeModel.from_artifact(artifact_of("hmm_regime"))


def shares(fields: Fields, name: str) -> list[float]:
    """Return the probabilities of a field."""
    named = fields[name]
    assert isinstance(named, dict)
    return [share for share in named.values() if isinstance(share, float)]


@settings(max_examples=20)
@given(n=borders, rows=st.integers(1, 90), offset=st.integers(0, 100))
def test_many_rows_are_single_answers(n: int, rows: int, offset: int) -> None:
    """As of each of the last rows: what the bars up to there alone give, bit for bit, whichever tiers they span."""
    bars, asked = STRANGER[offset : offset + n], min(rows, n)
    assert model().answer(bars, asked) == [model().answer(bars[: end + 1])[0] for end in range(n - asked, n)]


@settings(max_examples=20)
@given(n=borders, more=st.integers(1, 40))
def test_later_bars_change_no_earlier_answer(n: int, more: int) -> None:
    """Filtered, never smoothed."""
    assert model().answer(STRANGER[: n + more], n + more)[:n] == model().answer(STRANGER[:n], n)


@pytest.mark.parametrize("tier", TIERS)
def test_older_bars_than_the_tier_do_not_matter(tier: int) -> None:
    """Up to the next tier, a longer history gives the bits of the window alone."""
    following = next((longer for longer in TIERS if longer > tier), tier + 40)
    for extra in (0, 1, following - tier - 1):
        (answer,) = model().answer(STRANGER.tail(tier + extra))
        assert (answer.tier, answer) == (tier, model().answer(STRANGER.tail(tier))[0])


@given(n=borders)
@settings(max_examples=20)
def test_probabilities_are_probabilities(n: int) -> None:
    """Of now and of next, they add up to 1; the regime is the likeliest, its probability the confidence."""
    for bars in (STRANGER[:n], bare(STRANGER[:n]), quiet(n)):
        fields = model().answer(bars)[0].fields
        strict_json.encode(fields)
        for name in ("probabilities", "next_probabilities"):
            assert sum(shares(fields, name)) == pytest.approx(1.0, abs=1e-12)
            assert min(shares(fields, name)) >= 0
        named = fields["probabilities"]
        assert isinstance(named, dict)
        assert fields["confidence"] == max(shares(fields, "probabilities")) == named[str(fields["regime"])]


def test_next_probabilities_by_hand() -> None:
    """Today's probabilities times the transition matrix, and how long a stay lasts by its diagonal."""
    served, fitted = model(), model()._hmm
    fields = served.answer(STRANGER)[0].fields
    now = np.array(shares(fields, "probabilities"))
    assert shares(fields, "next_probabilities") == pytest.approx(now @ fitted.transitions)
    state = fitted.states.index(str(fields["regime"]))
    assert fields["expected_duration"] == pytest.approx(1 / (1 - fitted.transitions[state, state]))


@pytest.mark.parametrize("n", [*range(2, 8), 21, 22, 23, 63, 64, 65, 130])
def test_windows_of_observations_are_answered_as_bars(n: int) -> None:
    """As n bars are n - 1 returns and ranges: past the one-bar tier, both forms of a request give the same bits."""
    bars = STRANGER[:n]
    returns = np.log(bars.close[1:] / bars.close[:-1])
    volatility = np.sqrt(session_variance(bars))[1:]
    from_bars, from_windows = model().answer(bars)[0], model().answer_observations(returns, volatility)
    assert from_windows.tier == from_bars.tier
    if from_bars.tier > 1:
        assert shares(from_windows.fields, "probabilities") == pytest.approx(
            shares(from_bars.fields, "probabilities"), abs=1e-9
        )


def test_one_bar_has_a_range_and_no_return() -> None:
    """So its answer changes with its range, and not with where its window begins."""
    price = np.array([100.0])
    wide, calm = Bars(price, price + 9, price - 7, price + 1), Bars(price, price + 0.2, price - 0.1, price)
    assert model().answer(wide)[0].fields != model().answer(calm)[0].fields
    assert np.isnan(windows(STRANGER, 1, 3)[..., 0]).all()


def test_window_of_no_observations_is_refused() -> None:
    """There is nothing to judge."""
    for asked in (model().answer_observations, model().explain_observations):
        with pytest.raises(FamilyError, match="expected observations, found none; send at least one return"):
            asked(np.array([]), np.array([]))


def vector(named: object) -> FloatArray:
    """Return the numbers of a mapping by state."""
    assert isinstance(named, dict)
    return np.array(list(named.values()))


@settings(max_examples=30)
@given(n=borders, offset=st.integers(0, 100))
def test_an_explanation_ends_in_the_answer(n: int, offset: int) -> None:
    """Bit for bit; expected shares times likelihoods give it; the days are the last ones; observations say the same."""
    bars = STRANGER[offset : offset + n]
    (answer,) = model().answer(bars)
    said: Any = model().explain(bars)
    strict_json.encode(said)
    step, path = said["last_step"], said["path"]
    assert path[-1]["probabilities"] == step["probabilities"] == answer.fields["probabilities"]
    joint = vector(step["expected"]) * np.exp(vector(step["log_likelihood"]))
    assert joint / joint.sum() == pytest.approx(vector(step["probabilities"]), abs=1e-9)
    assert len(path) == min(EXPLAINED, max(answer.tier - 1, 1))
    assert bars.date is not None
    assert [row["date"] for row in path] == [str(day) for day in bars.date[-len(path) :]]
    for row in path:
        assert vector(row["probabilities"]).max() == row["probabilities"][row["regime"]]
    if answer.tier > 1:
        returns, volatility = np.log(bars.close[1:] / bars.close[:-1]), np.sqrt(session_variance(bars))[1:]
        assert step["log_return"] == pytest.approx(float(returns[-1]), abs=1e-12)
        assert step["volatility"] == pytest.approx(float(volatility[-1]), abs=1e-12)
        bare_said: Any = model().explain_observations(returns, volatility)
        assert vector(bare_said["last_step"]["probabilities"]) == pytest.approx(vector(step["probabilities"]), abs=1e-9)
        assert {row["date"] for row in bare_said["path"]} == {None}


def test_a_step_by_hand() -> None:
    """Expected are yesterday's shares a step on; likelihoods are those of Gaussians relative to the habit, by scipy."""
    fitted, said = model()._hmm, model().explain(STRANGER)
    path, step = said["path"], said["last_step"]
    assert isinstance(path, list)
    assert isinstance(step, dict)
    yesterday = vector(path[-2]["probabilities"])
    assert not np.allclose(fitted.held_probabilities(yesterday[None]), yesterday @ fitted.transitions, atol=1e-3)
    assert vector(step["expected"]) == pytest.approx(fitted.held_probabilities(yesterday[None])[0], abs=1e-12)
    level, spread = model()._states.habit.of(windows(STRANGER, TIERS[-1], 1)[0, :-1, 1])
    assert step["usual_volatility"] == pytest.approx(np.exp(level))
    seen = [observations(STRANGER)[-1, 0], (observations(STRANGER)[-1, 1] - level) / spread]
    density = [
        multivariate_normal(mean, covariance).logpdf(seen)
        for mean, covariance in zip(fitted.means, fitted.covariances, strict=True)
    ]
    assert vector(step["log_likelihood"]) == pytest.approx(np.array(density), abs=1e-9)


@settings(max_examples=20)
@given(n=st.integers(TIERS[-1] + EXPLAINED, 150))
def test_days_of_a_path_know_nothing_later(n: int) -> None:
    """The days before the last one are as they are where the last bar is another, bit for bit."""
    bars = STRANGER[:n]
    moved = replace(bars, close=np.append(bars.close[:-1], bars.low[-1]))
    one, other = (model().explain(each)["path"] for each in (bars, moved))
    assert isinstance(one, list)
    assert isinstance(other, list)
    assert one[:-1] == other[:-1]
    assert one[-1] != other[-1]


def test_a_first_bar_is_expected_by_the_long_run() -> None:
    """One bar: nothing came before it, and it has no return."""
    said: Any = model().explain(STRANGER[:1])
    assert vector(said["last_step"]["expected"]).tolist() == model()._hmm.start.tolist()
    assert said["last_step"]["log_return"] is None


def test_a_bar_without_a_range_tells_nothing() -> None:
    """Its high is its low: neither where it went in units of its size nor how large it was is known."""
    bars = closes_alone(STRANGER, slice(-1, None))
    said = model().explain(bars)
    step = said["last_step"]
    assert isinstance(step, dict)
    assert step["volatility"] is step["log_return"] is None
    strict_json.encode(said)
    assert vector(step["log_likelihood"]).tolist() == [0.0, 0.0]
    assert vector(step["probabilities"]) == pytest.approx(vector(step["expected"]), abs=1e-12)


def test_bars_that_tell_nothing_leave_the_long_run() -> None:
    """One bar without a range: neither a return nor a volatility."""
    (answer,) = model().answer(closes_alone(STRANGER[:1], slice(None)))
    assert vector(answer.fields["probabilities"]).tolist() == pytest.approx(model()._hmm.start.tolist(), abs=1e-12)
