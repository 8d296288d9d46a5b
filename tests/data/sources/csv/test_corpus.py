"""The golden corpus: small files in the layouts and with the defects of the wild, each with what has to come of it.

All files that can be read are writings of one synthetic series, ``truth.csv``, or of a part of it.
"""

import csv
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.adjustment import Adjustment
from data.errors import AmbiguousFile, DataError, UnknownSymbol, UnreadableFile
from data.sources.csv import read_csv
from feature_mapper.bars import Bars

CORPUS = Path(__file__).parents[2] / "corpus"

SPLIT_DIVIDEND = Adjustment.SPLIT_DIVIDEND
UNKNOWN = Adjustment.UNKNOWN
RAW = Adjustment.RAW


@dataclass(frozen=True)
class Read:
    """A file that has to be read, and how."""

    file: str
    layout: str
    adjustment: Adjustment = UNKNOWN
    volume: bool = True
    without: tuple[int, ...] = ()  # rows of the truth that the file lacks
    dropped: tuple[tuple[str, tuple[int, ...]], ...] = ()  # reason, lines
    warnings: tuple[str, ...] = ()
    symbol: str | None = None
    order: str = "oldest first"
    options: dict[str, Any] = field(default_factory=dict)


READ = (
    Read("truth.csv", "plain"),
    Read("yahoo.csv", "yahoo", SPLIT_DIVIDEND),
    Read("yahoo_site_copy.tsv", "yahoo", SPLIT_DIVIDEND, order="newest first"),
    Read("yahoo_null_rows_fx.csv", "yahoo", SPLIT_DIVIDEND, volume=False, dropped=(("no prices", (6, 10)),)),
    Read("yfinance_three_header_rows.csv", "yfinance-download", symbol="SYN"),
    Read("yfinance_two_tickers.csv", "yfinance-download", symbol="SYN", options={"symbol": "syn"}),
    Read("yfinance_history_offsets.csv", "yfinance-history", SPLIT_DIVIDEND, order="newest first"),
    Read(
        "yfinance_history_missing_dividend.csv",
        "yfinance-history",
        SPLIT_DIVIDEND,
        warnings=("dividend of 25 on 2024-01-17",),
    ),
    Read("stooq_site.csv", "plain"),
    Read("stooq_bulk.txt", "stooq-bulk", symbol="SYN.US"),
    Read("alpha_vantage.csv", "alpha-vantage", order="newest first"),
    Read("nasdaq.csv", "nasdaq", order="newest first"),
    Read("quandl_wiki.csv", "quandl-wiki", SPLIT_DIVIDEND, order="newest first"),
    Read(
        "quandl_wiki_long.csv",
        "quandl-wiki",
        SPLIT_DIVIDEND,
        symbol="SYN",
        order="newest first",
        options={"symbol": "SYN"},
    ),
    Read("investing.csv", "investing", order="newest first"),
    Read("investing_without_volume.csv", "investing", volume=False, order="newest first"),
    Read("binance_ms.csv", "binance", RAW),
    Read("binance_us.csv", "binance", RAW),
    Read("barchart.csv", "barchart", order="newest first"),
    Read("tradingview.csv", "tradingview"),
    Read("tradingview_evening_stamps.csv", "tradingview", options={"timezone": "Europe/Helsinki"}),
    Read("cboe.csv", "cboe", volume=False),
    Read("ariva.csv", "ariva", order="newest first"),
    Read("german_dates.csv", "plain"),
    Read("float_dates_sentinel.csv", "plain-adjusted"),
    Read("prefixed.csv", "prefixed", SPLIT_DIVIDEND, symbol="SYN"),
    Read("wide_colon.csv", "prefixed", symbol="SYN", options={"symbol": "SYN"}),
    Read("unnamed_index_vol.csv", "plain"),
    Read(
        "shuffled_duplicates_gap.csv",
        "plain",
        without=(4,),
        dropped=(("no close", (19,)), ("repeats another row", (20, 21))),
        order="unsorted",
    ),
    Read(
        "impossible_bar.csv",
        "plain",
        without=(10,),
        dropped=(("impossible bar", (12,)),),
        options={"impossible": "drop"},
    ),
    Read("lean_trades.zip", "lean", RAW, options={"price_scale": 10000}),
)


