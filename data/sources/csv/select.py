"""Which columns make the bars of a series."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from data.errors import AmbiguousFile, UnknownSymbol, UnreadableFile
from data.sources.csv.header import Column
from data.sources.csv.vocabulary import ADJUSTED, PRICES

_READ_FROM_ADJUSTED: Final = dict(zip((*ADJUSTED, "adj_volume"), (*PRICES, "volume"), strict=True))


@dataclass(frozen=True, slots=True)
class Selection:
    """The columns of one series, each field once, and whether they are the vendor's adjusted ones."""

    columns: tuple[Column, ...]
    adjusted: bool


def symbols_of(columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the symbols that the headers carry and that have all four prices."""
    fields: dict[str, set[str | None]] = {}
    for column in columns:
        if column.symbol is not None:
            fields.setdefault(column.symbol, set()).add(column.field)
    return tuple(symbol for symbol, found in fields.items() if found.issuperset(PRICES))


def pick(symbols: Sequence[str], wanted: str | None) -> str | None:
    """Return the symbol to read out of those that a file names; ``None`` if it names none.

    Raises
    ------
    UnknownSymbol
        The file names symbols, and not the wanted one.
    AmbiguousFile
        It names several, and none is wanted.

    """
    if not symbols:
        return None
    if wanted is not None:
        for symbol in symbols:
            if symbol.casefold() == wanted.casefold():
                return symbol
        raise UnknownSymbol(wanted, symbols, "the file")
    if len(symbols) > 1:
        listed = ", ".join(sorted(symbols)[:8])
        message = f"expected one symbol, found {len(symbols)}: {listed}; pass symbol= with one of them"
        raise AmbiguousFile(message, parameter="symbol")
    return symbols[0]


def select(columns: Sequence[Column], symbol: str | None, line: int, *, adjusted: bool, dated: bool) -> Selection:
    """Choose the columns of ``symbol``: the adjusted set if ``adjusted`` and it is complete, else the plain one.

    Raises
    ------
    UnreadableFile
        A price lacks, or the date does and ``dated`` asks for it.

    """
    mine = [column for column in columns if column.field and column.symbol in {None, symbol}]
    fields = {column.field for column in mine}
    if adjusted and fields.issuperset(ADJUSTED):
        kept = [
            Column(column.index, column.label, _READ_FROM_ADJUSTED.get(column.field or "", column.field), column.symbol)
            for column in mine
            if column.field in _READ_FROM_ADJUSTED
            or column.field in {"date", "symbol", "period"}
            or (column.field == "volume" and "adj_volume" not in fields)
        ]
        return Selection(tuple(kept), adjusted=True)
    kept = [column for column in mine if column.field not in _READ_FROM_ADJUSTED or column.field == "adj_close"]
    if dated and "date" not in fields:
        raise UnreadableFile("expected a column for the date, found none; name it 'date'", line=line or None)
    if lacking := [field for field in PRICES if field not in fields]:
        found = ", ".join(repr(column.label) for column in columns[:12])
        raise UnreadableFile(
            f"expected columns for open, high, low, close, found none for {', '.join(lacking)} among {found}; "
            "add or rename them",
            line=line or None,
        )
    return Selection(tuple(kept), adjusted=False)
