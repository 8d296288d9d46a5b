"""Each expectation on bars fails on the one defect that it is for, and on nothing else."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.calendars import Calendar
from data.validation.bars import BAR_EXPECTATIONS, Bar
from data.validation.engine import Accepted
from data.validation.report import Severity
from data.validation.thresholds import BarThresholds
from feature_mapper.bars import PRICES, Bars
from feature_mapper.errors import InvalidBars
from tests.data.validation.made import NEW_YORK, ROWS, SYMBOL, Frame, bars_of, day, judged, last_day, names, quiet

IMPOSSIBLE = {
    "missing-date",
    "duplicate-day",
    "unordered-days",
    "missing-price",
    "price-not-positive",
    "low-above",
    "high-below",
    "bad-volume",
}
"""What `Bars` refuses, too."""


@dataclass
class Given:
    """What a defect is planted in; a quiet series, its own past, and a calendar."""

    frame: Frame
    previous: Bars
    today: np.datetime64
    calendar: Calendar = NEW_YORK


def scale(frame: Frame, rows: slice, factor: float) -> None:
    """Multiply the prices of some rows."""
    frame.loc[rows, list(PRICES)] *= factor


def put(frame: Frame, row: int, **cells: object) -> None:
    """Write cells of one row."""
    for name, value in cells.items():
        frame.loc[row, name] = value


def step(given_: Given, factor: float) -> None:
    """Move every price from row 60 on, so that the close moves by exactly ``factor`` there."""
    close = given_.frame["close"]
    scale(given_.frame, slice(60, None), factor * close[59] / close[60])
    given_.previous = bars_of(given_.frame)


def flat(given_: Given, rows: slice, *, volume: float | None, carried: bool) -> None:
    """Stop the price, or the volume, of some rows."""
    frame = given_.frame
    if carried:
        for name in PRICES:
            frame.loc[rows, name] = frame.loc[rows.start - 1, "close"]
    if volume is not None:
        frame.loc[rows, "volume"] = volume
    given_.previous = bars_of(frame)


def without(given_: Given, *rows: int) -> None:
    """Take rows away, here and from the past."""
    given_.frame = given_.frame.drop(index=list(rows)).reset_index(drop=True)
    given_.previous = bars_of(given_.frame)


def swap(given_: Given, row: int) -> None:
    """Put a row behind its successor."""
    order = list(range(len(given_.frame)))
    order[row], order[row + 1] = order[row + 1], order[row]
    given_.frame = given_.frame.iloc[order].reset_index(drop=True)


def repeat(given_: Given, row: int) -> None:
    """Have a row twice."""
    given_.frame = given_.frame.iloc[[*range(row + 1), *range(row, len(given_.frame))]].reset_index(drop=True)


def holiday(given_: Given) -> None:
    """Add a bar on 2024-01-15, Martin Luther King's day, which is row 9 then."""
    extra = given_.frame.iloc[[9]].assign(date=pd.Timestamp("2024-01-15").as_unit("s"))
    given_.frame = pd.concat([given_.frame.iloc[:9], extra, given_.frame.iloc[9:]]).reset_index(drop=True)
    given_.frame.loc[9, "volume"] += 1


def late(given_: Given, sessions: int) -> None:
    """Let some sessions pass after the last bar."""
    given_.today = NEW_YORK.next_sessions(last_day(given_.frame), sessions)[-1]


def early(given_: Given) -> None:
    """Judge the series three days before its last bar."""
    given_.today = last_day(given_.frame) - np.timedelta64(3, "D")


def typed(given_: Given) -> None:
    """Leave the volume as text."""
    given_.frame["volume"] = given_.frame["volume"].map(str)


def untouched(given_: Given, change: Callable[[Frame], Frame]) -> None:
    """Replace the frame by a changed one."""
    given_.frame = change(given_.frame)


def short(given_: Given) -> None:
    """Keep 50 rows."""
    without(given_, *range(50, ROWS))
    given_.today = last_day(given_.frame)


