"""What a served model says about one as-of bar."""

from dataclasses import dataclass

from models.tasks.base import Fields


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """The task's fields as of one bar, and the tier of history that they come from.

    ``strange`` names what makes the bar unlike those of training (`models.ranges`); nothing, if it is like them.
    """

    fields: Fields
    tier: int
    strange: tuple[str, ...] = ()
