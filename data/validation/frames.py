"""Any form of a series as one pandas frame: a column each for day, prices and volume, rows in the order given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, Union

from feature_mapper.bars import PRICES, Bars

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = ("date", *PRICES, "volume")
"""What is looked at; other columns are left alone."""

DAY: Final = "datetime64[s]"
"""Type of a column of days: pandas knows no unit between a second and a period."""

NUMBER: Final = "float64"

Source: TypeAlias = Union[Bars, "pd.DataFrame", Mapping[str, object]]
"""Bars, or what may become bars: a frame with its days in a column or in the index ``date``, or columns by name."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds a frame
class Framed:
    """A frame with those of `COLUMNS` that the source has, numbered rows, and the columns that it has twice.

    Columns of a type that can only be read one way (whole numbers, days with a clock or a zone) have the type that is
    expected; anything else is left as it is, for the schema to refuse.
    """

    frame: "pd.DataFrame"
    repeated: tuple[str, ...]

    @property
    def usable(self) -> frozenset[str]:
        """Names of the columns that have the type that is expected."""
        return frozenset(
            name for name in self.frame.columns if str(self.frame[name].dtype) == (DAY if name == "date" else NUMBER)
        )


def framed(source: Source) -> Framed:
    """Return a series as a frame of its own; the source is not changed.

    Raises
    ------
    ValueError
        Columns of unequal length.

    """
    import pandas as pd

    if isinstance(source, Bars):
        columns: dict[str, object] = dict(source.columns())
        if source.date is not None:
            columns["date"] = source.date
        source = columns
    frame = source if isinstance(source, pd.DataFrame) else _from_columns(source)
    if "date" not in frame.columns and frame.index.name == "date":
        frame = frame.reset_index()
    frame = frame.reset_index(drop=True)
    known = frame.loc[:, [name in COLUMNS for name in frame.columns]]
    again = known.columns.duplicated()
    repeated = tuple(str(name) for name in known.columns[again])
    known = known.loc[:, ~again]
    order = [name for name in COLUMNS if name in known.columns]
    return Framed(pd.DataFrame({name: _typed(known[name]) for name in order}, index=frame.index), repeated)


def _from_columns(columns: Mapping[str, object]) -> "pd.DataFrame":
    import pandas as pd

    lengths = {name: len(column) for name, column in columns.items() if hasattr(column, "__len__")}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"expected columns of equal length, found {lengths}; send one value a row in each")
    return pd.DataFrame({name: pd.Series(column).reset_index(drop=True) for name, column in columns.items()})


def _typed(column: "pd.Series") -> "pd.Series":
    import pandas as pd

    kind = column.dtype
    if column.name == "date":
        if isinstance(kind, pd.DatetimeTZDtype):  # the day on the exchange's own clock
            column = column.dt.tz_localize(None)
        return column.dt.floor("D").astype(DAY) if pd.api.types.is_datetime64_dtype(column.dtype) else column
    if pd.api.types.is_numeric_dtype(kind) and not (
        pd.api.types.is_bool_dtype(kind) or pd.api.types.is_complex_dtype(kind)
    ):
        return pd.Series(column.to_numpy(dtype=NUMBER, na_value=float("nan")), name=column.name)
    return column