def undated(given_: Given) -> None:
    """Add a row without a day."""
    holiday(given_)
    put(given_.frame, 9, date=pd.NaT)


def spiked(given_: Given) -> None:
    """Let the high be that of a bad tick."""
    put(given_.frame, 60, high=300.0)
    given_.previous = bars_of(given_.frame)


DEFECTS: dict[str, Callable[[Given], None]] = {
    "missing-column": lambda g: untouched(g, lambda f: f.drop(columns="high")),
    "repeated-column": lambda g: untouched(g, lambda f: pd.concat([f, f[["close"]]], axis=1)),
    "wrong-type": typed,
    "too-few-rows": short,
    "missing-date": undated,
    "duplicate-day": lambda g: repeat(g, 60),
    "unordered-days": lambda g: swap(g, 60),
    "future-day": early,
    "missing-price": lambda g: put(g.frame, 60, close=np.nan),
    "price-not-positive": lambda g: put(g.frame, 60, low=-1.0),
    "low-above": lambda g: put(g.frame, 60, low=g.frame.loc[60, "high"]),
    "high-below": lambda g: put(g.frame, 60, high=g.frame.loc[60, "low"]),
    "bad-volume": lambda g: put(g.frame, 60, volume=-1.0),
    "suspected-split": lambda g: step(g, 0.5),
    "suspected-unit-error": lambda g: step(g, 100.0),
    "excessive-move": lambda g: step(g, 5.7),
    "restated-history": lambda g: scale(g.frame, slice(20, 40), 1.01),
    "outdated": lambda g: late(g, 10),
    "stale": lambda g: late(g, 3),
    "gap": lambda g: without(g, 60, 61),
    "off-session": holiday,
    "jump": lambda g: step(g, 1.75),
    "wide-range": spiked,
    "flat-run": lambda g: flat(g, slice(60, 65), volume=None, carried=True),
    "zero-volume-run": lambda g: flat(g, slice(60, 64), volume=0.0, carried=False),
    "placeholder": lambda g: flat(g, slice(60, 60), volume=0.0, carried=True),
    "restated-volume": lambda g: put(g.frame, 60, volume=5.0),
    "lost-days": lambda g: untouched(g, lambda f: f.iloc[2:]),
}
"""One defect an expectation; `loc` slices include their end."""


def test_a_quiet_series_passes() -> None:
    """Nothing is found in a random walk on every session that goes on from its own past, and everything is judged."""
    frame = quiet()

    found = judged(frame, today=last_day(frame), previous={SYMBOL: bars_of(frame)})

    assert names(found) == []
    assert not found.halts
    assert found.series[0].checked == len(BAR_EXPECTATIONS)
    assert found.series[0].unchecked == ()


def test_every_expectation_has_its_defect() -> None:
    """An expectation that nobody has seen to fail could be one that finds nothing."""
    assert list(DEFECTS) == [one.name for one in BAR_EXPECTATIONS]


@pytest.mark.parametrize("expectation", BAR_EXPECTATIONS, ids=lambda one: one.name)
def test_a_single_defect_breaks_exactly_its_expectation(expectation: Bar) -> None:
    """It is found under its name and severity, in words, and nothing else is."""
    frame = quiet()
    case = Given(frame, bars_of(frame), last_day(frame))
    DEFECTS[expectation.name](case)

    found = judged(case.frame, today=case.today, previous={SYMBOL: case.previous}, calendar=case.calendar)

    assert names(found) == [expectation.name]
    (finding,) = found.series[0].findings
    assert finding.severity is expectation.severity
    assert found.halts is (expectation.severity is Severity.ERROR)
    assert finding.remedy == expectation.remedy
    assert finding.message
    assert len(finding.samples) == min(finding.rows, 5)
    assert "Timestamp" not in repr(finding)


