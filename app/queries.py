"""From a body to what the inference plane takes: bars, a symbol, a day, all of them checked.

msgspec has checked each value; here are the rules that span values: one form a body, bounds, equal lengths, and the
rules of `Bars`.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import msgspec
import numpy as np
from msgspec import UnsetType

from app import problems
from app.columns import float_array, from_columns, from_flat, from_history, from_rows, from_supposed, invalid
from app.decoding import JsonDecoder
from app.errors import ProblemError, pointer
from app.schemas import forms
from app.schemas.answers import Fault
from app.schemas.requests import (
    BatchRequest,
    Columns,
    ForecastRequest,
    IntervalRequest,
    PredictRequest,
    RegimeRequest,
    WhatIfRequest,
    given,
)
from app.settings import Settings
from app.windows import read_window
from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray

V = TypeVar("V")

PREDICT: Final = JsonDecoder(PredictRequest)
INTERVAL: Final = JsonDecoder(IntervalRequest)
REGIME: Final = JsonDecoder(RegimeRequest)
WHAT_IF: Final = JsonDecoder(WhatIfRequest)
FORECAST: Final = JsonDecoder(ForecastRequest)
BATCH: Final = JsonDecoder(BatchRequest)


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: arrays have no single truth value
class BarsQuery:
    """Input of a prediction: bars, or the name of a stored history, or both (bars after the stored ones)."""

    bars: Bars | None
    symbol: str | None
    as_of: dt.date | None
    version: str | None = None
    level: float | None = None
    explain: bool = False
    horizon: int | None = None


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: arrays have no single truth value
class Observations:
    """Ready-made input of the regime model: log returns and volatilities, both of shape (n,), oldest first."""

    returns: FloatArray
    volatility: FloatArray
    symbol: str | None
    version: str | None = None
    explain: bool = False


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: arrays have no single truth value
class WhatIfQuery:
    """Input of a prediction, and the one bar that is supposed to follow."""

    question: BarsQuery
    bar: Bars


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: arrays have no single truth value
class ForecastQuery:
    """Input of a forecast.

    ``history`` holds the bars that the request brought, if any; ``regressors`` are future values by name, each of
    shape (periods,).
    """

    periods: int
    symbol: str | None
    history: Bars | None
    regressors: Mapping[str, FloatArray]
    level: float | None
    version: str | None = None
    explain: bool = False


class Queries:
    """Reads the bodies of all routes within the limits of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._max_bars = settings.max_bars
        self._max_items = settings.max_batch_rows
        self._max_periods = settings.max_periods

    def predict(self, raw: bytes) -> BarsQuery:
        """Read the body of a `/predict/*` route; raises `ProblemError`."""
        return self._express(raw) or self._bars_query(PREDICT(raw), forms.PREDICT_FORMS)

    def interval(self, raw: bytes) -> BarsQuery:
        """Read the body of a route whose answers have an interval; raises `ProblemError`."""
        return self._express(raw) or self.predict_item(raw)

    def predict_item(self, raw: bytes | msgspec.Raw) -> BarsQuery:
        """Read the same where it is an item of a batch, value by value; raises `ProblemError`."""
        body = INTERVAL(raw)
        return replace(self._bars_query(body, forms.INTERVAL_FORMS), level=_optional(body.level))

    def regime(self, raw: bytes) -> BarsQuery | Observations:
        """Read the body of `/predict/regime`; raises `ProblemError`."""
        if (express := self._express(raw)) is not None:
            return express
        body = REGIME(raw)
        if isinstance(body.returns_window, UnsetType) or isinstance(body.volatility_window, UnsetType):
            return self._bars_query(body, forms.REGIME_FORMS)
        _require_form(body, forms.REGIME_FORMS)
        returns, volatility = float_array(body.returns_window), float_array(body.volatility_window)
        self._bound(len(returns), "/returns_window")
        if len(returns) != len(volatility) or len(returns) == 0:
            found = f"{len(returns)} returns and {len(volatility)} volatilities"
            raise invalid("/volatility_window", f"expected two windows of one length, not empty; found {found}")
        wrong = np.flatnonzero(volatility <= 0)
        if len(wrong):
            row = int(wrong[0])
            raise invalid(f"/volatility_window/{row}", f"expected a volatility above 0, found {volatility[row]:g}")
        return Observations(returns, volatility, _optional(body.symbol), _optional(body.version), body.explain is True)

    def what_if(self, raw: bytes) -> WhatIfQuery:
        """Read the body of a `/what-if/*` route; raises `ProblemError`."""
        body = WHAT_IF(raw)
        question = self._bars_query(body, forms.WHAT_IF_FORMS)
        bar = _optional(body.what_if)
        if bar is None:
            raise AssertionError  # unreachable: every form needs it
        return WhatIfQuery(question, from_supposed(bar))

    def forecast(self, raw: bytes) -> ForecastQuery:
        """Read the body of `/forecast/price`; raises `ProblemError`."""
        body = FORECAST(raw)
        if body.periods > self._max_periods:
            detail = f"expected periods from 1 to {self._max_periods}, found more; ask for fewer sessions"
            raise ProblemError(problems.HORIZON_TOO_FAR, detail, [Fault(pointer="/periods", detail=detail)])
        regressors = {name: float_array(values) for name, values in (_optional(body.regressors) or {}).items()}
        for name, values in regressors.items():
            if len(values) != body.periods:
                detail = f"expected {body.periods} values, one a session of the forecast, found {len(values)}"
                raise invalid(pointer("regressors", name), detail)
        symbol, history = _optional(body.symbol), _optional(body.history)
        if history is not None:
            self._bound(len(history), "/history")
        bars = None if history is None else from_history(history, symbol)
        return ForecastQuery(
            periods=body.periods,
            symbol=symbol,
            history=bars,
            regressors=regressors,
            level=_optional(body.level),
            version=_optional(body.version),
            explain=body.explain is True,
        )

    def batch(self, raw: bytes) -> Iterator[BarsQuery | ProblemError]:
        """Read the items of a JSON batch one by one, in order; a wrong one is its problem, and harms no other.

        Raises
        ------
        ProblemError
            The batch as a whole can't be read, or holds no item or too many.

        """
        items = BATCH(raw).items
        if not 1 <= len(items) <= self._max_items:
            raise invalid("/items", f"expected 1 to {self._max_items} items, found {len(items)}; split the batch")
        return (self._item(row, item) for row, item in enumerate(items))

    def _express(self, raw: bytes) -> BarsQuery | None:
        bars = read_window(raw)
        return None if bars is None or len(bars) > self._max_bars else BarsQuery(bars, bars.symbol, None)

    def _item(self, row: int, item: msgspec.Raw) -> BarsQuery | ProblemError:
        try:
            query = self.predict_item(item)
            if query.version is not None:
                raise invalid("/version", "expected no version, as a batch is answered by what serves; take it out")
            if query.explain:
                detail = "expected no explanation to be asked for, as rows of batches are short; ask the single route"
                raise invalid("/explain", detail)
            if query.horizon is not None:
                detail = "expected no horizon, as the same models answer all items; name it in the query of the path"
                raise invalid("/horizon", detail)
        except ProblemError as error:
            return error.below(f"/items/{row}")
        return query

    def _bars_query(self, body: PredictRequest, allowed: Sequence[forms.Form]) -> BarsQuery:
        form = _require_form(body, allowed)
        symbol, window, version = _optional(body.symbol), body.bars, _optional(body.version)
        if isinstance(window, Columns):
            self._bound(len(window.close), "/bars")
            bars: Bars | None = from_columns(window, symbol)
        elif not isinstance(window, UnsetType):
            self._bound(len(window), "/bars")
            bars = from_rows(window, symbol)
        else:
            bars = from_flat(body, symbol) if form.name == forms.ONE_BAR.name else None
        as_of, horizon = _optional(body.as_of), _optional(body.horizon)
        return BarsQuery(bars, symbol, as_of, version, explain=body.explain is True, horizon=horizon)

    def _bound(self, found: int, place: str) -> None:
        if found > self._max_bars:
            raise invalid(place, f"expected at most {self._max_bars} bars, found {found}; send the newest ones")


