"""Which fields of a body go together. One declaration checks bodies, explains errors and feeds the OpenAPI document."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from models.typing import Json

Body: TypeAlias = Mapping[str, Json]
"""A JSON object, as an example holds it."""

FLAT_BAR: Final[Body] = {"open": 100, "high": 101, "low": 99, "close": 100.5, "volume": 10000}

COLUMNS: Final[Mapping[str, list[Json]]] = {  # AAPL, the last bars of data/sample/AAPL.csv
    "date": ["2013-02-25", "2013-02-26", "2013-02-27", "2013-02-28", "2013-03-01"],
    "open": [453.85, 443.82, 448.43, 444.05, 438.0],
    "high": [455.12, 451.54, 452.44, 447.87, 438.1799],
    "low": [442.57, 437.66, 440.65, 441.4, 429.98],
    "close": [442.8, 448.97, 444.57, 441.4, 430.47],
    "volume": [13306400, 17910700, 20976800, 11518400, 19730300],
}

ROWS: Final[list[Json]] = [dict(zip(COLUMNS, values, strict=True)) for values in zip(*COLUMNS.values(), strict=True)]


@dataclass(frozen=True, slots=True)
class Form:
    """One way to say the same thing: the fields it needs, those it may have, and bodies that are answered as sent."""

    name: str
    needs: tuple[str, ...]
    may: tuple[str, ...]
    examples: Mapping[str, Body]

    def fits(self, given: frozenset[str]) -> bool:
        """Tell whether a body with these fields is of this form."""
        return given.issuperset(self.needs) and given.issubset((*self.needs, *self.may))


ONE_BAR: Final = Form(
    "one bar",
    ("open", "high", "low", "close"),
    ("volume", "date", "symbol", "version", "explain", "horizon"),
    {"one bar, flat": FLAT_BAR},
)
WINDOW: Final = Form(
    "window",
    ("bars",),
    ("symbol", "version", "explain", "horizon"),
    {"window, rows": {"bars": ROWS}, "window, columns": {"bars": COLUMNS}},
)
STORED: Final = Form(
    "stored history",
    ("symbol",),
    ("as_of", "version", "explain", "horizon"),
    {
        "stored history": {"symbol": "AAPL"},
        "stored history, as of a day": {"symbol": "AAPL", "as_of": "2012-06-29"},
        "stored history, explained": {"symbol": "AAPL", "explain": True},
    },
)
OBSERVATIONS: Final = Form(
    "ready-made observations",
    ("returns_window", "volatility_window"),
    ("symbol", "version", "explain"),
    {
        "ready-made observations": {
            "returns_window": [0.0138, -0.0098, -0.0072, -0.0251],
            "volatility_window": [0.0147, 0.0121, 0.0089, 0.0112],
        }
    },
)

PREDICT_FORMS: Final = (ONE_BAR, WINDOW, STORED)
INTERVAL_FORMS: Final = tuple(replace(form, may=(*form.may, "level")) for form in PREDICT_FORMS)
REGIME_FORMS: Final = (*PREDICT_FORMS, OBSERVATIONS)

INTERVAL_EXAMPLES: Final[Mapping[str, Body]] = {"narrower interval": {"symbol": "AAPL", "level": 0.5}}


def _supposing(form: Form, name: str, close: float) -> Form:
    """Return a form with a hypothetical bar that closes there behind the bars, and one of its examples with it."""
    bar = {"open": close - 1, "high": close + 0.5, "low": close - 1.5, "close": close, "volume": 20000000}
    return Form(form.name, (*form.needs, "what_if"), form.may, {name: {**form.examples[name], "what_if": bar}})


WHAT_IF_FORMS: Final = (
    _supposing(STORED, "stored history, explained", 57.0),
    _supposing(ONE_BAR, "one bar, flat", 102.0),
    _supposing(WINDOW, "window, columns", 437.0),
)
"""Closes are near those of the examples: AAPL is stored freed of splits."""

FORECAST_EXAMPLES: Final[Mapping[str, Body]] = {
    "default symbol": {"periods": 5},
    "stored history": {"periods": 20, "symbol": "AAPL", "level": 0.8},
    "stored history, explained": {"periods": 5, "symbol": "AAPL", "explain": True},
}
