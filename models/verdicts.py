"""What a score means, in words: written by training, read by whoever shows a version's worth."""

from typing import Final

BETTER: Final = "better than naive"
"""The interval of the skill leaves 0 out, above it."""

WEAK: Final = "weak"
"""The same, and the skill is below what is worth much."""

NEITHER: Final = "no measurable skill"
"""All else: 0 is possible, or the whole interval lies below it."""

SKILLED: Final = frozenset({BETTER, WEAK})
"""Verdicts of a version that is measurably better than its baseline, by however little."""
