"""Margins of rows through XGBoost's C call, which its Python package wraps in more work than small trees are.

``Booster.inplace_predict`` finds out what kind of table it was given and configures anew on each call. The C interface
(``XGBoosterPredictFromDense``) takes rows as they lie. It gives the same bits; a test holds it to that.
"""

import ctypes
import json
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import xgboost as xgb

    from feature_mapper.typing import FloatArray

_CONFIG: Final = json.dumps(
    {
        "type": 1,  # margins
        "training": False,
        "iteration_begin": 0,
        "iteration_end": 0,  # all
        "strict_shape": True,  # (rows, outputs), also where there is one output
        "missing": float("nan"),
        "cache_id": 0,
    }
).encode()

_ROWS: Final = '{{"data":[{},true],"shape":[{},{}],"strides":null,"typestr":"{}","version":3}}'
"""The array interface of rows, as the library reads it."""


class MarginCall:
    """Margins of one booster. Safe for threads: the library keeps results a thread, and they are copied at once."""

    __slots__ = ("_booster", "_call", "_error", "_type")

    def __init__(self, booster: "xgb.Booster") -> None:
        """Take a booster, which this object keeps alive; raises ``AttributeError`` if the library has no such call."""
        from xgboost.core import _LIB  # the library that the package itself calls

        self._booster = booster
        self._call = _LIB.XGBoosterPredictFromDense
        self._error = _LIB.XGBGetLastError
        self._error.restype = ctypes.c_char_p
        self._type = np.dtype(np.float64).str

    def margins(self, rows: "FloatArray") -> "FloatArray":
        """Return the margins of contiguous rows of float64, shape (n, outputs).

        The library rounds rows to float32, as it rounded the rows of training.

        Raises
        ------
        RuntimeError
            The library refuses; in its own words.

        """
        shape, dimensions = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64()
        found = ctypes.POINTER(ctypes.c_float)()
        code = self._call(
            self._booster.handle,
            _ROWS.format(rows.__array_interface__["data"][0], *rows.shape, self._type).encode(),
            _CONFIG,
            None,
            ctypes.byref(shape),
            ctypes.byref(dimensions),
            ctypes.byref(found),
        )
        if code != 0:
            told = self._error().decode(errors="replace")
            raise RuntimeError(f"expected XGBoost to predict rows, found: {told}; install the locked version")
        n, outputs = shape[0], shape[1]
        copied = ctypes.string_at(found, n * outputs * ctypes.sizeof(ctypes.c_float))
        return np.frombuffer(copied, dtype=np.float32).astype(np.float64).reshape(n, outputs)
