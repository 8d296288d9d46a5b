"""What stands around a table, and tables of vendors without a layout of their own."""

import io
import zipfile
from pathlib import Path

import pytest

from data.errors import UnreadableFile
from data.sources.csv import read_csv

CORPUS = Path(__file__).parents[2] / "corpus"

LATE = b"date;open;high;low;close\n2024-01-08;10,5;11;9;10\n"


@pytest.mark.parametrize("above", [b"sep=;\n", b"# written by hand; not checked\n", b"https://www.example.com\n\n"])
def test_skips_lines_of_text_above_the_header(above: bytes) -> None:
    """What Excel says about the delimiter, a comment, a source line: skipped, and said."""
    result = read_csv(above + LATE)

    assert result.only().open.tolist() == [10.5]
    assert result.report.notes[0].startswith("skipped line 1 above the header")


def test_refuses_cells_above_the_header() -> None:
    """They could be a row, or another header."""
    with pytest.raises(UnreadableFile, match="header first") as caught:
        read_csv(b"a;b;c\n" + LATE)
    assert caught.value.line == 1


@pytest.mark.parametrize("damage", [slice(None, 40), slice(0, -30)])
def test_refuses_a_damaged_archive(damage: slice) -> None:
    """A truncated download is named as one."""
    with pytest.raises(UnreadableFile, match="zip archive"):
        read_csv((CORPUS / "lean_trades.zip").read_bytes()[damage], price_scale=10000)


def test_refuses_an_archive_of_several_files() -> None:
    """Which one is meant?"""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", LATE)
        archive.writestr("b.csv", LATE)

    with pytest.raises(UnreadableFile, match="found 2 files"):
        read_csv(packed.getvalue())


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        (
            b"date,close,high,low,open,volume,adjClose,adjHigh,adjLow,adjOpen,adjVolume,divCash,splitFactor",
            (4, 2, 3, 1),
        ),
        (b"unix,date,symbol,open,high,low,close,Volume BTC,Volume USDT", (3, 4, 5, 6)),
        (b"ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount", (2, 3, 4, 5)),
        (b"<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<TICKVOL>,<VOL>,<SPREAD>", (1, 2, 3, 4)),
        (b"Date,Open,High,Low,Close*,Adj Close**,Volume", (1, 2, 3, 4)),
    ],
)
def test_takes_the_right_columns_of_other_vendors(header: bytes, columns: tuple[int, ...]) -> None:
    """Tiingo, CryptoDataDownload, Tushare, MetaTrader, Yahoo's page: names that look alike aren't mixed up."""
    names = header.decode().split(",")
    cells = [str(100 + position) for position in range(len(names))]
    prices = dict(zip(columns, ("20", "22", "18", "21"), strict=True))
    cells = [prices.get(position, cell) for position, cell in enumerate(cells)]
    cells[next(at for at, name in enumerate(names) if "date" in name.lower())] = "20240108"

    bars = read_csv(header + b"\n" + ",".join(cells).encode(), adjusted=False).only()

    assert (bars.open[0], bars.high[0], bars.low[0], bars.close[0]) == (20, 22, 18, 21)
