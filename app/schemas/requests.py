"""Bodies that the service reads. One struct holds every form of a route's input, see `forms`."""

import datetime as dt
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

SYMBOL_PATTERN: Final = r"^[A-Za-z0-9^][A-Za-z0-9.^=_-]{0,23}$(?!\n)"
"""No path can be made of it. Python's `$` also matches before a last line feed, and JSON Schema knows no `\\Z`."""

Symbol = Annotated[
    str, Meta(description="Name of a series, such as AAPL, BRK.B, ^GSPC, EURUSD=X.", pattern=SYMBOL_PATTERN)
]
# Bounds are told to clients here and checked by `Bars`, which names every fault, not just the first.
Price = Annotated[
    float, Meta(description="In the symbol's currency, above 0.", extra_json_schema={"exclusiveMinimum": 0})
]
Volume = Annotated[
    float | None, Meta(description="Units traded, 0 or more; null if unknown.", extra_json_schema={"minimum": 0})
]
Day = Annotated[dt.date, Meta(description="Exchange session, YYYY-MM-DD.")]

Positive = Annotated[float, Meta(extra_json_schema={"exclusiveMinimum": 0})]

_FILLED: Final = Meta(extra_json_schema={"minItems": 1})
Prices = Annotated[list[Price], _FILLED]
Volumes = Annotated[list[Volume], _FILLED]
Days = Annotated[list[dt.date], _FILLED]
Numbers = Annotated[list[float], _FILLED]


def held(body: msgspec.Struct) -> int:
    """Count the fields that a body holds."""
    values = msgspec.structs.astuple(body)
    return len(values) - values.count(UNSET)


def given(body: msgspec.Struct) -> frozenset[str]:
    """Return the names of the fields that a body holds."""
    values = msgspec.structs.astuple(body)
    return frozenset([name for name, value in zip(body.__struct_fields__, values, strict=True) if value is not UNSET])


AT_AS_OF: Final = "at-as-of"
"""In place of a version: the one that served on the day of as-of."""

AskedVersion = Annotated[
    str,
    Meta(
        description="Version to answer, or `at-as-of` for the one that served on the day of as-of; what serves if left "
        "out.",
        pattern=rf"^(v[0-9]{{6}}|{AT_AS_OF})$(?!\n)",
        examples=["v000001"],
    ),
]


AskedLevel = Annotated[
    float,
    Meta(
        description="Share of outcomes that intervals shall hold; the next level of 0.01 up is taken. Left out: the "
        "model's own.",
        ge=0.5,
        le=0.99,
        examples=[0.5],
    ),
]

Explain = Annotated[
    bool, Meta(description="Whether the answer shall say how it came about, in `explanation`; false if left out.")
]


Horizon = Annotated[
    int,
    Meta(
        description="Exchange sessions ahead, one of those that the path has a model for; the shortest if left out.",
        ge=1,
    ),
]


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every body: a field that is not declared is refused."""


class Bar(Struct, frozen=True, gc=False):
    """One session."""

    open: Price
    high: Price
    low: Price
    close: Price
    volume: Volume | UnsetType = UNSET
    date: Day | UnsetType = UNSET


class Columns(Struct, frozen=True):
    """Sessions by column, oldest first, all columns of one length. The fast form."""

    open: Prices
    high: Prices
    low: Prices
    close: Prices
    volume: Volumes | UnsetType = UNSET
    date: Days | UnsetType = UNSET


class PredictRequest(Struct, frozen=True):
    """Input of every `/predict/*` route, in one of the forms."""

    open: Price | UnsetType = UNSET
    high: Price | UnsetType = UNSET
    low: Price | UnsetType = UNSET
    close: Price | UnsetType = UNSET
    volume: Volume | UnsetType = UNSET
    date: Day | UnsetType = UNSET
    bars: Annotated[list[Bar], _FILLED] | Columns | UnsetType = UNSET
    symbol: Symbol | UnsetType = UNSET
    as_of: Day | UnsetType = UNSET
    version: AskedVersion | UnsetType = UNSET
    explain: Explain | UnsetType = UNSET
    horizon: Horizon | UnsetType = UNSET

    def keys(self) -> int:
        """Count the keys of the body, those of its bars too."""
        count = held(self)
        if isinstance(self.bars, Columns):
            return count + held(self.bars)
        if isinstance(self.bars, UnsetType):
            return count
        optional = sum((bar.volume is not UNSET) + (bar.date is not UNSET) for bar in self.bars)
        return count + 4 * len(self.bars) + optional


class IntervalRequest(PredictRequest, frozen=True):
    """Input of the routes whose answers have an interval."""

    level: AskedLevel | UnsetType = UNSET


class WhatIfRequest(PredictRequest, frozen=True):
    """Input of every `/what-if/*` route: as that of `/predict/*`, and one hypothetical bar that follows."""

    what_if: Bar | UnsetType = UNSET

    def keys(self) -> int:
        """Count the keys of the body, those of its bars too."""
        inner = 0 if isinstance(self.what_if, UnsetType) else held(self.what_if)
        return super().keys() + inner


class RegimeRequest(PredictRequest, frozen=True):
    """Input of `/predict/regime`: as every other, or ready-made observations."""

    returns_window: Annotated[Numbers, Meta(description="Log returns, a session each.")] | UnsetType = UNSET
    volatility_window: (
        Annotated[
            list[Positive],
            _FILLED,
            Meta(description="Volatility of the same sessions: root of Garman-Klass variance plus squared gap."),
        ]
        | UnsetType
    ) = UNSET


class HistoryRow(Struct, frozen=True, gc=False):
    """One session of a forecast's history, by Prophet's names or by the market's."""

    ds: Day | UnsetType = UNSET
    date: Day | UnsetType = UNSET
    y: Price | UnsetType = UNSET
    close: Price | UnsetType = UNSET
    open: Price | UnsetType = UNSET
    high: Price | UnsetType = UNSET
    low: Price | UnsetType = UNSET
    volume: Volume | UnsetType = UNSET


