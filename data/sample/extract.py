"""Write the sample series from the wheel that carries them.

Run once, in an environment of its own::

    pip install bokeh_sampledata==2026.1
    python -m data.sample.extract <folder>

The values are copied as text, digit for digit; only the columns are put in the order of this house. ``SOURCES.md``
holds the sha256 of every file that this writes.
"""

import csv
import gzip
import hashlib
import sys
from importlib import resources
from pathlib import Path

COLUMNS = ("Date", "Open", "High", "Low", "Close", "Adj Close", "Volume")
HEADER = ("date", "open", "high", "low", "close", "adj_close", "volume")


def main(folder: Path) -> None:
    """Write one CSV a symbol into ``folder`` and report its sha256."""
    packed = resources.files("bokeh_sampledata").joinpath("_data", "stocks.csv.gz").read_bytes()
    rows: dict[str, list[list[str]]] = {}
    for row in csv.DictReader(gzip.decompress(packed).decode("utf-8").splitlines()):
        rows.setdefault(row["Ticker"], []).append([row[name] for name in COLUMNS])
    folder.mkdir(parents=True, exist_ok=True)
    for symbol, lines in sorted(rows.items()):
        text = "\n".join(",".join(cells) for cells in (HEADER, *lines)) + "\n"
        (folder / f"{symbol}.csv").write_text(text, encoding="utf-8", newline="")
        sys.stdout.write(f"{symbol}.csv {len(lines)} {hashlib.sha256(text.encode()).hexdigest()}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
