"""The path of a fitted Prophet model: its numbers read from Prophet's JSON, and its value on any day.

For the log price, with ``t`` the time since the first session as a share of the training span::

    path(t) = floor + scale * ( offset + rate * t + sum_i delta_i * max(t - changepoint_i, 0)
                        + sum_seasonality sum_n (a_n sin(2 pi n day / period) + b_n cos(2 pi n day / period))
                        + sum_regressor beta * (value - mean) / deviation )

(Taylor and Letham 2018, "Forecasting at scale"; ``day`` counts from 1970-01-01.)
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self

import msgspec
import numpy as np

from feature_mapper.typing import DateArray, FloatArray
from models.families.base import FamilyError

_DAY: Final = 86_400.0  # seconds

LARGEST_VALUE: Final = 1e100
"""Values of regressors beyond this are refused; their effect might not be a number any more."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Seasonality:
    """A Fourier series: ``sine[n - 1]`` and ``cosine[n - 1]`` weigh the n-th harmonic of ``period`` days."""

    name: str
    period: float
    sine: FloatArray
    cosine: FloatArray


@dataclass(frozen=True, slots=True)
class Effect:
    """What a regressor adds: ``coefficient * (value - mean) / deviation``."""

    mean: float
    deviation: float
    coefficient: float


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Components:
    """What a path is the sum of, each of shape (n,); seasonalities and regressors by name, in the order of the path."""

    trend: FloatArray
    seasonalities: Mapping[str, FloatArray]
    regressors: Mapping[str, FloatArray]

    @property
    def total(self) -> FloatArray:
        """Their sum, from the trend on."""
        total = self.trend.copy()
        for part in (*self.seasonalities.values(), *self.regressors.values()):
            total += part
        return total

    def less(self, other: Self, factor: float) -> "Components":
        """Return ``factor * (self - other)``, part by part."""

        def parts(mine: Mapping[str, FloatArray], theirs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
            return {name: factor * (part - theirs[name]) for name, part in mine.items()}

        return Components(
            trend=factor * (self.trend - other.trend),
            seasonalities=parts(self.seasonalities, other.seasonalities),
            regressors=parts(self.regressors, other.regressors),
        )


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class ProphetPath:
    """A fitted path of the log price of one symbol.

    Attributes
    ----------
    document : bytes
        The weights that everything else here was read from.
    train_start, train_end : datetime64[D]
        First and last session of training.
    rows : int
        Sessions of training.
    span : float
        Days from ``train_start`` to ``train_end``: the unit of ``t``.
    scale, floor, rate, offset : float
        See the module's formula.
    changepoints, deltas : FloatArray of shape (c,)
        Where the trend may bend, in ``t``, and by how much it does.
    seasonalities : tuple of Seasonality
    effects : Mapping of str to Effect
        In the order in which the regressors were given.
    last_values : Mapping of str to float
        Value of each regressor at ``train_end``.

    """

    document: bytes
    train_start: np.datetime64
    train_end: np.datetime64
    rows: int
    span: float
    scale: float
    floor: float
    rate: float
    offset: float
    changepoints: FloatArray
    deltas: FloatArray
    seasonalities: tuple[Seasonality, ...]
    effects: Mapping[str, Effect]
    last_values: Mapping[str, float]

    @property
    def regressors(self) -> tuple[str, ...]:
        """Names of the regressors that `path` asks for."""
        return tuple(self.effects)

    def path(self, dates: DateArray, regressors: Mapping[str, FloatArray]) -> FloatArray:
        """Return the log price on ``dates``, past or future, shape (n,).

        Equals ``yhat`` of Prophet's own ``predict``. Each value depends on its own date and regressor values only,
        bit for bit.

        Parameters
        ----------
        dates : DateArray of shape (n,)
            Any days, in any order.
        regressors : Mapping of str to FloatArray of shape (n,)
            A finite value of each of `regressors` on each day.

        Raises
        ------
        FamilyError
            A regressor is missing, unknown, of another length or not finite.

        """
        path: FloatArray = self.floor + self.scale * self._terms(dates, regressors).total
        return path

    def _terms(self, dates: DateArray, regressors: Mapping[str, FloatArray]) -> Components:
        """Return what stands in the brackets of the module's formula."""
        self._check(dates, regressors)
        dates = dates.astype("datetime64[D]")
        days = (dates - np.datetime64(0, "D")).astype(np.float64)
        t = (dates - self.train_start).astype(np.float64) / self.span
        bends = np.maximum(t[:, np.newaxis] - self.changepoints, 0.0) * self.deltas
        seasonalities = {}
        for season in self.seasonalities:
            harmonics = np.arange(1, len(season.sine) + 1) * (2.0 * np.pi / season.period)
            angle = days[:, np.newaxis] * harmonics
            seasonalities[season.name] = np.add.reduce(
                np.sin(angle) * season.sine + np.cos(angle) * season.cosine, axis=1
            )
        return Components(
            trend=self.offset + self.rate * t + np.add.reduce(bends, axis=1),
            seasonalities=seasonalities,
            regressors={
                name: (regressors[name] - effect.mean) / effect.deviation * effect.coefficient
                for name, effect in self.effects.items()
            },
        )

    def anchored_path(
        self,
        dates: DateArray,
        regressors: Mapping[str, FloatArray],
        *,
        last_close: float,
        as_of: np.datetime64,
        regressors_as_of: Mapping[str, float],
        share: float = 1.0,
    ) -> FloatArray:
        """Return prices on ``dates`` that continue from the last close, shape (n,), finite and positive.

        ``last_close * exp(share * (path(dates) - path(as_of)))``: Prophet's level is off by several daily moves at any
        time, its change is what can be used. A price beyond the range of a float64 is held at its edge.

        Parameters
        ----------
        dates, regressors : DateArray and Mapping of str to FloatArray, each of shape (n,)
            As in `path`.
        last_close : float
            Price at ``as_of``, above 0.
        as_of : datetime64[D]
            Day of the last known close.
        regressors_as_of : Mapping of str to float
            The regressors on that day.
        share : float
            How much of the path's change is believed.

        Raises
        ------
        FamilyError
            As `path`.

        """
        anchor = self.path(np.array([as_of]), {name: np.array([value]) for name, value in regressors_as_of.items()})
        with np.errstate(over="ignore", under="ignore"):  # the edge is where the clip holds them
            prices = last_close * np.exp(share * (self.path(dates, regressors) - anchor))
        edges = np.finfo(np.float64)
        return np.clip(prices, edges.tiny, edges.max)

    def anchored_components(
        self,
        dates: DateArray,
        regressors: Mapping[str, FloatArray],
        *,
        as_of: np.datetime64,
        regressors_as_of: Mapping[str, float],
        share: float = 1.0,
    ) -> Components:
        """Return what moves the log price from ``as_of`` to each of ``dates``; parameters and raises as above.

        `anchored_path` is the last close times the exponential of their sum, unless it is held at an edge.
        """
        anchor = self._terms(np.array([as_of]), {name: np.array([value]) for name, value in regressors_as_of.items()})
        return self._terms(dates, regressors).less(anchor, share * self.scale)

    def dump(self) -> bytes:
        """Return the weights: JSON that ``prophet.serialize.model_from_json`` reads too."""
        return self.document

    def _check(self, dates: DateArray, regressors: Mapping[str, FloatArray]) -> None:
        if regressors.keys() != self.effects.keys():
            raise FamilyError(
                f"expected values of the regressors {list(self.effects)}, found {list(regressors)}; "
                "the last known values are in last_values"
            )
        if np.isnat(dates).any():
            raise FamilyError("expected dates, found some that are missing (NaT); leave them out")
        for name, values in regressors.items():
            if values.shape != dates.shape or not (np.abs(values) <= LARGEST_VALUE).all():
                raise FamilyError(
                    f"expected {len(dates)} finite values of {name}, found shape {values.shape} or values that are "
                    f"missing, infinite or beyond {LARGEST_VALUE:g}; fill them"
                )


class _Seasonality(msgspec.Struct, frozen=True):
    period: float
    fourier_order: int
    mode: Literal["additive"]
    condition_name: None


class _Regressor(msgspec.Struct, frozen=True):
    mu: float
    std: float
    mode: Literal["additive"]


class _Parameters(msgspec.Struct, frozen=True):
    k: tuple[tuple[float]]
    m: tuple[tuple[float]]
    delta: tuple[list[float]]
    beta: tuple[list[float]]


class _Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rows: int
    train_end: dt.date
    last_values: dict[str, float]


class _Document(msgspec.Struct, frozen=True):
    """The part of Prophet's JSON that a path is made of, and what would change it if it were there."""

    growth: Literal["linear"]
    holidays: None
    country_holidays: None
    y_scale: float
    y_min: float
    start: float
    t_scale: float
    changepoints_t: list[float]
    seasonalities: tuple[list[str], dict[str, _Seasonality]]
    extra_regressors: tuple[list[str], dict[str, _Regressor]]
    params: _Parameters
    barcast: _Facts


def load(weights: bytes) -> ProphetPath:
    """Rebuild a path from `ProphetPath.dump`; call it on verified bytes only.

    Raises
    ------
    FamilyError
        Not such JSON, or a Prophet model of another kind than `fit` makes.

    """
    try:
        stored = msgspec.json.decode(weights, type=_Document)
        return _path(weights, stored)
    except (msgspec.MsgspecError, ValueError, LookupError) as error:  # ValueError: invalid UTF-8, parts that do not fit
        raise FamilyError(f"expected the JSON of a Prophet price path, found: {error}; retrain the model") from error


def _path(weights: bytes, stored: _Document) -> ProphetPath:
    seasons = [(name, stored.seasonalities[1][name]) for name in stored.seasonalities[0]]
    regressors = [(name, stored.extra_regressors[1][name]) for name in stored.extra_regressors[0]]
    beta = np.array(stored.params.beta[0], dtype=np.float64)
    changepoints, deltas = np.array(stored.changepoints_t), np.array(stored.params.delta[0])
    harmonics = 2 * sum(season.fourier_order for _, season in seasons)
    # Without any column Prophet fits one of zeros.
    if len(beta) != max(harmonics + len(regressors), 1) or len(deltas) != len(changepoints):
        raise ValueError(
            f"{len(beta)} coefficients and {len(deltas)} slope changes, which fit no seasonality and trend"
        )
    if stored.t_scale <= 0.0 or any(regressor.std == 0.0 for _, regressor in regressors):
        raise ValueError("a time span or a deviation of 0")
    seasonalities, column = [], 0
    for name, season in seasons:
        pairs = beta[column : column + 2 * season.fourier_order]
        seasonalities.append(Seasonality(name, season.period, pairs[0::2].copy(), pairs[1::2].copy()))
        column += len(pairs)
    effects = {
        name: Effect(regressor.mu, regressor.std, float(weight))
        for (name, regressor), weight in zip(regressors, beta[column : column + len(regressors)], strict=True)
    }
    if effects.keys() != stored.barcast.last_values.keys():
        raise ValueError("last values of other regressors than the fitted ones")
    return ProphetPath(
        document=weights,
        train_start=np.datetime64(round(stored.start / _DAY), "D"),
        train_end=np.datetime64(stored.barcast.train_end, "D"),
        rows=stored.barcast.rows,
        span=stored.t_scale / _DAY,
        scale=stored.y_scale,
        floor=stored.y_min,
        rate=stored.params.k[0][0],
        offset=stored.params.m[0][0],
        changepoints=changepoints,
        deltas=deltas,
        seasonalities=tuple(seasonalities),
        effects=effects,
        last_values=stored.barcast.last_values,
    )