def test_findings_name_days_and_show_rows() -> None:
    """A defect in row 60 is told by its day, with the cells that show it."""
    frame = quiet()
    put(frame, 60, low=frame.loc[60, "high"])

    (finding,) = judged(frame).series[0].findings

    at = str(frame.loc[60, "date"])[:10]
    assert finding.message.startswith(f"{at} (open ")
    assert finding.rows == 1
    assert [(one.row, one.day) for one in finding.samples] == [(60, at)]
    assert set(finding.samples[0].values) == {"open", "low", "close"}
    assert [(one.first, one.last) for one in finding.spans] == [(at, at)]


def test_many_places_are_counted() -> None:
    """Three are told, the rest is counted with the last day."""
    frame = quiet()
    frame.loc[20:100:8, "volume"] = -1.0

    (finding,) = judged(frame).series[0].findings

    assert finding.rows == 11
    assert finding.message.endswith(f"; and 8 more up to {str(frame.loc[100, 'date'])[:10]}")


def test_bars_frames_and_columns_are_judged_alike() -> None:
    """The same series in any form gives the same document."""
    frame = quiet()
    put(frame, 60, volume=0.0)
    step(case := Given(frame, bars_of(frame), last_day(frame)), 1.8)
    bars = bars_of(case.frame)
    columns = {name: case.frame[name].to_numpy() for name in case.frame}

    found = [judged(source) for source in (bars, case.frame, columns, case.frame.set_index("date"))]

    assert names(found[0]) == ["jump"]
    assert all(one == found[0] for one in found)


def test_types_that_read_one_way_only_are_taken() -> None:
    """Whole numbers, days with a clock and a zone are the day and the number they are."""
    frame = quiet()
    frame["date"] = (frame["date"] + pd.Timedelta(hours=16)).dt.tz_localize("America/New_York")
    frame["volume"] = frame["volume"].astype(int)

    assert names(judged(frame, today=day("2024-06-24"))) == []


@pytest.mark.parametrize(
    ("factor", "broken"),
    [(1 / 5.7, "excessive-move"), (0.53, "jump"), (1 / 3, "suspected-split"), (1e-3, "suspected-unit-error")],
)
def test_falls_are_judged_as_rises(factor: float, broken: str) -> None:
    """A fall by the factor of a rise is of the same kind."""
    frame = quiet()
    step(Given(frame, bars_of(frame), last_day(frame)), factor)

    assert names(judged(frame)) == [broken]


def test_two_bars_of_one_day_are_one_too_many() -> None:
    """Whatever the clock says: bars are of days."""
    frame = quiet()
    frame["date"] += pd.Timedelta(hours=16)
    frame.loc[60, "date"] = frame.loc[59, "date"] + pd.Timedelta(hours=1)

    assert names(judged(frame)) == ["duplicate-day", "gap"]


@pytest.mark.parametrize("value", [np.inf, -np.inf, 0.0, -1.0])
@pytest.mark.parametrize("name", PRICES)
def test_any_price_must_be_finite_and_positive(name: str, value: float) -> None:
    """In any of the four columns, and it is told once: not as a low above or a high below."""
    frame = quiet()
    frame.loc[60, name] = value

    assert names(judged(frame)) == ["price-not-positive"]


def test_a_frame_is_not_changed() -> None:
    """The frame that was given is the caller's."""
    frame = quiet()
    before = frame.copy(deep=True)

    judged(frame)

    pd.testing.assert_frame_equal(frame, before)


def test_what_lacks_something_is_said_to_be_unchecked() -> None:
    """Without volume, calendar, today and a past, what needs them is not judged, and not passed over in silence."""
    found = judged(quiet().drop(columns="volume"), calendar=None)

    assert names(found) == []
    lacks = {one.expectation: one.lacks for one in found.series[0].unchecked}
    assert lacks["stale"] == "calendar, today"
    assert lacks["restated-history"] == "previous"
    assert lacks["bad-volume"] == "volume"
    assert len(lacks) + found.series[0].checked == len(BAR_EXPECTATIONS)


