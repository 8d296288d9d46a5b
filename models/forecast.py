"""A served price forecast: a share of Prophet's path, hung on the last known close, with a conformal band."""

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.errors import BarcastError
from feature_mapper.typing import DateArray, FloatArray
from models.families import prophet
from models.golden import bars_from_json, numbers_to_json
from models.manifest import Manifest
from models.ranges import KnownRanges, strange_bars
from models.scale import HarScale
from models.store import Artifact
from models.tasks.base import Fields
from models.tasks.forecast import Forecast
from models.tiers import tier_at
from models.typing import Json, JsonObject

POOLED: Final = "pooled"
"""Name of the path of the symbols' average, which serves symbols without one of their own. No symbol is lower case."""

VOLUME: Final = "volume"

PULL_HALVES: Final = np.timedelta64(90, "D")
"""Days by which the pull of widths halves: about as long as errors themselves take to move it back."""

Source = Literal["request", "history", "training", "zero"]
"""Where a regressor's future value is from."""


class ForecastError(BarcastError):
    """A forecast was asked for in a way that has no answer."""


class ForecastHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What share of the path's move is forecast, and conformal widths of a tier.

    ``share`` is of a symbol's own path, ``average_share`` of the path of the average, which serves all others.

    ``widths[i][j]``: share ``levels[j]`` of the out-of-sample errors ``|log(close / path)|`` at ``horizons[i]``
    sessions lay below ``widths[i][j] * volatility * sqrt(horizon)``. What lately came has pulled widths: on the evening
    of ``pulled_on`` to ``exp(pulls[i][j])`` of that. A pull is of its time and fades with the distance of the last bar
    from that day, before or after it, by half in `PULL_HALVES`; who trains each evening never sees it fade. Older
    artifacts have no pulls and believe all of a path.
    """

    scale: HarScale
    horizons: tuple[int, ...]
    levels: tuple[float, ...]
    widths: tuple[tuple[float, ...], ...]
    pulls: tuple[tuple[float, ...], ...] = ()
    pulled_on: dt.date = dt.date(1970, 1, 1)
    share: float = 1.0
    average_share: float = 1.0

    def width(self, steps: FloatArray, level: float, as_of: np.datetime64) -> FloatArray:
        """Return widths for horizons ``steps``, between the measured ones by interpolation, beyond them held."""
        distance, root = abs(float((as_of - np.datetime64(self.pulled_on)) / PULL_HALVES)), np.sqrt(self.horizons)
        widths = np.array(self.widths)
        if self.pulls:
            widths = pulled(widths, np.array(self.pulls) * 0.5**distance)
        at_level = np.array([np.interp(level, self.levels, row) for row in widths])
        # Widths are pulled horizon by horizon, and yet no band is to be nearer for a later one.
        return np.interp(steps, self.horizons, np.maximum.accumulate(at_level * root) / root)


def pulled(widths: FloatArray, pulls: FloatArray) -> FloatArray:
    """Return pulled widths, levels last in both; where pulls cross, the wider level has the narrower one's width."""
    result: FloatArray = np.maximum.accumulate(widths * np.exp(pulls), axis=-1)
    return result


@dataclass(frozen=True, slots=True)
class Filled:
    """A regressor's value on each session of the forecast, and where it is from."""

    name: str
    values: tuple[float, ...]
    source: Source


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class PriceForecast:
    """A path with its band, in price; arrays of shape (periods,). ``strange`` is as that of `RowAnswer`."""

    sessions: DateArray
    path: FloatArray
    lower: FloatArray
    upper: FloatArray
    level: float
    tier: int
    own_path: bool
    regressors: tuple[Filled, ...]
    strange: tuple[str, ...]


