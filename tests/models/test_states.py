"""States of relative sessions: the same filter, densities in units of what was observed, and JSON that keeps bits."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from models.families.base import FamilyError
from models.regime import WEIGHTS
from models.sessions import observations, windows
from models.states import States, in_spreads
from tests.models.trained import STRANGER, TIERS, artifact_of


def states() -> States:
    """Load them from an artifact."""
    return States.load(artifact_of("hmm_regime").files[WEIGHTS])


def test_the_filter_reads_each_session_relative_to_the_habit_before_it() -> None:
    """As the hidden Markov model of the rows, each relative to those before it, one window at a time."""
    fitted, read = states(), windows(STRANGER, TIERS[-1], 5)
    for posterior, window in zip(fitted.filter(read), read, strict=True):
        seen = in_spreads(window, *fitted.habit.before(window[:, 1]))
        assert posterior.tobytes() == fitted.hmm.filter(seen)[-1].tobytes()


def test_windows_are_worked_off_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whatever size, none at all included: the bits are the same."""
    fitted, read = states(), windows(STRANGER, TIERS[-1], 50)
    whole = fitted.filter(read)
    for at_once in (1, 7, 50):
        monkeypatch.setattr("models.states.AT_ONCE", at_once)
        assert fitted.filter(read).tobytes() == whole.tobytes()
    assert fitted.filter(read[:0]).shape == (0, len(fitted.hmm.states))


def test_a_bar_alone_is_given_the_mean_night() -> None:
    """Its range knows no gap, and what is usual holds one."""
    fitted, read = states(), windows(STRANGER, 1, 4)
    habit = fitted.habit
    assert habit.night > 0
    assert fitted.relative(read)[:, 0, 1] == pytest.approx((read[:, 0, 1] + habit.night - habit.usual) / habit.variety)


def test_densities_are_of_the_observations_themselves() -> None:
    """By scipy, with mean and covariance of each state put back into the units of return and log volatility."""
    fitted, read = states(), windows(STRANGER[:150], TIERS[-1], 3)
    coming = observations(STRANGER)[148:151]
    found = fitted.log_densities(coming, read)
    for row, window, said in zip(coming, read, found, strict=True):
        level, spread = fitted.habit.of(window[:, 1])
        stretch = np.diag([1.0, float(spread)])
        for state, density in enumerate(said):
            mean = stretch @ fitted.hmm.means[state] + [0.0, level]
            normal = multivariate_normal(mean, stretch @ fitted.hmm.covariances[state] @ stretch)
            assert density == pytest.approx(normal.logpdf(row), abs=1e-9)


def test_a_session_that_tells_nothing_has_no_density() -> None:
    """There is nothing to score."""
    coming = np.array([[np.nan, np.nan], [0.1, -4.0]])
    found = states().log_densities(coming, windows(STRANGER, 22, 2))
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


def test_json_keeps_every_bit() -> None:
    """Of the habit and of the model."""
    fitted = states()
    again = States.load(fitted.dump())
    assert again.dump() == fitted.dump()
    assert again.filter(windows(STRANGER, 22, 9)).tobytes() == fitted.filter(windows(STRANGER, 22, 9)).tobytes()


@pytest.mark.parametrize(
    "habit",
    [{"variety": 0.0}, {"weight": -1.0}, {"weight": 0.0}, {"usual": 1e300}, {"night": 1e300}],
)
def test_habits_that_are_none_are_refused(habit: dict[str, float]) -> None:
    """Numbers that would divide by nothing."""
    fitted = states()
    kept = json.loads(fitted.dump())
    with pytest.raises(FamilyError, match="expected habits within"):
        States.load(json.dumps({**kept, "habit": {**kept["habit"], **habit}}).encode())


@pytest.mark.parametrize("weights", [b"{}", b"\xff", b'{"format":"hmm-1"}', states().hmm.dump()])
def test_weights_of_another_kind_are_refused(weights: bytes) -> None:
    """Those of earlier versions too, which knew no habit: with what to do."""
    with pytest.raises(FamilyError, match=r"expected the JSON of regimes, found: .*; retrain the model"):
        States.load(weights)


def test_states_that_are_no_model_are_refused() -> None:
    """The model inside is looked at as it always was."""
    fitted = states()
    broken = replace(fitted, hmm=replace(fitted.hmm, start=fitted.hmm.start * 2)).dump()
    with pytest.raises(FamilyError, match="sum to 1"):
        States.load(broken)
