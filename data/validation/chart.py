"""A small picture of a close, with the findings marked where they are, as inline SVG."""

import math
from collections.abc import Iterable, Sequence
from datetime import date
from html import escape
from typing import Final

from data.validation.report import Finding, Outline, Severity

WIDTH: Final = 1000
HEIGHT: Final = 100
"""The picture is stretched to the page; strokes keep their width."""

MARGIN: Final = 4


def chart(outline: Outline, findings: Sequence[Finding]) -> str:
    """Return the close on a logarithmic scale over the days, with its ends in words; empty without two days.

    What has no days, as a column that is missing, has no mark.
    """
    days = [_ordinal(day) for day in outline.days]
    if len(days) < 2 or min(outline.close) <= 0:
        return ""
    low, high = min(outline.close), max(outline.close)
    marks = [(finding, span) for finding in findings for span in finding.spans]
    # A finding may lie outside the outline: a day that is lost, a stretch up to today.
    first = min(days[0], *(_ordinal(span.first) for _, span in marks)) if marks else days[0]
    last = max(days[-1], *(_ordinal(span.last) for _, span in marks)) if marks else days[-1]

    def x(day: float) -> float:
        return WIDTH * (day - first) / (last - first)

    def y(close: float) -> float:
        share = 0.5 if high == low else math.log(close / low) / math.log(high / low)
        return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * share

    points = " ".join(f"{x(day):.1f},{y(close):.1f}" for day, close in zip(days, outline.close, strict=True))
    drawn = "".join(
        _mark(finding, x(_ordinal(span.first)), x(_ordinal(span.last) + 1))
        for finding, span in sorted(marks, key=lambda mark: mark[0].severity is Severity.ERROR)
    )
    about = (
        f"Close from {outline.close[0]:g} on {outline.days[0]} to {outline.close[-1]:g} on {outline.days[-1]}, "
        f"between {low:g} and {high:g}; {len(marks)} places marked"
    )
    return (
        f'<figure><div class="scale"><span>{high:g}</span><span>{low:g}</span></div>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escape(about)}">'
        f'{drawn}<polyline points="{points}"/></svg>'
        f"<figcaption><span>{_day(first)}</span><span>{_legend(finding for finding, _ in marks)}</span>"
        f"<span>{_day(last)}</span></figcaption></figure>"
    )


def _mark(finding: Finding, left: float, right: float) -> str:
    title = f"<title>{escape(finding.expectation)}: {escape(finding.message)}</title>"
    width = max(right - left, 2.5)
    return (
        f'<rect class="{finding.severity.value}" x="{left:.1f}" y="0" width="{width:.1f}" height="100">{title}</rect>'
    )


def _legend(findings: Iterable[Finding]) -> str:
    marked = {finding.severity for finding in findings}
    return " ".join(
        f'<span class="key {severity.value}">{severity.value}s</span>' for severity in Severity if severity in marked
    )


def _ordinal(day: str) -> int:
    return date.fromisoformat(day).toordinal()


def _day(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()
