"""The words that vendors write above their columns, and what they mean here."""

import re
import unicodedata
from typing import Final

PRICES: Final = ("open", "high", "low", "close")
ADJUSTED: Final = ("adj_open", "adj_high", "adj_low", "adj_close")
NUMERIC: Final = (*PRICES, "volume", *ADJUSTED, "adj_volume", "dividend", "split")

SPELLINGS: Final = {
    "date": ("date", "tradedate", "tradingday", "datetime", "timestamp", "datum", "opentime", "time", "day"),
    "symbol": ("symbol", "ticker", "tscode", "stock", "name"),
    "period": ("per", "period", "interval"),
    "open": ("open", "erster", "openprice", "eroffnung", "eroeffnung"),
    "high": ("high", "hoch", "highprice", "tageshoch"),
    "low": ("low", "tief", "lowprice", "tagestief"),
    "close": ("close", "last", "price", "closelast", "closeprice", "schlusskurs", "schluss"),
    "volume": ("volume", "vol", "stuecke", "stucke"),
    "adj_open": ("adjopen", "adjustedopen"),
    "adj_high": ("adjhigh", "adjustedhigh"),
    "adj_low": ("adjlow", "adjustedlow"),
    "adj_close": ("adjclose", "adjustedclose", "adjusted"),
    "adj_volume": ("adjvolume", "adjustedvolume"),
    "dividend": ("dividend", "dividends", "dividendamount", "exdividend"),
    "split": ("split", "splits", "stocksplits", "splitcoefficient", "splitratio"),
}
"""Field -> spellings, normalised. For ``date`` and ``symbol`` the first spelling that a header has wins, the others are
ignored (``Date`` beside ``Time``); two columns of any other field refuse the file."""

RANKED: Final = ("date", "symbol")

_FIELD_OF: Final = {spelling: field for field, spellings in SPELLINGS.items() for spelling in spellings}

_SEPARATOR: Final = re.compile(r"[.:_/ ]")


def normal(label: str) -> str:
    """Return a header without case, accents, spaces and signs: ``Adj. Close`` is ``adjclose``."""
    plain = unicodedata.normalize("NFKD", label.casefold())
    return "".join(char for char in plain if char.isascii() and char.isalnum())


def field_of(label: str) -> str | None:
    """Return the field that a header means, or ``None``."""
    return _FIELD_OF.get(normal(label))


def split_symbol(label: str) -> tuple[str, str] | None:
    """Return symbol and field of a header such as ``AAPL.Open``, ``BTC:open`` or ``Close_AAPL``, or ``None``."""
    for cut in _SEPARATOR.finditer(label):
        left, right = label[: cut.start()].strip(), label[cut.end() :].strip()
        for symbol, field in ((left, field_of(right)), (right, field_of(left))):
            if field in NUMERIC and symbol and not any(char.isspace() for char in symbol):
                return symbol, field
    return None
