"""The figures of a report, all of them: pages are made from these and from nothing else."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from models import strict_json
from models.manifest import Coverage
from skill.judge import Comparison, Part, by_group, compare, terciles
from skill.schedule import Mode, Schedule
from skill.tabular import Result
from skill.universe import Universe
from training.kit.evaluation import calendar_years
from training.kit.trading import Trading, judge

NAME: Final = "skill.json"


class Rival(msgspec.Struct, frozen=True, kw_only=True):
    """A model against one rival: on all rows that both answer, and on parts of them.

    ``by_symbol`` is of the longest history of a model, and empty for others.
    """

    overall: Comparison
    by_year: dict[str, Part]
    by_tercile: dict[str, Part]
    by_symbol: dict[str, Part]


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One tier of a model in one mode by one measure.

    ``figures``, ``bands`` and ``trading`` stand with the task's own measure.
    """

    model: str
    tier: int
    mode: Mode
    metric: str
    n: int
    loss: float
    figures: dict[str, float]
    bands: Coverage | None = None
    trading: Trading | None = None
    rivals: dict[str, Rival]


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What the report is about."""

    name: str
    fingerprint: str
    symbols: tuple[str, ...]
    of: int
    left_out: dict[str, str]
    bars: int
    first: str
    last: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that pages say. ``comparisons`` counts the trials: of so many tests, some succeed by chance.

    ``seconds`` are of the run that made it. ``resumed``: it found fits of an earlier run, whose time is not in them.
    """

    universe: About
    years: int
    unseen_years: int
    groups: int
    embargo: int
    comparisons: int
    seconds: int
    resumed: bool = False
    peak_mib: int
    results: tuple[Judged, ...]


def deepest(found: Report) -> Iterator[Judged]:
    """Yield what is said of each model with its longest history, in order."""
    longest = _longest(found.results)
    yield from (result for result in found.results if result.tier == longest[result.model])


def _longest(results: Iterable[Judged | Result]) -> dict[str, int]:
    """Return the longest history of each model that there is a result of."""
    longest: dict[str, int] = {}
    for result in results:
        longest[result.model] = max(result.tier, longest.get(result.model, 0))
    return longest


def report(
    universe: Universe,
    schedule: Schedule,
    results: Sequence[Result],
    seconds: float,
    peak_mib: float,
    *,
    resumed: bool,
) -> Report:
    """Judge every result against every rival."""
    books = sum(result.book is not None for result in results)
    spans = [bars.date for bars in universe.series.values() if bars.date is not None]
    longest = _longest(results)
    return Report(
        universe=About(
            name=universe.name,
            fingerprint=universe.fingerprint(),
            symbols=universe.symbols,
            of=universe.of,
            left_out=dict(universe.left_out),
            bars=sum(len(bars) for bars in universe.series.values()),
            first=str(min(span[0] for span in spans)),
            last=str(max(span[-1] for span in spans)),
        ),
        years=schedule.years,
        unseen_years=schedule.unseen_years,
        groups=schedule.groups,
        embargo=schedule.embargo,
        comparisons=sum(len(result.scored.rivals) for result in results),
        seconds=round(seconds),
        resumed=resumed,
        peak_mib=round(peak_mib),
        results=tuple(_judged(result, books, symbols=result.tier == longest[result.model]) for result in results),
    )


def _judged(result: Result, books: int, *, symbols: bool) -> Judged:
    scored = result.scored
    in_year, years = calendar_years(scored.date)
    in_third, thirds = terciles(result.volatility)
    rivals = {
        name: Rival(
            overall=compare(scored, name),
            by_year=by_group(scored, name, in_year, years),
            by_tercile=by_group(scored, name, in_third, thirds),
            by_symbol=by_group(scored, name, scored.symbol, scored.symbols) if symbols else {},
        )
        for name in scored.rivals
    }
    return Judged(
        model=result.model,
        tier=result.tier,
        mode=result.mode,
        metric=result.metric,
        n=len(scored.own),
        loss=float(scored.own.mean()),
        figures=dict(result.figures),
        bands=result.bands,
        trading=None if result.book is None else judge(result.book, books),
        rivals=rivals,
    )


def write(folder: Path, found: Report) -> None:
    """Write the figures, a line for each result."""
    folder.mkdir(parents=True, exist_ok=True)
    results = b",\n".join(strict_json.encode(result) for result in found.results)
    about = strict_json.encode(msgspec.structs.replace(found, results=()))
    (folder / NAME).write_bytes(about.removesuffix(b"[]}") + b"[\n" + results + b"\n]}\n")


def read(folder: Path) -> Report:
    """Read what `write` wrote; raises ``msgspec.ValidationError`` for anything else."""
    return msgspec.json.decode((folder / NAME).read_bytes(), type=Report)
