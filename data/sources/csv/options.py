"""What a caller may say about a file that the file itself leaves open, and the bounds of what is read."""

from dataclasses import dataclass
from typing import Final, Literal

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_ROWS: Final = 1_000_000
MAX_COLUMNS: Final = 64
MAX_CELL: Final = 256
MAX_LINE: Final = MAX_COLUMNS * 64
"""Bounds of a file. A daily file of a century has 26,000 rows; what is larger than this is no daily file."""

MAX_FAULTY: Final = 1_000
MIN_FAULTY: Final = 100
"""Bounds of what may be wrong with a file before it is wrong as a whole; see `bearable`."""


def bearable(rows: int) -> int:
    """Return how many of so many rows may be at fault before the file is refused as a whole.

    Half of them, but `MIN_FAULTY` in any case and `MAX_FAULTY` at most: beyond that nobody reads a report a row, and
    garbage would cost more than what is worth reading.
    """
    return min(MAX_FAULTY, max(MIN_FAULTY, rows // 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Answers to what a file can leave open. ``None`` always means: the file decides, or is refused.

    Attributes
    ----------
    symbol : str or None
        Which series of the file; in a file that names no symbol, the name to give it.
    all_symbols : bool
        Read every series of a file that holds several.
    date_order : "DMY" or "MDY" or None
        Reading of ``03/04/2024``.
    decimal : "." or "," or None
        Reading of ``1,234``.
    adjusted : bool or None
        In a file with both: ``True`` demands the adjusted prices, ``False`` takes the others as they are, ``None``
        takes the adjusted ones where they are usable. The report says which.
    timezone : str or None
        IANA name of the exchange's time zone, for instants (epochs, ``...Z``) that aren't midnight UTC.
    price_scale : float or None
        Divide prices by this: 10000 for QuantConnect Lean's deci-cents.
    impossible : "refuse" or "drop"
        What to do with a bar that can't be (high below close, price not above 0, negative volume).
    gaps : bool
        Bear any number of rows without prices: series begin late. Off where each row is asked about.
    archives : bool
        Open a zip archive of one file. Off where a stranger sends the bytes: an archive of 64 KB can hold 64 MiB.

    """

    symbol: str | None = None
    all_symbols: bool = False
    date_order: Literal["DMY", "MDY"] | None = None
    decimal: Literal[".", ","] | None = None
    adjusted: bool | None = None
    timezone: str | None = None
    price_scale: float | None = None
    impossible: Literal["refuse", "drop"] = "refuse"
    gaps: bool = True
    archives: bool = True