class ForecastRequest(Struct, frozen=True):
    """Input of `/forecast/price`."""

    periods: Annotated[
        int, Meta(description="Exchange sessions ahead, at most 365.", ge=1, extra_json_schema={"maximum": 365})
    ]
    symbol: Symbol | UnsetType = UNSET
    history: Annotated[list[HistoryRow], _FILLED] | UnsetType = UNSET
    regressors: (
        Annotated[
            dict[Annotated[str, Meta(max_length=64)], list[float]],
            Meta(description="Future values by name, one a session of the forecast.", max_length=16),
        ]
        | UnsetType
    ) = UNSET
    level: Annotated[float, Meta(description="Share of outcomes that the band shall hold.", gt=0, lt=1)] | UnsetType = (
        UNSET
    )
    version: AskedVersion | UnsetType = UNSET
    explain: Explain | UnsetType = UNSET

    def keys(self) -> int:
        """Count the keys of the body, those of its history and regressors too."""
        count = held(self)
        if not isinstance(self.regressors, UnsetType):
            count += len(self.regressors)
        if not isinstance(self.history, UnsetType):
            count += sum(map(held, self.history))
        return count


PublishedVersion = Annotated[
    str, Meta(description="A published version.", pattern=r"^v[0-9]{6}$(?!\n)", examples=["v000002"])
]
Why = Annotated[str, Meta(description="For the ledger, in a few words.", min_length=1, max_length=200)]


class PromoteRequest(Struct, frozen=True):
    """Input of `/models/{model}/promote`."""

    version: PublishedVersion
    why: Why | UnsetType = UNSET
    instead_of: (
        Annotated[
            PublishedVersion | None,
            Meta(description="Version believed to serve now, null for none; if another one does, nothing changes."),
        ]
        | UnsetType
    ) = UNSET
    anyway: Annotated[bool, Meta(description="Promote although the gate said no.")] | UnsetType = UNSET

    def keys(self) -> int:
        """Count the keys of the body."""
        return held(self)


class RollbackRequest(Struct, frozen=True):
    """Input of `/models/{model}/rollback`."""

    why: Why | UnsetType = UNSET
    instead_of: (
        Annotated[
            PublishedVersion, Meta(description="Version believed to serve now; if another one does, nothing changes.")
        ]
        | UnsetType
    ) = UNSET

    def keys(self) -> int:
        """Count the keys of the body."""
        return held(self)


class ReloadRequest(Struct, frozen=True):
    """Input of `/models/{model}/reload`, which needs no words."""

    def keys(self) -> int:
        """Count the keys of the body."""
        return 0


class BatchRequest(Struct, frozen=True):
    """Input of `/predict/batch` as JSON: bodies of `/predict`, each answered by itself."""

    items: Annotated[list[msgspec.Raw], _FILLED]

    def keys(self) -> int:
        """Count the keys of the body; of its items, the colons, as each is looked at again by itself."""
        return 1 + sum(bytes(item).count(b":") for item in self.items)
