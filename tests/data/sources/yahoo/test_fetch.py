"""What is known is kept, what is missing is asked for, what is told anew is named: by yfinance, from a stand-in."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.adjustment import Adjustment
from data.errors import InvalidSymbol, UnknownCalendar
from data.sources.yahoo import YahooSeries
from data.sources.yahoo.outcomes import (
    Appended,
    Correction,
    Current,
    Damaged,
    First,
    NewPayout,
    NewSplit,
    Outcome,
    Restated,
    Stale,
)
from data.sources.yahoo.reading import OVERLAP
from tests.data.sources.yahoo.conftest import Desk
from tests.data.sources.yahoo.standin import Chart, Fault, Listing, walk


def got(outcome: Outcome) -> YahooSeries:
    """Return the series of an outcome that has to have one."""
    assert isinstance(outcome, First | Appended | Current | Restated), outcome
    return outcome.series


def change(desk: Desk, symbol: str, day: str, **values: float) -> None:
    """Change what was traded on a day."""
    rows = desk.standin.listings[symbol].rows
    (row,) = [row for row, one in enumerate(rows) if one.day == date.fromisoformat(day)]
    rows[row] = replace(rows[row], **values)  # type: ignore[arg-type]  # floats for floats, whole ones for the volume


def test_the_first_time_the_whole_history_is_fetched(desk: Desk) -> None:
    """Every session of the listing up to today, bit for bit as it was traded."""
    outcome = desk.yahoo().fetch("AAA")

    series = got(outcome)
    traded = [row for row in desk.standin.listings["AAA"].rows if row.day <= date(2012, 12, 14)]
    assert isinstance(outcome, First)
    assert series.date.tolist() == [row.day for row in traded]
    for name in ("open", "high", "low", "close", "volume"):
        assert series.column(name).tolist() == [getattr(row, name) for row in traded]
    assert (series.symbol, series.currency, series.zone) == ("AAA", "USD", "America/New_York")
    assert series.bars()[1] is Adjustment.SPLIT_DIVIDEND
    assert "240 bars, 2012-01-03 to 2012-12-14" in str(outcome)


def test_later_only_what_is_missing_is_asked_for(desk: Desk) -> None:
    """One question, from the day before the last ten known sessions on; the known rows keep their bits."""
    yahoo = desk.yahoo()
    known = got(yahoo.fetch("AAA"))
    desk.at(2012, 12, 19)
    desk.standin.asked.clear()

    outcome = yahoo.fetch("AAA", known)

    assert isinstance(outcome, Appended)
    assert outcome.added == 3
    assert outcome.series.take(slice(len(known))).identical(known)
    (question,) = desk.standin.data_questions()
    assert question.first_day == known.date[-OVERLAP].astype(date) - timedelta(days=1)
    assert [one.path for one in desk.standin.asked] == [question.path]  # neither cookie nor time zone again
    assert "3 new bars, 2012-12-17 to 2012-12-19" in str(outcome)


def test_nothing_new_is_said(desk: Desk) -> None:
    """On a Saturday, and with the very series that was known."""
    yahoo = desk.yahoo()
    known = got(yahoo.fetch("AAA"))
    desk.at(2012, 12, 15)

    outcome = yahoo.fetch("AAA", known, fresh=True)

    assert isinstance(outcome, Current)
    assert outcome.series is known


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_parts_are_the_whole(desk: Desk, data: st.DataObject) -> None:
    """Fetching to a day and then on is fetching all at once, whatever is paid or split between."""
    rows = walk("2012-09-04", "2012-12-14", seed=data.draw(st.integers(0, 1000)))
    for row in data.draw(st.sets(st.integers(1, len(rows) - 1), max_size=3)):
        rows[row] = replace(rows[row], dividend=round(rows[row].close * 0.01, 2))
    if data.draw(st.booleans()):
        row, ratio = data.draw(st.integers(1, len(rows) - 1)), data.draw(st.sampled_from([2.0, 4.0]))
        rows[row:] = [
            replace(one, **{name: getattr(one, name) / ratio for name in ("open", "high", "low", "close", "dividend")})
            for one in rows[row:]
        ]
        rows[row] = replace(rows[row], split=ratio)
    desk.standin.listings["CCC"] = Listing(rows)
    cuts = [*sorted(data.draw(st.sets(st.integers(0, len(rows) - 1), min_size=1, max_size=2))), len(rows) - 1]
    yahoo = desk.yahoo()

    known = None
    for cut in cuts:
        day = rows[cut].day
        desk.at(day.year, day.month, day.day)
        known = got(yahoo.fetch("CCC", known, fresh=True))

    whole = got(yahoo.fetch("CCC", fresh=True))
    assert known is not None
    assert known.identical(whole)


def test_a_split_restates_all_and_is_named(desk: Desk) -> None:
    """With its day and ratio, and nothing else to name; the answer is the whole history."""
    yahoo = desk.yahoo()
    known = got(yahoo.fetch("AAA"))
    rows = desk.standin.listings["AAA"].rows
    at = [row.day for row in rows].index(date(2012, 12, 18))
    rows[at:] = [
        replace(one, open=one.open / 4, high=one.high / 4, low=one.low / 4, close=one.close / 4, volume=one.volume * 4)
        for one in rows[at:]
    ]
    rows[at] = replace(rows[at], split=4.0)
    desk.at(2012, 12, 19)
    desk.standin.asked.clear()

    outcome = yahoo.fetch("AAA", known)

    assert isinstance(outcome, Restated)
    assert outcome.reasons == (NewSplit(np.datetime64("2012-12-18", "D"), 4.0),)
    assert outcome.series.close[0] == known.close[0] / 4
    assert [one.first_day for one in desk.standin.data_questions()] == [date(2012, 12, 2), date(1989, 12, 31)]
    assert "a split of 4 for 1 on 2012-12-18" in str(outcome)


def test_a_dividend_restates_the_adjusted_close_and_is_named(desk: Desk) -> None:
    """With its day and amount; prices stand."""
    yahoo = desk.yahoo()
    known = got(yahoo.fetch("AAA"))
    change(desk, "AAA", "2012-12-18", dividend=0.75)
    desk.at(2012, 12, 19)

    outcome = yahoo.fetch("AAA", known)

    assert isinstance(outcome, Restated)
    assert outcome.reasons == (NewPayout(np.datetime64("2012-12-18", "D"), 0.75, "dividend"),)
    assert outcome.series.close[: len(known)].tolist() == known.close.tolist()
    assert (outcome.series.adj_close[: len(known)] < known.adj_close).all()
    assert "a dividend of 0.75 on 2012-12-18" in str(outcome)


def test_a_dividend_that_comes_late_is_named_too(desk: Desk) -> None:
    """On a day that was known without it."""
    yahoo = desk.yahoo()
    known = got(yahoo.fetch("AAA"))
    change(desk, "AAA", "2012-12-12", dividend=0.75)
    desk.at(2012, 12, 17)

    outcome = yahoo.fetch("AAA", known)

    assert isinstance(outcome, Restated)
    assert outcome.reasons == (NewPayout(np.datetime64("2012-12-12", "D"), 0.75, "dividend"),)


def test_a_correction_is_named_value_by_value(desk: Desk) -> None:
    """Day, field, before and after."""
    yahoo = desk.yahoo()
    known = got(yahoo.fetch("AAA"))
    before = float(known.volume[-1])
    change(desk, "AAA", "2012-12-14", volume=int(before) + 1)
    desk.at(2012, 12, 17)

    outcome = yahoo.fetch("AAA", known)

    assert isinstance(outcome, Restated)
    (reason,) = outcome.reasons
    assert isinstance(reason, Correction)
    (cell,) = reason.cells
    assert (str(cell.day), cell.field, cell.before, cell.after) == ("2012-12-14", "volume", before, before + 1)
    assert f"2012-12-14 volume {before!r} -> {before + 1!r}" in str(outcome)


def test_an_old_correction_is_found_when_all_is_asked_for(desk: Desk) -> None:
    """The overlap doesn't reach it; ``whole`` does."""
    yahoo = desk.yahoo()
    known = got(yahoo.fetch("AAA"))
    change(desk, "AAA", "2012-03-01", volume=1)
    desk.at(2012, 12, 17)

    assert isinstance(yahoo.fetch("AAA", known), Appended)
    assert isinstance(yahoo.fetch("AAA", known, whole=True), Restated)


