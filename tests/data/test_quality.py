"""Planted defects are found by date and kind, and none is invented on clean bars."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.calendars import calendar_for
from data.quality import MAX_FINDINGS, Kind, Limits, inspect, oddities
from data.sources.sample import read_sample
from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray

NEW_YORK = calendar_for("AAPL")


def day(text: str) -> np.datetime64:
    """Return a day."""
    return np.datetime64(text, "D")


def run(n: int = 80, seed: int = 1, date: DateArray | None = None) -> Bars:
    """Return a quiet series on New York sessions from 2024-01-02."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    return _bars(close, date if date is not None else NEW_YORK.next_sessions(day("2024-01-01"), n).copy())


def _bars(close: FloatArray, date: DateArray, volume: FloatArray | None = None) -> Bars:
    return Bars.validated(
        open=close * 1.001,
        high=close * 1.01,
        low=close * 0.99,
        close=close,
        volume=np.arange(1.0, len(close) + 1) if volume is None else volume,
        date=date,
    )


def kinds(bars: Bars) -> list[Kind]:
    """Return the kinds that are found against New York."""
    return [finding.kind for finding in inspect(bars, NEW_YORK)]


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_nothing_is_found_in_quiet_bars(seed: int) -> None:
    """A random walk of 1 % a day on every session is clean."""
    assert inspect(run(seed=seed), NEW_YORK) == ()


def test_the_sample_is_clean_but_for_the_crash_of_apple() -> None:
    """One finding in all five series: a real one."""
    found = {symbol: inspect(bars, NEW_YORK) for symbol, bars in read_sample().bars.items()}

    assert [(one.kind, one.first) for one in found.pop("AAPL")] == [(Kind.JUMP, day("2000-09-29"))]
    assert not any(found.values())


@settings(max_examples=20)
@given(at=st.integers(1, 70), length=st.integers(1, 8))
def test_missing_sessions_are_named(at: int, length: int) -> None:
    """A hole of any length is one finding with its first and last missing session."""
    bars = run()
    assert bars.date is not None
    keep = np.ones(len(bars), dtype=bool)
    keep[at : at + length] = False
    missing = bars.date[~keep]

    found = inspect(_bars(bars.close[keep], bars.date[keep]), NEW_YORK)

    assert [(one.kind, one.first, one.last) for one in found] == [(Kind.GAP, missing[0], missing[-1])]
    assert str(missing[0]) in found[0].message


def test_a_long_hole_is_named_without_a_calendar() -> None:
    """More than ten days without a bar."""
    date = np.append(np.arange(day("2024-01-01"), day("2024-01-11")), np.arange(day("2024-01-24"), day("2024-02-03")))

    found = inspect(run(20, date=date))

    assert [one.kind for one in found] == [Kind.GAP]
    assert "13 days" in found[0].message
    assert found[0].rows == (10,)


def test_a_bar_on_a_holiday_is_named() -> None:
    """Christmas is no session."""
    date = np.array(["2024-12-24", "2024-12-25", "2024-12-26"], dtype="datetime64[D]")

    assert [(one.kind, one.first) for one in inspect(run(3, date=date), NEW_YORK)] == [
        (Kind.OFF_SESSION, day("2024-12-25"))
    ]


@pytest.mark.parametrize(
    ("factor", "kind"),
    [
        (0.5, Kind.SPLIT),
        (1 / 7, Kind.SPLIT),
        (2 / 3, Kind.SPLIT),
        (10.0, Kind.SPLIT),
        (0.01, Kind.UNIT),
        (100.0, Kind.UNIT),
        (1e-4, Kind.UNIT),
        (0.55, Kind.JUMP),
        (1.75, Kind.JUMP),
    ],
)
def test_a_step_of_the_price_is_called_what_it_looks_like(factor: float, kind: Kind) -> None:
    """A step at a split ratio, by a hundred or more, or by anything else."""
    quiet = run(seed=3)
    close = quiet.close.copy()
    close[40:] *= factor * close[39] / close[40]
    assert quiet.date is not None

    assert [(one.kind, one.first) for one in inspect(_bars(close, quiet.date), NEW_YORK)] == [(kind, quiet.date[40])]


