"""`YahooSeries`: what Yahoo said of one symbol, as it said it, and its exact text form."""

from dataclasses import dataclass
from typing import Final, Self

import msgspec
import numpy as np

from data.adjustment import Adjustment, adjust
from data.errors import UnreadableFile
from feature_mapper.bars import PRICES, Bars
from feature_mapper.typing import BoolArray, DateArray, FloatArray

SCHEMA: Final = 1
"""Number of the text form."""

EVENTS: Final = ("dividends", "splits", "capital_gains")
COLUMNS: Final = (*PRICES, "adj_close", "volume", *EVENTS)
"""Numeric columns, in the order of the text form."""

MAY_LACK: Final = frozenset({"adj_close", "volume"})
"""Columns in which Yahoo leaves a value out; NaN here, an empty cell in the text."""


class _Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """First line of the text form, after ``# ``."""

    schema: int
    symbol: str
    currency: str
    zone: str
    instrument: str
    bars: int
    """How many rows follow: a text that was cut between two rows is seen."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: arrays have no single truth value; see `identical`
class YahooSeries:
    """Daily bars of one symbol with what Yahoo says of it, oldest first.

    Attributes
    ----------
    symbol : str
        As Yahoo answered.
    currency : str
        Of the prices, in Yahoo's spelling: ``USD``; ``GBp`` is pence. Empty where Yahoo names none.
    zone : str
        IANA name of the exchange's time zone.
    instrument : str
        ``EQUITY``, ``ETF``, ``INDEX``, ``CURRENCY``, ``CRYPTOCURRENCY``, ``MUTUALFUND``.
    date : DateArray of shape (n,)
        Days of the sessions in the exchange's time zone, strictly ascending.
    open, high, low, close : FloatArray of shape (n,)
        Free of splits, not of dividends.
    adj_close : FloatArray of shape (n,)
        Close, free of splits and dividends. NaN in every row: Yahoo sent none.
    volume : FloatArray of shape (n,)
        Free of splits. NaN: not sent.
    dividends, capital_gains : FloatArray of shape (n,)
        Paid a share on its ex-day, free of later splits; 0 on other days.
    splits : FloatArray of shape (n,)
        New shares per old share on the first day at the new price; 0 on other days.

    """

    symbol: str
    currency: str
    zone: str
    instrument: str
    date: DateArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    adj_close: FloatArray
    volume: FloatArray
    dividends: FloatArray
    splits: FloatArray
    capital_gains: FloatArray

    def __len__(self) -> int:
        """Count the bars."""
        return len(self.date)

    def column(self, name: str) -> FloatArray:
        """Return one of `COLUMNS`."""
        found: FloatArray = getattr(self, name)
        return found

    def take(self, rows: slice | BoolArray) -> Self:
        """Return some of the rows, in their order."""
        return self._with(self.date[rows], {name: self.column(name)[rows] for name in COLUMNS})

    def followed_by(self, later: "YahooSeries") -> Self:
        """Return this series with the rows of another one after it, whose first day is later than the last one here."""
        joined = {name: np.concatenate([self.column(name), later.column(name)]) for name in COLUMNS}
        return self._with(np.concatenate([self.date, later.date]), joined)

    def _with(self, date: DateArray, columns: dict[str, FloatArray]) -> Self:
        return type(self)(self.symbol, self.currency, self.zone, self.instrument, date, **columns)

    def identical(self, other: "YahooSeries") -> bool:
        """Tell whether both hold the same bits (NaN equals NaN)."""
        return self.dump() == other.dump()

    @property
    def adjustment(self) -> Adjustment:
        """What the prices of `bars` are freed of.

        Splits and dividends, by the adjusted close. Splits only, as Yahoo sends the prices, where an adjusted close
        lacks or is not above 0: Yahoo prints negative ones for shares that paid out more than they were once worth.
        """
        sound = np.isfinite(self.adj_close) & (self.adj_close > 0)
        return Adjustment.SPLIT_DIVIDEND if bool(sound.all()) else Adjustment.SPLIT

    @property
    def adjustment_note(self) -> str:
        """How the prices of `bars` came to be, in one sentence."""
        if self.adjustment is Adjustment.SPLIT_DIVIDEND:
            return "each price times adjusted close / close; the volume is free of splits as Yahoo sends it"
        lacks = int(np.count_nonzero(~(self.adj_close > 0)))
        return (
            f"prices and volume are free of splits as Yahoo sends them; dividends are still in them, because "
            f"{lacks} of {len(self)} adjusted closes lack or are not above 0"
        )

    def bars(self) -> tuple[Bars, Adjustment]:
        """Return the bars that the features are computed from, and what their prices are freed of.

        Yahoo frees the volume of splits itself, so it stays as it is. It is ``None`` where no bar has any: Yahoo
        writes 0 for currencies and for most indices, which is no trade on no day.

        Raises
        ------
        InvalidBars
            The values are no run of bars; what `Yahoo.fetch` hands out always is one.

        """
        prices = {name: self.column(name) for name in PRICES}
        if self.adjustment is Adjustment.SPLIT_DIVIDEND:
            # Checked first: a factor that isn't positive and finite must not be what is reported.
            Bars.validated(open=self.open, high=self.high, low=self.low, close=self.close)
            # Without the volume: the factor of a special dividend can look like a split's, and there is none to undo.
            done = adjust(**prices, adj_close=self.adj_close, volume=None)
            prices = {name: getattr(done, name) for name in PRICES}
        volume = self.volume if bool((self.volume > 0).any()) else None
        return Bars.validated(**prices, volume=volume, date=self.date, symbol=self.symbol), self.adjustment

    def dump(self) -> bytes:
        """Return the series as text: a line that says what it is, and CSV. `load` gives the same bits back."""
        head = msgspec.json.encode(
            _Head(
                schema=SCHEMA,
                symbol=self.symbol,
                currency=self.currency,
                zone=self.zone,
                instrument=self.instrument,
                bars=len(self),
            )
        )
        columns = [np.datetime_as_string(self.date).tolist()]
        columns += [
            ["" if np.isnan(value) else repr(value) for value in self.column(name).tolist()] for name in COLUMNS
        ]
        lines = "".join(",".join(cells) + "\n" for cells in (("date", *COLUMNS), *zip(*columns, strict=True)))
        return b"# " + head + b"\n" + lines.encode("ascii")

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Read what `dump` wrote.

        Raises
        ------
        UnreadableFile
            Anything else: another form, another schema, a value that lacks, days that don't ascend.

        """
        head, _, body = data.partition(b"\n")
        try:
            told = msgspec.json.decode(head.removeprefix(b"# "), type=_Head)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnreadableFile(f"expected the head of a series of Yahoo, found: {error}; fetch it again") from error
        if told.schema != SCHEMA:
            raise UnreadableFile(
                f"expected a series of Yahoo in form {SCHEMA}, found form {told.schema}; fetch it again", line=1
            )
        rows = [line.split(",") for line in body.decode("ascii", errors="replace").split("\n")]
        width = 1 + len(COLUMNS)
        if rows[0] != ["date", *COLUMNS] or rows[-1] != [""] or any(len(row) != width for row in rows[:-1]):
            raise UnreadableFile("expected the columns of a series of Yahoo, found others; fetch it again", line=2)
        cells = list(zip(*rows[1:-1], strict=True)) or [()] * width
        try:
            date = np.array(cells[0], dtype="datetime64[D]")
            values = {
                name: np.array([float(cell) if cell else np.nan for cell in column], dtype=np.float64)
                for name, column in zip(COLUMNS, cells[1:], strict=True)
            }
        except ValueError as error:
            raise UnreadableFile(f"expected days and numbers, found: {error}; fetch it again") from error
        series = cls(told.symbol, told.currency, told.zone, told.instrument, date, **values)
        series._check()
        # The strictest reader there is: only one text says this.
        if series.dump() != data:
            raise UnreadableFile("expected a series of Yahoo as it is written here, found another form; fetch it again")
        return series

    def _check(self) -> None:
        if not len(self) or np.isnat(self.date).any() or bool((self.date[1:] <= self.date[:-1]).any()):
            raise UnreadableFile("expected days that ascend, found none or others; fetch it again")
        for name in COLUMNS:
            wrong = np.isinf(self.column(name)) | (np.isnan(self.column(name)) & (name not in MAY_LACK))
            if wrong.any():
                raise UnreadableFile(
                    f"expected a number, found {self.column(name)[wrong][0]}; fetch it again",
                    line=3 + int(np.argmax(wrong)),
                    column=name,
                )
