"""Where bars come from, and what came of each symbol: as stored, from files, from Yahoo."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import numpy as np

from data.bar_store import BarStore
from data.errors import DataError, ShelfBusy
from data.snapshots import About, Snapshot
from data.symbols import symbol_of
from feature_mapper.bars import Bars
from flows.plan import Plan, PlanError

if TYPE_CHECKING:
    from data.sources.yahoo import Usable, YahooSeries

RESTATED: Final = 1e-6
"""Relative distance of two closes of a day from which they are two stories: printed prices have six digits."""

Clock = Callable[[], dt.datetime]
Status = Literal["new", "updated", "unchanged", "stored", "failed"]


class Ingested(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one symbol.

    Attributes
    ----------
    symbol : str
        Its name.
    status : str
        Whether anything is new.
    restated : bool
        Whether its history is another than before, which a new snapshot holds.
    said : str
        A sentence.
    explained : bool
        Whether splits and payouts that the source names explain all that is restated, or the shipped sample was
        replaced, which is another publisher's. What is restated and not explained has to be judged.
    stale : bool
        Whether the source has told less than is due.

    """

    symbol: str
    status: Status
    restated: bool
    said: str
    explained: bool = False
    stale: bool = False

    @property
    def mark(self) -> str:
        """What a person should know of it in a word or two; empty if there is nothing."""
        marks = {"failed": self.status == "failed", "restated": self.restated, "stale": self.stale}
        return ", ".join(word for word, applies in marks.items() if applies)


def _stored(plan: Plan, store: BarStore, _now: Clock) -> Iterator[Ingested]:
    stored = {info.symbol: info for info in store.symbols()}
    broken = store.broken()
    names = plan.symbols or tuple(sorted({*stored, *broken}))
    if not names:
        raise PlanError("expected stored series to train on, found none; import some")
    for name in names:
        if (info := stored.get(name)) is not None:
            said = f"{info.bars} bars, {info.first} to {info.last}, as stored"
            yield Ingested(symbol=name, status="stored", restated=False, said=said)
        else:
            said = str(broken.get(name, f"expected a stored series, found none of {name}; import it"))
            yield Ingested(symbol=name, status="failed", restated=False, said=said)


def _files(plan: Plan, store: BarStore, _now: Clock) -> Iterator[Ingested]:
    folder = plan.folder or Path()
    files = sorted(folder.glob("*.csv")) if folder.is_dir() else []
    if not files:
        raise PlanError(f"expected files named <SYMBOL>.csv in {folder}, found none; check the folder")
    named: dict[str, list[Path]] = {}
    for path in files:
        try:
            named.setdefault(symbol_of(path.stem), []).append(path)
        except DataError as error:
            yield Ingested(symbol=path.stem[:32], status="failed", restated=False, said=str(error))
    for symbol, (path, *others) in named.items():
        if plan.symbols and symbol not in plan.symbols:
            continue
        if others:
            found = " and ".join(one.name for one in (path, *others))
            said = f"expected one file of {symbol} in {folder}, found {found}; remove what is not meant"
            yield Ingested(symbol=symbol, status="failed", restated=False, said=said)
        else:
            yield _file(path, symbol, store, plan)
    for symbol in sorted({*plan.symbols} - named.keys()):
        said = f"expected {symbol}.csv in {folder}, found none; put it there, or leave the symbol out"
        yield Ingested(symbol=symbol, status="failed", restated=False, said=said)


def _file(path: Path, symbol: str, store: BarStore, plan: Plan) -> Ingested:
    before = store.snapshots.latest(symbol, "csv")
    known, sampled = _past(symbol, store)
    try:
        data = path.read_bytes()
        if before is not None and store.snapshots.read(before) == data and _made_of(before, symbol, store):
            said = f"the same file as snapshot {before.entry.sequence}"
            return Ingested(symbol=symbol, status="unchanged", restated=False, said=said)
        report = store.import_csv(path, symbol, impossible=plan.impossible)
    except ShelfBusy:  # the whole step is tried again; what is a snapshot by now is found to be one
        raise
    except (DataError, OSError) as error:
        return Ingested(symbol=symbol, status="failed", restated=False, said=str(error))
    (series,) = report.series
    said = f"{series.bars} bars, {series.first} to {series.last}, {series.adjustment.value}"
    restated = "" if known is None else _restated(known, store.bars(symbol))
    status: Status = "new" if before is None else "updated"
    return Ingested(symbol=symbol, status=status, restated=bool(restated), said=f"{said}{restated}", explained=sampled)


def _past(symbol: str, store: BarStore) -> tuple[Bars | None, bool]:
    """Return the stored bars of a symbol, if it has some, and whether they are the shipped sample's."""
    if symbol not in _names(store):
        return None, False
    info = store.info(symbol)
    return store.bars(symbol), info.source == "sample" and not info.snapshots


