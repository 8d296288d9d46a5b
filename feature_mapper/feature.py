"""`Feature`: a named function of a bounded window of bars, as data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from feature_mapper.series import Series
from feature_mapper.windows import Values

Kernel = Callable[[Series, int], Values]
"""``kernel(series, rows)``: values for the last ``rows`` bars, each from its own window alone; a scalar for one."""

Needs = Literal["price", "volume", "date"]
"""The scarcest column a feature reads: every run of bars has prices, not every one has volumes or dates."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)  # eq=False: kernels compare by identity, so features do
class Feature:
    """A feature of the catalogue.

    Attributes
    ----------
    name : str
        Unique in the catalogue; window widths, in sessions, are part of it.
    family : str
        The file under `feature_mapper.families` that declares it.
    unit : str
        Unit of its values.
    lookback : int
        Number of bars, the row's own included, that the value depends on; with one fewer it is NaN.
    formula : str
        What is computed, in full, with the value given to a degenerate window (constant price, no trade).
    kernel : Kernel
        Computes it.
    needs : {"price", "volume", "date"}
        The value is NaN where this column is absent.
    level : bool
        Whether the value moves with the symbol's own level of volatility: doubling every log price move changes it. A
        model that must serve symbols of any level picks features that do not.

    """

    name: str
    family: str
    unit: str
    lookback: int
    formula: str
    kernel: Kernel
    needs: Needs = "price"
    level: bool = False
