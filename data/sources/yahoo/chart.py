"""The chart that Yahoo sends: its JSON as types, and an HTTP answer judged before anybody reads it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from data.sources.yahoo.outcomes import (
    Damaged,
    Empty,
    Failing,
    Failure,
    NotData,
    RateLimited,
    UnknownToYahoo,
    WrongSymbol,
)

SHOWN_CHARACTERS: Final = 120
"""How much of a stranger's text a sentence quotes."""


Seconds = Annotated[int, msgspec.Meta(ge=-5_000_000_000, le=100_000_000_000)]
"""A moment in seconds since 1970, of which a date can be made."""


class Period(msgspec.Struct, frozen=True):
    """A trading period."""

    start: Seconds
    end: Seconds


class Periods(msgspec.Struct, frozen=True):
    """The trading periods of the session that Yahoo calls current."""

    regular: Period


class Meta(msgspec.Struct, frozen=True, rename="camel"):
    """What the chart says of the symbol."""

    symbol: str
    instrument_type: str
    exchange_timezone_name: str
    currency: str | None
    current_trading_period: Periods | None = None


Numbers = list[float | None]


class Quote(msgspec.Struct, frozen=True):
    """Columns as long as ``timestamp``; all of them lack where there is no bar."""

    open: Numbers = []
    high: Numbers = []
    low: Numbers = []
    close: Numbers = []
    volume: Numbers = []


class AdjClose(msgspec.Struct, frozen=True):
    """The adjusted close."""

    adjclose: Numbers = []


class Indicators(msgspec.Struct, frozen=True):
    """The columns."""

    quote: list[Quote]
    adjclose: list[AdjClose] = []


class Payout(msgspec.Struct, frozen=True):
    """A dividend, or a capital gain of a fund."""

    date: Seconds
    amount: float


class Split(msgspec.Struct, frozen=True):
    """A split: ``numerator`` new shares for ``denominator`` old ones."""

    date: Seconds
    numerator: float
    denominator: float


class Events(msgspec.Struct, frozen=True, rename="camel"):
    """What happened, by moment. yfinance puts it on the days; here it is only held to its types."""

    dividends: dict[str, Payout] = {}
    splits: dict[str, Split] = {}
    capital_gains: dict[str, Payout] = {}


class Result(msgspec.Struct, frozen=True):
    """One chart."""

    meta: Meta
    indicators: Indicators
    events: Events = Events()
    timestamp: list[Seconds] = []

    @property
    def zone(self) -> ZoneInfo:
        """The exchange's time zone."""
        return ZoneInfo(self.meta.exchange_timezone_name)

    @property
    def quote(self) -> Quote:
        """The columns of prices."""
        return self.indicators.quote[0]

    @property
    def adjclose(self) -> Numbers:
        """The adjusted closes; empty if there are none."""
        return self.indicators.adjclose[0].adjclose if self.indicators.adjclose else []


class Error(msgspec.Struct, frozen=True):
    """Why there is no chart."""

    code: str = ""
    description: str | None = ""


class Chart(msgspec.Struct, frozen=True):
    """A chart or an error."""

    result: list[Result] | None = None
    error: Error | None = None


class Body(msgspec.Struct, frozen=True):
    """The whole answer."""

    chart: Chart


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, its headers by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes


def judge(symbol: str, answer: Answer, now: datetime) -> Result | Failure:
    """Return the chart of an answer, or what is there instead."""
    if answer.status == 429:
        return RateLimited(symbol, retry_after(answer.headers.get("retry-after"), now), 1)
    chart: Chart | None = None
    cause = ""
    try:
        chart = msgspec.json.decode(answer.body, type=Body).chart
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        kind = answer.headers.get("content-type", "no content type")[:SHOWN_CHARACTERS]
        cause = f"{kind} that begins with {_quoted(answer.body)} ({error})"
    if answer.status != 200 or chart is None or chart.error is not None:
        return _refused(symbol, answer.status, cause, (chart and chart.error) or Error())
    return _sound(symbol, chart.result[0]) if chart.result else Empty(symbol, "the answer holds no chart")


def _refused(symbol: str, status: int, cause: str, error: Error) -> Failure:
    words = ": ".join(filter(None, (error.code, error.description)))[:SHOWN_CHARACTERS]
    if status == 200 and not words:
        return NotData(symbol, cause)
    # Only Yahoo's own words count: a 404 without them comes from something on the way.
    if error.code == "Not Found":
        return UnknownToYahoo(symbol, words)
    if status in {400, 422} and words:
        return Empty(symbol, words)
    if status == 200:
        return NotData(symbol, f"the error {words!r}")
    return Failing(symbol, f"HTTP {status}" + (f" ({words})" if words else ""), 1)


def _sound(symbol: str, result: Result) -> Result | Failure:
    """Check what has to hold before a row is looked at."""
    meta = result.meta
    if meta.symbol.upper() != symbol:
        return WrongSymbol(symbol, meta.symbol)
    try:
        _ = result.zone
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # OSError: a name that is a folder of the time zones, such as "America".
        return NotData(symbol, f"a chart in the time zone {meta.exchange_timezone_name[:SHOWN_CHARACTERS]!r}")
    if not result.indicators.quote:
        return NotData(symbol, "a chart without columns")
    columns = {name: getattr(result.quote, name) for name in Quote.__struct_fields__} | {"adjclose": result.adjclose}
    rows = len(result.timestamp)
    for name, column in columns.items():
        optional = name == "adjclose" or not any(columns.values())
        if len(column) != rows and not (optional and not column):
            return Damaged(symbol, f"expected {rows} values in {name}, as many as timestamps, found {len(column)}")
    return result


def days_of(result: Result) -> list[str]:
    """Return the day of each row in the exchange's time zone, as ISO text.

    A bar that begins at 22:00 or 23:00 belongs to the day after: Yahoo's midnights are an hour or two early where
    summer time changed and it didn't notice. yfinance reads them so too.
    """
    zone = result.zone
    # Counted from 1970, because instants before it are none for the C library of some systems.
    moments = (
        (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)).astimezone(zone) for second in result.timestamp
    )
    return [
        (moment + timedelta(days=moment.hour in {22, 23} and moment.minute == 0)).date().isoformat()
        for moment in moments
    ]


def retry_after(text: str | None, now: datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` asks for, as a number or as a date; None if it says nothing."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _quoted(body: bytes) -> str:
    return repr(body[:SHOWN_CHARACTERS].decode("utf-8", errors="replace").strip()[:40])