def test_no_rows_are_too_few() -> None:
    """An empty series is an error, and none of the checks stumbles over it."""
    frame = quiet().iloc[:0]

    assert names(judged(frame, today=day("2024-06-24"))) == ["too-few-rows"]


@given(data=st.data())
def test_what_bars_refuse_is_an_error_and_nothing_else_is_impossible(data: st.DataObject) -> None:
    """For any few damaged cells, an expectation of the impossible is broken if and only if `Bars` refuse the rows."""
    frame = quiet()
    for _ in range(data.draw(st.integers(0, 3), label="cells")):
        row = data.draw(st.integers(0, ROWS - 1), label="row")
        name = data.draw(st.sampled_from([*PRICES, "volume", "date"]), label="column")
        if name == "date":
            frame.loc[row, name] = data.draw(st.sampled_from([pd.NaT, frame.loc[5, "date"], frame.loc[90, "date"]]))
        else:
            frame.loc[row, name] = data.draw(
                st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-3, 1e9, float(frame.loc[row, "open"])])
            )
    try:
        bars_of(frame)
        refused = False
    except InvalidBars:
        refused = True

    broken = IMPOSSIBLE & set(names(judged(frame, today=day("2024-06-24"))))

    assert bool(broken) is refused


@given(factor=st.floats(1e-3, 1e3), volumes=st.floats(1e-3, 1e3))
def test_one_factor_over_all_is_no_other_history(factor: float, volumes: float) -> None:
    """An adjusted series is multiplied as a whole on a split or a dividend."""
    frame = quiet()
    past = bars_of(frame.iloc[:100])
    scale(frame, slice(None), factor)
    frame["volume"] *= volumes

    assert names(judged(frame, previous={SYMBOL: past})) == []


@given(row=st.integers(0, 99), column=st.sampled_from(PRICES))
def test_a_row_that_tells_another_history_is_named(row: int, column: str) -> None:
    """Any price of any common row that was restated is found by its day, and quoted."""
    frame = quiet()
    past = frame.iloc[:100].copy()
    past.loc[row, column] *= {"high": 1.01, "low": 0.99}.get(column, 1.0)
    if column in {"open", "close"}:
        past.loc[row, ["open", "high", "low", "close"]] = [100.0, 110.0, 90.0, 105.0]

    (finding,) = judged(frame, previous={SYMBOL: bars_of(past)}).series[0].findings

    assert finding.expectation == "restated-history"
    assert str(frame.loc[row, "date"])[:10] in finding.message
    if column in {"high", "low"}:
        assert f": {column} " in finding.message
    assert [one.row for one in finding.samples] == [row]


def test_an_adjusted_history_that_is_printed_in_cents_is_the_same_one() -> None:
    """Half a cent is more than a thousandth of a price below five; a whole dollar of it is not."""
    frame = quiet()
    scale(frame, slice(None), 0.02)
    exact = frame.copy()
    frame[list(PRICES)] = frame[list(PRICES)].round(2)
    adjusted = exact.copy()
    adjusted[list(PRICES)] = (exact[list(PRICES)] * 0.995).round(2)

    past = {SYMBOL: bars_of(frame.iloc[:100])}
    assert names(judged(adjusted, previous=past)) == []
    adjusted.loc[50, list(PRICES)] = [*(adjusted.loc[50, list(PRICES)] + 0.05)]
    assert names(judged(adjusted, previous=past)) == ["restated-history"]


def accepting(line_day: object, reason: str = "looked up") -> list[Accepted]:
    """Return a line that accepts another history by a day."""
    return [Accepted(symbol=SYMBOL, expectation="restated-history", day=str(line_day)[:10], reason=reason)]


