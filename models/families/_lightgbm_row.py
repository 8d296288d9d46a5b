"""One row through LightGBM's single-row call, which the Python package does not offer.

``Booster.predict`` spends more time on its own bookkeeping than on small trees. The C interface has a call that
prepares it once (``LGBM_BoosterPredictForMatSingleRowFastInit``). It gives the same bits; a test holds it to that.
"""

import ctypes
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import lightgbm as lgb

    from feature_mapper.typing import FloatArray

_RAW_SCORE: Final = 1
_FLOAT64: Final = 1


class RowPredictor:
    """Margins of single rows of one booster. Safe for threads: LightGBM locks, and each call has its own output."""

    __slots__ = ("_booster", "_call", "_config", "_error", "_free", "_out")

    def __init__(self, booster: "lgb.Booster", features: int, outputs: int) -> None:
        """Prepare the call.

        Parameters
        ----------
        booster : lightgbm.Booster
            Kept alive by this object, which reads its memory.
        features, outputs : int
            Width of a row, and margins a row.

        Raises
        ------
        RuntimeError
            The library refuses the booster; in its own words.
        AttributeError
            It has no such call.

        """
        from lightgbm.basic import _LIB  # type: ignore[attr-defined]  # the library that the package itself calls

        self._booster = booster
        self._out = ctypes.c_double * outputs
        self._config = ctypes.c_void_p()
        self._free = _LIB.LGBM_FastConfigFree
        self._error = _LIB.LGBM_GetLastError
        self._error.restype = ctypes.c_char_p
        self._call = _LIB.LGBM_BoosterPredictForMatSingleRowFast
        prepared = _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
            booster._handle,  # noqa: SLF001  the package offers no other way to its C handle
            ctypes.c_int(_RAW_SCORE),
            ctypes.c_int(0),
            ctypes.c_int(-1),
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(features),
            ctypes.c_char_p(b"num_threads=1"),
            ctypes.byref(self._config),
        )
        self._check(prepared, "prepare")

    def margin(self, row: "FloatArray") -> "FloatArray":
        """Return the margins of one row of shape (1, features), float64; shape (outputs,)."""
        out = self._out()
        # A row as bytes is passed on as it lies, in a tenth of the time that it takes to ask an array for its address.
        called = self._call(self._config, row.tobytes(), ctypes.byref(ctypes.c_int64()), out)
        self._check(called, "predict")
        return np.array(out)

    def __del__(self) -> None:
        """Give the prepared call back to the library."""
        if self._config.value is not None:
            self._free(self._config)

    def _check(self, code: int, step: str) -> None:
        if code != 0:
            told = self._error().decode(errors="replace")
            raise RuntimeError(f"expected LightGBM to {step} a single row, found: {told}; install the locked version")
