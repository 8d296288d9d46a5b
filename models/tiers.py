"""Tiers of history: which one answers for how many bars, row by row."""

from collections.abc import Iterator, Sequence


def tier_at(tiers: Sequence[int], bars: int) -> int:
    """Return the position of the longest tier that ``bars`` bars fill; tiers ascend and begin with 1.

    Raises
    ------
    ValueError
        There is no bar.

    """
    if bars < 1:
        raise ValueError(f"expected at least one bar, found {bars}; send the newest bar")
    return max(position for position, tier in enumerate(tiers) if tier <= bars)


def spans(tiers: Sequence[int], bars: int, rows: int) -> Iterator[tuple[int, int, int]]:
    """Cut the last ``rows`` of ``bars`` bars where the history behind a row fills the next tier.

    Yields ``(start, stop, position of the tier)``; the rows are those of the bars ``start`` to ``stop - 1``.

    Raises
    ------
    ValueError
        There are fewer bars than rows asked for, or none is.

    """
    if not 1 <= rows <= bars:
        raise ValueError(f"expected rows from 1 to {bars} (the number of bars), found {rows}; ask for fewer")
    start = bars - rows
    for position, end in enumerate([*(tier - 1 for tier in tiers[1:]), bars]):
        stop = min(end, bars)
        if start < stop:
            yield start, stop, position
            start = stop
