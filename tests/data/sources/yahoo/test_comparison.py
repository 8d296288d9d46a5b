"""Two tellings of one history: the same stands, and whatever differs is seen and named."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from data.sources.yahoo import YahooSeries
from data.sources.yahoo.comparison import misfit, reasons, stands
from data.sources.yahoo.outcomes import Cell, Correction, NewPayout, NewSplit
from data.sources.yahoo.series import COLUMNS
from feature_mapper.typing import FloatArray
from tests.data.sources.yahoo.test_series import series

PRICES = st.floats(1.0, 1000.0)


@st.composite
def histories(draw: st.DrawFn, smallest: int = 3) -> YahooSeries:
    """Return a plain history on consecutive days."""
    n = draw(st.integers(smallest, 30))
    close = draw(st.lists(PRICES, min_size=n, max_size=n))
    volume = draw(st.lists(st.integers(0, 10**9), min_size=n, max_size=n))
    return series(
        list(range(15000, 15000 + n)), open=close, high=close, low=close, close=close, adj_close=close, volume=volume
    )


def with_column(one: YahooSeries, name: str, values: FloatArray) -> YahooSeries:
    """Return a series with another column."""
    columns: dict[str, Any] = {name: values}
    return replace(one, **columns)


@given(histories(), st.data())
def test_what_follows_stands(whole: YahooSeries, data: st.DataObject) -> None:
    """A later answer that repeats the overlap leaves all as it was, whatever is new; and no reason is found."""
    known = whole.take(slice(data.draw(st.integers(1, len(whole)))))
    start = known.date[data.draw(st.integers(0, len(known) - 1))]
    fresh = whole.take(whole.date >= start)

    assert stands(known, fresh, start)
    assert known.followed_by(fresh.take(fresh.date > known.date[-1])).identical(whole)
    assert reasons(known, whole) == ()
    assert misfit(known, fresh) is None


@pytest.mark.parametrize("name", ["splits", "dividends", "capital_gains"])
def test_an_event_among_the_new_rows_never_stands(name: str) -> None:
    """Not even where it left no trace in the overlap: a payout of a fraction of a cent, or one applied later."""
    whole = series([15000, 15001, 15002])
    paid = with_column(whole, name, np.array([0.0, 0.0, 1e-6]))

    assert stands(whole.take(slice(2)), whole, whole.date[0])
    assert not stands(whole.take(slice(2)), paid, whole.date[0])


@given(histories(), st.data())
def test_a_changed_value_is_seen_and_named(known: YahooSeries, data: st.DataObject) -> None:
    """In whichever column, by whatever is more than the noise of its kind."""
    name = data.draw(st.sampled_from(COLUMNS))
    row = data.draw(st.integers(0, len(known) - 1))
    values = known.column(name).copy()
    step = {"volume": 1.0, "dividends": 0.5, "capital_gains": 0.5, "splits": 2.0}
    values[row] += step.get(name, values[row] * 1e-4)
    whole = with_column(known, name, values)

    assert not stands(known, whole, known.date[0])
    named = reasons(known, whole)
    assert named
    told = " ".join(map(str, named))
    assert str(known.date[row]) in told


@given(histories(), st.floats(-5e-7, 5e-7), st.floats(-1e-5, 1e-5))
def test_rounding_is_no_change(known: YahooSeries, price: float, adjusted: float) -> None:
    """The last bits of a price of 24, and the last digits of an adjusted close, come and go."""
    whole = with_column(known, "close", known.close * (1 + price))
    whole = with_column(whole, "adj_close", known.adj_close * (1 + adjusted))

    assert stands(known, whole, known.date[0])
    assert reasons(known, whole) == ()


@given(histories(4), st.sampled_from([2.0, 3.0, 1.5, 0.1]), st.data())
def test_a_split_explains_all_that_it_changes(known: YahooSeries, ratio: float, data: st.DataObject) -> None:
    """Prices, volumes and earlier payouts before it, and nothing else is named."""
    row = data.draw(st.integers(1, len(known) - 1))
    paid = known.dividends.copy()
    paid[data.draw(st.integers(1, len(known) - 1))] = 0.5
    known = with_column(known, "dividends", paid)
    before = np.arange(len(known)) < row
    scale = np.where(before, ratio, 1.0)
    splits = known.splits.copy()
    splits[row] = ratio
    whole = replace(known, volume=np.round(known.volume * scale), splits=splits)
    for name in ("open", "high", "low", "close", "adj_close", "dividends"):
        whole = with_column(whole, name, known.column(name) / scale)

    assert not stands(known, whole, known.date[0])
    assert reasons(known, whole) == (NewSplit(known.date[row], ratio),)


@given(histories(4), st.sampled_from(["dividends", "capital_gains"]), st.data())
def test_a_payout_explains_the_adjusted_close(known: YahooSeries, name: str, data: st.DataObject) -> None:
    """Of all rows before it; a row that it doesn't explain is a correction beside it."""
    row = data.draw(st.integers(1, len(known) - 1))
    amount = known.close[row - 1] * data.draw(st.floats(0.001, 0.3))
    before = np.arange(len(known)) < row
    events = known.column(name).copy()
    events[row] = amount
    adjusted = known.adj_close * np.where(before, 1 - amount / known.close[row - 1], 1.0)
    whole = replace(with_column(known, name, events), adj_close=adjusted)
    odd = adjusted.copy()
    odd[0] *= 1.1

    word = {"dividends": "dividend", "capital_gains": "capital gain"}[name]
    payout = NewPayout(known.date[row], float(amount), word)
    assert not stands(known, whole, known.date[0])
    assert reasons(known, whole) == (payout,)
    assert [type(one) for one in reasons(known, with_column(whole, "adj_close", odd))] == [NewPayout, Correction]


