"""The series that a report is about, as they lie in a folder of CSV files, or those that are shipped."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data.bar_store import BarStore
from data.errors import DataError
from data.sources.csv.reader import read_csv
from data.sources.sample import sample_root
from data.symbols import symbol_of
from feature_mapper.bars import Bars
from feature_mapper.errors import BarcastError
from training.kit.ritual import fingerprint


class UniverseError(BarcastError):
    """There is nothing to report on."""


@dataclass(frozen=True, slots=True)
class Universe:
    """Series by symbol; ``left_out`` says why a file is not among them, ``of`` how many there are to choose from."""

    name: str
    series: Mapping[str, Bars]
    left_out: Mapping[str, str]
    of: int

    @property
    def symbols(self) -> tuple[str, ...]:
        """Their names, in the order in which rows count them."""
        return tuple(self.series)

    def fingerprint(self) -> str:
        """Return the SHA-256 of every bar."""
        return fingerprint(self.series)

    def some(self, most: int | None) -> "Universe":
        """Return the universe of ``most`` of the series, chosen by the hash of their names; of all where None."""
        chosen = {self.symbols[at] for at in by_hash(self.symbols)[:most]}
        return replace(self, series={name: bars for name, bars in self.series.items() if name in chosen})


def by_hash(symbols: Sequence[str]) -> list[int]:
    """Return the positions of symbols in the order of the hashes of their names."""
    return sorted(range(len(symbols)), key=lambda at: hashlib.sha256(symbols[at].encode()).hexdigest())


def read_universe(folder: Path | None) -> Universe:
    """Read every ``<SYMBOL>.csv`` of a folder; None: the shipped sample.

    Impossible bars are left out; a file that can't be read is left out, and said to be.

    Raises
    ------
    UniverseError
        No series is left.

    """
    if folder is None:
        store = BarStore((sample_root(),))
        names = sorted(info.symbol for info in store.symbols())
        return Universe("the shipped sample", {name: store.bars(name) for name in names}, {}, len(names))
    series, left_out = dict[str, Bars](), dict[str, str]()
    for path in sorted(folder.glob("*.csv")):
        try:
            symbol = symbol_of(path.stem)
            (bars,) = read_csv(path, symbol=symbol, impossible="drop").bars.values()
        except DataError as error:
            left_out[path.name] = str(error)
        else:
            series[symbol] = bars
    if not series:
        message = f"expected files named <SYMBOL>.csv in {folder}, found none that can be read; check the folder"
        raise UniverseError(message)
    return Universe(folder.name, series, left_out, len(series))
