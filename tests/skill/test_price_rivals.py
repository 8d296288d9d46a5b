"""Rivals of prices: by their formulas, up to the day that they are asked from, and by another process."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from feature_mapper.bars import Bars
from skill.fits.rows import sequence_rows, stretches
from skill.rivals import elsewhere
from skill.rivals.elsewhere import NAMES, PYTHON, RivalFault, ask
from skill.rivals.origins import thinned
from skill.rivals.prices import DRIFT, LEVELS, LOOKBACK, NAIVE, SHOWN, SPREAD, Fan, plain_prophet, read_by_rivals, walks
from tests.training.kit.support import after, market, rewritten
from training.kit.discover import spec_of
from training.kit.panel import dated

BARS = market(1500, 6, "A")
LOG = np.log(BARS.close)
AT = np.array([400, 999, 1000, 1400])


def same(one: Fan, other: Fan) -> bool:
    """Tell whether two fans say the same, bit for bit."""
    return all(np.array_equal(values, other.packed()[name]) for name, values in one.packed().items())


def moved(bars: Bars, day: int) -> Bars:
    """Raise one close, and with it the high."""
    close, high = bars.close.copy(), bars.high.copy()
    close[day] *= 1.02
    high[day] *= 1.05
    return replace(bars, close=close, high=high)


def test_the_last_close_and_drift_are_those_of_the_textbook() -> None:
    """Row by row, from returns: the mean of all of them, the deviation of the last year's."""
    from scipy.stats import norm

    for row, day in enumerate(AT.tolist()):
        returns = np.diff(LOG[: day + 1])
        deviation, drift = returns[-SPREAD:].std(), returns.mean()
        for column, step in enumerate(SHOWN):
            naive, drifted = walks(BARS, AT)[NAIVE], walks(BARS, AT)[DRIFT]
            assert naive.centre[row, column] == 0
            assert drifted.centre[row, column] == pytest.approx(step * drift, rel=1e-9)
            for level in range(len(LEVELS)):
                half = norm.ppf((1 + LEVELS[level]) / 2) * deviation * step**0.5
                assert naive.upper[row, level, column] == pytest.approx(half, rel=1e-9)
                assert naive.lower[row, level, column] == pytest.approx(-half, rel=1e-9)
                wider = half * (1 + step / day) ** 0.5
                width = drifted.upper[row, level, column] - drifted.lower[row, level, column]
                assert width == pytest.approx(2 * wider, rel=1e-9)


def test_a_rival_reads_up_to_its_origin_and_at_least_what_a_path_is_fitted_on() -> None:
    """Its own close is the last, the next one is not there; before the history nothing is."""
    history = spec_of("prophet_forecast").options["history"]
    assert isinstance(history, int)
    assert history <= LOOKBACK
    for day, window in zip(AT.tolist(), read_by_rivals(BARS, AT), strict=True):
        known = window[~np.isnan(window)]
        assert np.array_equal(known, LOG[max(day + 1 - LOOKBACK, 0) : day + 1])
        assert np.isnan(window[: LOOKBACK - len(known)]).all()


def test_later_bars_change_nothing_and_the_last_close_does() -> None:
    """From an origin, of walks and of plain Prophet."""
    at = AT[-1:]
    later = rewritten(BARS, after(BARS, dated(BARS)[at[0]]))
    rivals: tuple[Callable[[Bars], Fan], ...] = (
        lambda bars: walks(bars, at)[DRIFT],
        lambda bars: plain_prophet(bars, at, 1),
    )
    for of in rivals:
        assert same(of(BARS), of(later))
        assert not same(of(BARS), of(moved(BARS, int(at[0]))))


def test_plain_prophet_is_prophet_as_it_comes() -> None:
    """Its defaults on the last sessions, by Prophet's own predict; its level is its own, not the last close."""
    import pandas as pd
    from prophet import Prophet

    from models.families.prophet import _quiet

    day = int(AT[-1])
    past = slice(day + 1 - LOOKBACK, day + 1)
    frame = pd.DataFrame({"ds": dated(BARS)[past].astype("datetime64[ns]"), "y": LOG[past]})
    with _quiet():
        model = Prophet(scaling="minmax", uncertainty_samples=0).fit(frame, seed=1)
        ahead = pd.DataFrame({"ds": dated(BARS)[day + np.array(SHOWN)].astype("datetime64[ns]")})
        expected = model.predict(ahead)["yhat"].to_numpy()
    said = plain_prophet(BARS, AT[-1:], 1)
    assert np.allclose(said.centre[0] + LOG[day], expected, atol=1e-9)
    assert (said.lower[0, 1] < said.lower[0, 0]).all()
    assert (said.upper[0, 0] < said.upper[0, 1]).all()


