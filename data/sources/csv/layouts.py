"""The layouts that are known by name, as data. A new one is one more entry.

A layout is recognised by its header (`Layout.labels`, normalised, all of them; or `Layout.header`, letter by letter);
the first match in `LAYOUTS` wins, so the narrower stand first. What the columns mean comes from the vocabulary and is
the same for all; a layout adds what its vendor is known for.
"""

from dataclasses import dataclass
from typing import Final, Literal

from data.adjustment import Adjustment
from data.sources.csv.header import Header
from data.sources.csv.vocabulary import normal


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one vendor writes daily bars.

    Attributes
    ----------
    name, title : str
        Short name; full name, as the report says it.
    labels : tuple of str
        Normalised headers, all of which the file has. Empty: not decided by them.
    fields : tuple of str
        Fields that the columns of the file mean, whatever they are called.
    header : tuple of str or None
        The headers of the file, letter by letter and in order.
    levels : int
        How many header lines there are.
    wide : bool or None
        Whether the headers carry the symbol.
    date_order : "DMY" or "MDY" or None
        Order of day and month, where the vendor always writes the same one.
    unadjusted : Adjustment
        What the prices in the columns open to close are freed of.
    basis : str
        How that is known, or why it isn't.

    """

    name: str
    title: str
    labels: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    header: tuple[str, ...] | None = None
    levels: int = 1
    wide: bool | None = None
    date_order: Literal["DMY", "MDY"] | None = None
    unadjusted: Adjustment = Adjustment.UNKNOWN
    basis: str = "the file doesn't say"

    def matches(self, header: Header) -> bool:
        """Tell whether a header is of this layout."""
        written = tuple(column.label for column in header.columns)
        return (
            header.levels == self.levels
            and (self.header is None or written == self.header)
            and {normal(label) for label in written}.issuperset(self.labels)
            and {column.field for column in header.columns}.issuperset(self.fields)
            and (self.wide is None or any(column.symbol for column in header.columns) == self.wide)
        )


_OHLC: Final = ("open", "high", "low", "close")

PLAIN: Final = Layout(name="plain", title="plain columns (Stooq site and many others)")

LAYOUTS: Final = (
    Layout(
        name="yfinance-download",
        title="yfinance download, three header lines",
        levels=3,
        basis="yfinance frees them of splits and dividends here unless auto_adjust was off; the file doesn't say",
    ),
    Layout(name="barcast", title="Barcast's own", header=("date", *_OHLC, "adj_close", "volume")),
    Layout(
        name="quandl-wiki",
        title="Quandl WIKI, as traded and adjusted columns",
        labels=(
            "date",
            *_OHLC,
            "volume",
            "exdividend",
            "splitratio",
            "adjopen",
            "adjhigh",
            "adjlow",
            "adjclose",
            "adjvolume",
        ),
        unadjusted=Adjustment.RAW,
        basis="prices as traded",
    ),
    Layout(
        name="alpha-vantage-adjusted",
        title="Alpha Vantage daily adjusted",
        labels=(*_OHLC, "adjustedclose", "volume", "dividendamount", "splitcoefficient"),
        unadjusted=Adjustment.RAW,
        basis="prices as traded",
    ),
    Layout(
        name="alpha-vantage",
        title="Alpha Vantage daily",
        header=("timestamp", *_OHLC, "volume"),
        basis="Alpha Vantage writes prices as traded here; the file doesn't say",
    ),
    Layout(
        name="yfinance-history",
        title="yfinance history with dividends and splits",
        labels=(*_OHLC, "volume", "dividends", "stocksplits"),
        unadjusted=Adjustment.SPLIT,
        basis="Yahoo's prices are free of splits, not of dividends",
    ),
    Layout(
        name="stooq-bulk",
        title="Stooq bulk file",
        header=("<TICKER>", "<PER>", "<DATE>", "<TIME>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<VOL>", "<OPENINT>"),
        basis="Stooq's prices are free of splits and, unless switched off, of dividends; the file doesn't say",
    ),
    Layout(
        name="nasdaq",
        title="Nasdaq.com historical quotes",
        labels=("date", "closelast", "open", "high", "low"),
        date_order="MDY",
        basis="Nasdaq.com's prices are free of splits; the file doesn't say",
    ),
    Layout(
        name="investing",
        title="investing.com historical data",
        labels=("date", "price", "open", "high", "low", "vol", "change"),
    ),
    Layout(
        name="barchart",
        title="barchart.com historical data",
        labels=("time", "open", "high", "low", "last", "change", "volume"),
        date_order="MDY",
    ),
    Layout(
        name="ariva",
        title="ariva.de historical prices",
        labels=("datum", "erster", "hoch", "tief", "schlusskurs", "stuecke"),
        date_order="DMY",
    ),
    Layout(
        name="binance-header",
        title="Binance klines with a header",
        labels=("opentime", *_OHLC, "volume", "closetime"),
        unadjusted=Adjustment.RAW,
        basis="a currency pair has neither splits nor dividends",
    ),
    Layout(name="cboe", title="Cboe index history", header=("DATE", "OPEN", "HIGH", "LOW", "CLOSE"), date_order="MDY"),
    Layout(
        name="yahoo",
        title="Yahoo Finance site download",
        header=("Date", "Open", "High", "Low", "Close", "Adj Close", "Volume"),
        unadjusted=Adjustment.SPLIT,
        basis="Yahoo's prices are free of splits, not of dividends",
    ),
    Layout(
        name="yahoo-old",
        title="Yahoo Finance site download, order of before 2017",
        header=("Date", "Open", "High", "Low", "Close", "Volume", "Adj Close"),
    ),
    Layout(name="tradingview", title="TradingView export", labels=("time", *_OHLC)),
    Layout(name="prefixed", title="columns that carry the symbol", wide=True),
    Layout(name="long", title="plain columns, one of them the symbol", fields=("symbol",)),
    Layout(name="plain-adjusted", title="plain columns with an adjusted close", fields=("adj_close",)),
    PLAIN,
)


def recognise(header: Header) -> Layout:
    """Return the first layout that a header matches."""
    return next(layout for layout in LAYOUTS if layout.matches(header))
