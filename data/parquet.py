"""The stored form of a series: one Parquet file, exact in both directions, the same bytes for the same bars.

pyarrow is imported by the first series that is read or written, so whoever has the sample only never loads it for this.
Columns are plain, not compressed, without statistics: what depends least on the version that writes, and is read
fastest. Nothing is parsed here that the digest of the series' provenance hasn't vouched for.
"""

import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

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
    days = bars.date.astype("datetime64[D]").astype(np.int64)
    short = days.astype(np.int32)
    if (days != short).any():
        raise UnreadableFile("expected days that four bytes hold, found one that they don't; correct the dates")
    schema = _schema(volume="volume" in columns)
    # By buffer: pa.array looks whether it is given something of pandas', and imports that for it.
    arrays = [
        pa.Array.from_buffers(field.type, len(bars), [None, pa.py_buffer(values)])
        for field, values in zip(schema, (short, *columns.values()), strict=True)
    ]
    table = pa.table(arrays, schema=schema)
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
    days: DateArray = _values(table.column("date"), "int32").astype("datetime64[D]")
    values: dict[str, FloatArray] = {name: _values(table.column(name), "float64") for name in found.names[1:]}
    return Bars.validated(
        open=values["open"],
        high=values["high"],
        low=values["low"],
        close=values["close"],
        volume=values.get("volume"),
        date=days,
        symbol=symbol,
    )


def _values(column: "pa.ChunkedArray", dtype: str) -> npt.NDArray[Any]:
    """Return a column without nulls as an array that owns its memory and can be written to.

    By buffer, since the column's own ``to_numpy`` imports pandas.
    """
    parts = [
        np.frombuffer(chunk.buffers()[1], dtype=dtype)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in column.chunks
        if len(chunk)
    ]
    values: npt.NDArray[Any] = np.concatenate([np.empty(0, dtype=dtype), *parts])
    return values


def _schema(*, volume: bool) -> "pa.Schema":
    import pyarrow as pa

    numbers = (*PRICES, "volume") if volume else PRICES
    fields = [pa.field("date", pa.date32(), nullable=False)]
    return pa.schema([*fields, *(pa.field(name, pa.float64(), nullable=False) for name in numbers)])
