"""The page of a report: tables in Markdown, from its figures alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from skill import prices, regimes
from skill.plots import bands_name, ratios_name
from skill.report import Judged, Report, deepest
from skill.rivals import elsewhere
from skill.schedule import Mode
from skill.targets import parts_of, verdicts

NAME: Final = "README.md"

SURVIVORS: Final = (
    "The series are of what still trades: companies that failed or were bought are not among them. That flatters "
    "levels of return. It flatters no forecast against another of the same rows."
)

MODES: Final[dict[Mode, str]] = {"forward": "forward in time", "unseen": "on unseen symbols, forward in time"}

MEASURES: Final = {
    "qlike": "QLIKE of the variance",
    "mse": "squared error",
    "interval_score": "interval score of the 90 % band",
    "crps": "continuous ranked probability score",
    "log_loss": "log loss",
    "rps": "ranked probability score",
    "balanced_error": "1 - balanced accuracy",
    regimes.METRIC: "minus log density of the next session's return over volatility, and of its log volatility; ratios "
    "are of densities, the rival's over ours",
    **prices.MEASURES,
}

TRADING: Final = {
    "mean_bp": "mean daily return, basis points, before costs",
    "turnover": "share of the book that is traded a day",
    "break_even_bp": "cost of trading that eats it all, basis points",
    "sharpe": "Sharpe ratio a year, before costs",
    "sharpe_long": "the same of holding every symbol",
    "trials": "books tried, in this report",
    "deflated_sharpe": "chance that the ratio is above the best of so many without skill",
}


def write_page(folder: Path, found: Report) -> None:
    """Write the page beside the figures."""
    (folder / NAME).write_text("\n".join(_lines(found)) + "\n", encoding="utf-8")


def _lines(found: Report) -> Iterator[str]:
    about = found.universe
    yield "# What the models are worth"
    yield ""
    chosen = "" if len(about.symbols) == about.of else f" of {about.of}, chosen by the hash of their names"
    yield (
        f"{len(about.symbols)} series{chosen} ({about.name}), {about.bars:,} bars from {about.first} to {about.last}; "
        f"fingerprint `{about.fingerprint[:12]}`."
    )
    every, unseen = ("year" if n == 1 else f"{n} years" for n in (found.years, found.unseen_years))
    sooner = every != unseen and any(result.metric == regimes.METRIC for result in found.results)
    anew = f"{unseen} (regimes every {every})" if sooner else unseen
    yield (
        f"Every {every} models are fitted anew on all days before, less {found.embargo} sessions, and asked about "
        f"every day that follows. *On unseen symbols*: the same, every {anew}, by fits that never saw the symbol "
        f"({found.groups} groups are kept apart in turn). Rivals that look at one symbol know its whole past up to the "
        f"{'year' if found.years == 1 else 'block'} that is asked about."
    )
    yield (
        "A ratio is the model's mean loss over the rival's on the same rows: below 1 the model is better. Intervals of "
        "95 % are those of a bootstrap of blocks of days; DM is the statistic of Diebold and Mariano on days, with p "
        "two-sided."
    )
    yield (
        "Names in small letters are the naive answers that every evaluation has, pooled over symbols; the others are "
        "described in `skill/rivals`."
    )
    yield f"{found.comparisons} comparisons were made: of so many, one in twenty differs at 5 % by chance alone."
    yield SURVIVORS
    kept = ", with fits that an earlier run had kept" if found.resumed else ""
    yield f"Made in {found.seconds:,} s with {found.peak_mib:,} MiB at most{kept}."
    if about.left_out:
        yield f"Left out: {', '.join(sorted(about.left_out))}."
    yield from _absent(found)
    yield from _targets(found)
    for model in dict.fromkeys(result.model for result in found.results):
        mine = [result for result in found.results if result.model == model]
        yield from ("", f"## {model}", "", f"![Loss over that of the strongest rivals, by year]({ratios_name(model)})")
        if mine[0].bands is not None:
            yield from ("", f"![Share of outcomes inside the bands, by year]({bands_name(model)})")
        for metric in dict.fromkeys(result.metric for result in mine):
            told = [result for result in mine if result.metric == metric]
            yield from ("", f"Loss: {MEASURES.get(metric, metric)}.", "")
            yield from _overall(told)
        longest = [result for result in deepest(found) if result.model == model]
        figured = [result for result in longest if result.figures]
        for metric in (metrics := dict.fromkeys(result.metric for result in figured)):
            what = f", {MEASURES.get(metric, metric)}" if len(metrics) > 1 else ""
            yield from _figures([result for result in figured if result.metric == metric], what)
        for result in longest:
            yield from _parts(result)


def _absent(found: Report) -> Iterator[str]:
    """Say which rivals of prices were not asked, as their environment was not there."""
    for model in dict.fromkeys(result.model for result in found.results if result.metric in prices.MEASURES):
        asked = {name for result in found.results if result.model == model for name in result.rivals}
        if missing := [name for name in elsewhere.NAMES if name not in asked]:
            yield f"Rivals of `{model}` that were not asked: {', '.join(missing)}; `make skill` sets them up."


def _targets(found: Report) -> Iterator[str]:
    told = list(verdicts(found))
    if not told:
        return
    yield from ("", "## Targets", "", "| model | target | rival | mode | measured | |", "|---|---|---|---|---|---|")
    for verdict in told:
        target, outcome = verdict.target, verdict.outcome
        word = "met" if outcome.met else "**not met**"
        cells = (f"`{verdict.model}`", target.said, target.rival or "", MODES[verdict.mode], outcome.measured, word)
        yield "| " + " | ".join(cells) + " |"


def _overall(results: list[Judged]) -> Iterator[str]:
    yield "| bars | mode | rival | rows | loss | rival's | ratio | 95 % | DM | p | symbols better | worst symbol |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|"
    for result in results:
        for name, rival in result.rivals.items():
            of = rival.overall
            low, high = of.ratio_ci95
            symbol, worst = of.worst
            cells = (
                str(result.tier),
                MODES[result.mode],
                name,
                f"{of.n:,}",
                f"{of.loss:.5g}",
                f"{of.rival_loss:.5g}",
                f"{of.ratio:.4f}",
                f"{low:.4f} to {high:.4f}",
                "" if of.dm is None else f"{of.dm:+.1f}",
                "" if of.p is None else chance(of.p),
                f"{of.better:.0%}",
                f"{symbol} {worst:.3f}",
            )
            yield "| " + " | ".join(cells) + " |"


def _figures(results: list[Judged], what: str) -> Iterator[str]:
    """Yield what the task counts beside losses, and what its bands held, a column for each mode."""
    yield from ("", f"{results[0].tier} bars{what}: plain figures, and shares of outcomes inside the bands.", "")
    yield "| | " + " | ".join(MODES[result.mode] for result in results) + " |"
    yield "|---" * (len(results) + 1) + "|"
    for name in results[0].figures:
        yield f"| {name} | " + " | ".join(f"{result.figures[name]:.4g}" for result in results) + " |"
    if any(result.trading is not None for result in results):
        for name, words in TRADING.items():
            values = (getattr(result.trading, name, None) for result in results)
            yield f"| followed blindly: {words} | " + " | ".join("" if v is None else f"{v:.4g}" for v in values) + " |"
    bands = [result.bands for result in results if result.bands is not None]
    if not bands:
        return
    yield f"| {bands[0].level:.0%} band | " + " | ".join(f"{band.overall:.1%}" for band in bands) + " |"
    parts = [parts_of(band) for band in bands]
    for name in dict.fromkeys(name for held in parts for name in held):
        shares = ("" if name not in held else f"{held[name]:.1%}" for held in parts)
        yield f"| {bands[0].level:.0%} band, {name} | " + " | ".join(shares) + " |"


def _parts(result: Judged) -> Iterator[str]:
    rivals = result.rivals
    what = f"{result.tier} bars, {MODES[result.mode]}, {MEASURES.get(result.metric, result.metric)}"
    yield from ("", f"{what}: ratio by year and by forecast volatility.", "")
    yield "| | rows | " + " | ".join(rivals) + " |"
    yield "|---" * (len(rivals) + 2) + "|"
    for grouped in ([rival.by_year for rival in rivals.values()], [rival.by_tercile for rival in rivals.values()]):
        for name in dict.fromkeys(name for parts in grouped for name in parts):
            found = [parts.get(name) for parts in grouped]
            rows = max(part.n for part in found if part is not None)
            cells = ["" if part is None else f"{part.ratio:.3f}" for part in found]
            yield f"| {name} | {rows:,} | " + " | ".join(cells) + " |"


def chance(p: float) -> str:
    """Write a chance as tables do."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
