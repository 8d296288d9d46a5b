"""Errors of price forecasts at rolling origins, and the bands that were known when each was made."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from feature_mapper.typing import BoolArray, DateArray, FloatArray, IntArray
from training.kit.origins import HORIZONS
from training.kit.path_bands import PathBands, ScaledErrors

SHARES: Final = tuple(tenth / 10 for tenth in range(11))
"""Shares of a path's move to choose from: none is the last close, all of it Prophet's own."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Errors:
    """Log errors of forecasts made on n days, by horizon.

    ``error``, ``unseen`` and ``naive`` have shape (n, horizons): of the share of the anchored path that was known to be
    good at the origin, of that of the path of the other symbols' average, which a symbol without a path of its own
    gets, and of the last close. ``of_path`` and ``of_average`` are those of the whole paths. ``known`` has the days on
    which they came to be known. ``scales`` has shape (n, tiers), all else shape (n,). ``fitted_to`` is the last day
    that the paths had seen.
    """

    origin: IntArray
    symbol: IntArray
    date: DateArray
    fitted_to: DateArray
    known: DateArray
    error: FloatArray
    unseen: FloatArray
    naive: FloatArray
    of_path: FloatArray
    of_average: FloatArray
    scales: FloatArray

    def __len__(self) -> int:
        """Count the days."""
        return len(self.date)

    @property
    def ends(self) -> DateArray:
        """The days that the longest horizon reaches, shape (n,)."""
        return self.known[:, -1]

    @property
    def last(self) -> np.datetime64:
        """The last day on which any error came to be known."""
        day: np.datetime64 = self.known[~np.isnat(self.known)].max()
        return day

    @property
    def ended(self) -> BoolArray:
        """Tell for each day whether the longest horizon has ended, shape (n,)."""
        return ~np.isnat(self.ends)

    def take(self, at: BoolArray) -> "Errors":
        """Return the days where ``at`` is true."""
        return Errors(*(getattr(self, name)[at] for name in _FIELDS))

    def scaled(self, tier: int, share: float) -> ScaledErrors:
        """Return errors of a share of the paths in units of the yardstick of a tier, by its position."""
        return ScaledErrors.of(shrunk(self.of_path, self.naive, share), self.scales[:, tier], self.known, self.date)

    @classmethod
    def joined(cls, parts: Sequence["Errors"]) -> "Errors":
        """Put parts, one at least, one after the other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS))


_FIELDS: Final = tuple(Errors.__dataclass_fields__)


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Plain:
    """Plain Prophet from the origins themselves: log errors, those of the last close, and whether its band held.

    Each of shape (n, horizons).
    """

    error: FloatArray
    naive: FloatArray
    held: BoolArray

    @classmethod
    def joined(cls, parts: Sequence["Plain"]) -> "Plain":
        """Put parts one after the other; there may be none."""
        none = np.empty((0, len(HORIZONS)))
        return cls(
            np.concatenate([none, *(part.error for part in parts)]),
            np.concatenate([none, *(part.naive for part in parts)]),
            np.concatenate([none.astype(np.bool_), *(part.held for part in parts)]),
        )


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of a path's move is forecast: of a symbol's own path, and of the average's."""

    own: float
    average: float

    @classmethod
    def of(cls, parts: Sequence[Errors]) -> "Shares":
        """Choose both by errors that have ended."""
        if not any(len(part) for part in parts):
            return cls(0.0, 0.0)
        known = Errors.joined(parts)
        return cls(best_share(known.of_path, known.naive), best_share(known.of_average, known.naive))


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Origins:
    """All that the rolling origins gave. ``errors`` includes the teaching origins; ``scored`` leaves them out.

    ``tail`` is of the last days of the series, whose longest horizon has not ended: NaN and NaT where nothing came yet.
    ``shares`` are those chosen at each origin; ``chosen`` those by all errors.
    """

    errors: Errors
    tail: Errors
    plain: Plain
    teaching: int
    tiers: tuple[int, ...]
    shares: tuple[Shares, ...]
    chosen: Shares
    first_days: tuple[np.datetime64, ...]
    _kept: dict[tuple[object, ...], FloatArray] = field(init=False, repr=False, default_factory=dict)

    @property
    def scored(self) -> Errors:
        """Days after the teaching origins."""
        return self.errors.take(self.errors.origin >= self.teaching)

    def held(self, tier: int, level: float, *, unseen: bool = False) -> BoolArray:
        """Tell for each scored day and horizon whether the band held, its width known on the evening before."""
        parts = list[BoolArray]()
        for origin in np.unique(self.scored.origin).tolist():
            now = self.errors.take(self.errors.origin == origin)
            parts.append(np.abs(now.unseen if unseen else now.error) <= self.reaches(origin, tier, (level,))[:, :, 0])
        return np.concatenate(parts)

    def held_by_level(self, tier: int, levels: Sequence[float]) -> FloatArray:
        """Return the shares of scored days that bands of each level held, as `held`, shape (horizons, levels)."""
        counts = np.zeros((len(HORIZONS), len(levels)))
        for origin in np.unique(self.scored.origin).tolist():
            now = self.errors.take(self.errors.origin == origin)
            counts += np.count_nonzero(np.abs(now.error)[:, :, None] <= self.reaches(origin, tier, levels), axis=0)
        shares: FloatArray = counts / len(self.scored)
        return shares

    def bands(self, tier: int, levels: Sequence[float]) -> PathBands:
        """Return the bands of the evening of the last bar: settled on all errors, and they followed all that came."""
        column = self.tiers.index(tier)
        everything = Errors.joined((self.errors, self.tail))
        scaled = everything.scaled(column, self.chosen.own)
        return PathBands.learnt(scaled, everything.ended, everything.last + 1, levels)

    def reaches(self, origin: int, tier: int, levels: Sequence[float]) -> FloatArray:
        """Return how far bands reach to either side of the path, in logs, shape (days of the origin, horizons, levels).

        Settled widths are of forecasts that had ended before the origin; they follow the errors known on each evening.
        Both are errors that the share of this origin would have made, also where another one was served.
        """
        key = (origin, tier, *levels)
        if key not in self._kept:
            self._kept[key] = self._reaches(origin, tier, levels)
        return self._kept[key]

    def _reaches(self, origin: int, tier: int, levels: Sequence[float]) -> FloatArray:
        column, first = self.tiers.index(tier), self.first_days[origin]
        scaled = self.errors.scaled(column, self.shares[origin].own)
        bands = PathBands.learnt(scaled, self.errors.ends < first, first, levels)
        now = self.errors.take(self.errors.origin == origin)
        return bands.reaches(now.scales[:, column], now.date)


def shrunk(error: FloatArray, naive: FloatArray, share: float | FloatArray) -> FloatArray:
    """Return the log errors of a share of a path's move, a number or one a row, from those of all and of none of it."""
    result: FloatArray = naive + share * (error - naive)
    return result


def best_share(error: FloatArray, naive: FloatArray) -> float:
    """Return the share whose absolute errors, relative to those of the last close, were least; 0 if none are known.

    Both arguments are of shape (n, horizons); horizons count alike. Of shares that are as good, the smallest.
    """
    if len(error) == 0:
        return 0.0
    base = np.abs(naive).mean(axis=0)
    relative = [float((np.abs(shrunk(error, naive, share)).mean(axis=0) / base).mean()) for share in SHARES]
    return SHARES[int(np.argmin(relative))]