class ForecastModel:
    """A loaded artifact of the forecast task."""

    __slots__ = ("_heads", "_paths", "_ranges", "_tiers", "manifest", "task")

    def __init__(
        self, manifest: Manifest, paths: Mapping[str, prophet.ProphetPath], heads: tuple[ForecastHead, ...]
    ) -> None:
        """Store; heads are in the order of the manifest's tiers."""
        self.manifest = manifest
        self.task = Forecast()
        self._paths = paths
        self._heads = heads
        self._ranges = tuple(KnownRanges.of(tier) for tier in manifest.tiers)
        self._tiers = tuple(tier.tier for tier in manifest.tiers)

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> Self:
        """Build from verified bytes; raises ``FamilyError`` or ``msgspec.ValidationError`` if they are no forecast."""
        names = [name for name in artifact.files if name.startswith("path_")]
        paths = {path_symbol(name): prophet.load(artifact.files[name]) for name in names}
        heads = tuple(msgspec.convert(tier.head, ForecastHead) for tier in artifact.manifest.tiers)
        return cls(artifact.manifest, paths, heads)

    @property
    def levels(self) -> tuple[float, float]:
        """Smallest and largest level that a band was measured for."""
        return self._heads[0].levels[0], self._heads[0].levels[-1]

    @property
    def regressors(self) -> tuple[str, ...]:
        """Names of the regressors that a request may give future values of."""
        return tuple(sorted({name for path in self._paths.values() for name in path.regressors}))

    def forecast(
        self, bars: Bars, sessions: DateArray, *, level: float, regressors: Mapping[str, FloatArray]
    ) -> PriceForecast:
        """Return the path over ``sessions``, which follow the last bar.

        Parameters
        ----------
        bars : Bars
            The known history, dated; its symbol chooses the path.
        sessions : DateArray of shape (periods,)
            Exchange sessions after the last bar.
        level : float
            Share of outcomes that the band is to hold, within `levels`.
        regressors : Mapping of str to FloatArray of shape (periods,)
            Known future values, in the units of the bars; those that are absent are filled.

        Raises
        ------
        ForecastError
            The bars have no dates, or the level was never measured.

        """
        if bars.date is None:
            raise ForecastError("expected dated bars, found none with dates; give each row its date")
        low, high = self.levels
        if not low <= level <= high:
            raise ForecastError(f"expected a level from {low:g} to {high:g}, found {level:g}; ask for one in between")
        position = tier_at(self._tiers, len(bars))
        path, own = self._path_of(bars)
        head = self._heads[position]
        filled = tuple(_fill(name, bars, path, sessions, regressors) for name in path.regressors)
        centre = path.anchored_path(
            sessions,
            _to_path(filled),
            last_close=float(bars.close[-1]),
            as_of=bars.date[-1],
            regressors_as_of=_now(bars, path),
            share=head.share if own else head.average_share,
        )
        steps = np.arange(1, len(sessions) + 1, dtype=np.float64)
        volatility = head.scale.volatility(bars.tail(self._tiers[position]), 1)[0]
        # Between two horizons a width that falls may fall faster than the root of the steps rises.
        half = np.maximum.accumulate(head.width(steps, level, bars.date[-1]) * volatility * np.sqrt(steps))
        edges = np.finfo(np.float64)
        with np.errstate(over="ignore", under="ignore"):  # the edges of float64 are where the clips hold them
            lower, upper = centre * np.exp(-half), centre * np.exp(half)
        return PriceForecast(
            sessions=sessions,
            path=centre,
            lower=np.maximum(lower, edges.tiny),
            upper=np.minimum(upper, edges.max),
            level=level,
            tier=self._tiers[position],
            own_path=own,
            regressors=filled,
            strange=strange_bars(self._ranges[position], bars, 1)[0],
        )

    def explain(self, bars: Bars, sessions: DateArray, *, regressors: Mapping[str, FloatArray]) -> Fields:
        """Say what each session of `forecast` of the same bars, sessions and regressors is the sum of.

        Raises
        ------
        ForecastError
            The bars have no dates.

        """
        if bars.date is None:
            raise ForecastError("expected dated bars, found none with dates; give each row its date")
        path, own = self._path_of(bars)
        head = self._heads[tier_at(self._tiers, len(bars))]
        parts = path.anchored_components(
            sessions,
            _to_path([_fill(name, bars, path, sessions, regressors) for name in path.regressors]),
            as_of=bars.date[-1],
            regressors_as_of=_now(bars, path),
            share=head.share if own else head.average_share,
        )
        return {
            "kind": "components",
            "unit": "log of price relative to the last close",
            "last_close": float(bars.close[-1]),
            "components": [
                {
                    "trend": float(parts.trend[row]),
                    "seasonalities": {name: float(part[row]) for name, part in parts.seasonalities.items()},
                    "regressors": {name: float(part[row]) for name, part in parts.regressors.items()},
                    "total": total,
                }
                for row, total in enumerate(parts.total.tolist())
            ],
        }

    def _path_of(self, bars: Bars) -> tuple[prophet.ProphetPath, bool]:
        """Return the path that serves the symbol of the bars, and whether it is its own."""
        symbol = POOLED if bars.symbol is None or bars.symbol not in self._paths else bars.symbol
        return self._paths[symbol], symbol != POOLED

    def golden_answer(self, case: JsonObject) -> dict[str, Json]:
        """Answer a golden case: bars, the sessions asked for, and a level."""
        asked = msgspec.convert(case, GoldenForecast)
        sessions = np.array(asked.sessions, dtype="datetime64[D]")
        result = self.forecast(bars_from_json(asked.bars), sessions, level=asked.level, regressors={})
        return {
            "tier": result.tier,
            "path": numbers_to_json(result.path),
            "lower": numbers_to_json(result.lower),
            "upper": numbers_to_json(result.upper),
            "regressors": {fill.name: fill.source for fill in result.regressors},
        }


