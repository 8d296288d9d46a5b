"""Laws of the file reader over generated series, mutations and sizes."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.errors import UnreadableFile
from data.sources.csv import parse_rows, read_csv
from data.sources.csv.numbers import parse, parse_plain
from feature_mapper.bars import Bars
from tests.data.sources.csv.writers import WRITERS, Row, german, plain, point, quoted, series


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS.keys())
@settings(max_examples=15)
@given(rows=series())
def test_one_series_in_any_writing_gives_the_same_bits(writer: Callable[[list[Row]], bytes], rows: list[Row]) -> None:
    """Layout, order, date form, decimal mark and thousands change nothing in the bars."""
    expected = read_csv(plain(rows), symbol="A").only()

    found = read_csv(writer(rows), symbol="A").only()

    assert found.identical(expected)


@settings(max_examples=25)
@given(rows=series(), order=st.randoms())
def test_plain_bars_are_what_was_written(rows: list[Row], order: Random) -> None:
    """In any order of rows, each value is the float of its decimal text, at its day."""
    shuffled = list(rows)
    order.shuffle(shuffled)

    bars = read_csv(plain(shuffled)).only()

    assert bars.date is not None
    assert bars.volume is not None
    assert bars.date.tolist() == [row.day for row in rows]
    for name in ("open", "high", "low", "close"):
        assert getattr(bars, name).tolist() == [getattr(row, name) / 100 for row in rows]
    assert bars.volume.tolist() == [row.volume for row in rows]


def cells(bars: Bars) -> dict[object, tuple[float, ...]]:
    """Return the values of each day."""
    assert bars.date is not None
    volume = np.full(len(bars), np.nan) if bars.volume is None else bars.volume
    columns = (bars.open, bars.high, bars.low, bars.close, volume)
    return dict(zip(bars.date.tolist(), zip(*(column.tolist() for column in columns), strict=True), strict=True))


MUTANTS = b'0123456789.,;-+eE"$ \t\n\rKMnulxO\x00\xff'


@pytest.mark.parametrize("writer", [plain, german, quoted], ids=["plain", "german", "quoted"])
@settings(max_examples=150)
@given(rows=series(16, 20), place=st.floats(0, 1, exclude_max=True), byte=st.sampled_from(list(MUTANTS)))
def test_a_mutated_byte_never_shifts_columns(
    writer: Callable[[list[Row]], bytes], rows: list[Row], place: float, byte: int
) -> None:
    """A damaged file is refused, or differs in the one damaged cell, or ignores aloud the column that lost its name."""
    data = bytearray(writer(rows))
    data[int(place * len(data))] = byte
    before = cells(read_csv(writer(rows)).only())

    try:
        result = read_csv(bytes(data))
    except UnreadableFile:
        return

    after = cells(result.only())
    lost = [day for day in before if day not in after]
    new = [day for day in after if day not in before]
    fields = {field for field, _ in result.report.used}
    if "volume" not in fields:
        # The header of the volume was hit: it is ignored, and nothing else changed.
        assert {day: values[:4] for day, values in after.items()} == {day: values[:4] for day, values in before.items()}
        return
    if lost or new:
        dropped = sum(len(one.lines) for one in result.report.dropped)
        assert len(lost) == 1
        assert len(new) + dropped == 1
        assert not new or after[new[0]] == before[lost[0]]
        return
    changed = [
        (day, position)
        for day, values in before.items()
        for position, value in enumerate(values)
        if value != after[day][position]
    ]
    assert len(changed) <= 1


def best_time(data: bytes, read: Callable[[bytes], object]) -> float:
    """Return the least CPU time of three readings."""
    spent = []
    for _ in range(3):
        start = time.process_time()
        with suppress(UnreadableFile):
            read(data)
        spent.append(time.process_time() - start)
    return min(spent)


HEADER = b"date,open,high,low,close,volume\n"
DAYS = np.arange("1990-01-01", "2130-01-01", dtype="datetime64[D]").astype(str).tolist()
BODIES: dict[str, Callable[[int], bytes]] = {
    "good": lambda n: HEADER + "".join(f"{day},1.5,2.5,1,2,10\n" for day in DAYS[:n]).encode(),
    "quoted": lambda n: (
        b'"date","open","high","low","close"\n'
        + "".join(f'"{day}","1,001.5","1,002.5","1,000.5","1,002"\n' for day in DAYS[:n]).encode()
    ),
    "ragged": lambda n: HEADER + b"a\n" * n,
    "open quotes": lambda n: HEADER + b'"\n' * n,
    "no numbers": lambda n: HEADER + b"2024-01-02,x,y,z,w,v\n" * n,
    "no dates": lambda n: HEADER + b"x,1,2,0.5,1,1\n" * n,
    "impossible": lambda n: HEADER + b"2024-01-02,9,2,3,1,-1\n" * n,
    "repeated": lambda n: HEADER + b"2024-01-02,1,2,0.5,1,1\n" * n,
    "nothing but marks": lambda n: b"," * n + b"\n" + b"," * n,
    "duplicate names": lambda n: b"date,open,high,low,close" + b",close" * n + b"\n",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("read", [read_csv, parse_rows], ids=["read_csv", "parse_rows"])
def test_costs_time_in_proportion_to_size(body: Callable[[int], bytes], read: Callable[[bytes], object]) -> None:
    """Four times the bytes cost about four times the time, good or garbage: nothing is quadratic."""
    small, large = body(4_000), body(16_000)
    noise = 0.02

    assert best_time(large, read) <= 10 * best_time(small, read) + noise


@settings(max_examples=200)
@given(st.lists(st.text("0123456789.+-eE_ nN∞", max_size=8), max_size=4))
@example(["1e400"])
@example(["1_0"])
@example(["nan", "1"])
@example(["٣"])
def test_the_quick_way_through_a_column_is_the_slow_way(texts: list[str]) -> None:
    """What the look at a whole column accepts, each cell gives alone; what it declines has a cell that is special."""
    quick = parse_plain(texts)

    if quick is not None:
        assert quick == [parse(text, ".") for text in texts]


@settings(max_examples=200)
@given(cents=st.integers(0, 10**13), minus=st.booleans())
def test_every_writing_of_a_number_is_the_same_number(cents: int, minus: bool) -> None:  # noqa: FBT001  generated
    """Marks between thousands and the decimal mark change nothing; the float is the one nearest to the decimal text."""
    sign = "-" if minus else ""
    expected = float(sign + point(cents))
    whole, rest = cents // 100, f"{cents % 100:02d}"

    for mark in ("", ",", "'", "\u202f"):
        assert parse(f"{sign}{whole:,}".replace(",", mark) + f".{rest}", ".") == expected
    for mark in ("", ".", " "):
        assert parse(f"{sign}{whole:,}".replace(",", mark) + f",{rest}", ",") == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [("43.58B", 43_580_000_000.0), ("25.00K", 25_000.0), ("1.15M", 1_150_000.0), ("0.1T", 1e11), ("$249.293", 249.293)],
)
def test_reads_suffixes_and_currency_signs(text: str, value: float) -> None:
    """The value is exact: the suffix is read as an exponent, not multiplied."""
    assert parse(text, ".") == value


@pytest.mark.parametrize(
    "text", ["1,23", "12,34,567", "1.2.3", "1e5K", "5%", "(5)", "0x10", "1 2", "--5", "", ".", "$"]
)
def test_refuses_what_only_looks_like_a_number(text: str) -> None:
    """No digits grouped otherwise, no percent, no parentheses."""
    with pytest.raises(ValueError, match="expected a number"):
        parse(text, ".")


@settings(max_examples=30)
@given(rows=series(), last=st.integers(1, 15))
def test_later_rows_change_no_earlier_bar(rows: list[Row], last: int) -> None:
    """A file without its last rows gives the same first bars."""
    whole = read_csv(plain(rows)).only()

    assert read_csv(plain(rows[:-last])).only().identical(whole[: len(rows) - last])


@settings(max_examples=30)
@given(rows=series(), at=st.integers(0, 15))
def test_a_repeated_row_is_dropped_and_a_changed_one_refused(rows: list[Row], at: int) -> None:
    """The same row twice is one bar, said by line; another bar of the same day names both lines."""
    twice = read_csv(plain([*rows, rows[at]]))
    assert twice.only().identical(read_csv(plain(rows)).only())
    assert [one.lines for one in twice.report.dropped] == [(len(rows) + 2,)]

    changed = replace(rows[at], volume=rows[at].volume + 1)
    with pytest.raises(UnreadableFile, match=rf"on line {at + 2}\b") as caught:
        read_csv(plain([*rows, changed]))
    assert caught.value.line == len(rows) + 2
