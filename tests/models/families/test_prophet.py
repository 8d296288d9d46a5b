"""Price paths: our evaluation of Prophet's JSON against Prophet itself."""

import json
import logging
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import prophet as library
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prophet.serialize import model_from_json

from feature_mapper.typing import DateArray, FloatArray
from models.families.base import FamilyError
from models.families.prophet import FamilyUnavailable, ProphetPath, fit, load, plain_interval

pytestmark = [  # Prophet calls pandas in ways that pandas deprecates, and the oracle is Prophet
    pytest.mark.filterwarnings("ignore::DeprecationWarning:prophet.forecaster"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:prophet.serialize"),
]

ROOT = Path(__file__).parents[3]
SEED = 11


@dataclass(frozen=True, slots=True)
class Kind:
    """Settings of one fit."""

    regressors: tuple[str, ...] = ()
    prior: float = 0.05
    yearly: int = 0
    weekly: int = 0


KINDS = {
    "trend alone": Kind(),
    "regressors": Kind(("log_volume", "month_end"), prior=0.5),
    "everything": Kind(("log_volume",), prior=0.005, yearly=10, weekly=3),
}


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Fitted:
    """The same data fitted by us and by Prophet's own interface."""

    path: ProphetPath
    oracle: library.Prophet

    def yhat(self, dates: DateArray, regressors: dict[str, FloatArray]) -> FloatArray:
        """Return Prophet's own prediction."""
        frame = pd.DataFrame({"ds": dates.astype("datetime64[ns]"), **regressors})
        yhat: FloatArray = self.oracle.predict(frame)["yhat"].to_numpy(np.float64)
        return yhat


def sessions(n: int) -> DateArray:
    """Return weekdays from 2010 on."""
    days: DateArray = np.busday_offset(np.datetime64("2010-01-04"), np.arange(n))
    return days


def log_prices(n: int, seed: int = 5) -> FloatArray:
    """Return a random walk with drift."""
    walk: FloatArray = np.cumsum(np.random.default_rng(seed).normal(3e-4, 0.012, n)) + np.log(80.0)
    return walk


def values(names: tuple[str, ...], dates: DateArray, seed: int = 6) -> dict[str, FloatArray]:
    """Return a value of each regressor on each date: one continuous, one of 0 and 1."""
    rng = np.random.default_rng(seed)
    every = {
        "log_volume": rng.normal(16.0, 0.4, len(dates)),
        "month_end": (rng.random(len(dates)) < 0.2).astype(np.float64),
    }
    return {name: every[name] for name in names}


@pytest.fixture(scope="module", params=tuple(KINDS.values()), ids=tuple(KINDS))
def fitted(request: pytest.FixtureRequest) -> Fitted:
    """Fit 700 sessions in both ways."""
    kind: Kind = request.param
    ds, y = sessions(700), log_prices(700)
    known = values(kind.regressors, ds)
    path = fit(
        ds,
        y,
        regressors=known,
        changepoint_prior_scale=kind.prior,
        seed=SEED,
        yearly_order=kind.yearly,
        weekly_order=kind.weekly,
    )
    oracle = library.Prophet(
        changepoint_prior_scale=kind.prior,
        yearly_seasonality=kind.yearly,
        weekly_seasonality=kind.weekly,
        daily_seasonality=False,
        scaling="minmax",
    )
    for name in kind.regressors:
        oracle.add_regressor(name)
    oracle.fit(pd.DataFrame({"ds": ds.astype("datetime64[ns]"), "y": y, **known}), seed=SEED)
    return Fitted(path, oracle)


@settings(max_examples=8, deadline=None)
@given(offsets=st.lists(st.integers(-1500, 12_000), min_size=1, max_size=40, unique=True), seed=st.integers(0, 1000))
def test_the_path_equals_prophets_own_prediction(fitted: Fitted, offsets: list[int], seed: int) -> None:
    """Equal to 1e-9 before, in and after training, to thirty years ahead, with and without regressors."""
    dates = np.sort(fitted.path.train_start + np.array(offsets))
    regressors = values(fitted.path.regressors, dates, seed)

    ours, theirs = fitted.path.path(dates, regressors), fitted.yhat(dates, regressors)

    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


@settings(max_examples=8, deadline=None)
@given(offsets=st.lists(st.integers(-1500, 12_000), min_size=1, max_size=40, unique=True), seed=st.integers(0, 1000))
def test_components_equal_prophets_own(fitted: Fitted, offsets: list[int], seed: int) -> None:
    """Trend, each seasonality and each regressor, from a day on, to 1e-9; their sum is what the path moved."""
    as_of = fitted.path.train_end
    dates = np.unique([as_of, *(fitted.path.train_start + np.array(offsets))])
    regressors = values(fitted.path.regressors, dates, seed)
    at = int(np.searchsorted(dates, as_of))
    now = {name: float(series[at]) for name, series in regressors.items()}
    parts = fitted.path.anchored_components(dates, regressors, as_of=as_of, regressors_as_of=now)
    frame = pd.DataFrame({"ds": dates.astype("datetime64[ns]"), **regressors})
    theirs = fitted.oracle.predict(frame)
    named = {"trend": parts.trend, **parts.seasonalities, **parts.regressors}
    for name, part in named.items():
        column = theirs[name].to_numpy(np.float64)
        np.testing.assert_allclose(part, column - column[at], rtol=0, atol=1e-9, err_msg=name)
    yhat = theirs["yhat"].to_numpy(np.float64)
    np.testing.assert_allclose(parts.total, yhat - yhat[at], rtol=0, atol=1e-9)


def test_prophet_reads_the_weights_and_predicts_the_same(fitted: Fitted) -> None:
    """The slim document is Prophet's JSON still: it loads there, and no prediction moves by a bit."""
    dates = fitted.path.train_end + np.arange(-30, 60)
    regressors = values(fitted.path.regressors, dates)
    slim = model_from_json(fitted.path.dump().decode())
    frame = pd.DataFrame({"ds": dates.astype("datetime64[ns]"), **regressors})

    predicted = slim.predict(frame)

    assert predicted["yhat"].to_numpy().tobytes() == fitted.yhat(dates, regressors).tobytes()
    assert "yhat_lower" not in predicted  # a slim history cannot carry Prophet's own interval, so there is none


@settings(max_examples=20, deadline=None)
@given(offsets=st.lists(st.integers(-500, 50_000), min_size=1, max_size=30), place=st.floats(0, 1, exclude_max=True))
def test_a_value_depends_on_its_own_date_alone(fitted: Fitted, offsets: list[int], place: float) -> None:
    """One date alone gives the bits it has among others, in whatever order."""
    dates = fitted.path.train_end + np.array(offsets)
    regressors = values(fitted.path.regressors, dates)
    one = int(place * len(offsets))
    alone = fitted.path.path(dates[one : one + 1], {k: v[one : one + 1] for k, v in regressors.items()})
    assert alone.tobytes() == fitted.path.path(dates, regressors)[one : one + 1].tobytes()


def test_json_keeps_every_bit(fitted: Fitted) -> None:
    """A path that went through its weights predicts the same bits and has the same facts."""
    again = load(fitted.path.dump())
    dates = fitted.path.train_end + np.arange(-400, 400)
    regressors = values(again.regressors, dates)
    assert again.path(dates, regressors).tobytes() == fitted.path.path(dates, regressors).tobytes()
    assert again.dump() == fitted.path.dump()
    assert (again.train_start, again.train_end, again.rows) == (sessions(700)[0], sessions(700)[-1], 700)
    known = values(again.regressors, sessions(700))
    assert again.last_values == {name: column[-1] for name, column in known.items()}


@pytest.mark.parametrize("ahead", [1, 5, 30])
def test_the_plain_interval_is_the_one_that_prophet_draws(fitted: Fitted, ahead: int) -> None:
    """From the slim weights comes what the whole model draws with the same seed; numpy's generator is put back."""
    dates = fitted.path.train_end + np.arange(1, ahead + 1)
    regressors = values(fitted.path.regressors, dates)
    np.random.seed(1)  # noqa: NPY002  the global generator is what is tested
    before = np.random.get_state()[1].tobytes()  # type: ignore[index]  # noqa: NPY002  the legacy form is a tuple

    lower, upper = plain_interval(fitted.path, dates, regressors, level=0.9, samples=300, seed=21)
    again = plain_interval(fitted.path, dates, regressors, level=0.9, samples=300, seed=21)

    assert np.random.get_state()[1].tobytes() == before  # type: ignore[index]  # noqa: NPY002  as above
    fitted.oracle.interval_width, fitted.oracle.uncertainty_samples = 0.9, 300
    np.random.seed(21)  # noqa: NPY002  Prophet's only source of chance
    theirs = fitted.oracle.predict(pd.DataFrame({"ds": dates.astype("datetime64[ns]"), **regressors}))
    np.testing.assert_allclose(lower, theirs["yhat_lower"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(upper, theirs["yhat_upper"], rtol=0, atol=1e-9)
    assert (lower < upper).all()
    assert again[0].tobytes() == lower.tobytes()


def test_an_anchored_path_continues_from_the_last_close(fitted: Fitted) -> None:
    """On the as-of day it is the close itself; afterwards it moves as Prophet's prediction does."""
    as_of = fitted.path.train_end + 40
    dates = as_of + np.arange(30)
    regressors = values(fitted.path.regressors, dates)
    today = {name: float(column[0]) for name, column in regressors.items()}

    prices = fitted.path.anchored_path(dates, regressors, last_close=123.45, as_of=as_of, regressors_as_of=today)

    theirs = fitted.yhat(dates, regressors)
    assert prices[0] == 123.45
    np.testing.assert_allclose(np.log(prices / 123.45), theirs - theirs[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("last_close", [1e-300, 1.0, 1e300])
@pytest.mark.parametrize("direction", [-1.0, 1.0])
def test_an_anchored_path_stays_a_price_at_any_distance(last_close: float, direction: float) -> None:
    """Whatever close and horizon: finite and positive."""
    ds = sessions(100)
    path = fit(ds, direction * np.linspace(0.0, 3.0, 100), regressors={}, changepoint_prior_scale=0.05, seed=SEED)
    dates = path.train_end + 10 ** np.arange(8)
    prices = path.anchored_path(dates, {}, last_close=last_close, as_of=path.train_end, regressors_as_of={})
    assert np.isfinite(prices).all()
    assert (prices > 0.0).all()
    assert (np.diff(prices) * direction >= 0.0).all()


def test_the_unit_of_the_price_does_not_bend_the_path() -> None:
    """Prices in cents or after a split give the same changes to well below a tick."""
    ds, y = sessions(500), log_prices(500)
    dates = ds[-1] + np.arange(60)
    paths = [
        fit(ds, y + shift, regressors={}, changepoint_prior_scale=0.05, seed=SEED).path(dates, {}) - shift
        for shift in (0.0, np.log(100.0), -np.log(28.0))
    ]
    np.testing.assert_allclose(paths[1], paths[0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(paths[2], paths[0], rtol=0, atol=1e-4)


def test_two_fits_give_the_same_bytes_of_a_size_that_does_not_grow() -> None:
    """Same data and seed, same weights; 1,500 sessions take no more room than 300."""
    short, again = (
        fit(sessions(300), log_prices(300), regressors={}, changepoint_prior_scale=0.05, seed=SEED) for _ in range(2)
    )
    assert short.dump() == again.dump()
    long = fit(sessions(1500), log_prices(1500), regressors={}, changepoint_prior_scale=0.05, seed=SEED)
    assert len(long.dump()) < len(short.dump()) + 200
    assert len(long.dump()) < 5_000


def test_fitting_leaves_the_loggers_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence lasts for the fit only."""
    loggers = [logging.getLogger(name) for name in ("cmdstanpy", "prophet", "prophet.models", "prophet.plot")]
    for logger in loggers:
        monkeypatch.setattr(logger, "level", logging.INFO)
    before = [(logger.propagate, list(logger.handlers), list(logger.filters)) for logger in loggers]

    fit(sessions(100), log_prices(100), regressors={}, changepoint_prior_scale=0.05, seed=SEED)

    assert [logger.level for logger in loggers] == [logging.INFO] * 4
    assert [(logger.propagate, list(logger.handlers), list(logger.filters)) for logger in loggers] == before


FIRST_FIT = """
import logging, sys
if "configured" in sys.argv:
    logging.basicConfig(level=logging.INFO)
import numpy as np
from models.families.prophet import fit
days = np.busday_offset(np.datetime64("2010-01-04"), np.arange(100))
fit(days, np.linspace(4.0, 5.0, 100) + np.sin(np.arange(100)), regressors={}, changepoint_prior_scale=0.05, seed=1)
"""


@pytest.mark.parametrize("logs", ["bare", "configured"])
def test_the_first_fit_of_a_process_prints_nothing(logs: str) -> None:
    """Neither cmdstanpy's chatter nor Prophet's complaint about plotly reaches the terminal or the log."""
    done = subprocess.run([sys.executable, "-c", FIRST_FIT, logs], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


SERVED = """
import sys
for name in ("prophet", "cmdstanpy", "hmmlearn", "sklearn", "pandas"):
    sys.modules[name] = None
import numpy as np
from pathlib import Path
from models.families import hmm, prophet
path = prophet.load(Path(sys.argv[1]).read_bytes())
days = path.train_end + np.arange(5)
sys.stdout.write(path.path(days, {name: np.full(5, value) for name, value in path.last_values.items()}).tobytes().hex())
"""


def test_serving_needs_neither_prophet_nor_pandas(fitted: Fitted, tmp_path: Path) -> None:
    """A process in which they cannot be imported loads the weights and gives the same bits."""
    weights = tmp_path / "weights.json"
    weights.write_bytes(fitted.path.dump())
    done = subprocess.run(
        [sys.executable, "-c", SERVED, str(weights)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    days = fitted.path.train_end + np.arange(5)
    held = {name: np.full(5, value) for name, value in fitted.path.last_values.items()}
    assert done.stdout == fitted.path.path(days, held).tobytes().hex()


def test_without_prophet_training_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is of its own kind and carries the command."""
    monkeypatch.setitem(sys.modules, "prophet", None)
    with pytest.raises(FamilyUnavailable, match=r"pip install -r requirements/training\.txt"):
        fit(sessions(100), log_prices(100), regressors={}, changepoint_prior_scale=0.05, seed=SEED)


@pytest.mark.parametrize(
    ("ds", "y", "regressors", "words"),
    [
        (sessions(59), log_prices(59), {}, "at least 60 sessions"),
        (sessions(80)[::-1], log_prices(80), {}, "dates that ascend"),
        (sessions(80), np.full(80, np.nan), {}, "finite values of y_log"),
        (sessions(80), log_prices(79), {}, "80 finite values of y_log"),
        (sessions(80), log_prices(80), {"log_volume": np.full(80, np.inf)}, "finite values of log_volume"),
    ],
)
def test_data_that_cannot_be_fitted_are_refused(
    ds: DateArray, y: FloatArray, regressors: dict[str, FloatArray], words: str
) -> None:
    """Too short, unsorted, unequal or not finite: told apart before Prophet starts."""
    with pytest.raises(FamilyError, match=words):
        fit(ds, y, regressors=regressors, changepoint_prior_scale=0.05, seed=SEED)


@pytest.fixture(scope="module")
def with_volume() -> ProphetPath:
    """Fit a small path with one regressor."""
    ds = sessions(120)
    known = values(("log_volume",), ds)
    return fit(ds, log_prices(120), regressors=known, changepoint_prior_scale=0.05, seed=SEED)


@pytest.mark.parametrize(
    ("regressors", "words"),
    [
        ({}, "regressors"),
        ({"log_volume": np.ones(3), "other": np.ones(3)}, "regressors"),
        ({"log_volume": np.ones(2)}, "3 finite values of log_volume"),
        ({"log_volume": np.array([1.0, np.nan, 1.0])}, "3 finite values of log_volume"),
        ({"log_volume": np.array([1.0, 1e200, 1.0])}, "3 finite values of log_volume"),
    ],
)
def test_regressors_that_do_not_fit_are_refused(
    with_volume: ProphetPath, regressors: dict[str, FloatArray], words: str
) -> None:
    """Missing, unknown, short or absurd values are errors by name, never filled silently."""
    with pytest.raises(FamilyError, match=words):
        with_volume.path(sessions(3), regressors)


def test_a_missing_date_is_refused(with_volume: ProphetPath) -> None:
    """NaT is no day."""
    with pytest.raises(FamilyError, match="NaT"):
        with_volume.path(np.array(["NaT"], dtype="datetime64[D]"), {"log_volume": np.ones(1)})


def test_finer_dates_mean_their_day(with_volume: ProphetPath) -> None:
    """Dates in seconds or nanoseconds are days all the same."""
    volume = {"log_volume": np.ones(3)}
    days = with_volume.path(sessions(3), volume)
    assert with_volume.path(sessions(3).astype("datetime64[ns]"), volume).tobytes() == days.tobytes()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("growth", "logistic"),
        ("holidays", "{}"),
        ("t_scale", 0.0),
        ("changepoints_t", [0.5]),
        ("seasonalities", [["yearly"], {}]),
        ("params", {"k": [[1.0]], "m": [[0.0]], "delta": [[0.0]], "beta": [[0.0]]}),
        ("params", {"k": [[1.0, 2.0]], "m": [[0.0]], "delta": [[0.0]], "beta": [[0.0]]}),
        ("barcast", {"rows": 120, "train_end": "2010-06-18", "last_values": {}}),
        ("y_scale", None),
    ],
)
def test_weights_of_another_kind_of_model_are_refused(with_volume: ProphetPath, part: str, value: object) -> None:
    """What this evaluation does not cover (other growth, holidays, samples) is no path, rather than a wrong one."""
    weights = json.loads(with_volume.dump()) | {part: value}
    with pytest.raises(FamilyError, match="retrain"):
        load(json.dumps(weights).encode())


def test_multiplicative_effects_are_refused(with_volume: ProphetPath) -> None:
    """The formula adds; a model that multiplies would be evaluated wrongly."""
    weights = json.loads(with_volume.dump())
    weights["extra_regressors"][1]["log_volume"]["mode"] = "multiplicative"
    with pytest.raises(FamilyError, match="retrain"):
        load(json.dumps(weights).encode())


@settings(max_examples=100, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_damaged_weights_load_or_are_refused_but_never_crash(
    with_volume: ProphetPath,
    where: float,
    bit: int,
    cut: bool,  # noqa: FBT001  drawn
) -> None:
    """The store's hash comes first; should damage get past it, `FamilyError` is all that can happen."""
    weights = bytearray(with_volume.dump())
    place = int(where * len(weights))
    if cut:
        del weights[place:]
    else:
        weights[place] ^= 1 << bit
    try:
        path = load(bytes(weights))
    except FamilyError:
        return
    assert isinstance(path, ProphetPath)