def _made_of(snapshot: Snapshot | None, symbol: str, store: BarStore) -> bool:
    """Tell whether the stored series is what a snapshot made, and not one before it: a run that halts leaves those."""
    return snapshot is not None and symbol in _names(store) and snapshot.ref in store.info(symbol).snapshots


def _restated(known: Bars, told: Bars) -> str:
    """Say which days that were known have another close now; empty if none has."""
    if known.date is None or told.date is None:
        return ""
    days, left, right = np.intersect1d(known.date, told.date, return_indices=True)
    if not len(days):
        return f"; none of the {len(known)} known days is in it, {known.date[0]} to {known.date[-1]}"
    changed = days[~np.isclose(known.close[left], told.close[right], rtol=RESTATED, atol=0)]
    if not len(changed):
        return ""
    if len(changed) == 1:
        return f"; 1 known day is restated, {changed[0]}: kept as a new snapshot"
    return f"; {len(changed)} known days are restated, {changed[0]} to {changed[-1]}: kept as a new snapshot"


def _kept(symbol: str, outcome: "Usable", known: "YahooSeries | None", store: BarStore) -> Ingested:
    """Keep what Yahoo said as a snapshot, and store the bars that it makes.

    A first history that takes the place of another source's series is compared with that day by day. What Yahoo tells
    otherwise than before is explained by splits and payouts where no value differs but for these, and where prices are
    freed of the same as before.
    """
    from data.sources.yahoo import Correction, Restated, Stale

    got = outcome.got if isinstance(outcome, Stale) else outcome
    series = outcome.series
    why = {"first": "first", "appended": "appended", "current": "current"}.get(got.kind, str(outcome)[:500])
    about = About(
        request={"symbol": symbol, "known": "nothing" if known is None else f"up to {known.date[-1]}"},
        adjustment=f"{series.adjustment.value} ({series.adjustment_note})",
        rows=len(series),
        first=series.date[0],
        last=series.date[-1],
        why=why,
    )
    other, sampled = _past(symbol, store) if known is None else (None, False)
    try:
        snapshot = store.snapshots.write(symbol, "yahoo", series.dump(), "csv", about)
        bars, adjustment = series.bars()
        store.store(
            bars, symbol, adjustment=adjustment, source="yahoo", snapshots=(snapshot,), currency=series.currency
        )
    except ShelfBusy:  # as above
        raise
    except DataError as error:
        return Ingested(symbol=symbol, status="failed", restated=False, said=str(error))
    status: Status = "new" if known is None else "unchanged" if got.kind == "current" else "updated"
    restated = "" if other is None else _restated(other, store.bars(symbol))
    named = isinstance(got, Restated) and all(
        not isinstance(one, Correction) or one.of_volumes_alone for one in got.reasons
    )
    return Ingested(
        symbol=symbol,
        status=status,
        restated=isinstance(got, Restated) or bool(restated),
        said=f"{outcome}{restated}",
        explained=sampled or (named and known is not None and known.adjustment is series.adjustment),
        stale=isinstance(outcome, Stale),
    )


def _names(store: BarStore) -> frozenset[str]:
    return frozenset(info.symbol for info in store.symbols())


def _yahoo(plan: Plan, store: BarStore, now: Clock) -> Iterator[Ingested]:
    from data.sources.yahoo import Yahoo, YahooSeries, is_usable, open_session

    # What the stored series is made of, and not the newest snapshot: that one may have been refused.
    known = {}
    for symbol in sorted(_names(store).intersection(plan.symbols)):
        for ref in store.info(symbol).snapshots:
            if ref.source == "yahoo":
                known[symbol] = YahooSeries.load(store.snapshots.read(store.snapshots.find(ref)))
    with Yahoo(cache=_cache(plan), session=open_session(plan.provider), now=now) as yahoo:
        for symbol, outcome in yahoo.fetch_many(plan.symbols, known):
            if is_usable(outcome):
                yield _kept(symbol, outcome, known.get(symbol), store)
            else:
                yield Ingested(symbol=symbol, status="failed", restated=False, said=str(outcome))


def forget(plan: Plan) -> None:
    """Have the next run ask again, and not take for an answer what this one was told and refused."""
    if plan.source == "yahoo":
        from data.sources.yahoo.keeping import Answers

        Answers(_cache(plan)).forget()


def _cache(plan: Plan) -> Path:
    return plan.data / "cache" / "yahoo"


READERS: Final[Mapping[str, Callable[[Plan, BarStore, Clock], Iterator[Ingested]]]] = {
    "stored": _stored,
    "csv": _files,
    "yahoo": _yahoo,
}
"""What brings the stored series up to date, by source."""
