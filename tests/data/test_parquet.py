"""The stored form of a series: every bit comes back, equal bars are equal bytes, and nothing else is read."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.bar_store import sample_store
from data.errors import UnreadableFile
from data.parquet import from_parquet, to_parquet
from feature_mapper.bars import Bars
from feature_mapper.errors import InvalidBars

TINY = float(np.nextafter(0, 1))
prices = st.floats(TINY, 1.7e308) | st.sampled_from([TINY, 2.2e-308, 0.1, 1 / 3, 1.7976931348623157e308])
volumes = st.floats(0, 1.7e308) | st.sampled_from([np.nan, 0.0, -0.0, TINY, 2.0**53 + 1])


@st.composite
def runs(draw: st.DrawFn) -> Bars:
    """Return a run of bars of any prices and days, with volume, with unknown ones, or without."""
    rows = draw(st.integers(1, 30))
    columns = np.sort(np.array(draw(st.lists(prices, min_size=4 * rows, max_size=4 * rows))).reshape(rows, 4), axis=1)
    volume = draw(st.none() | st.lists(volumes, min_size=rows, max_size=rows))
    days = sorted(draw(st.sets(st.integers(-(2**31), 2**31 - 1), min_size=rows, max_size=rows)))
    return Bars.validated(
        open=columns[:, 1],
        high=columns[:, 3],
        low=columns[:, 0],
        close=columns[:, 2],
        volume=None if volume is None else np.array(volume, dtype=np.float64),
        date=np.array(days, dtype=np.int64).astype("datetime64[D]"),
        symbol="A",
    )


@given(runs())
def test_every_bit_comes_back(bars: Bars) -> None:
    """Subnormal prices, negative zero, unknown volumes, absent volume, days far out."""
    assert from_parquet(to_parquet(bars), "A").identical(bars)


@given(runs())
def test_equal_bars_are_equal_bytes(bars: Bars) -> None:
    """Written twice, and written again from what was read: the same file."""
    data = to_parquet(bars)

    assert to_parquet(bars) == data
    assert to_parquet(from_parquet(data, "A")) == data


def test_other_programs_read_it() -> None:
    """Pandas sees the same table, by its own reader."""
    bars = sample_store(Path("none")).bars("IBM")

    frame = pd.read_parquet(io.BytesIO(to_parquet(bars)))

    assert list(frame.columns) == ["date", "open", "high", "low", "close", "volume"]
    assert frame["close"].to_numpy().tobytes() == bars.close.tobytes()
    assert bars.date is not None
    assert (pd.to_datetime(frame["date"]).to_numpy().astype("datetime64[D]") == bars.date).all()


def test_parts_of_a_run_are_written_as_they_are() -> None:
    """A view with a stride of its own is written by its values."""
    bars = sample_store(Path("none")).bars("IBM")[5:50]
    turned = replace(bars, open=np.stack([bars.open, bars.close], axis=1)[:, 0], close=bars.close[::-1][::-1])

    assert turned.open.strides != bars.open.strides
    assert to_parquet(turned) == to_parquet(bars)


def test_refuses_bars_without_dates_and_days_beyond_the_form() -> None:
    """Nothing is stored that would not come back."""
    one = np.ones(1)
    for date in (None, np.array([2**40]).astype("datetime64[D]")):
        with pytest.raises(UnreadableFile):
            to_parquet(Bars.validated(open=one, high=one, low=one, close=one, date=date))


def table(change: Callable[[dict[str, pa.Array]], object]) -> bytes:
    """Return a Parquet file of one bar whose columns were changed."""
    columns = {name: pa.array([1.0]) for name in ("open", "high", "low", "close")}
    columns = {"date": pa.array(np.array(["2024-01-02"], dtype="datetime64[D]")), **columns}
    change(columns)
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


@pytest.mark.parametrize(
    "change",
    [
        lambda columns: columns.pop("low"),
        lambda columns: columns.update(extra=pa.array([1.0])),
        lambda columns: columns.update(close=pa.array([1.0], type=pa.float32())),
        lambda columns: columns.update(close=pa.array([None], type=pa.float64())),
        lambda columns: columns.update(date=pa.array(["2024-01-02"])),
        lambda columns: columns.update(open=columns.pop("open")),
    ],
)
def test_refuses_other_columns(change: Callable[[dict[str, pa.Array]], object]) -> None:
    """A column less, more, of another type, nullable, in another place."""
    with pytest.raises(UnreadableFile, match="expected the columns of a stored series"):
        from_parquet(table(change), "A")


@pytest.mark.parametrize("data", [b"", b"PAR1", b"date,open\n", b"PAR1" + bytes(100) + b"PAR1"])
def test_refuses_what_is_no_parquet(data: bytes) -> None:
    """In words, whatever the library raises."""
    with pytest.raises(UnreadableFile, match="expected a stored series in Parquet"):
        from_parquet(data, "A")


def test_refuses_values_that_are_no_bars() -> None:
    """The form is right and the prices are not."""
    one, day = np.ones(1), np.array(["2024-01-02"], dtype="datetime64[D]")
    bars = Bars(open=one, high=one / 2, low=one / 2, close=one, date=day)

    with pytest.raises(InvalidBars):
        from_parquet(to_parquet(bars), "A")


def test_the_sample_alone_never_loads_pyarrow(tmp_path: Path) -> None:
    """Reading and listing the sample loads neither pyarrow nor pandas; the first import loads the former only."""
    program = f"""
import json, sys
from pathlib import Path
from data.bar_store import sample_store
from data.sources.sample import sample_root
processed = Path({str(tmp_path / "processed")!r})
store = sample_store(processed)
seen = []
def look(): seen.append(sorted({{"pyarrow", "pandas"}} & set(sys.modules)))
store.symbols(); store.broken(); look()
store.import_csv(sample_root() / "FB.csv", "MINE"); look()
assert len(sample_store(processed).bars("MINE")) == 196; look()
json.dump(seen, sys.stdout)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], ["pyarrow"], ["pyarrow"]]