def _require_form(body: PredictRequest, allowed: Sequence[forms.Form]) -> forms.Form:
    fields = given(body)
    for form in allowed:
        if form.fits(fields):
            return form
    nearest = max(allowed, key=lambda form: (len(fields.intersection(form.needs)), -len(form.needs)))
    begun = bool(fields.intersection(nearest.needs))
    lacking = [name for name in nearest.needs if name not in fields] if begun else []
    foreign = sorted(fields.difference(nearest.needs, nearest.may)) if begun else []
    faults = [
        *(Fault(pointer=f"/{name}", detail=f"expected a value, as for {nearest.name}; found none") for name in lacking),
        *(
            Fault(pointer=f"/{name}", detail=f"does not go together with {nearest.name}; take it out")
            for name in foreign
        ),
    ]
    examples = "; or ".join(
        f"{name}: {msgspec.json.encode(example).decode()}"
        for form in allowed
        for name, example in form.examples.items()
        if len(msgspec.json.encode(example)) < 200
    )
    found = ", ".join(sorted(fields)) or "no field"
    windows = 'window: {"bars":[{"open":..,"high":..,"low":..,"close":..}, ...]} or {"bars":{"open":[..],...}}'
    detail = f"expected a body of exactly one form, found {found}; send {examples}; or {windows}"
    whole = Fault(pointer="", detail="expected a body of exactly one form")
    raise ProblemError(problems.INVALID_INPUT, detail, faults or [whole])


def _optional(value: V | UnsetType) -> V | None:
    return None if isinstance(value, UnsetType) else value