def truth() -> tuple[list[date], dict[str, list[float]]]:
    """Read the truth with nothing of the reader under test."""
    with (CORPUS / "truth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    days = [date.fromisoformat(row["date"]) for row in rows]
    return days, {name: [float(row[name]) for row in rows] for name in ("open", "high", "low", "close", "volume")}


def assert_is_truth(
    bars: Bars, without: tuple[int, ...] = (), *, volume: bool = True, scale: float = 1.0, volume_scale: float = 1.0
) -> None:
    """Compare bars with the truth: days exactly, numbers to the rounding of one multiplication."""
    days, columns = truth()
    kept = [row for row in range(len(days)) if row not in without]
    assert bars.date is not None
    assert bars.date.tolist() == [days[row] for row in kept]
    for name in ("open", "high", "low", "close"):
        expected = [columns[name][row] * scale for row in kept]
        np.testing.assert_allclose(getattr(bars, name), expected, rtol=1e-15, atol=0)
    if volume:
        np.testing.assert_array_equal(bars.volume, [columns["volume"][row] * volume_scale for row in kept])
    else:
        assert bars.volume is None


@pytest.mark.parametrize("case", READ, ids=lambda case: case.file)
def test_reads_the_same_series_out_of_every_layout(case: Read) -> None:
    """Every writing of the truth gives the truth, and the report says what was recognised, dropped and suspected."""
    result = read_csv(CORPUS / case.file, **case.options)

    bars = result.only()
    assert_is_truth(bars, case.without, volume=case.volume)
    assert bars.symbol == case.symbol
    report = result.report
    assert report.layout == case.layout
    assert report.adjustment is case.adjustment
    assert report.series[0].order == case.order
    assert tuple((one.reason, one.lines) for one in report.dropped) == case.dropped
    assert len(report.warnings) == len(case.warnings)
    assert all(part in warning for part, warning in zip(case.warnings, report.warnings, strict=True))


def test_every_file_of_the_corpus_has_an_expectation() -> None:
    """A file that nobody expects anything of is a file that nobody tests."""
    expected = {case.file for case in READ} | {case.file for case in REFUSED} | OWN_TESTS

    assert {path.name for path in CORPUS.iterdir()} == expected


@dataclass(frozen=True)
class Refused:
    """A file that has to be refused: where, and in which words."""

    file: str
    line: int | None
    words: str
    column: str | None = None
    parameter: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


REFUSED = (
    Refused("html_error_page.csv", 1, "HTML"),
    Refused("json_error_body.csv", 1, "JSON"),
    Refused("empty.csv", None, "empty file"),
    Refused("only_header.csv", 1, "found none"),
    Refused("no_header.csv", 1, "expected a header"),
    Refused("close_only.csv", 1, "expected a header"),
    Refused("utf16.csv", None, "UTF-16"),
    Refused("latin1.csv", 1, "UTF-8"),
    Refused("nul_byte.csv", 3, "NUL"),
    Refused("ragged_row.csv", 3, "expected 6 cells, as many as the header names, found 5"),
    Refused("trailing_comma.csv", 2, "expected 5 cells, as many as the header names, found 6"),
    Refused("thousands_unquoted.csv", 2, "expected 6 cells, as many as the header names, found 7"),
    Refused("open_quote.csv", 2, "quoted"),
    Refused("duplicate_columns.csv", 1, "once", column="close"),
    Refused("two_closes.csv", 1, "expected one column for close, found 'Close' too", column="Last"),
    Refused("mangled_columns.csv", 1, "several symbols", column="Open.1"),
    Refused("stooq_bulk_hourly.txt", 2, "found the period '60'", column="<PER>"),
    Refused("intraday.csv", 3, "less than a day", None),
    Refused("conflicting_days.csv", 20, "on line 5"),
    Refused("impossible_bar.csv", 12, "expected high at or above open and close", column="high"),
    Refused("zero_price.csv", 3, "expected a price above 0, found 0", column="open"),
    Refused("not_a_day.csv", 3, "'2024-02-30'", column="date"),
    Refused("indian_grouping.csv", 2, "'1,23,456.5'", column="open"),
    Refused("two_digit_years.csv", 2, "four digits", column="Date"),
    Refused("mixed_date_orders.csv", 3, "'13/04/2024' on line 2", column="Date"),
    Refused("binance_unit_changes.csv", 13, "of the form of line 1", column="column 1"),
    Refused("plain_without_date_order.csv", 2, "date_order='DMY'", column="Date", parameter="date_order"),
    Refused("undecided_decimals.csv", 2, "decimal=','", parameter="decimal"),
    Refused("tradingview_evening_stamps.csv", 2, "2024-01-07 22:00", column="time", parameter="timezone"),
    Refused("lean_trades.zip", 1, "price_scale=10000", parameter="price_scale"),
    Refused("yfinance_two_tickers.csv", None, "SYN, TWO", parameter="symbol"),
    Refused("wide_colon.csv", None, "SYN, TWO", parameter="symbol"),
    Refused("quandl_wiki_long.csv", None, "SYN, TWO", parameter="symbol"),
    Refused("lean_quotes.csv", 1, "bid and ask"),
    Refused("lean_factors.csv", 1, "factor file"),
    Refused("lean_map.csv", 1, "map file"),
    Refused("float_dates_sentinel.csv", 17, "adjusted=True", options={"adjusted": True}),
    Refused("stooq_site.csv", None, "adjusted=True", options={"adjusted": True}),
)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.file)
def test_refuses_by_line_and_cause(case: Refused) -> None:
    """What would be a guess is refused with line, column and cause; a parameter that settles it is named."""
    with pytest.raises(UnreadableFile) as caught:
        read_csv(CORPUS / case.file, **case.options)

    assert caught.value.line == case.line
    assert caught.value.column == case.column
    assert case.words in str(caught.value)
    assert isinstance(caught.value, AmbiguousFile) == (case.parameter is not None)
    if isinstance(caught.value, AmbiguousFile):
        assert caught.value.parameter == case.parameter