class GoldenForecast(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Input of a golden example."""

    bars: dict[str, Json]
    sessions: list[dt.date]
    level: float


def path_file(symbol: str) -> str:
    """Return the name of the file that holds the path of ``symbol``, in hexadecimal where file names forbid it."""
    plain = symbol.isascii() and symbol.isalnum() and not symbol.startswith("x")
    return f"path_{symbol}.json" if plain else f"path_x{symbol.encode().hex()}.json"


def path_symbol(file: str) -> str:
    """Return the symbol that `path_file` named the file after."""
    stem = file.removeprefix("path_").removesuffix(".json")
    return bytes.fromhex(stem[1:]).decode() if stem.startswith("x") else stem


def to_regressor(volume: FloatArray) -> FloatArray:
    """Return what Prophet is given for volumes: their logs, as volume varies by factors; 0 for less than 1."""
    regressor: FloatArray = np.log(np.maximum(volume, 1.0))
    return regressor


def _fill(
    name: str, bars: Bars, path: prophet.ProphetPath, sessions: DateArray, given: Mapping[str, FloatArray]
) -> Filled:
    if name in given:
        return Filled(name, tuple(given[name].tolist()), "request")
    value, source = _last_known(name, bars, path)
    return Filled(name, (value,) * len(sessions), source)


def _to_path(filled: Iterable[Filled]) -> dict[str, FloatArray]:
    return {fill.name: to_regressor(np.array(fill.values)) for fill in filled}


def _now(bars: Bars, path: prophet.ProphetPath) -> dict[str, float]:
    """Return the regressors as of the last bar, as the path takes them."""
    return {name: _regressor_now(name, bars, path) for name in path.regressors}


def _regressor_now(name: str, bars: Bars, path: prophet.ProphetPath) -> float:
    return float(to_regressor(np.array([_last_known(name, bars, path)[0]]))[0])


def _last_known(name: str, bars: Bars, path: prophet.ProphetPath) -> tuple[float, Source]:
    """Return the value as of the last bar, in units of the bars: from the history, else from training, else 0."""
    if name == VOLUME and bars.volume is not None:
        known = bars.volume[~np.isnan(bars.volume)]
        if len(known):
            return float(known[-1]), "history"
    if name in path.last_values:
        return math.exp(path.last_values[name]), "training"
    return 0.0, "zero"