def test_a_day_that_comes_or_goes_is_a_correction(desk: Desk) -> None:
    """A row that Yahoo takes back, and one that it brings later."""
    yahoo = desk.yahoo()
    rows = desk.standin.listings["AAA"].rows
    at = [row.day for row in rows].index(date(2012, 12, 12))
    taken = rows.pop(at)
    known = got(yahoo.fetch("AAA"))
    rows.insert(at, taken)
    desk.at(2012, 12, 17)
    later = yahoo.fetch("AAA", known)
    rows.pop(at)
    desk.at(2012, 12, 18)
    again = yahoo.fetch("AAA", got(later))

    assert "2012-12-12 is new" in str(later)
    assert "2012-12-12 is gone" in str(again)


def test_the_running_bar_is_left_out_and_said(desk: Desk) -> None:
    """At noon in New York; half an hour after the close it is there, and nothing was corrected for it."""
    yahoo = desk.yahoo()
    desk.at(2012, 12, 14, 17)
    noon = yahoo.fetch("AAA")
    desk.at(2012, 12, 14, 21, 29)
    closing = yahoo.fetch("AAA", got(noon), fresh=True)
    desk.at(2012, 12, 14, 21, 30)
    evening = yahoo.fetch("AAA", got(closing))

    assert str(got(noon).date[-1]) == "2012-12-13"
    assert "the bar of 2012-12-14 was left out, its session isn't over" in str(noon)
    assert isinstance(closing, Current)
    assert isinstance(evening, Appended)
    assert str(evening.series.date[-1]) == "2012-12-14"


