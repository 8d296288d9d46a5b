"""What is remembered on disk between runs: answers of today, and the time zones of exchanges.

A file begins with the hash of the rest of it. One that was cut or altered is as good as none: the question is asked
again.
"""

from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from data.disk import write_at_once
from data.errors import UnreadableFile
from data.sources.yahoo.series import YahooSeries
from data.symbols import file_stem

SUFFIX: Final = ".answer"
SCHEMA: Final = 1
"""Number of the form of `Kept`."""


class Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is written above a kept answer.

    Attributes
    ----------
    start : str
        First day that was asked for.
    asked, until : datetime
        Between these the answer may be given again.
    notes : tuple of str
        What was said of it.

    """

    schema: int
    symbol: str
    start: str
    asked: datetime
    until: datetime
    notes: tuple[str, ...]


class Answers:
    """Answers of today, one a symbol: a longer answer holds the shorter ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, symbol: str, start: np.datetime64, now: datetime) -> tuple[YahooSeries, tuple[str, ...]] | None:
        """Return the bars from ``start`` on if they were asked for and are still good, with what was said of them."""
        body = _read(self._path(symbol))
        if body is None:
            return None
        head, _, text = body.partition(b"\n")
        try:
            kept = msgspec.json.decode(head, type=Kept)
            series = YahooSeries.load(text)
        except (msgspec.DecodeError, UnreadableFile):
            return None  # of an older form
        answers = kept.schema == SCHEMA and kept.symbol == symbol and np.datetime64(kept.start, "D") <= start
        if not answers or not kept.asked <= now < kept.until:
            return None
        wanted = series.take(series.date >= start)
        return (wanted, kept.notes) if len(wanted) else None

    def keep(
        self,
        symbol: str,
        start: np.datetime64,
        times: tuple[datetime, datetime],
        series: YahooSeries,
        notes: tuple[str, ...],
    ) -> None:
        """Keep an answer to a question from ``start`` on, in place of the last one.

        ``times`` are when it was asked and until when it is good.
        """
        kept = Kept(schema=SCHEMA, symbol=symbol, start=str(start), asked=times[0], until=times[1], notes=notes)
        _write(self._path(symbol), msgspec.json.encode(kept) + b"\n" + series.dump())

    def forget(self) -> None:
        """Have every question asked again: what was answered turned out not to be fit for use.

        Raises
        ------
        OSError
            An answer can't be removed; all others are.

        """
        refused: list[OSError] = []
        try:
            paths = sorted(self._folder.iterdir())  # glob would pass over a folder that can't be read
        except FileNotFoundError:
            return
        for path in paths:
            if path.suffix == SUFFIX:
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    refused.append(error)
        if refused:
            raise refused[0]

    def _path(self, symbol: str) -> Path:
        return self._folder / f"{file_stem(symbol)}{SUFFIX}"


class Zones:
    """Time zones by symbol. Stands in for yfinance's own cache, whose `lookup` and `store` it has.

    That one is a database, opened once in a process wherever it was first meant to be; ours belongs to its `Yahoo`.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "zones.json"
        self._known: dict[str, str] | None = None

    def lookup(self, key: str) -> str | None:
        """Return the zone of a symbol; None if it isn't known."""
        return self._all().get(key)

    def store(self, key: str, value: str | None) -> None:
        """Keep the zone of a symbol; None forgets it."""
        known = {name: zone for name, zone in self._all().items() if name != key}
        self._known = known if value is None else {**known, key: value}
        _write(self._path, msgspec.json.encode(self._known))

    def _all(self) -> dict[str, str]:
        if self._known is None:
            body = _read(self._path)
            try:
                self._known = {} if body is None else msgspec.json.decode(body, type=dict[str, str])
            except msgspec.DecodeError:
                self._known = {}
        return self._known


def _write(path: Path, body: bytes) -> None:
    # What can't be remembered is asked again: a full or read-only disk is no reason to have no bars.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_at_once(path, sha256(body).hexdigest().encode("ascii") + b"\n" + body)


def _read(path: Path) -> bytes | None:
    try:
        digest, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return body if sha256(body).hexdigest().encode("ascii") == digest else None
