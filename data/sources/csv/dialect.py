"""Second step: a line to cells."""

import csv
from typing import Final

from data.errors import UnreadableFile
from data.sources.csv.options import MAX_CELL, MAX_COLUMNS

DELIMITERS: Final = (",", ";", "\t", "|")


def split(line: str, delimiter: str, number: int) -> list[str]:
    """Return the cells of a line, without surrounding spaces.

    A line is split alone, so that an open quote can't swallow the lines below it.

    Raises
    ------
    UnreadableFile
        A quote that doesn't close, text behind a closed quote, too many or too long cells.

    """
    if '"' in line:
        try:
            cells = [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, strict=True))]
        except csv.Error as error:
            raise UnreadableFile(f"expected quoted cells to close on their line, found: {error}", line=number) from None
    else:
        cells = line.split(delimiter)
        if not line.isascii() or " " in line or "\t" in line:  # `decode` refuses the other spaces of ASCII
            cells = [cell.strip() for cell in cells]
    if len(cells) > MAX_COLUMNS:
        message = f"expected at most {MAX_COLUMNS} columns, found {len(cells)}; keep the columns of one symbol"
        raise UnreadableFile(message, line=number)
    if len(line) > MAX_CELL and (longest := max(map(len, cells))) > MAX_CELL:
        raise UnreadableFile(f"expected cells of at most {MAX_CELL} characters, found {longest}", line=number)
    return cells
