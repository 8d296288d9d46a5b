"""What a served model says about one as-of bar."""

from dataclasses import dataclass

from models.tasks.base import Fields


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """The task's fields as of one bar, and the tier of history that they come from.

    ``strange`` names the features outside their range of training; none, unless they are more than training rows had.
    """

    fields: Fields
    tier: int
    strange: tuple[str, ...] = ()