def test_the_running_bar_may_come_twice(desk: Desk) -> None:
    """Yahoo sends it apart from the day's at times; after the close the later one counts, as it does for yfinance."""

    def live(chart: Chart) -> None:
        (result,) = chart["chart"]["result"]
        (quote,), (adjusted,) = result["indicators"]["quote"], result["indicators"]["adjclose"]
        result["timestamp"].append(result["timestamp"][-1] + 6 * 3600)
        for column in (*quote.values(), adjusted["adjclose"]):
            column.append(column[-1])
        quote["volume"][-1] += 1

    desk.standin.faults["AAA"] = Fault(change=live)

    series = got(desk.yahoo().fetch("AAA"))

    assert len(series) == 240
    assert series.volume[-1] == desk.standin.listings["AAA"].rows[239].volume + 1


def test_an_answer_of_yesterday_is_stale_and_still_there(desk: Desk) -> None:
    """It carries what there is, and names the session that lacks. It is not kept: the next run asks again."""
    yahoo = desk.yahoo()
    known = got(yahoo.fetch("AAA"))
    whole = desk.standin.listings["AAA"].rows
    desk.standin.listings["AAA"].rows = [row for row in whole if row.day < date(2012, 12, 18)]
    desk.at(2012, 12, 18)

    outcome = yahoo.fetch("AAA", known)

    assert isinstance(outcome, Stale)
    assert (str(outcome.due), outcome.missing) == ("2012-12-18", 1)
    assert isinstance(outcome.got, Appended)
    assert "found them up to 2012-12-17: 1 session lacks" in str(outcome)
    desk.standin.listings["AAA"].rows = whole
    assert isinstance(yahoo.fetch("AAA", outcome.series), Appended)


def test_an_answer_older_than_what_is_known_changes_nothing(desk: Desk) -> None:
    """No known day is gone because an old answer lacks it."""
    yahoo = desk.yahoo()
    known = got(yahoo.fetch("AAA"))
    desk.standin.listings["AAA"].rows = [
        row for row in desk.standin.listings["AAA"].rows if row.day < date(2012, 12, 12)
    ]
    desk.at(2012, 12, 17)

    for whole in (False, True):
        outcome = yahoo.fetch("AAA", known, whole=whole)

        assert isinstance(outcome, Stale)
        assert isinstance(outcome.got, Current)
        assert outcome.series is known


def test_half_a_history_is_no_restatement(desk: Desk) -> None:
    """A known year of which most is gone is an answer that is cut, not a correction."""
    yahoo = desk.yahoo()
    known = got(yahoo.fetch("AAA"))
    desk.standin.listings["AAA"].rows = [
        row for row in desk.standin.listings["AAA"].rows if row.day > date(2012, 12, 12)
    ]
    desk.at(2012, 12, 17)

    outcome = yahoo.fetch("AAA", known)

    assert isinstance(outcome, Damaged)
    assert "expected the 240 known days from 2012-01-03 on, found 2 from 2012-12-13 on" in str(outcome)