OWN_TESTS = {
    "alpha_vantage_adjusted.csv",
    "yfinance_history_unadjusted_split.csv",
    "hundredfold.csv",
    "holiday_rows.csv",
    "float_dust.csv",
}


def test_adjusts_as_traded_prices_by_the_adjusted_close() -> None:
    """A 2:1 split on 2024-01-16 and a dividend on 2024-01-24: prices freed of both, volume of the split alone."""
    result = read_csv(CORPUS / "alpha_vantage_adjusted.csv")

    bars, series = result.only(), result.report.series[0]
    days, columns = truth()
    step = 1 - 12.5 / columns["close"][11]
    expected = [value * (step if row < 12 else 1) for row, value in enumerate(columns["close"])]
    np.testing.assert_allclose(bars.close, expected, rtol=1e-9)
    np.testing.assert_array_equal(bars.volume, columns["volume"])
    assert series.adjustment is SPLIT_DIVIDEND
    assert "2024-01-16 (2 for 1)" in series.volume_note
    assert not series.warnings
    assert bars.date is not None
    assert bars.date.tolist() == days


def test_takes_prices_as_they_are_when_asked() -> None:
    """``adjusted=False`` gives the columns as written, and says what they are."""
    result = read_csv(CORPUS / "alpha_vantage_adjusted.csv", adjusted=False)

    _, columns = truth()
    expected = [round(value * (2 if row < 6 else 1), 4) for row, value in enumerate(columns["close"])]
    np.testing.assert_array_equal(result.only().close, expected)
    assert result.report.adjustment is RAW