@given(histories(), st.data())
def test_days_that_come_and_go_are_named(whole: YahooSeries, data: st.DataObject) -> None:
    """Inside the known ones; what is earlier or later than they are is no correction of them."""
    row = data.draw(st.integers(1, len(whole) - 2))
    rest = whole.take(np.arange(len(whole)) != row)
    day = whole.date[row]

    assert not stands(rest, whole, whole.date[0])
    assert not stands(whole, rest, whole.date[0])
    close = float(whole.close[row])
    assert reasons(rest, whole) == (Correction((Cell(day, "row", None, close),), 1),)
    assert reasons(whole, rest) == (Correction((Cell(day, "row", close, None),), 1),)
    assert reasons(whole.take(slice(1, None)), whole) == ()


def test_a_correction_of_everything_is_counted_not_listed() -> None:
    """A hundred values a column are enough to see what is wrong."""
    known = series(list(range(15000, 16000)))
    (reason,) = reasons(known, with_column(known, "volume", known.volume + 1))

    assert isinstance(reason, Correction)
    assert (len(reason.cells), reason.total) == (100, 1000)
    assert "and 995 more" in str(reason)


@pytest.mark.parametrize("factor", [100.0, 0.01])
@given(known=histories())
def test_another_unit_is_a_misfit(factor: float, known: YahooSeries) -> None:
    """A currency and its cent; a split of a hundred is none."""
    scaled = with_column(known, "close", known.close * factor)
    splits = known.splits.copy()
    splits[-1] = 1 / factor
    assume(len(known) > 1)

    assert "and no split" in str(misfit(known, scaled))
    assert misfit(known, with_column(scaled, "splits", splits)) is None


def test_another_currency_or_zone_is_a_misfit() -> None:
    """Whatever the numbers are."""
    known = series([15000, 15001])

    assert "expected bars in the currency 'USD'" in str(misfit(known, replace(known, currency="GBp")))
    assert "expected bars in the time zone" in str(misfit(known, replace(known, zone="Europe/London")))


def test_no_common_day_never_stands() -> None:
    """Then nothing says that it is the same history."""
    known = series([15000, 15001])
    assert str(known.date[0].astype(date)) == "2011-01-26"
    assert not stands(known, series([15002]), known.date[0])
