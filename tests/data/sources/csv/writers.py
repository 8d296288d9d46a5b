"""One series written in the layouts of several vendors: the generated side of the corpus."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random

from hypothesis import strategies as st


@dataclass(frozen=True)
class Row:
    """One bar in cents and whole units, so that every writing of it is exact."""

    day: date
    open: int
    high: int
    low: int
    close: int
    volume: int


@st.composite
def series(draw: st.DrawFn, minimum: int = 16, maximum: int = 40) -> list[Row]:
    """Weekday bars, oldest first, long enough to hold a Monday, a Friday and a day after the 12th.

    Their numbers come from one seed: drawing each of them takes longer than reading the file.
    """
    count = draw(st.integers(minimum, maximum))
    day = draw(st.dates(date(1975, 1, 1), date(2035, 12, 31)))
    dice = Random(draw(st.integers(0, 2**32)))  # noqa: S311  nothing is secret
    rows: list[Row] = []
    while len(rows) < count:
        if day.weekday() < 5:
            low, high = sorted(dice.randint(100_000, 999_999) for _ in range(2))
            if dice.random() < 0.1:  # a session without a move, and the least and the largest prices
                low = high = dice.choice((100_000, 999_999))
            opened, close = (dice.choice((low, high, dice.randint(low, high))) for _ in range(2))
            rows.append(Row(day, opened, high, low, close, int(10 ** dice.uniform(0, 9))))
        day += timedelta(days=1)
    return rows


def point(cents: int) -> str:
    """Write 1234.50."""
    return f"{cents // 100}.{cents % 100:02d}"


def grouped(number: int, mark: str) -> str:
    """Write 1,234 with another mark."""
    return f"{number:,}".replace(",", mark)


def _lines(header: str, rows: Sequence[Row], write: Callable[[Row], str], end: str = "\n") -> bytes:
    return end.join([*([header] if header else []), *map(write, rows), ""]).encode()


def plain(rows: Sequence[Row]) -> bytes:
    """Write ISO days and decimal points."""

    def write(row: Row) -> str:
        return f"{row.day},{point(row.open)},{point(row.high)},{point(row.low)},{point(row.close)},{row.volume}"

    return _lines("date,open,high,low,close,volume", rows, write)


def american(rows: Sequence[Row]) -> bytes:
    """Write newest first, month first without padding, dollar signs, CRLF."""

    def write(row: Row) -> str:
        day = f"{row.day.month}/{row.day.day}/{row.day.year}"
        return f"{day},${point(row.close)},{row.volume},${point(row.open)},${point(row.high)},${point(row.low)}"

    return _lines("Date,Close/Last,Volume,Open,High,Low", rows[::-1], write, "\r\n")


def german(rows: Sequence[Row]) -> bytes:
    """Write day first, semicolons, decimal commas, points between thousands."""

    def price(cents: int) -> str:
        return f"{grouped(cents // 100, '.')},{cents % 100:02d}"

    def write(row: Row) -> str:
        prices = ";".join(map(price, (row.open, row.high, row.low, row.close)))
        return f"{row.day:%d.%m.%Y};{prices};{grouped(row.volume, '.')}"

    return _lines("Datum;Erster;Hoch;Tief;Schlusskurs;Stuecke", rows, write)


def quoted(rows: Sequence[Row]) -> bytes:
    """Write a byte-order mark, everything quoted, commas between thousands, close first."""

    def price(cents: int) -> str:
        return f"{grouped(cents // 100, ',')}.{cents % 100:02d}"

    def write(row: Row) -> str:
        prices = '","'.join(map(price, (row.close, row.open, row.high, row.low)))
        return f'"{row.day:%m/%d/%Y}","{prices}","{grouped(row.volume, ",")}","0.10%"'

    return b"\xef\xbb\xbf" + _lines('"Date","Price","Open","High","Low","Vol.","Change %"', rows[::-1], write)


def _epoch(row: Row) -> int:
    return int(datetime(row.day.year, row.day.month, row.day.day, tzinfo=UTC).timestamp())


def binance(per_second: int) -> Callable[[Sequence[Row]], bytes]:
    """Write klines without header, opening times in 1/per_second of a second."""

    def write(row: Row) -> str:
        opened = _epoch(row) * per_second
        prices = ",".join(map(point, (row.open, row.high, row.low, row.close)))
        return f"{opened},{prices},{row.volume},{opened + 86_400 * per_second - 1},1.5,7,1.0,1.0,0"

    return lambda rows: _lines("", rows, write)


def trading_view(rows: Sequence[Row]) -> bytes:
    """Write epoch seconds of the opening at 14:30 UTC."""

    def write(row: Row) -> str:
        prices = ",".join(map(point, (row.open, row.high, row.low, row.close)))
        return f"{_epoch(row) + 52_200},{prices},{row.volume}"

    return _lines("time,open,high,low,close,Volume", rows, write)


def offsets(rows: Sequence[Row]) -> bytes:
    """Write midnights of Tokyo, which are the day before in UTC."""

    def write(row: Row) -> str:
        prices = ",".join(map(point, (row.open, row.high, row.low, row.close)))
        return f"{row.day} 00:00:00+09:00,{prices},{point(row.close)},{row.volume},0.0,0.0"

    return _lines("Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits", rows, write)


def three_levels(rows: Sequence[Row]) -> bytes:
    """Write the header of a yfinance download."""

    def write(row: Row) -> str:
        return f"{row.day},{point(row.close)},{point(row.high)},{point(row.low)},{point(row.open)},{row.volume}"

    return _lines("Price,Close,High,Low,Open,Volume\nTicker,A,A,A,A,A\nDate,,,,,", rows, write)


def tabs(rows: Sequence[Row]) -> bytes:
    """Write month names and tabs."""

    def write(row: Row) -> str:
        prices = "\t".join(map(point, (row.open, row.high, row.low, row.close)))
        return f"{row.day:%b} {row.day.day}, {row.day.year}\t{prices}\t{row.volume}"

    return _lines("Date\tOpen\tHigh\tLow\tClose\tVolume", rows, write)


WRITERS: dict[str, Callable[[Sequence[Row]], bytes]] = {
    "american": american,
    "german": german,
    "quoted": quoted,
    "binance-ms": binance(1_000),
    "binance-us": binance(1_000_000),
    "tradingview": trading_view,
    "offsets": offsets,
    "three-levels": three_levels,
    "tabs": tabs,
}
