"""The text form of a series says all of it and nothing else; the bars that come of it have a stated policy."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.adjustment import Adjustment
from data.errors import UnreadableFile
from data.sources.yahoo import YahooSeries
from data.sources.yahoo.series import COLUMNS, EVENTS, MAY_LACK

ANY_SIZE = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)


def series(days: list[int], **columns: Any) -> YahooSeries:
    """Return a series with bars on these days since 1970, plain where nothing else is given."""
    n = len(days)
    given_columns = {name: np.full(n, 0.0 if name in EVENTS else 100.0) for name in COLUMNS}
    given_columns |= {name: np.array(values, dtype=np.float64) for name, values in columns.items()}
    date = np.array(days, dtype="datetime64[D]")
    return YahooSeries("AAA", "USD", "America/New_York", "EQUITY", date, **given_columns)


@st.composite
def any_series(draw: st.DrawFn) -> YahooSeries:
    """Return a series of whatever numbers can be written, with whatever Yahoo may call things."""
    days = sorted(draw(st.sets(st.integers(-20_000, 60_000), min_size=1, max_size=8)))
    columns = {}
    for name in COLUMNS:
        values = ANY_SIZE | st.just(np.nan) if name in MAY_LACK else ANY_SIZE
        columns[name] = draw(st.lists(values, min_size=len(days), max_size=len(days)))
    return replace(
        series(days, **columns), symbol=draw(TEXT), currency=draw(TEXT), zone=draw(TEXT), instrument=draw(TEXT)
    )


@given(any_series())
def test_reading_gives_back_what_was_written(one: YahooSeries) -> None:
    """``load(dump(x))`` is x, bit for bit, and its dump is the same text."""
    again = YahooSeries.load(one.dump())

    assert (again.symbol, again.currency, again.zone, again.instrument) == (
        one.symbol,
        one.currency,
        one.zone,
        one.instrument,
    )
    assert again.date.tobytes() == one.date.tobytes()
    for name in COLUMNS:
        before, after = one.column(name), again.column(name)
        assert np.array_equal(np.isnan(before), np.isnan(after))
        assert before[~np.isnan(before)].tobytes() == after[~np.isnan(after)].tobytes()
    assert again.dump() == one.dump()


@given(any_series(), st.data())
def test_a_text_that_differs_is_refused_or_says_something_else(one: YahooSeries, data: st.DataObject) -> None:
    """No other text gives the same series: a byte changed is an error or another series."""
    text = bytearray(one.dump())
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[place]))
    try:
        again = YahooSeries.load(bytes(text))
    except UnreadableFile:
        return
    assert again.dump() == bytes(text)
    assert not again.identical(one)


PLAIN = series([15000, 15001, 15002])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"schema":1', b'"schema":2'),
        (b"# ", b""),
        (b"adj_close", b"adjusted"),
        (b"2011-01-27", b"2011-01-26"),
        (b"2011-01-27", b"2011-02-30"),
        (b"100.0,100.0", b"100.00,100.0"),
        (b"100.0,100.0", b"1_00.0,100.0"),
        (b"2011-01-27,100.0", b"2011-01-27,"),
        (b"2011-01-27,100.0", b"2011-01-27,inf"),
        (b"2011-01-27,100.0", b"2011-01-27"),
        (b"\n2011", b"\r\n2011"),
        (b",0.0\n2011-01-28", b",0.0\n\n2011-01-28"),
    ],
)
def test_another_form_is_refused(before: bytes, after: bytes) -> None:
    """Whatever `dump` doesn't write isn't read, and the message says what to do."""
    text = PLAIN.dump()
    assert before in text

    with pytest.raises(UnreadableFile, match="fetch it again"):
        YahooSeries.load(text.replace(before, after, 1))


def test_a_cut_text_is_refused() -> None:
    """Wherever it ends."""
    text = PLAIN.dump()
    for end in range(len(text)):
        with pytest.raises(UnreadableFile):
            YahooSeries.load(text[:end])


def test_bars_are_free_of_splits_and_dividends() -> None:
    """Each price times adjusted close / close; the volume stays, which Yahoo freed of splits already."""
    one = series(
        [1, 2, 3],
        open=[100, 50, 50],
        high=[100, 50, 50],
        low=[100, 50, 50],
        close=[100, 50, 50],
        adj_close=[50, 50, 50],
        volume=[7, 8, np.nan],
    )

    bars, adjustment = one.bars()

    assert adjustment is Adjustment.SPLIT_DIVIDEND
    assert bars.close.tolist() == [50, 50, 50]
    # A payout of half the price looks like a split of 2 for 1, and is none.
    assert bars.volume is not None
    assert bars.volume[:2].tolist() == [7, 8]
    assert bars.symbol == "AAA"


@pytest.mark.parametrize("adj_close", [[np.nan, np.nan], [-3.0, 100.0], [0.0, 100.0]])
def test_without_a_usable_adjusted_close_dividends_stay_and_it_is_said(adj_close: list[float]) -> None:
    """The policy is in the answer, and the reason in words."""
    one = series([1, 2], adj_close=adj_close)

    bars, adjustment = one.bars()

    assert adjustment is Adjustment.SPLIT
    assert bars.close.tolist() == [100, 100]
    assert re.search(r"dividends are still in them, because [12] of 2", one.adjustment_note)


def test_a_volume_that_is_always_0_is_none() -> None:
    """Currencies and most indices."""
    assert series([1, 2], volume=[0, 0]).bars()[0].volume is None
    assert series([1, 2], volume=[np.nan, 0]).bars()[0].volume is None
