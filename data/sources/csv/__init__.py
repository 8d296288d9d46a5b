"""Daily bars from files that people have: recognised aloud, or refused by line and cause.

A file goes through small steps, one module each: `decode`, `dialect`, `header`, `layouts` (or `headerless`), `select`,
`build` with `dates`, `instants` and `numbers`, `assemble`. `read_csv` gives whole series, `parse_rows` single rows.
"""

from data.sources.csv.layouts import LAYOUTS, Layout
from data.sources.csv.options import Options, bearable
from data.sources.csv.reader import read_csv
from data.sources.csv.rows import RowTable, parse_rows
from data.sources.csv.table import FaultKind, RowFault

__all__ = ["LAYOUTS", "FaultKind", "Layout", "Options", "RowFault", "RowTable", "bearable", "parse_rows", "read_csv"]