def test_takes_the_plain_columns_of_a_wiki_file_when_asked() -> None:
    """A file with both sets of columns gives the other one for ``adjusted=False``."""
    result = read_csv(CORPUS / "quandl_wiki.csv", adjusted=False)

    _, columns = truth()
    np.testing.assert_array_equal(result.only().open, [value * 4 for value in columns["open"]])
    assert result.report.adjustment is RAW


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("yfinance_history_unadjusted_split.csv", ["2024-01-19", "5 for 1"]),
        ("hundredfold.csv", ["2024-01-15", "factor of 100", "2024-01-19"]),
        ("holiday_rows.csv", ["1 bar with volume 0", "2024-01-15"]),
        ("float_dust.csv", ["18 bars", "float rounding"]),
    ],
)
def test_reads_but_warns_by_date(file: str, words: list[str]) -> None:
    """What is improbable and not impossible is read as it is, and said."""
    report = read_csv(CORPUS / file).report

    assert report.series[0].bars == 18
    said = " ".join(report.warnings)
    assert all(word in said for word in words)


def test_widens_high_over_float_dust_only() -> None:
    """A high below the close by float rounding becomes the close; the other values stay."""
    bars = read_csv(CORPUS / "float_dust.csv").only()

    _, columns = truth()
    np.testing.assert_array_equal(bars.high, np.maximum(columns["open"], columns["close"]))
    np.testing.assert_array_equal(bars.low, columns["low"])


@pytest.mark.parametrize("file", ["wide_colon.csv", "quandl_wiki_long.csv", "yfinance_two_tickers.csv"])
def test_reads_every_symbol_when_asked(file: str) -> None:
    """``all_symbols`` gives each series of its own length; the second one costs double."""
    result = read_csv(CORPUS / file, all_symbols=True)

    assert list(result.bars) == ["SYN", "TWO"]
    assert_is_truth(result.bars["SYN"])
    without = {"wide_colon.csv": (0, 1, 2, 3, 4), "quandl_wiki_long.csv": tuple(range(11, 18))}.get(file, ())
    assert_is_truth(result.bars["TWO"], without, scale=2.0, volume_scale=1.0 if file == "quandl_wiki_long.csv" else 2.0)


def test_refuses_a_symbol_that_the_file_does_not_name() -> None:
    """The answer lists those that it does name."""
    with pytest.raises(UnknownSymbol) as caught:
        read_csv(CORPUS / "wide_colon.csv", symbol="THREE")

    assert caught.value.known == ("SYN", "TWO")


def test_names_a_series_that_the_file_leaves_nameless() -> None:
    """A file without a symbol takes the caller's."""
    assert read_csv(CORPUS / "stooq_site.csv", symbol="SYN").only().symbol == "SYN"


def test_describes_a_file_to_a_person() -> None:
    """The report is text of several lines with layout, columns, drops, adjustment and span."""
    text = read_csv(CORPUS / "shuffled_duplicates_gap.csv").report.describe()

    for part in ("plain columns", "comma", "'volume'", "unsorted", "no close (line 19)", "unknown", "2024-01-31"):
        assert part in text


def test_is_the_same_from_bytes_and_from_a_path() -> None:
    """The two doors lead to one reader."""
    path = CORPUS / "investing.csv"

    from_path, from_bytes = read_csv(path), read_csv(path.read_bytes())

    assert from_path.only().identical(from_bytes.only())
    assert from_path.report == from_bytes.report


def test_refuses_a_path_that_is_no_file(tmp_path: Path) -> None:
    """A missing file is an error of this house, with the cause."""
    with pytest.raises(DataError, match="No such file"):
        read_csv(tmp_path / "nothing.csv")
