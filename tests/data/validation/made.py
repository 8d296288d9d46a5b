"""Series without a defect, as raw columns, for tests to plant one in."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from data.calendars import Calendar, calendar_for
from data.validation.report import Validation
from data.validation.run import validate_bars
from data.validation.thresholds import BarThresholds
from feature_mapper.bars import Bars

if TYPE_CHECKING:
    from data.validation.engine import Accepted
    from data.validation.frames import Source

Frame: TypeAlias = Any
"""A pandas frame; the stubs type a cell as anything that a frame could hold."""

NEW_YORK = calendar_for("AAPL")
SYMBOL = "QUIET"
ROWS = 120


def day(text: str) -> np.datetime64:
    """Return a day."""
    return np.datetime64(text, "D")


def quiet(n: int = ROWS, seed: int = 1) -> Frame:
    """Return a random walk of 1 % a day on New York sessions from 2024-01-02, as raw columns."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    opened = close * np.exp(rng.normal(0, 0.003, n))
    return pd.DataFrame(
        {
            "date": NEW_YORK.next_sessions(day("2024-01-01"), n),
            "open": opened,
            "high": np.maximum(opened, close) * np.exp(rng.uniform(0.001, 0.01, n)),
            "low": np.minimum(opened, close) * np.exp(-rng.uniform(0.001, 0.01, n)),
            "close": close,
            "volume": np.round(1e6 * np.exp(rng.normal(0, 0.3, n))),
        }
    )


def bars_of(frame: Frame, symbol: str = SYMBOL) -> Bars:
    """Return sound columns as bars of their own: what is planted in the frame later is not in them."""
    frame = frame.copy(deep=True)
    columns = {name: frame[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low", "close")}
    volume = frame["volume"].to_numpy(dtype=np.float64) if "volume" in frame else None
    return Bars.validated(
        **columns, volume=volume, date=frame["date"].to_numpy().astype("datetime64[D]"), symbol=symbol
    )


def last_day(frame: Frame) -> np.datetime64:
    """Return the day of the last row."""
    found: np.datetime64 = frame["date"].to_numpy().astype("datetime64[D]")[-1]
    return found


def judged(
    source: "Source",
    *,
    today: np.datetime64 | None = None,
    calendar: Calendar | None = NEW_YORK,
    previous: Mapping[str, Bars] | None = None,
    thresholds: BarThresholds | None = None,
    accepted: "Sequence[Accepted]" = (),
    explained: Sequence[str] = (),
) -> Validation:
    """Validate one series against New York."""
    return validate_bars({SYMBOL: source}, lambda _symbol: calendar, today, previous, thresholds, accepted, explained)


def names(validation: Validation) -> list[str]:
    """Return the expectations that were broken, over all series."""
    return [finding.expectation for one in validation.series for finding in one.findings]
