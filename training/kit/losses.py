"""Out-of-sample losses row by row, as an artifact keeps them: what the gate compares versions by.

Losses and outcomes are kept in float32, which halves the file: it rounds a loss by 6e-8 of itself, and equal forecasts
still have equal losses.
"""

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.errors import BarcastError
from feature_mapper.typing import DateArray, FloatArray, IntArray

LOSSES_NAME: Final = "losses.npz"
"""File name of the losses inside an artifact."""

SAME_OUTCOME: Final = 0.01
"""Share of the spread of outcomes by which two records of one row may differ and still mean the same history."""

_DESCRIBED: Final = ("tier", "metric", "baseline", "relative")
_FLOATS: Final = ("outcome", "model", "naive")


class LossesInvalid(BarcastError):
    """The losses of an artifact can't be read."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class TierLosses:
    """Rows of one tier, scored by forecasts that had not seen them.

    Attributes
    ----------
    tier : int
        Bars of history.
    metric, baseline : str
        Of the headline score.
    relative : bool
        Whether that score is a share of the baseline's loss (a skill) or a difference (a gain).
    symbol : IntArray of shape (n,)
        Position in `Losses.symbols`.
    date : DateArray of shape (n,)
        As-of day.
    outcome, model, naive : FloatArray of shape (n,)
        What came, and the losses of the model and of the baseline about it.

    """

    tier: int
    metric: str
    baseline: str
    relative: bool
    symbol: IntArray
    date: DateArray
    outcome: FloatArray
    model: FloatArray
    naive: FloatArray


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Losses:
    """Losses of all tiers of a version."""

    symbols: tuple[str, ...]
    tiers: tuple[TierLosses, ...]

    def dump(self) -> bytes:
        """Return the losses as bytes; equal losses give equal bytes."""
        head = {
            "symbols": self.symbols,
            "tiers": [[getattr(tier, name) for name in _DESCRIBED] for tier in self.tiers],
        }
        arrays = {"head": np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)}
        for number, tier in enumerate(self.tiers):
            arrays[f"{number}.symbol"] = tier.symbol.astype(np.int32)
            arrays[f"{number}.date"] = tier.date.astype("datetime64[D]").astype(np.int32)
            arrays |= {f"{number}.{name}": getattr(tier, name).astype(np.float32) for name in _FLOATS}
        file = io.BytesIO()
        np.savez_compressed(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @classmethod
    def load(cls, data: bytes) -> "Losses":
        """Read what `dump` wrote.

        Raises
        ------
        LossesInvalid
            It is something else.

        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                head = json.loads(arrays["head"].tobytes())
                tiers = tuple(
                    TierLosses(
                        **dict(zip(_DESCRIBED, described, strict=True)),
                        symbol=arrays[f"{number}.symbol"].astype(np.int64),
                        date=arrays[f"{number}.date"].astype(np.int64).astype("datetime64[D]"),
                        **{name: arrays[f"{number}.{name}"].astype(np.float64) for name in _FLOATS},
                    )
                    for number, described in enumerate(head["tiers"])
                )
            return cls(tuple(head["symbols"]), tiers)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            message = f"expected the losses of a version in {LOSSES_NAME}, found otherwise: {error}; train it again"
            raise LossesInvalid(message) from error


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Common:
    """Rows that two versions both forecast: their days, and the losses of each, all of shape (n,)."""

    date: DateArray
    one: FloatArray
    other: FloatArray


def common(one: Losses, tier: TierLosses, other: Losses, counterpart: TierLosses) -> Common:
    """Return the rows of two tiers that are of the same symbol and day and had the same outcome.

    Rows whose outcomes differ by more than `SAME_OUTCOME` are of a history that was restated in between: their losses
    are about different things.
    """
    names = sorted({*one.symbols, *other.symbols})
    first, second = _keys(one, tier, names), _keys(other, counterpart, names)
    _, left, right = np.intersect1d(first, second, assume_unique=True, return_indices=True)
    spread = float(np.std(tier.outcome[left])) if len(left) else 0.0
    same = np.abs(tier.outcome[left] - counterpart.outcome[right]) <= SAME_OUTCOME * spread
    left, right = left[same], right[same]
    return Common(tier.date[left], tier.model[left], counterpart.model[right])


def _keys(losses: Losses, tier: TierLosses, names: list[str]) -> IntArray:
    """Return a number for each row that tells symbol and day."""
    place = np.array([names.index(symbol) for symbol in losses.symbols], dtype=np.int64)
    return place[tier.symbol] * 10_000_000 + tier.date.astype(np.int64)
