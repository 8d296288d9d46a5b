"""Joining as of: a session sees what was known at its close, and nothing that came later changes it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.bar_store import sample_store
from data.errors import AmbiguousFile, UnreadableFile
from data.exogenous import AsOf, Exogenous, join
from data.sources.exogenous import read_exogenous
from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray

FIRST = np.datetime64("2020-01-01", "D")
Row = tuple[int, int, float]
"""Days from `FIRST` to the day observed; days from there to the day known; value."""

values = st.floats(-1e9, 1e9) | st.sampled_from([0.0, -0.0, 5e-324])
rows = st.lists(st.tuples(st.integers(-5, 40), st.integers(0, 20), values), max_size=25, unique_by=lambda row: row[:2])
SESSIONS = FIRST + np.arange(-5, 60)


def series(found: list[Row]) -> Exogenous:
    """Return a series of such rows."""
    observed = FIRST + np.array([row[0] for row in found], dtype=np.int64)
    known = observed + np.array([row[1] for row in found], dtype=np.int64)
    return Exogenous.of("x", observed, known, np.array([row[2] for row in found], dtype=np.float64))


def bits(found: AsOf, rows: slice = slice(None)) -> tuple[bytes, bytes, bytes]:
    """Return all bits of some rows."""
    return found.value[rows].tobytes(), found.observed[rows].tobytes(), found.known[rows].tobytes()


def day(text: str) -> np.datetime64:
    """Return a day."""
    return np.datetime64(text, "D")


@given(rows, rows, st.integers(0, len(SESSIONS) - 1))
def test_what_becomes_known_later_changes_nothing_before(before: list[Row], later: list[Row], cut: int) -> None:
    """Adding, deleting or altering observations that become known after t leaves rows up to t bit-identical."""
    t = SESSIONS[cut]
    whole = series(before)
    early = [row for row in before if FIRST + row[0] + row[1] <= t]
    others = {row[:2] for row in early}
    late = [row for row in later if FIRST + row[0] + row[1] > t and row[:2] not in others]
    altered = [row if FIRST + row[0] + row[1] <= t else (*row[:2], row[2] + 1) for row in before]

    expected = bits(whole.as_of(SESSIONS), slice(cut + 1))

    for changed in (early, early + late, altered):
        assert bits(series(changed).as_of(SESSIONS), slice(cut + 1)) == expected


@given(rows)
def test_each_session_sees_the_newest_observation_known_by_its_close(found: list[Row]) -> None:
    """Against pandas, session by session: known by then, then the newest observed, then its latest version."""
    frame = pd.DataFrame(found, columns=["observed", "lag", "value"]).astype({"observed": int, "lag": int})
    frame["known"] = frame["observed"] + frame["lag"]
    seen = series(found).as_of(SESSIONS)

    for at, session in enumerate((SESSIONS - FIRST).astype(int)):
        known = frame[frame["known"] <= session].sort_values(["observed", "known"])
        if known.empty:
            assert np.isnan(seen.value[at])
            assert np.isnat(seen.observed[at])
            assert np.isnat(seen.known[at])
        else:
            last = known.iloc[-1]
            assert seen.value[at].tobytes() == np.float64(last["value"]).tobytes()
            assert seen.observed[at] == FIRST + int(last["observed"])
            assert seen.known[at] == FIRST + int(last["known"])


@given(
    st.lists(st.tuples(st.integers(0, 3000), values), min_size=1, max_size=60, unique_by=lambda row: row[0]),
    st.sampled_from([0, 1, 7, 120]),
)
def test_merge_asof_agrees_where_nothing_is_revised(found: list[tuple[int, float]], lag: int) -> None:
    """On the sample's sessions, with a lag, over gaps, from before the first observation: the same bits as pandas."""
    bars = sample_store(Path("none")).bars("IBM")
    assert bars.date is not None
    observed = day("2000-01-01") + np.array([row[0] for row in found])
    text = "observation_date,DGS10\n" + "".join(
        f"{when},{row[1]!r}\n" for when, row in zip(observed, found, strict=True)
    )
    macro = pd.DataFrame({"known": (observed + np.timedelta64(lag, "D")).astype("datetime64[s]")})
    macro["value"] = [row[1] for row in found]
    sessions = pd.DataFrame({"known": bars.date.astype("datetime64[s]")})

    ours = join(bars, read_exogenous(text.encode(), lag_days=lag))["DGS10"]

    theirs = pd.merge_asof(sessions, macro.sort_values("known"), on="known")["value"].to_numpy()
    assert np.array_equal(ours.value, theirs, equal_nan=True)
    assert np.array_equal(np.signbit(ours.value), np.signbit(theirs) & ~np.isnan(theirs))


