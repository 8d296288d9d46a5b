"""Names of series, and how they become file names."""

import re
from typing import Final
from urllib.parse import quote, unquote

from data.errors import InvalidSymbol

_SYMBOL: Final = re.compile(r"[A-Z0-9^][A-Z0-9.^=/_-]{0,31}", re.ASCII)


def check_symbol(text: str) -> str:
    """Return a symbol in capitals.

    Raises
    ------
    InvalidSymbol
        Not 1 to 32 of ``A-Z 0-9 . ^ = / _ -``, beginning with a letter, a digit or ``^``; or ``..`` or ``//`` in it.

    """
    symbol = text.upper() if text.isascii() else text
    if not _SYMBOL.fullmatch(symbol) or ".." in symbol or "//" in symbol or symbol[-1] in "./":
        raise InvalidSymbol(
            "expected a symbol of 1 to 32 letters, digits and . ^ = / _ - such as 'BRK.B' or 'BTC-USD', "
            f"found {text[:40]!r}"
        )
    return symbol


def file_stem(symbol: str) -> str:
    """Return the file name of a checked symbol, without extension; no two symbols share one."""
    return quote(symbol, safe="")


def symbol_of(stem: str) -> str:
    """Return the symbol of a file name; inverse of `file_stem`."""
    return check_symbol(unquote(stem))
