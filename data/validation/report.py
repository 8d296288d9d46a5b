"""`Validation`: what was expected of which series, what was found, and whether that stops what follows."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import msgspec

from data.validation.thresholds import BarThresholds, FeatureThresholds

SCHEMA: Final = 1
"""Number of the form of `Validation`."""

SAMPLES: Final = 5
"""How many rows a finding shows."""

SPANS: Final = 50
"""How many stretches of days a finding lists for the picture."""

MESSAGE_SHOWN: Final = 110
"""Characters of a message in a line of `Validation.text`."""


class Severity(StrEnum):
    """What a broken expectation means."""

    ERROR = "error"
    """Training on it would be wrong."""

    WARNING = "warning"
    """A person should see it."""


class Stage(StrEnum):
    """What was looked at."""

    BARS = "bars"
    FEATURES = "features"


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One row that broke an expectation: its zero-based position, its day if it has one, its cells as text."""

    row: int
    day: str | None
    values: dict[str, str]


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Days from ``first`` to ``last``, both included."""

    first: str
    last: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A broken expectation of one series.

    Attributes
    ----------
    expectation : str
        Its name in `docs/validation.md`.
    severity : Severity
        Whether it stops what follows.
    expected : str
        What was expected, with the threshold that was in force.
    message : str
        What was found, naming dates or rows.
    remedy : str
        What to do.
    rows : int
        How many rows break it; 0 if it is about the series as a whole.
    spans : tuple of Span
        Where in time, the first `SPANS` of them.
    samples : tuple of Sample
        The first `SAMPLES` rows.

    """

    expectation: str
    severity: Severity
    expected: str
    message: str
    remedy: str
    rows: int
    spans: tuple[Span, ...]
    samples: tuple[Sample, ...]


class Unchecked(msgspec.Struct, frozen=True, kw_only=True):
    """An expectation that could not be judged, and what it lacked."""

    expectation: str
    lacks: str


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What was said of a series as it was brought in, and a person should know: ``mark`` is why, in a word or two."""

    symbol: str
    mark: str
    text: str


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    """The close of a series in few points, for its picture."""

    days: tuple[str, ...]
    close: tuple[float, ...]


class SeriesValidation(msgspec.Struct, frozen=True, kw_only=True):
    """One series at one stage.

    Attributes
    ----------
    symbol : str
        Its name.
    stage : Stage
        Bars or features.
    rows : int
        How many it has.
    first, last : str or None
        First and last day, ISO 8601; None if it has none.
    checked : int
        Expectations that were judged.
    unchecked : tuple of Unchecked
        Expectations that were not, and why.
    findings : tuple of Finding
        Errors first.
    accepted : tuple of str
        What broke an expectation and was accepted by a person, with the reason.
    outline : Outline
        Its close, for the picture.

    """

    symbol: str
    stage: Stage
    rows: int
    first: str | None
    last: str | None
    checked: int
    unchecked: tuple[Unchecked, ...]
    findings: tuple[Finding, ...]
    accepted: tuple[str, ...]
    outline: Outline

    def count(self, severity: Severity) -> int:
        """Count the findings of one severity."""
        return sum(finding.severity is severity for finding in self.findings)


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """Result of a validation; a JSON document by ``msgspec.json.encode``, and back by ``decode(..., type=Validation)``.

    Attributes
    ----------
    schema : int
        `SCHEMA`.
    today : str or None
        Day against which staleness was judged.
    bar_thresholds, feature_thresholds : BarThresholds or None, FeatureThresholds or None
        What was in force; None for a stage that was not looked at.
    series : tuple of SeriesValidation
        By stage, then as given.
    notes : tuple of Note
        What the sources of the series said; judged by nobody.

    """

    schema: int
    today: str | None
    bar_thresholds: BarThresholds | None
    feature_thresholds: FeatureThresholds | None
    series: tuple[SeriesValidation, ...]
    notes: tuple[Note, ...] = ()

    @property
    def errors(self) -> int:
        """Findings that stop what follows."""
        return sum(one.count(Severity.ERROR) for one in self.series)

    @property
    def warnings(self) -> int:
        """Findings that a person should see."""
        return sum(one.count(Severity.WARNING) for one in self.series)

    @property
    def halts(self) -> bool:
        """Whether what follows must not run."""
        return self.errors > 0

    def merged(self, other: "Validation") -> "Validation":
        """Return both as one document, this one's series first."""
        return Validation(
            schema=self.schema,
            today=self.today or other.today,
            bar_thresholds=self.bar_thresholds or other.bar_thresholds,
            feature_thresholds=self.feature_thresholds or other.feature_thresholds,
            series=(*self.series, *other.series),
            notes=(*self.notes, *other.notes),
        )

    def verdict(self) -> str:
        """Say in one sentence how it went."""
        symbols = len({one.symbol for one in self.series})
        touched = len({one.symbol for one in self.series if one.findings})
        stages = " and ".join(dict.fromkeys(one.stage.value for one in self.series))
        what = f"{stages} of {counted(symbols, 'series', 'series')}"
        if not self.errors + self.warnings:
            return f"passed: {what}, nothing found"
        found = f"{counted(self.errors, 'error')} and {counted(self.warnings, 'warning')}"
        return f"{'halted' if self.halts else 'passed'}: {what}, {found} in {touched}"

    def text(self) -> str:
        """Return a short table for a terminal, errors first, one line a finding, and what to do about them."""
        return "\n".join(self._lines()) + "\n"

    def html(self) -> str:
        """Return one page for a person; it loads nothing and runs nothing."""
        from data.validation.page import render

        return render(self)

    def _lines(self) -> Iterator[str]:
        yield self.verdict()
        found = [
            (severity, one, finding)
            for severity in Severity
            for one in self.series
            for finding in one.findings
            if finding.severity is severity
        ]
        if found:
            rows = [("", "symbol", "stage", "expectation", "rows", "found")]
            rows += [
                (
                    severity.value,
                    _printable(one.symbol),
                    one.stage.value,
                    finding.expectation,
                    str(finding.rows or ""),
                    shortened(_printable(finding.message)),
                )
                for severity, one, finding in found
            ]
            widths = [max(len(row[column]) for row in rows) for column in range(5)]
            yield ""
            for *cells, message in rows:
                padded = [
                    cell.rjust(width) if column == 4 else cell.ljust(width)
                    for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
                ]
                yield "  ".join([*padded, message]).rstrip()
            yield ""
            for name, remedy in dict.fromkeys((finding.expectation, finding.remedy) for *_, finding in found):
                yield f"{name}: {remedy}"
        accepted = [(one.symbol, text) for one in self.series for text in one.accepted]
        if accepted:
            yield ""
            yield from (f"accepted  {_printable(symbol)}: {_printable(text)}" for symbol, text in accepted)


def counted(number: int, word: str, plural: str | None = None) -> str:
    """Return ``1 error``, ``2 errors``."""
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


def shortened(text: str, width: int = MESSAGE_SHOWN) -> str:
    """Cut a text at a word, and show that it was cut."""
    return text if len(text) <= width else text[: width - 4].rsplit(" ", 1)[0] + " ..."


def _printable(text: str) -> str:
    """Replace what would move a terminal's cursor: names and cells may come from a file."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
