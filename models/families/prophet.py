"""Price paths by Prophet. Weights are Prophet's own JSON, and only fitting needs Prophet: see `_prophet_path`."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np

from feature_mapper.typing import DateArray, FloatArray
from models.families._prophet_path import ProphetPath, load
from models.families.base import FamilyError

if TYPE_CHECKING:
    import pandas as pd
    from prophet import Prophet

__all__ = ["LIBRARIES", "MIN_SESSIONS", "SUFFIX", "FamilyUnavailable", "ProphetPath", "fit", "load", "plain_interval"]

SUFFIX: Final = "json"
LIBRARIES: Final = ("prophet",)

MIN_SESSIONS: Final = 60
"""Fewer sessions than this are refused: 25 changepoints need something to change between."""


class FamilyUnavailable(FamilyError):
    """The library that fits this family cannot be imported."""


def fit(
    ds: DateArray,
    y_log: FloatArray,
    *,
    regressors: Mapping[str, FloatArray],
    changepoint_prior_scale: float,
    seed: int,
    yearly_order: int = 0,
    weekly_order: int = 0,
) -> ProphetPath:
    """Fit a path to log prices by maximum a posteriori; the same data and seed give the same bytes.

    Parameters
    ----------
    ds : DateArray of shape (n,)
        Sessions, strictly ascending, at least `MIN_SESSIONS`.
    y_log : FloatArray of shape (n,)
        Log of the close.
    regressors : Mapping of str to FloatArray of shape (n,)
        Additive regressors, finite; Prophet standardises them unless they are 0/1.
    changepoint_prior_scale : float
        How readily the trend bends.
    yearly_order, weekly_order : int
        Harmonics of a yearly and a weekly seasonality, 0 for none. Exchange sessions show five days of the week, too
        few for the six parameters of Prophet's weekly default, and its yearly one learns the accidents of a few years.

    Raises
    ------
    FamilyError
        Too few sessions, dates that do not ascend, values that are not finite, or an optimiser that gave up.
    FamilyUnavailable
        Prophet is not installed.

    """
    _check(ds, y_log, regressors)
    with _quiet():
        prophet = _prophet_class()(
            changepoint_prior_scale=changepoint_prior_scale,
            yearly_seasonality=yearly_order,
            weekly_seasonality=weekly_order,
            daily_seasonality=False,
            scaling="minmax",  # so that a factor on prices (another currency, a split) moves the path and bends nothing
            uncertainty_samples=0,
        )
        for name in regressors:
            prophet.add_regressor(name)
        try:
            prophet.fit(_frame(ds, regressors).assign(y=y_log), seed=seed)
        except RuntimeError as error:  # Stan's optimiser and its second attempt by Newton's method both gave up
            raise FamilyError(f"expected Prophet's optimiser to converge, found: {error}; check the prices") from error
    last_values = {name: float(values[-1]) for name, values in regressors.items()}
    return load(_slim_document(prophet, {"rows": len(ds), "train_end": str(ds[-1]), "last_values": last_values}))


def plain_interval(
    path: ProphetPath,
    dates: DateArray,
    regressors: Mapping[str, FloatArray],
    *,
    level: float,
    samples: int = 1000,
    seed: int,
) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper log price of Prophet's own predictive samples, each of shape (n,).

    For evaluation only: it needs Prophet, and Prophet's bands are known to cover less than ``level``. Seeds numpy's
    global generator for the time of the draw, so not for use beside other threads.

    Parameters
    ----------
    path : ProphetPath
        The fitted path.
    dates : DateArray of shape (n,)
        Ascending.
    regressors : Mapping of str to FloatArray of shape (n,)
        As in `ProphetPath.path`.
    level : float
        Nominal coverage between 0 and 1.
    samples : int
        Draws.
    seed : int
        The same seed gives the same interval.

    """
    import pandas as pd

    with _quiet():
        _prophet_class()
        from prophet.serialize import model_from_json

        prophet = model_from_json(path.document.decode())
        # The weights keep two rows of the history; a draw for a single date asks for the mean step between all of them.
        steps = np.linspace(0.0, 1.0, path.rows)
        prophet.history = pd.DataFrame({"ds": pd.Timestamp(path.train_end), "t": steps})
        prophet.interval_width, prophet.uncertainty_samples = level, samples
        with _seeded(seed):
            drawn = prophet.predict(_frame(dates, regressors))
    return drawn["yhat_lower"].to_numpy(np.float64), drawn["yhat_upper"].to_numpy(np.float64)


def _check(ds: DateArray, y_log: FloatArray, regressors: Mapping[str, FloatArray]) -> None:
    if len(ds) < MIN_SESSIONS:
        raise FamilyError(
            f"expected at least {MIN_SESSIONS} sessions to fit Prophet, found {len(ds)}; give more history"
        )
    if not (ds[1:] > ds[:-1]).all():
        raise FamilyError("expected dates that ascend, found some that do not; sort the bars")
    for name, values in {"y_log": y_log, **regressors}.items():
        if values.shape != ds.shape or not np.isfinite(values).all():
            raise FamilyError(
                f"expected {len(ds)} finite values of {name}, found shape {values.shape} with "
                f"{np.count_nonzero(~np.isfinite(values))} that are not finite; fill or leave them out"
            )


def _frame(ds: DateArray, regressors: Mapping[str, FloatArray]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame({"ds": ds.astype("datetime64[ns]"), **regressors})


def _slim_document(prophet: "Prophet", facts: dict[str, object]) -> bytes:
    """Return Prophet's JSON without what grows with the history, and with our facts beside it.

    Predictions need neither the history, of which the first and last row stay because Prophet insists on one, nor the
    fitted trend of each session; whole, they make 250 to 650 KB. Prophet's own intervals do need the history in one
    case, so the document says ``uncertainty_samples = 0``: who loads it with Prophet gets points and no interval,
    never a wrong one.
    """
    from prophet.serialize import model_to_dict

    if prophet.history is None or prophet.history_dates is None:
        raise TypeError(prophet)
    prophet.history = prophet.history.iloc[[0, -1]]
    prophet.history_dates = prophet.history_dates.iloc[[0, -1]]
    prophet.params = {name: prophet.params[name] for name in ("k", "m", "delta", "sigma_obs", "beta")}
    return json.dumps(model_to_dict(prophet) | {"barcast": facts}, allow_nan=False).encode()


def _prophet_class() -> "type[Prophet]":
    try:
        from prophet import Prophet
    except ImportError as error:
        raise FamilyUnavailable(
            f"expected the package prophet to train a price path, found: {error}; "
            "install it with `pip install -r requirements/training.txt`"
        ) from error
    return Prophet


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed numpy's global generator, which is all that Prophet draws from, and put it back as it was."""
    before = np.random.get_state()  # noqa: NPY002  the global one is meant
    np.random.seed(seed)  # noqa: NPY002  as above
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002  as above


@contextmanager
def _quiet() -> Iterator[None]:
    """Mute what Prophet and cmdstanpy print, and leave their loggers as they were found.

    cmdstanpy gives its logger a handler and a level of its own unless it already has a handler, so a level alone does
    not hold. Prophet logs an error at import where plotly is absent, which nothing here needs, and a warning where its
    first optimiser gives up and the second, which then decides, takes over. It also calls pandas in ways that pandas
    deprecates; that is Prophet's to mend, and warnings about our own code still come through.
    """
    silent = logging.NullHandler()
    loggers = [logging.getLogger(name) for name in ("cmdstanpy", "prophet", "prophet.models", "prophet.plot")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(silent)
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"prophet\.")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(silent)
            logger.setLevel(level)
