"""Errors of the domain.

::

    BarcastError
    ├── InvalidBars          a run of bars breaks a rule (feature_mapper.errors)
    ├── FeatureMismatch      an artifact and the catalogue disagree (feature_mapper.errors)
    ├── DataError            a file or a source can't be read without guessing (data.errors)
    └── ArtifactError        an artifact can't be trusted, found or written (models.errors)

No error here knows HTTP; ``app.errors`` holds the one table that maps them to statuses.
Every message says what was expected, what was found and what to do.
"""

from dataclasses import dataclass


class BarcastError(Exception):
    """Root of every error that Barcast raises on purpose."""


@dataclass(frozen=True, slots=True)
class BarFault:
    """One broken rule in one bar.

    ``row`` is the zero-based position in the run, or ``None`` if the fault is of the run as a whole; ``field`` is the
    column (``"close"``), or ``None`` for the bar as a whole.
    """

    row: int | None
    field: str | None
    message: str


class InvalidBars(BarcastError):
    """A run of bars breaks a rule. ``faults`` holds the first of them, ``total`` counts them all."""

    def __init__(self, faults: tuple[BarFault, ...], total: int) -> None:
        """Store the faults; the message is the first of them and how many more there are."""
        self.faults = faults
        self.total = total
        more = f" (and {total - 1} more)" if total > 1 else ""
        super().__init__(f"{faults[0].message}{more}")


class FeatureMismatch(BarcastError):
    """The features that an artifact was trained on are not the ones that this catalogue computes."""
