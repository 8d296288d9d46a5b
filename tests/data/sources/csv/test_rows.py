"""`parse_rows`: every row answered in its order, sound or not."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from data.errors import AmbiguousFile, UnreadableFile
from data.sources.csv import FaultKind, bearable, parse_rows, read_csv
from tests.data.sources.csv.writers import Row, plain, series

MIXED = b"""symbol,date,open,high,low,close,volume
A,2024-01-03,10,12,9,11,100
B,2024-01-02,20,22,19,21,
A,2024-01-02,10,12,9
A,2024-02-30,10,12,9,11,100

A,2024-01-04,x,12,9,11,100
A,2024-01-05,,12,9,11,100
A,2024-01-08,10,8,9,11,100
A,2024-01-03,10,12,9,11,100
"""


def test_each_row_has_its_bar_or_its_fault() -> None:
    """Order, symbols, lines and repetitions stay as in the file; a blank line is no row."""
    table = parse_rows(MIXED)

    assert table.line.tolist() == [2, 3, 4, 5, 7, 8, 9, 10]
    assert table.symbol == ("A", "B", None, "A", "A", "A", "A", "A")
    assert {(fault.line, fault.kind, fault.column) for fault in table.faults.values()} == {
        (4, FaultKind.RAGGED, None),
        (5, FaultKind.DATE, "date"),
        (7, FaultKind.NUMBER, "open"),
        (8, FaultKind.MISSING, "open"),
        (9, FaultKind.IMPOSSIBLE, "high"),
    }
    sound = [row for row in range(len(table)) if row not in table.faults]
    assert table.date is not None
    assert table.volume is not None
    assert table.date[sound].tolist() == [date(2024, 1, 3), date(2024, 1, 2), date(2024, 1, 3)]
    assert table.close[sound].tolist() == [11, 21, 11]
    np.testing.assert_array_equal(table.volume[sound], [100, np.nan, 100])


def test_rows_need_no_dates() -> None:
    """A file of nothing but prices is a batch, and no history."""
    data = b"open,high,low,close\n10,12,9,11\n11,13,10,12\n"

    table = parse_rows(data)

    assert table.date is None
    assert table.volume is None
    assert table.close.tolist() == [11, 12]
    assert table.symbol == (None, None)
    assert table.report.dates == "none in the file"
    with pytest.raises(UnreadableFile, match="date"):
        read_csv(data)


def test_prices_are_as_written() -> None:
    """An adjusted close is left aside: a row alone can't tell what it adjusts for."""
    data = b"Date,Open,High,Low,Close,Adj Close,Volume\n2024-01-02,10,12,9,11,5.5,100\n"

    assert parse_rows(data).close.tolist() == [11]
    assert read_csv(data).only().close.tolist() == [5.5]


def test_a_file_that_is_no_table_is_refused_as_a_whole() -> None:
    """There are no rows to answer."""
    with pytest.raises(UnreadableFile, match="HTML"):
        parse_rows(b"<html>")
    with pytest.raises(AmbiguousFile):
        parse_rows(b"Date,Open,High,Low,Close\n03/04/2024,1,2,1,1\n")


def test_a_batch_opens_no_archive() -> None:
    """A small archive can hold a large file, and a batch comes from a stranger."""
    with pytest.raises(UnreadableFile, match="send the CSV itself"):
        parse_rows((Path(__file__).parents[2] / "corpus" / "lean_trades.zip").read_bytes())


GARBAGE = {
    "a number": b"2024-01-02,1,2,1,x\n",
    "a date": b"someday,1,2,1,1\n",
    "a day that is none": b"2024-02-30,1,2,1,1\n",
    "an impossible bar": b"2024-01-02,1,0,9,1\n",
    "no prices": b"2024-01-02,,,,\n",
    "a cell too few": b"2024-01-02,1,2,1\n",
}


@pytest.mark.parametrize("line", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize(("rows", "borne"), [(120, 100), (150, 100), (900, 450), (9_000, 1_000)])
def test_a_file_is_refused_when_more_than_half_of_it_is_wrong(line: bytes, rows: int, borne: int) -> None:
    """Half may be, but always a hundred, and a thousand at most; the refusal names the first line and how many."""
    head, sound = b"date,open,high,low,close\n", b"2024-01-03,1,2,1,1\n"

    assert bearable(rows) == borne
    assert len(parse_rows(head + line * borne + sound * (rows - borne + 1)).faults) == borne
    with pytest.raises(UnreadableFile, match=f"so {borne} more, at least, of {rows + 1} rows") as caught:
        parse_rows(head + line * (borne + 1) + sound * (rows - borne))
    assert caught.value.line == 2


def test_a_series_may_begin_late() -> None:
    """A file read for its bars bears any number of rows without prices; their number is in the report."""
    data = b"date,open,high,low,close\n" + b"2024-01-02,,,,\n" * 2_000 + b"2024-01-03,1,2,1,1\n"

    assert len(read_csv(data).only()) == 1
    with pytest.raises(UnreadableFile, match="no prices"):
        parse_rows(data)


@settings(max_examples=20)
@given(rows=series())
def test_sound_rows_are_the_bars_of_the_file(rows: list[Row]) -> None:
    """Without a fault, the rows in order are what `read_csv` reads."""
    data = plain(rows)
    table, bars = parse_rows(data, symbol="A"), read_csv(data, symbol="A").only()

    assert not table.faults
    assert table.symbol == ("A",) * len(rows)
    for name in ("open", "high", "low", "close", "volume", "date"):
        np.testing.assert_array_equal(getattr(table, name), getattr(bars, name))


@settings(max_examples=20)
@given(rows=series())
def test_a_row_answers_alone_as_among_others(rows: list[Row]) -> None:
    """Cutting the file changes no row that stays."""
    whole, part = parse_rows(plain(rows)), parse_rows(plain(rows[:7]))

    for name in ("open", "high", "low", "close", "volume", "date"):
        np.testing.assert_array_equal(getattr(whole, name)[:7], getattr(part, name))