def test_the_same_day_is_asked_once(desk: Desk) -> None:
    """By another process, too, with what the first one fetched; and again if told to, and after midnight."""
    first = desk.yahoo().fetch("AAA")
    again = desk.yahoo()
    desk.standin.asked.clear()

    assert got(again.fetch("AAA")).identical(got(first))
    assert isinstance(again.fetch("AAA", got(first)), Current)
    assert desk.standin.asked == []
    again.fetch("AAA", got(first), fresh=True)
    assert len(desk.standin.data_questions()) == 1
    desk.at(2012, 12, 15, 5)
    again.fetch("AAA", got(first))
    assert len(desk.standin.data_questions()) == 2
    desk.at(2012, 12, 15, 4)
    again.fetch("AAA", got(first))
    assert len(desk.standin.data_questions()) == 3  # a clock that was set back


def test_an_answer_of_the_morning_ends_with_the_session(desk: Desk) -> None:
    """What was asked before the close isn't given again after it."""
    yahoo = desk.yahoo()
    desk.at(2012, 12, 14, 17)
    noon = got(yahoo.fetch("AAA"))
    desk.at(2012, 12, 14, 21, 15)
    assert isinstance(yahoo.fetch("AAA", noon), Current)
    assert len(desk.standin.data_questions()) == 1
    desk.at(2012, 12, 14, 21, 45)

    assert isinstance(yahoo.fetch("AAA", noon), Appended)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_cache_is_as_good_as_none(desk: Desk, damage: str) -> None:
    """It is asked again, and gives the same."""
    first = got(desk.yahoo().fetch("AAA"))
    files = [path for path in (desk.folder / "cache").iterdir() if path.is_file()]
    for path in files:
        whole = path.read_bytes()
        cut = {"cut": whole[:-1], "flip": whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:], "empty": b""}
        path.write_bytes(cut[damage])
    desk.standin.asked.clear()

    again = got(desk.yahoo().fetch("AAA"))

    assert {path.name for path in files} == {"AAA.answer", "zones.json"}
    assert len(desk.standin.data_questions()) == 1
    assert again.identical(first)


def test_a_cache_that_cannot_be_written_is_no_obstacle(desk: Desk) -> None:
    """A file stands where its folder should be."""
    (desk.folder / "cache").write_bytes(b"")

    assert isinstance(desk.yahoo().fetch("AAA"), First)


def test_a_split_that_the_prices_have_not_taken_part_in_is_refused(desk: Desk) -> None:
    """Yahoo announces it before it applies it."""
    yahoo = desk.yahoo()
    known = got(yahoo.fetch("AAA"))

    def announced(chart: Chart) -> None:
        (result,) = chart["chart"]["result"]
        for column in result["indicators"]["quote"][0].values():
            column[-1] /= 4
        result["indicators"]["adjclose"][0]["adjclose"][-1] /= 4
        stamp = result["timestamp"][-1]
        result["events"] = {"splits": {str(stamp): {"date": stamp, "numerator": 4, "denominator": 1}}}

    desk.standin.faults["AAA"] = Fault(change=announced)
    desk.at(2012, 12, 17)

    outcome = yahoo.fetch("AAA", known)

    assert isinstance(outcome, Damaged)
    assert "hasn't applied it yet" in str(outcome)


def test_a_factor_of_100_is_refused(desk: Desk) -> None:
    """In the new bars, in all bars, and in bars of another currency."""
    yahoo = desk.yahoo()
    known = got(yahoo.fetch("AAA"))

    def cents(rows: slice) -> Fault:
        def scale(chart: Chart) -> None:
            (result,) = chart["chart"]["result"]
            for name in ("open", "high", "low", "close"):
                column = result["indicators"]["quote"][0][name]
                column[rows] = [100 * value for value in column[rows]]
            column = result["indicators"]["adjclose"][0]["adjclose"]
            column[rows] = [100 * value for value in column[rows]]

        return Fault(change=scale)

    desk.at(2013, 1, 7)
    desk.standin.faults["AAA"] = cents(slice(-14, None))  # all of the new ones, more than an overlap
    unknown = yahoo.fetch("AAA", known)
    desk.at(2012, 12, 17)
    desk.standin.faults["AAA"] = cents(slice(-1, None))
    newest = yahoo.fetch("AAA", known)
    desk.standin.faults["AAA"] = cents(slice(None))
    everything = yahoo.fetch("AAA", known)
    desk.standin.faults.clear()
    desk.standin.listings["AAA"].currency = "EUR"
    euros = yahoo.fetch("AAA", known)

    assert "on 2012-12-17: a factor of 100" in str(unknown)
    assert "a factor of 100" in str(newest)
    assert "times as high" in str(everything)
    assert "expected bars in the currency 'USD' as before, found 'EUR'" in str(euros)
    assert all(isinstance(one, Damaged) for one in (unknown, newest, everything, euros))


