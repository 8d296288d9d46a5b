"""Figures that are promised and take minutes to measure: `python -m tests.figures gate` and `... swaps`."""