def test_runs_of_one_price_and_of_no_volume_are_named() -> None:
    """Six flat bars on volume 0 are a flat run, placeholders and a run without volume."""
    bars = run()
    date = bars.date
    assert date is not None
    assert bars.volume is not None
    close, volume = bars.close.copy(), bars.volume.copy()
    close[20:27] = close[20]
    volume[21:27] = 0
    flat = np.zeros(len(bars), dtype=bool)
    flat[21:27] = True
    bars = Bars.validated(
        open=np.where(flat, close, close * 1.001),
        high=np.where(flat, close, close * 1.01),
        low=np.where(flat, close, close * 0.99),
        close=close,
        volume=volume,
        date=date,
    )

    found = inspect(bars, NEW_YORK)

    assert [one.kind for one in found] == [Kind.FLAT, Kind.PLACEHOLDER, Kind.ZERO_VOLUME]
    assert {(one.first, one.last) for one in found} == {(date[21], date[26])}


def test_a_stale_series_is_named_from_the_third_missing_session() -> None:
    """Today alone and a weekend make nothing stale."""
    bars = run(4)  # to Friday 2024-01-05

    assert inspect(bars, NEW_YORK, day("2024-01-09")) == ()
    found = inspect(bars, NEW_YORK, day("2024-01-10"))
    assert [(one.kind, one.first) for one in found] == [(Kind.STALE, day("2024-01-05"))]


def test_a_flood_of_findings_is_cut_and_counted() -> None:
    """Each kind lists so many and says how many more there are."""
    close = np.where(np.arange(80) % 2 == 0, 100.0, 180.0)
    bars = run()
    assert bars.date is not None

    found = inspect(_bars(close, bars.date), NEW_YORK)

    assert len(found) == MAX_FINDINGS + 1
    assert "59 more" in found[-1].message


def test_without_dates_there_is_nothing_to_say() -> None:
    """Findings are by date."""
    assert inspect(Bars.validated(open=np.ones(2), high=np.ones(2), low=np.ones(2), close=np.ones(2))) == ()


def test_a_finding_says_which_bars_it_is_about() -> None:
    """A hole names the bar after it, a step its own bar, a run all of its bars, staleness the last bar."""
    bars = run(40)
    assert bars.date is not None
    close, keep = bars.close.copy(), np.arange(len(bars)) != 10
    close[30:] *= 1.8
    volume = np.arange(1.0, len(bars) + 1)
    volume[20:26] = 0
    holed = _bars(close[keep], bars.date[keep], volume[keep])

    found = {one.kind: one.rows for one in inspect(holed, NEW_YORK, day("2024-06-03"))}

    assert found == {Kind.GAP: (10,), Kind.JUMP: (29,), Kind.ZERO_VOLUME: tuple(range(19, 25)), Kind.STALE: (38,)}


def test_limits_move_what_is_worth_a_word() -> None:
    """The same bars are quiet under limits that are wide enough, and loud under narrow ones."""
    bars = run()
    assert bars.date is not None
    steps = np.abs(np.diff(np.log(bars.close)))

    assert list(oddities(bars, bars.date)) == []
    assert len(list(oddities(bars, bars.date, Limits(jump=float(np.sort(steps)[-3]) - 1e-12)))) == 3


def test_a_flood_is_not_cut_where_every_finding_is_asked_for() -> None:
    """The cap belongs to `inspect` alone."""
    close = np.where(np.arange(80) % 2 == 0, 100.0, 180.0)
    bars = run()
    assert bars.date is not None

    assert len(list(oddities(_bars(close, bars.date), bars.date))) == 79
