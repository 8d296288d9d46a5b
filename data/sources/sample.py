"""The sample source: real bars in the repository, so that the first run needs no network."""

import csv
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from data.adjustment import Adjustment
from data.canonical import load
from data.errors import UnknownSymbol
from data.sources.result import ReadReport, SeriesReport, SourceResult
from data.symbols import check_symbol, file_stem


@dataclass(frozen=True, slots=True)
class Listing:
    """One line of ``symbols.csv``."""

    symbol: str
    name: str
    calendar: str
    currency: str


def sample_root() -> Path:
    """Return the folder of the sample."""
    return Path(str(resources.files("data").joinpath("sample")))


def listings(root: Path) -> tuple[Listing, ...]:
    """Return the series that ``symbols.csv`` in a folder names; none if there is no such file."""
    path = root / "symbols.csv"
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            Listing(check_symbol(row["symbol"]), row["name"], row["calendar"], row["currency"])
            for row in csv.DictReader(file)
        )


def read_sample(symbols: tuple[str, ...] | None = None) -> SourceResult:
    """Read sample series, all of them by default, free of splits and dividends.

    Raises
    ------
    UnknownSymbol
        The sample has no such symbol.

    """
    root = sample_root()
    known = [listing.symbol for listing in listings(root)]
    bars, series = {}, []
    for symbol in known if symbols is None else map(check_symbol, symbols):
        if symbol not in known:
            raise UnknownSymbol(symbol, known, "the sample")
        one = load((root / f"{file_stem(symbol)}.csv").read_bytes(), symbol)
        if one.date is None:
            raise TypeError("a stored series has dates")
        bars[symbol] = one
        series.append(
            SeriesReport(
                symbol=symbol,
                rows=len(one),
                bars=len(one),
                first=one.date[0],
                last=one.date[-1],
                order="oldest first",
                adjustment=Adjustment.SPLIT_DIVIDEND,
                adjustment_note="each price times adjusted close / close",
                volume_note="",
                dropped=(),
                warnings=(),
            )
        )
    report = ReadReport(
        layout="barcast",
        title="the sample of this repository (data/sample/SOURCES.md)",
        delimiter=",",
        decimal=".",
        dates="year, month, day",
        used=tuple((field, field) for field in ("date", "open", "high", "low", "close", "adj_close", "volume")),
        ignored=(),
        notes=(),
        series=tuple(series),
    )
    return SourceResult(bars, report)
