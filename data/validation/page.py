"""A validation as one page for a person. Nothing is loaded, nothing runs, every text is escaped where it enters."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

import msgspec

from data.validation.chart import chart
from data.validation.report import Finding, Sample, SeriesValidation, Severity, Validation, counted
from data.validation.style import CSS

NAMES_ABOVE = 12
"""Series with findings from which they are listed ahead of their sections."""


def render(validation: Validation) -> str:
    """Return the page, complete."""
    by_symbol = [
        (symbol, tuple(parts))
        for symbol, parts in groupby(sorted(validation.series, key=lambda one: one.symbol), key=lambda one: one.symbol)
    ]
    touched = sorted(
        ((symbol, parts) for symbol, parts in by_symbol if _findings(parts)),
        key=lambda pair: (-_count(pair[1], Severity.ERROR), -_count(pair[1], Severity.WARNING), pair[0]),
    )
    clean = [symbol for symbol, parts in by_symbol if not _findings(parts)]
    state = "halted" if validation.halts else "watch" if validation.warnings else "passed"
    body = "".join(
        (
            _verdict(validation, state),
            _sums(validation),
            _notes(validation),
            _touched(touched),
            _clean(clean),
            _accepted(validation),
            _unchecked(validation),
            _thresholds(validation),
        )
    )
    title = "Validation halted" if validation.halts else "Validation passed"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>\n{CSS}</style></head>\n<body><main><h1>Validation of market data</h1>\n{body}"
        "<footer>Made by Barcast. What each expectation means stands in docs/validation.md.</footer>"
        "</main></body></html>\n"
    )


def _findings(parts: Sequence[SeriesValidation]) -> list[tuple[SeriesValidation, Finding]]:
    found = [(part, finding) for part in parts for finding in part.findings]
    return sorted(found, key=lambda pair: pair[1].severity is not Severity.ERROR)


def _count(parts: Sequence[SeriesValidation], severity: Severity) -> int:
    return sum(part.count(severity) for part in parts)


def _counts(errors: int, warnings: int) -> str:
    shown = [(errors, Severity.ERROR), (warnings, Severity.WARNING)]
    return ", ".join(
        f'<span class="{severity.value}">{counted(number, severity.value)}</span>'
        for number, severity in shown
        if number
    )


def _verdict(validation: Validation, state: str) -> str:
    word, css = {
        "halted": ("Halted: nothing may be trained on this", "error"),
        "watch": ("Passed, with something to look at", "warning"),
        "passed": ("Passed: nothing found", "good"),
    }[state]
    symbols = len({one.symbol for one in validation.series})
    rows = sum(max(part.rows for part in parts) for parts in _grouped(validation))
    stages = " and ".join(dict.fromkeys(one.stage.value for one in validation.series))
    facts = [
        f"{stages} of {counted(symbols, 'series', 'series')}",
        counted(rows, "row"),
        f"{counted(sum(one.checked for one in validation.series), 'expectation')} judged",
    ]
    if validation.today is not None:
        facts.append(f"as of {escape(validation.today)}")
    found = _counts(validation.errors, validation.warnings)
    return (
        f'<div class="verdict {state}"><p><strong class="{css}">{word}</strong></p>'
        f"<p>{f'{found} in ' if found else ''}{', '.join(facts)}</p></div>\n"
    )


def _grouped(validation: Validation) -> Iterator[list[SeriesValidation]]:
    ordered = sorted(validation.series, key=lambda one: one.symbol)
    for _, parts in groupby(ordered, key=lambda one: one.symbol):
        yield list(parts)


def _sums(validation: Validation) -> str:
    """Return one line an expectation that is broken: what to do is said once."""
    kinds: dict[tuple[Severity, str, str], list[Finding]] = {}
    for severity in Severity:
        for one in validation.series:
            for finding in one.findings:
                if finding.severity is severity:
                    kinds.setdefault((severity, finding.expectation, finding.remedy), []).append(finding)
    if not kinds:
        return ""
    rows = "".join(
        f'<tr><td class="tight {severity.value}">{severity.value}</td>'
        f'<td class="tight"><code>{escape(name)}</code></td><td class="tight number">{len(found)} series</td>'
        f'<td class="main">expected {escape(found[0].expected)}<br><span class="soft">{escape(remedy)}</span></td></tr>'
        for (severity, name, remedy), found in kinds.items()
    )
    return (
        '<h2>What to do</h2><table class="sums"><thead><tr><th></th><th class="wide">expectation</th>'
        '<th class="number narrow">in</th><th>what was expected, and what to do</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>\n"
    )


def _notes(validation: Validation) -> str:
    if not validation.notes:
        return ""
    items = "".join(
        f"<li><b>{escape(note.symbol)}</b> {escape(note.mark)}: {escape(note.text)}</li>" for note in validation.notes
    )
    return f"<h2>What the sources said: {len(validation.notes)}</h2><ul>{items}</ul>\n"


def _touched(touched: Sequence[tuple[str, Sequence[SeriesValidation]]]) -> str:
    if not touched:
        return ""
    links = "".join(
        f'<li><a href="#s{number}">{escape(symbol)}</a> '
        f"{_counts(_count(parts, Severity.ERROR), _count(parts, Severity.WARNING))}</li>"
        for number, (symbol, parts) in enumerate(touched)
    )
    index = f'<ul class="names">{links}</ul>' if len(touched) >= NAMES_ABOVE else ""
    sections = "".join(_series(number, symbol, parts) for number, (symbol, parts) in enumerate(touched))
    return f"<h2>What was found</h2>{index}\n{sections}"


def _series(number: int, symbol: str, parts: Sequence[SeriesValidation]) -> str:
    found = _findings(parts)
    outline = next((part.outline for part in parts if part.outline.days), parts[0].outline)
    first = parts[0]
    span = "" if first.first is None else f", {escape(first.first)} to {escape(first.last or '')}"
    staged = len({part.stage for part, _ in found}) > 1
    rows = "".join(_row(part, finding, staged=staged) for part, finding in found)
    stage = '<th class="stage">stage</th>' if staged else ""
    return (
        f'<section class="series" id="s{number}"><header><h3>{escape(symbol)}</h3>'
        f"<span>{_counts(_count(parts, Severity.ERROR), _count(parts, Severity.WARNING))}</span>"
        f'<span class="soft">{counted(max(part.rows for part in parts), "row")}{span}</span></header>'
        f"{chart(outline, [finding for _, finding in found])}"
        f'<table class="findings"><thead><tr><th></th>{stage}<th class="wide">expectation</th>'
        f'<th class="number narrow">rows</th><th>found</th></tr></thead><tbody>{rows}</tbody></table></section>\n'
    )


def _row(part: SeriesValidation, finding: Finding, *, staged: bool) -> str:
    stage = f'<td class="tight soft">{part.stage.value}</td>' if staged else ""
    return (
        f'<tr><td class="tight {finding.severity.value}">{finding.severity.value}</td>{stage}'
        f'<td class="tight"><code>{escape(finding.expectation)}</code></td>'
        f'<td class="tight number">{f"{finding.rows:,}" if finding.rows else ""}</td>'
        f'<td class="main">{_places(finding.message)}{_samples(finding)}</td></tr>'
    )


def _places(message: str) -> str:
    return "".join(f'<span class="place">{escape(place)}</span>' for place in message.split("; "))


def _samples(finding: Finding) -> str:
    """Return the sample rows to unfold; nothing where the message has told them already."""
    samples, rows = finding.samples, finding.rows
    told = rows == 1 and all(value in finding.message for sample in samples for value in sample.values.values())
    if not samples or told:
        return ""
    names = list(dict.fromkeys(name for sample in samples for name in sample.values))
    dated = "date" not in names
    head = "".join(f'<th class="number">{escape(name)}</th>' for name in names)
    body = "".join(f"<tr>{_cells(sample, names, dated=dated)}</tr>" for sample in samples)
    label = counted(rows, "row") if rows <= len(samples) else f"first {len(samples)} of {rows:,} rows"
    return (
        f'<details><summary>{label}</summary><div class="cells"><table><thead><tr><th class="number">row</th>'
        f"{'<th>day</th>' if dated else ''}{head}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def _cells(sample: Sample, names: Sequence[str], *, dated: bool) -> str:
    day = f"<td>{escape(sample.day or '')}</td>" if dated else ""
    values = "".join(f'<td class="number">{escape(sample.values.get(name, ""))}</td>' for name in names)
    return f'<td class="number">{sample.row:,}</td>{day}{values}'


def _clean(symbols: Sequence[str]) -> str:
    if not symbols:
        return ""
    names = "".join(f"<li>{escape(symbol)}</li>" for symbol in symbols)
    return f'<h2>Without a finding: {len(symbols)}</h2><ul class="names">{names}</ul>\n'


def _accepted(validation: Validation) -> str:
    said = [(one.symbol, text) for one in validation.series for text in one.accepted]
    if not said:
        return ""
    items = "".join(f"<li><b>{escape(symbol)}</b> {escape(text)}</li>" for symbol, text in said)
    return f"<h2>Accepted by a person: {len(said)}</h2><ul>{items}</ul>\n"


def _unchecked(validation: Validation) -> str:
    """Say what could not be judged, one line a reason: mostly it is the same for all series."""
    lacking: dict[tuple[str, str, str], list[str]] = {}
    for one in validation.series:
        for part in one.unchecked:
            lacking.setdefault((one.stage.value, part.expectation, part.lacks), []).append(one.symbol)
    if not lacking:
        return ""
    rows = "".join(
        f'<tr><td class="tight soft">{stage}</td><td class="tight"><code>{escape(name)}</code></td>'
        f'<td>{escape(_lacking(lacks))}</td><td class="main">'
        f"{escape(', '.join(symbols[:8]))}{f' and {len(symbols) - 8} more' if len(symbols) > 8 else ''}</td></tr>"
        for (stage, name, lacks), symbols in lacking.items()
    )
    return (
        f"<h2>What could not be judged</h2><details><summary>{counted(len(lacking), 'reason')}</summary>"
        '<table class="sums"><thead><tr><th>stage</th><th class="wide">expectation</th><th class="wide">why</th>'
        f"<th>series</th></tr></thead><tbody>{rows}</tbody></table></details>\n"
    )


def _lacking(lacks: str) -> str:
    words = {
        "previous": "no previous series, or the source explains what differs",
        "past": "no previous series",
        "calendar": "no calendar",
        "today": "no day to compare with",
    }
    return ", ".join(words.get(name, f"no usable {name}") for name in lacks.split(", "))


def _thresholds(validation: Validation) -> str:
    given = [
        (stage, name, value)
        for stage, thresholds in (("bars", validation.bar_thresholds), ("features", validation.feature_thresholds))
        if thresholds is not None
        for name, value in msgspec.structs.asdict(thresholds).items()
    ]
    rows = "".join(
        f'<tr><td class="soft">{stage}</td><td><code>{escape(name)}</code></td><td class="number">{value:g}</td></tr>'
        for stage, name, value in given
    )
    return (
        f"<h2>Thresholds in force</h2><details><summary>{counted(len(given), 'number')}</summary>"
        f'<div class="cells"><table><tbody>{rows}</tbody></table></div></details>\n'
    )
