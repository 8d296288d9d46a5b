"""Small data, and a store that one small model is trained into, for retrainings that take seconds."""

import shlex
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from data.bar_store import BarStore
from data.errors import ShelfBusy
from data.sources.result import ReadReport
from flows import engine
from flows.engine import Plain
from flows.plan import Plan, plan
from tests.app.served import SAMPLE, as_csv

MODEL = "lightgbm_direction"
SYMBOLS = ("AAPL", "IBM")
BARS = 1400
SMALL = ("tiers=[1,22]", "splits.folds=2", "parameters.rounds=20", "keep=4", "families=[candle,returns]")
"""What makes a training of `MODEL` take a second: what a retraining does with its versions is the same."""


def write_files(folder: Path, symbols: Iterable[str] = SYMBOLS, *, less: int = 0) -> Path:
    """Write the last `BARS` bars of sample series, but for the last ``less``, to a file a symbol; return the folder."""
    folder.mkdir(exist_ok=True)
    for symbol in symbols:
        bars = SAMPLE.bars(symbol)
        part = bars[len(bars) - BARS : len(bars) - less]
        lines = [line.partition(",")[2] for line in as_csv(part)]
        (folder / f"{symbol}.csv").write_text("\n".join(lines) + "\n")
    return folder


def script(folder: Path, body: str) -> str:
    """Return an interpreter that does something else than train."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def training(*overrides: str) -> str:
    """Return the line of an interpreter that runs the real script, with these overrides behind its arguments."""
    return f'exec {shlex.quote(sys.executable)} "$@" {shlex.join(overrides)}'


def plan_for(root: Path, **changed: Any) -> Plan:
    """Return a plan for one model on files in ``root / "files"``."""
    asked = {
        "source": "csv",
        "folder": root / "files",
        "symbols": SYMBOLS,
        "only": (MODEL,),
        "artifacts": root / "artifacts",
        "data": root / "data",
        "jobs": 2,
        **changed,
    }
    return plan(**asked)


def second_is_busy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have the second import meet another writer, and nobody wait for that; return the symbols that are imported."""
    tries: list[str] = []
    imports = BarStore.import_csv

    def busy(self: BarStore, source: Path, symbol: str, **options: Any) -> ReadReport:
        tries.append(symbol)
        if len(tries) == 2:
            raise ShelfBusy("expected the lock of the folder, found another writer")
        return imports(self, source, symbol, **options)

    monkeypatch.setattr(BarStore, "import_csv", busy)
    monkeypatch.setattr(engine, "PAUSE_S", 0.0)
    return tries


class Heard(Plain):
    """An engine that remembers what was said and which steps were run."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        super().__init__(self.lines.append)

    @property
    def steps(self) -> list[str]:
        """Names of the steps, in order."""
        return [line[1:-1] for line in self.lines if line.startswith("[") and line.endswith("]")]

    def ran(self, name: str) -> bool:
        """Tell whether a step was begun, for anything."""
        return any(line.startswith(f"[{name}]") for line in self.lines)
