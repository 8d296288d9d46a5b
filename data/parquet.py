"""The stored form of a series: one Parquet file, exact in both directions, the same bytes for the same bars.

pyarrow is imported by the first series that is read or written, so whoever has the sample only never loads it for this.
Columns are plain, not compressed, without statistics: what depends least on the version that writes, and is read
fastest. Nothing is parsed here that the digest of the series' provenance hasn't vouched for.
"""

import io
from typing import TYPE_CHECKING, Final

import numpy as np

from data.errors import UnreadableFile
from feature_mapper.bars import PRICES, Bars
from feature_mapper.typing import DateArray, FloatArray

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types

SUFFIX: Final = ".parquet"


def to_parquet(bars: Bars) -> bytes:
    """Return a series as a Parquet file. `from_parquet` gives the same bits back.

    ``bars`` needs dates. A volume that is unknown stays NaN; without volume the column lacks.

    Raises
    ------
    UnreadableFile
        Bars without dates, or with a day that four bytes don't hold.

    """
    import pyarrow as pa
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types

    if bars.date is None:
        raise UnreadableFile("expected bars with dates to store, found none; give each bar its day")
    columns = {name: np.ascontiguousarray(values, dtype=np.float64) for name, values in bars.columns()}
    days = np.ascontiguousarray(bars.date, dtype="datetime64[D]")
    if (days.astype(np.int64) != days.astype(np.int64).astype(np.int32)).any():
        raise UnreadableFile(f"expected days that four bytes hold, found {days[0]} to {days[-1]}; correct the dates")
    table = pa.table([pa.array(days), *map(pa.array, columns.values())], schema=_schema(volume="volume" in columns))
    file = io.BytesIO()
    pq.write_table(
        table,
        file,
        compression="none",
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
        row_group_size=max(1, len(bars)),
    )
    return file.getvalue()


def from_parquet(data: bytes, symbol: str) -> Bars:
    """Read what `to_parquet` wrote. Only bytes whose digest is right belong here.

    Raises
    ------
    UnreadableFile
        No Parquet, or one of other columns.
    InvalidBars
        The values are no run of bars.

    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile(f"expected a stored series in Parquet, found: {error}; import it again") from error
    found = table.schema
    if found not in (_schema(volume=True), _schema(volume=False)):
        shown = ", ".join(f"{field.name}: {field.type}" for field in found)
        raise UnreadableFile(f"expected the columns of a stored series, found {shown[:200]}; import it again")
    # Copies, which own their memory and can be written to, as those of every other source.
    days: DateArray = np.array(table.column("date").to_numpy(), dtype="datetime64[D]")
    values: dict[str, FloatArray] = {name: np.array(table.column(name).to_numpy()) for name in found.names[1:]}
    return Bars.validated(
        open=values["open"],
        high=values["high"],
        low=values["low"],
        close=values["close"],
        volume=values.get("volume"),
        date=days,
        symbol=symbol,
    )


def _schema(*, volume: bool) -> "pa.Schema":
    import pyarrow as pa

    numbers = (*PRICES, "volume") if volume else PRICES
    fields = [pa.field("date", pa.date32(), nullable=False)]
    return pa.schema([*fields, *(pa.field(name, pa.float64(), nullable=False) for name in numbers)])