def test_another_history_is_one_place_and_accepted_by_its_last_day_alone() -> None:
    """Any other day of it would say yes to later changes, too, which end on a later day."""
    frame = quiet().drop(columns="volume")
    other = quiet(seed=2).drop(columns="volume")
    past = bars_of(other.iloc[:100])
    days = frame["date"]

    (finding,) = judged(frame, previous={SYMBOL: past}).series[0].findings
    last = max(one.last for one in finding.spans)

    assert finding.expectation == "restated-history"
    assert len(finding.spans) == 1
    assert "and" not in finding.message
    assert last in {str(day_)[:10] for day_ in days[90:100]}
    assert names(judged(frame, previous={SYMBOL: past}, accepted=accepting(last))) == []
    for wrong in (days[0], days[50], days[110]):
        assert names(judged(frame, previous={SYMBOL: past}, accepted=accepting(wrong))) == ["restated-history"]
    later = bars_of(other.iloc[:110])
    assert names(judged(frame, previous={SYMBOL: later}, accepted=accepting(last))) == ["restated-history"]


def test_a_series_without_any_known_day_is_another_history() -> None:
    """Nothing shows that it goes on from the known one, however quiet it is."""
    frame = quiet()
    past = {SYMBOL: bars_of(frame.iloc[:50])}

    found = judged(frame.iloc[50:], previous=past)

    assert names(found) == ["restated-history", "lost-days"]
    assert "none of the 50 days known, 2024-01-02" in found.series[0].findings[0].message
    accepted = accepting(frame["date"].iloc[-1])
    assert names(judged(frame.iloc[50:], previous=past, accepted=accepted)) == ["lost-days"]


def test_what_the_source_explains_is_not_compared_and_loses_no_day() -> None:
    """Payouts that are told late move a part of the days; a day that is gone is named all the same."""
    frame = quiet()
    past = {SYMBOL: bars_of(frame)}
    scale(frame, slice(0, 40), 0.98)

    found = judged(frame, previous=past, explained=[SYMBOL])
    assert names(found) == []
    assert {"restated-history", "restated-volume"} == {
        one.expectation for one in found.series[0].unchecked if one.lacks == "previous"
    }
    assert names(judged(frame.iloc[2:], previous=past, explained=[SYMBOL])) == ["lost-days"]
    assert names(judged(frame, previous=past)) == ["restated-history"]


def test_thresholds_move_what_is_found() -> None:
    """The same series breaks another expectation, or none, under other numbers."""
    frame = quiet()
    step(Given(frame, bars_of(frame), last_day(frame)), 1.75)

    assert names(judged(frame, thresholds=BarThresholds(jump=0.6))) == []
    assert names(judged(frame, thresholds=BarThresholds(max_log_return=0.5))) == ["excessive-move"]
    (finding,) = judged(frame, thresholds=BarThresholds(max_log_return=0.5)).series[0].findings
    assert finding.expected == "no log return beyond 0.5 either way"


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_a_threshold_that_means_nothing_is_refused(value: float) -> None:
    """A threshold that no series could break would open the gate."""
    with pytest.raises(ValueError, match="expected a finite threshold"):
        BarThresholds(max_log_return=value)


def test_what_a_person_accepted_does_not_halt() -> None:
    """Of two suspected splits the accepted one is set aside with its reason, the other still halts."""
    frame = quiet()
    close = frame["close"]
    for row in (60, 90):
        scale(frame, slice(row, None), 0.5 * close[row - 1] / close[row])
    days = [str(frame.loc[row, "date"])[:10] for row in (60, 90)]
    known = [Accepted(symbol=SYMBOL, expectation="suspected-split", day=one, reason="a real crash") for one in days]

    one = judged(frame, accepted=known[:1])
    both = judged(frame, accepted=known)
    foreign = judged(frame, accepted=[Accepted(symbol="OTHER", expectation="suspected-split", day=days[0], reason="")])

    assert names(one) == ["suspected-split"]
    assert one.series[0].findings[0].rows == 1
    assert days[1] in one.series[0].findings[0].message
    assert names(both) == []
    assert [text.endswith("(a real crash)") for text in both.series[0].accepted] == [True, True]
    assert foreign.series[0].findings[0].rows == 2
