"""Golden examples: what a model answered when it was published, replayed before it serves.

The bytes of an artifact may be right and its answers wrong all the same: a feature's formula changed under its name, a
library reads its own old format otherwise, a default moved. So training records at least `MIN_CASES` inputs with the
answers to them, the features on the way included, and each load replays them.

A case's input is any JSON object that the model itself can read; for models of bars, `bars_to_json` makes it.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from models import strict_json
from models.errors import GoldenMismatch
from models.typing import Json, JsonObject

GOLDEN_NAME = "golden.json"
"""File name of the golden examples inside an artifact."""

PROTOCOL = 1
"""Number of the file's form. To change it, follow `models.manifest.PROTOCOL`."""

MIN_CASES = 16

RELATIVE_TOLERANCE = 1e-9
"""Numbers may differ by this share.

numpy's log and exp and the order of vectorised sums differ between types of CPU in the last bits (1e-16 each, more
after sums and quotients), and an artifact is made on one machine and served on another. A changed formula is far
beyond: dividing a variance over 253 bars by n - 1 in place of n changes it by 4e-3.
"""

ABSOLUTE_TOLERANCE = 1e-12
"""Numbers may differ by this much in any case: where terms of size 1 cancel, the last bits are all that is left."""


class Replayable(Protocol):
    """A model that can answer golden cases."""

    def golden_answer(self, case: JsonObject) -> dict[str, Json]:
        """Answer one input. NaN becomes null. A part that is an object (`{name: value}`) is compared name by name."""
        ...


class GoldenCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input and the answer to it."""

    input: JsonObject
    expected: JsonObject


class GoldenFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of ``golden.json``."""

    protocol: int
    cases: tuple[GoldenCase, ...]


class BarsJson(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`Bars` in JSON: columns, oldest first; dates as ISO 8601 days; an unknown volume is null."""

    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float | None] | None = None
    date: list[str] | None = None
    symbol: str | None = None


def record(model: Replayable, inputs: Iterable[JsonObject]) -> bytes:
    """Return the content of ``golden.json``: the inputs with the model's answers, replayed once to prove them stable.

    Raises
    ------
    ValueError
        Fewer than `MIN_CASES` inputs, or an input or answer that JSON can't hold (`strict_json.NotJson`).
    GoldenMismatch
        The model does not give the same answer twice.

    """
    cases = tuple(GoldenCase(given, model.golden_answer(given)) for given in inputs)
    if len(cases) < MIN_CASES:
        raise ValueError(f"expected at least {MIN_CASES} golden cases, found {len(cases)}; choose more windows")
    data = strict_json.encode(GoldenFile(PROTOCOL, cases)) + b"\n"
    replay(model, data)
    return data


def replay(model: Replayable, data: bytes) -> None:
    """Have the model answer each case again and compare.

    Numbers agree within `RELATIVE_TOLERANCE` or `ABSOLUTE_TOLERANCE`; all else (texts, nulls, truth values, whole
    numbers, names and their order) agrees exactly.

    Raises
    ------
    GoldenMismatch
        Naming the first case and field that differ, or because the file can't be read or holds too few cases.

    """
    for number, case in enumerate(cases_of(data)):
        try:
            # Through JSON, so that both sides are of the same types.
            found: Json = msgspec.json.decode(strict_json.encode(model.golden_answer(case.input)))
        except strict_json.NotJson as error:
            raise GoldenMismatch(f"golden case {number}: {error}; train again") from error
        if difference := first_difference(case.expected, found):
            raise GoldenMismatch(
                f"golden case {number}, {difference}; a formula or a library changed since the model was published: "
                f"go back to that one, or train again"
            )


def cases_of(data: bytes) -> tuple[GoldenCase, ...]:
    """Read ``golden.json``.

    Raises
    ------
    GoldenMismatch
        It can't be read, is of another protocol, or holds fewer than `MIN_CASES` cases.

    """
    try:
        golden = msgspec.json.decode(data, type=GoldenFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise GoldenMismatch(f"{GOLDEN_NAME} can't be read: {error}; train and publish again") from error
    if golden.protocol != PROTOCOL or len(golden.cases) < MIN_CASES:
        found = f"{len(golden.cases)} of protocol {golden.protocol}"
        message = f"{GOLDEN_NAME}: expected at least {MIN_CASES} cases of protocol {PROTOCOL}, found {found}"
        raise GoldenMismatch(f"{message}; train and publish again")
    return golden.cases


def first_difference(expected: Json, found: Json) -> str | None:
    """Describe the first difference of two JSON values with its place, or return None."""
    return next(_differences(expected, found, ""), None)


def _differences(expected: Json, found: Json, place: str) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(found, dict):
        # Order is part of it: a permuted feature vector has the same names.
        if list(expected) != list(found):
            yield f"{place or 'answer'}: {_names_differ(list(expected), list(found))}"
        for name in expected:
            yield from _differences(expected[name], found.get(name), f"{place}.{name}" if place else name)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for i, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from _differences(one, other, f"{place}[{i}]")
    elif isinstance(expected, float) and isinstance(found, float):
        if not math.isclose(expected, found, rel_tol=RELATIVE_TOLERANCE, abs_tol=ABSOLUTE_TOLERANCE):
            yield f"{place}: expected {expected!r}, found {found!r}"
    elif type(expected) is not type(found) or expected != found:
        yield f"{place}: expected {_shown(expected)}, found {_shown(found)}"


def _names_differ(expected: list[str], found: list[str]) -> str:
    at = next((i for i, (one, other) in enumerate(zip(expected, found, strict=False)) if one != other), None)
    if at is None:
        return f"expected {len(expected)} names, found {len(found)}"
    return f"expected {expected[at]} as name {at}, found {found[at]}"


def _shown(value: Json) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else f"{text[:80]}..."  # about what fits in a line beside the place


def bars_to_json(bars: Bars) -> dict[str, Json]:
    """Return a run of bars as a golden input; `bars_from_json` gives the same bits back."""
    return {
        "open": bars.open.tolist(),
        "high": bars.high.tolist(),
        "low": bars.low.tolist(),
        "close": bars.close.tolist(),
        "volume": None if bars.volume is None else numbers_to_json(bars.volume),
        "date": None if bars.date is None else np.datetime_as_string(bars.date, unit="D").tolist(),
        "symbol": bars.symbol,
    }


def bars_from_json(case: JsonObject) -> Bars:
    """Read a run of bars that `bars_to_json` wrote.

    Raises
    ------
    ValueError
        It has not that form (a `msgspec.ValidationError` is one).
    InvalidBars
        It breaks a rule of `Bars`.

    """
    read = msgspec.convert(case, BarsJson)
    return Bars.validated(
        open=np.array(read.open, dtype=np.float64),
        high=np.array(read.high, dtype=np.float64),
        low=np.array(read.low, dtype=np.float64),
        close=np.array(read.close, dtype=np.float64),
        volume=None if read.volume is None else np.array(read.volume, dtype=np.float64),
        date=None if read.date is None else np.array(read.date, dtype="datetime64[D]"),
        symbol=read.symbol,
    )


def numbers_to_json(values: FloatArray) -> list[float | None]:
    """Return the values of a vector, NaN as null."""
    return [None if math.isnan(value) else value for value in values.tolist()]
