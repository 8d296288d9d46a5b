"""Names for the array types that cross module borders."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
"""Float64 values; a missing value is NaN."""

BoolArray = npt.NDArray[np.bool_]
"""Truth values."""

IntArray = npt.NDArray[np.int64]
"""Int64 values."""

DateArray = npt.NDArray[np.datetime64]
"""Calendar days, dtype ``datetime64[D]``, without time zone: the day of the exchange session."""