@given(rows, st.permutations(range(len(SESSIONS))))
def test_the_order_of_sessions_and_of_rows_does_not_matter(found: list[Row], order: list[int]) -> None:
    """A file newest first, sessions shuffled: the same answers."""
    expected, seen = series(found).as_of(SESSIONS), series(found[::-1]).as_of(SESSIONS[order])

    assert seen.value.tobytes() == expected.value[order].tobytes()


def test_a_revision_is_seen_from_its_own_day_on() -> None:
    """Two vintages of one quarter: each session sees the version of its day, and the newer quarter stays in front."""
    found = read_exogenous(
        b"observation_date,GDP,vintage\n"
        b"2020-01-01,1.0,2020-04-29\n"
        b"2020-01-01,1.1,2020-05-28\n"
        b"2020-04-01,2.0,2020-07-30\n"
        b"2020-01-01,1.2,2020-09-30\n"
    )
    days: DateArray = np.array(
        ["2020-04-28", "2020-04-29", "2020-05-27", "2020-05-28", "2020-07-29", "2020-07-30", "2020-12-31"],
        dtype="datetime64[D]",
    )

    seen = found.as_of(days)

    assert seen.value.tolist()[1:] == [1.0, 1.0, 1.1, 1.1, 2.0, 2.0]
    assert np.isnan(seen.value[0])
    assert str(seen.observed[-1]) == "2020-04-01"
    assert str(seen.known[-1]) == "2020-07-30"


@pytest.mark.parametrize(
    ("lag", "expected"), [(0, [None, 1, 1, 3]), (1, [None, None, 1, 1]), (2, [None, None, None, 1])]
)
def test_a_lag_counts_calendar_days(lag: int, expected: list[float | None]) -> None:
    """FRED's layout with a holiday: the value of a day is known so many days after it, at the close."""
    found = read_exogenous(b"DATE,DGS10\n2024-01-02,1\n2024-01-03,.\n2024-01-04,3\n", lag_days=lag)

    seen = found.as_of(np.arange("2024-01-01", "2024-01-05", dtype="datetime64[D]"))

    assert [None if np.isnan(value) else value for value in seen.value] == expected
    assert found.notes == ("rows without a value: 1 (line 3)",)
    assert found.name == "DGS10"


def test_nothing_is_known_at_no_day_and_of_nothing() -> None:
    """NaT, and a series without observations."""
    one = series([(0, 0, 1.0)])

    assert np.isnan(one.as_of(np.array(["NaT"], dtype="datetime64[D]")).value).all()
    assert np.isnan(series([]).as_of(SESSIONS).value).all()
    assert len(one.as_of(SESSIONS[:0]).value) == 0


def test_joins_several_series_by_name() -> None:
    """Each on all bars; two of one name, and bars without dates, are refused."""
    price = np.ones(3)
    bars = Bars.validated(open=price, high=price, low=price, close=price, date=FIRST + np.arange(3))
    one = series([(1, 0, 5.0)])
    other = Exogenous("y", one.observed, one.known, one.value)

    assert {name: seen.value.tolist()[1:] for name, seen in join(bars, one, other).items()} == {
        "x": [5, 5],
        "y": [5, 5],
    }
    with pytest.raises(ValueError, match="a name of its own"):
        join(bars, one, one)
    with pytest.raises(UnreadableFile, match="bars with dates"):
        join(Bars.validated(open=price, high=price, low=price, close=price), one)