@pytest.mark.parametrize(
    ("symbol", "instrument", "zone"),
    [
        ("^GSPC", "INDEX", "America/New_York"),
        ("BRK-B", "EQUITY", "America/New_York"),
        ("EURUSD=X", "CURRENCY", "Europe/London"),
        ("BTC-USD", "CRYPTOCURRENCY", "UTC"),
    ],
)
def test_every_kind_of_symbol_can_be_asked_for(desk: Desk, symbol: str, instrument: str, zone: str) -> None:
    """And reaches Yahoo as one part of a path. A market that is open today has its last whole bar of yesterday."""
    rows = walk("2012-11-01", "2012-12-14", seed=3)
    if instrument == "CRYPTOCURRENCY":
        days = np.arange("2012-11-01", "2012-12-15", dtype="datetime64[D]").tolist()
        rows = [replace(rows[row % len(rows)], day=day) for row, day in enumerate(days)]
    desk.standin.listings[symbol] = Listing(rows, zone=zone, instrument=instrument)

    outcome = desk.yahoo().fetch(symbol)

    assert isinstance(outcome, First), outcome
    assert outcome.series.symbol == symbol
    assert desk.standin.data_questions()[0].symbol == symbol
    assert (desk.folder / "cache").is_dir()


def test_midnights_may_be_early(desk: Desk) -> None:
    """Yahoo stamps a day's bar at 23:00 of the day before at times; it is the same day's, and its overlap is whole."""
    rows = walk("2012-11-01", "2012-12-20", seed=3)
    desk.standin.listings["EURUSD=X"] = Listing(rows, "USD", "UTC", "CURRENCY", early=timedelta(hours=10, minutes=30))
    yahoo = desk.yahoo()
    known = got(yahoo.fetch("EURUSD=X"))
    desk.at(2012, 12, 18)
    desk.standin.asked.clear()

    outcome = yahoo.fetch("EURUSD=X", known)

    assert known.date.tolist() == [row.day for row in rows if row.day <= date(2012, 12, 14)]
    assert isinstance(outcome, Appended)
    assert len(desk.standin.data_questions()) == 1


@pytest.mark.parametrize(
    "symbol",
    [
        *("../AAA", "AAA/../BBB", "AAA/BBB", "%2e%2e", "AAA?a=b", "AAA&b=c", "AAA#", "AAA\n", "A A", "", "A\x00"),
        *("ÄÖÜ", "US0378331005"),
    ],
)
def test_what_is_no_symbol_is_asked_of_nobody(desk: Desk, symbol: str) -> None:
    """Refused by name before a request or a file is made; also where it is one of many."""
    yahoo = desk.yahoo()

    with pytest.raises(InvalidSymbol):
        yahoo.fetch(symbol)
    with pytest.raises(InvalidSymbol):
        yahoo.fetch_many(["AAA", symbol])

    assert desk.standin.asked == []
    assert list(Path(desk.folder).rglob("*")) == []


def test_mistakes_of_the_caller_are_told_at_once(desk: Desk) -> None:
    """Another symbol's series, a calendar that nobody has."""
    yahoo = desk.yahoo()
    known = got(yahoo.fetch("AAA"))
    desk.standin.asked.clear()

    with pytest.raises(ValueError, match="expected what is known of BBB, found a series of AAA"):
        yahoo.fetch("BBB", known)
    with pytest.raises(UnknownCalendar):
        yahoo.fetch("AAA", calendar="NOWHERE")
    assert desk.standin.asked == []