def test_origins_are_spread_over_the_days() -> None:
    """Each symbol is asked every so many sessions, and two of them seldom on one day."""
    series = {name: market(900, seed, name) for seed, name in enumerate("ABCDEFG")}
    rows = sequence_rows(series, 22, 20)
    some = thinned(rows, np.arange(len(rows)), 21, len(series))
    for part in stretches(rows, some):
        assert set(np.diff(part.at)) == {21}
    assert len(np.unique(rows.date[some])) == len(some)


STAND_IN = """
import sys
import numpy as np
with np.load(sys.argv[1]) as file:
    windows, steps, levels = file["windows"], file["steps"], file["levels"]
last = np.array([row[~np.isnan(row)][-1] for row in windows])
said = {}
for number, name in enumerate(%r):
    said[name + "/centre"] = last[:, None] + number * steps
    said[name + "/lower"] = -np.ones((len(windows), 1, 1)) * levels[:, None] * steps
    said[name + "/upper"] = -said[name + "/lower"]
%s
np.savez(sys.argv[2], **said)
"""


def child(folder: Path, line: str = "") -> Path:
    """Write a process that answers by a rule that a reader can check."""
    path = folder / "child.py"
    path.write_text(STAND_IN % (NAMES, line))
    return path


def test_what_another_process_says_arrives(tmp_path: Path) -> None:
    """Each array in its place, levels in per cent."""
    said = ask(read_by_rivals(BARS, AT), Path(sys.executable), child(tmp_path))
    for number, name in enumerate(NAMES):
        assert np.array_equal(said[name].centre, LOG[AT][:, None] + number * np.array(SHOWN))
        assert np.array_equal(said[name].upper[2], np.outer([80, 95], SHOWN))
        assert np.array_equal(said[name].lower, -said[name].upper)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("raise SystemExit('no such model')", "found exit 1: no such model"),
        ("del said['Theta/lower']", "Theta/lower of shape"),
        ("said['AutoETS/centre'] = said['AutoETS/centre'][1:]", "AutoETS/centre of shape"),
    ],
)
def test_another_process_that_fails_is_named(tmp_path: Path, line: str, told: str) -> None:
    """With what it said last, or what it left out."""
    with pytest.raises(RivalFault, match=told):
        ask(read_by_rivals(BARS, AT), Path(sys.executable), child(tmp_path, line))


def test_an_environment_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the names of the rivals that are missing."""
    monkeypatch.setattr(elsewhere, "PYTHON", tmp_path / "python")
    assert elsewhere.absent() == NAMES
    monkeypatch.setattr(elsewhere, "PYTHON", Path(sys.executable))
    assert elsewhere.absent() == ()


@pytest.mark.skipif(not PYTHON.exists(), reason="needs .venv-rivals, which `make skill` sets up")
def test_statsforecast_follows_a_trend_that_is_there() -> None:
    """On a straight line with little noise each goes on with the slope; bands of 95 % hold those of 80 %."""
    rng = np.random.default_rng(3)
    line = 0.001 * np.arange(300) + rng.normal(0, 1e-5, 300)
    said = ask(np.concatenate([np.full(LOOKBACK - 300, np.nan), line])[None])
    for name in NAMES:
        share = 0.5 if name == "Theta" else 1.0  # the theta method takes half of the slope
        slopes = np.diff(said[name].centre[0]) / np.diff(SHOWN)
        assert np.allclose(slopes, share * 0.001, rtol=0.02)
        assert np.abs(said[name].centre[0]).max() < 0.03  # from the last close on, not from 0
        assert (said[name].lower[0, 1] <= said[name].lower[0, 0]).all()
        assert (said[name].upper[0, 0] <= said[name].upper[0, 1]).all()
