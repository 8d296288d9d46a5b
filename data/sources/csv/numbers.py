"""Number cells: which mark is the decimal one, decided once for a file; then strict parsing, cell by cell."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from data.errors import AmbiguousFile, UnreadableFile

NULLS: Final = frozenset({"", "null", "nan", "na", "n/a", "none", "nil", "-", "--", "#n/a", "nat"})
"""Cells that say that there is no value, in lower case."""

_PLAIN: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_ALL_PLAIN: Final = re.compile(r"(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?\n)*+", re.ASCII)
_MARKED: Final = re.compile(
    r"[+-]?[$€£¥]?(?P<digits>[0-9.,'\u2019 \u00a0\u202f]*)(?:[eE][+-]?\d{1,3})?[KMBT%]?", re.IGNORECASE
)
_GROUPED: Final = re.compile(r"[1-9]\d{0,2} \d{3}", re.ASCII)
_SUFFIX: Final = {"K": "e3", "M": "e6", "B": "e9", "T": "e12"}
_GROUPS: Final = {
    ".": r"(?:\d{1,3}(?P<mark>[,'\u2019 \u00a0\u202f])\d{3}(?:(?P=mark)\d{3})*|\d+)(?:\.\d*)?|\.\d+",
    ",": r"(?:\d{1,3}(?P<mark>[.'\u2019 \u00a0\u202f])\d{3}(?:(?P=mark)\d{3})*|\d+)(?:,\d*)?|,\d+",
}
_STYLED: Final = {
    decimal: re.compile(
        rf"(?P<sign>[+-]?)[$€£¥]?(?P<digits>{groups})(?P<exponent>[eE][+-]?\d{{1,3}})?(?P<suffix>[KMBT]?)",
        re.ASCII | re.IGNORECASE,
    )
    for decimal, groups in _GROUPS.items()
}

Decimal = Literal[".", ","]


@dataclass(frozen=True, slots=True)
class Cell:
    """One number cell of the file, with its one-based line."""

    text: str
    line: int


def is_null(text: str) -> bool:
    """Tell whether a cell says that there is no value."""
    return text.lower() in NULLS


def decimal_mark(cells: Iterable[Cell], wanted: Decimal | None) -> Decimal:
    """Decide which of point and comma is the decimal mark of a file.

    A cell proves it if it has both marks (the last one), one mark several times (the other one), or one mark that
    isn't followed by exactly three digits or follows more than three, or a zero (that one). ``1,234`` proves nothing.

    Raises
    ------
    UnreadableFile
        Both marks are proven, in different cells.
    AmbiguousFile
        There are marks and none is proven.

    """
    proofs: dict[str, Cell] = {}
    open_cell: Cell | None = None
    for cell in cells:
        mark = _proof(cell.text)
        if mark is None:
            continue
        if mark == "?":
            open_cell = open_cell or cell
        else:
            proofs.setdefault(mark, cell)
    if wanted is not None:
        return wanted
    if {".", ","} <= proofs.keys():
        message = (
            f"expected one decimal mark in the whole file, found a comma in {proofs[','].text!r} and a point in "
            f"{proofs['.'].text!r} on line {proofs['.'].line}; write all numbers alike"
        )
        raise UnreadableFile(message, line=proofs[","].line)
    if proofs:
        return "," if "," in proofs else "."
    if open_cell is not None:
        message = (
            f"expected a number that shows which mark is the decimal one, found only such as {open_cell.text!r}, which "
            "may be thousands or decimals; pass decimal='.' or decimal=','"
        )
        raise AmbiguousFile(message, parameter="decimal", line=open_cell.line)
    return "."


def _proof(text: str) -> str | None:
    """Return the mark that a cell proves to be decimal, ``?`` if it could be either, ``None`` if it has no mark."""
    match = _MARKED.fullmatch(text) if "." in text or "," in text else None
    if match is None:
        return None
    digits = match["digits"]
    points, commas = digits.count("."), digits.count(",")
    if points and commas:
        return "." if digits.rfind(".") > digits.rfind(",") else ","
    mark, other, count = (".", ",", points) if points else (",", ".", commas)
    if count > 1:
        return other
    whole, _, rest = digits.partition(mark)
    return "?" if _GROUPED.fullmatch(f"{whole} {rest}") else mark


def parse_plain(texts: Sequence[str]) -> list[float] | None:
    """Return the values of a column in which every cell is a plain number; ``None`` if one isn't.

    One look at the whole column instead of one a cell; what it accepts, `parse` gives the same value.
    """
    if not _ALL_PLAIN.fullmatch("\n".join((*texts, ""))):
        return None
    values = list(map(float, texts))
    return values if all(map(math.isfinite, values)) else None


def parse(text: str, decimal: Decimal) -> float:
    """Return the value of a number cell.

    Signs, a currency sign, thousands marks in groups of three and the suffixes K, M, B, T are read; nothing else is:
    no percent, no parentheses, no digits outside ASCII, no underscore.

    Raises
    ------
    ValueError
        No such number, or one that no float64 holds.

    """
    if decimal == "." and _PLAIN.fullmatch(text):
        value = float(text)
    else:
        match = _STYLED[decimal].fullmatch(text)
        if match is None:
            raise ValueError(f"expected a number, found {text[:40]!r}")
        digits = match["digits"]
        if match["mark"]:
            digits = digits.replace(match["mark"], "")
        exponent = match["exponent"] or ""
        suffix = _SUFFIX.get(match["suffix"].upper(), "")
        if exponent and suffix:
            raise ValueError(f"expected a number, found {text[:40]!r}")
        value = float(match["sign"] + digits.replace(",", ".") + exponent + suffix)
    if not math.isfinite(value):
        raise ValueError(f"expected a number that a float64 holds, found {text[:40]!r}")
    return value