@pytest.mark.parametrize(
    ("text", "name", "observed", "known"),
    [
        ("date,value\n2024-01-02,1.5\n", "value", "2024-01-02", "2024-01-12"),
        ("DATE,GDP\n2024-01-02,1.5\n", "GDP", "2024-01-02", "2024-01-12"),
        ("\ufeffObservation Date;DGS10\r\n02.01.2024;1,5\r\n31.12.2023;\r\n", "DGS10", "2024-01-02", "2024-01-12"),
        ('"date","CPI"\n\n20240102,"1.5"\n', "CPI", "2024-01-02", "2024-01-12"),
        (
            "realtime_start,realtime_end,date,value\n2024-01-12,2024-02-01,2024-01-02,1.5\n",
            "value",
            "2024-01-02",
            "2024-01-12",
        ),
        ("release date,date,a,value\n01/15/2024,12/31/2023,7,1.5\n", "value", "2023-12-31", "2024-01-15"),
    ],
)
def test_layouts(text: str, name: str, observed: str, known: str) -> None:
    """What is recognised; a lag only where the file doesn't say when."""
    lag = None if "re" in text.partition("\n")[0] else 10

    found = read_exogenous(text.encode(), lag_days=lag)

    assert (found.name, str(found.observed[0]), str(found.known[0])) == (name, observed, known)
    assert found.value.tolist() == [1.5]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("date,value\n2024-01-02,1,5\n", {}, "line 2: expected 2 cells"),
        ("date,value\n2024-01-02,1\n2024-13-01,1\n", {}, "line 3, column 'date': expected a day of the calendar"),
        (
            "date,value\n2024-01-02,1\n02/01/2024,1\n",
            {},
            "line 3, column 'date': expected a date of the form of line 2",
        ),
        ("date,value\n2024-01-02,1\nyesterday,1\n", {}, "line 3, column 'date': expected a date"),
        ("date,value\n2024-01-02,x\n", {}, "line 2, column 'value': expected a number, found 'x'"),
        ("date,value\n2024-01-02,inf\n", {}, "line 2, column 'value': expected a number"),
        ("date,value\n2024-01-02,1e999\n", {}, "line 2, column 'value': expected a number that a float64 holds"),
        ("date,value\n2024-01-02,1\n2024-01-02,2\n", {}, "line 3: expected one value of 2024-01-02"),
        ("date,value\n2024-01-02,.\n", {}, "expected an observation with a value, found none"),
        ("date,value\n", {}, "line 1: expected rows under the header"),
        ("day,value\n2024-01-02,1\n", {}, "line 1: expected one column of date"),
        ("date,vintage,release,value\n2024-01-02,2024-01-02,2024-01-02,1\n", {}, "line 1: expected one column of date"),
        ("date,Date,value\n2024-01-02,2024-01-02,1\n", {}, "line 1, column 'date': expected each header once"),
        ("date\n2024-01-02\n", {}, "line 1: expected a column of values"),
        ("date,a\n2024-01-02,1\n", {"column": "b"}, "line 1: expected a column 'b' of values"),
        ("date,release,value\n2024-01-02,2024-01-03,1\n", {}, "line 1: expected lag_days or a column of release dates"),
        (
            "date,release,value\n2024-01-02,2024-01-03,1\n2024-01-02,2024-01-01,1\n",
            {"lag_days": None},
            "line 3, column 'release': expected a release on or after 2024-01-02",
        ),
        ("<html>", {}, "line 1: expected a table"),
    ],
)
def test_refuses_by_line_and_cause(text: str, options: dict[str, str | None], said: str) -> None:
    """Nothing is guessed, and the message says where."""
    with pytest.raises(UnreadableFile) as caught:
        read_exogenous(text.encode(), **{"lag_days": 0, **options})  # type: ignore[arg-type]  # as a caller may
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("text", "parameter"),
    [
        ("date,value\n2024-01-02,1\n", "lag_days"),
        ("date,a,b\n2024-01-02,1,2\n", "column"),
        ("date,value\n03/04/2024,1\n", "date_order"),
        ('date,value\n2024-01-02,"1,234"\n', "decimal"),
    ],
)
def test_asks_for_the_parameter_that_would_settle_it(text: str, parameter: str) -> None:
    """And reads the file once it is given."""
    with pytest.raises(AmbiguousFile) as caught:
        read_exogenous(text.encode(), lag_days=None if parameter == "lag_days" else 0)
    assert caught.value.parameter == parameter
    answers = {"lag_days": 3, "column": "b", "date_order": "DMY", "decimal": "."}
    found = read_exogenous(text.encode(), **{"lag_days": 0, parameter: answers[parameter]})  # type: ignore[arg-type]  # one of each type
    assert len(found.value) == 1


@pytest.mark.parametrize("lag", [-1, 3661])
def test_refuses_lags_that_are_none(lag: int) -> None:
    """A negative one would look ahead."""
    with pytest.raises(ValueError, match="expected a lag of 0 to 3660 days"):
        read_exogenous(b"date,value\n2024-01-02,1\n", lag_days=lag)


def test_says_what_it_left_out(tmp_path: Path) -> None:
    """Rows without a value and rows that repeat another, with their lines."""
    path = tmp_path / "x.csv"
    path.write_text("date,value\n2024-01-02,1\n2024-01-03,\n2024-01-04,NA\n2024-01-02,1.0\n")

    found = read_exogenous(path, lag_days=0, name="rate")

    assert found.name == "rate"
    assert found.value.tolist() == [1]
    assert found.notes == ("rows without a value: 2 (lines 3, 4)", "rows that repeat another: 1 (line 5)")
