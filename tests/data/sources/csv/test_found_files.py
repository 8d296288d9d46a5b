"""Files as found in the wild, where a folder of them is at hand: ``FOUND_FILES=<folder>`` names it.

The expectations (``found_files.csv``) were read off the files with pandas, one by one, layout by layout; nothing of
the reader under test went into them. ``docs/data-files.md`` shows the same files and is compared with the reader.
"""

import csv
import os
from pathlib import Path
from typing import Any

import pytest

from data.errors import DataError, UnreadableFile
from data.sources.csv import read_csv

FOLDER = Path(os.environ.get("FOUND_FILES", "/nonexistent"))
DOCUMENT = Path(__file__).parents[4] / "docs" / "data-files.md"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="FOUND_FILES names no folder of found files")

OPTIONS: dict[str, dict[str, Any]] = {
    "": {},
    "impossible=drop": {"impossible": "drop"},
    "price_scale=10000": {"price_scale": 10000},
}

with (Path(__file__).parents[2] / "found_files.csv").open(newline="") as table:
    READ = tuple(csv.DictReader(table))

REFUSED = (
    ("investing_com_bom_thousands_KMB_3037_ETF_Stock_Price_History.csv", 3, "high"),
    ("investing_com_bom_thousands_KMB_USD_CNY_Historical_Data.csv", 27, "low"),
    ("yahoo_null_rows_zero_volume_EURUSD.csv", 104, "low"),
    ("yfinance_tests_PSH-L-1d-bad-div-fixed.csv", 587, "high"),
    ("yfinance_tests_PSH-L-1d-bad-div.csv", 587, "high"),
    ("lean_deci_cents_no_header_aapl.zip", 1, "price_scale=10000"),
    ("lean_deci_cents_no_header_fb.zip", 1, "price_scale=10000"),
    ("lean_deci_cents_no_header_foxa.zip", 1, "price_scale=10000"),
    ("lean_deci_cents_no_header_uw.zip", 1, "price_scale=10000"),
    ("lean_quote_bars_bid_ask_eurusd.zip", 1, "bid and ask"),
    ("lean_factor_file_aapl.csv", 1, "factor file"),
    ("lean_map_file_fb.csv", 1, "map file"),
    ("wide_colon_columns_blank_ETH_BTC.csv", None, "BTC, ETH"),
    ("wiki_long_format_five_symbols_descending.csv", None, "AAPL, COKE, GOOGL, TSLA, YHOO"),
)

WARNED = {
    "yfinance_tests_4063-T-1d-bad-stock-split.csv": ["2023-03-29", "5 for 1"],
    "yfinance_tests_AET-L-1d-100x-error.csv": ["2022-05-09", "factor of 100", "2022-05-20"],
    "yfinance_tests_ALPHA-PA-1d-bad-stock-split.csv": ["2023-05-08", "no market moves so"],
    "yfinance_tests_8TRA-DE-1d-missing-div-adjust.csv": ["dividend of 0.7 on 2023-06-02"],
    "zero_volume_holiday_rows_ASML.csv": ["10 bars with volume 0", "2010-01-01"],
}
"""What is wrong with these is said by date, and they are read as they are."""


@pytest.mark.parametrize("case", READ, ids=lambda case: case["file"])
def test_reads_what_is_there(case: dict[str, str]) -> None:
    """Bars, days, first and last (adjusted) close and last volume as an independent reading has them."""
    bars = read_csv(FOLDER / case["file"], symbol=case["symbol"] or None, **OPTIONS[case["option"]]).only()

    assert bars.date is not None
    assert (len(bars), str(bars.date[0]), str(bars.date[-1])) == (int(case["bars"]), case["first"], case["last"])
    assert bars.close[0] == pytest.approx(float(case["first_close"]))
    assert bars.close[-1] == pytest.approx(float(case["last_close"]))
    if case["last_volume"]:
        assert bars.volume is not None
        assert bars.volume[-1] == float(case["last_volume"])
    else:
        assert bars.volume is None


@pytest.mark.parametrize(("file", "line", "words"), REFUSED)
def test_refuses_what_would_be_a_guess(file: str, line: int | None, words: str) -> None:
    """By line and cause."""
    with pytest.raises(UnreadableFile) as caught:
        read_csv(FOLDER / file)

    assert caught.value.line == line
    assert words in str(caught.value)


@pytest.mark.parametrize(("file", "words"), WARNED.items())
def test_warns_by_date(file: str, words: list[str]) -> None:
    """The corrected file of the same name, where there is one, isn't warned of for that."""
    said = " ".join(read_csv(FOLDER / file).report.warnings)

    assert all(word in said for word in words)


def test_the_document_says_what_the_reader_says() -> None:
    """Every found file has its line in docs/data-files.md, as `line_of` writes it."""
    document = DOCUMENT.read_text(encoding="utf-8")
    files = sorted(path for path in FOLDER.rglob("*") if path.suffix in {".csv", ".zip", ".txt"})

    missing = [line for path in files if (line := line_of(path)) not in document]

    assert files
    assert missing == []


def line_of(path: Path) -> str:
    """Return the line of the table in the document: the file read without any parameter."""
    try:
        report = read_csv(path).report
    except DataError as error:
        return f"| {path.name} | refused | | | | {str(error).replace('|', '/')} |"
    one = report.series[0]
    said = [*map(str, one.dropped), *([one.volume_note] if one.volume_note else []), *one.warnings[:2]]
    more = [f"{len(one.warnings) - 2} more warnings"] if len(one.warnings) > 2 else []
    cells = (
        path.name,
        report.title,
        one.bars,
        f"{one.first} to {one.last}",
        one.adjustment.value,
        "; ".join(said + more),
    )
    return f"| {' | '.join(map(str, cells))} |"
