"""How far will the close of the next session, or of a later one, lie from this one?"""

from typing import Final

import msgspec

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from models.tasks.bands import BandHead
from models.tasks.base import Columns, Fields, Head, Identity, Reading, expect, rows
from models.typing import JsonObject

IDENTITY: Final = Identity(
    name="return",
    question="What is the log return from the as-of close to the next session's close?",
    route="/predict/return",
    horizon=1,
    models=("lightgbm_return", "random_forest_return"),
    variants=True,
)


class ReturnHead(BandHead, frozen=True, kw_only=True):
    """Split-conformal half width: ``level`` of ``|return - expected| / scale`` out of fold lay below ``width``.

    ``widths[i]`` is that of ``levels[i]``; ``mean`` is the mean log return of those rows.
    """

    width: float
    mean: float
    widths: tuple[float, ...] = ()

    def table(self) -> tuple[tuple[str, tuple[float, ...]], ...]:
        """Return the widths by level."""
        return (("width", self.widths),)


class Return:
    """The task at one horizon, in sessions."""

    scaled: Final = True

    def __init__(self, horizon: int = IDENTITY.horizon) -> None:
        """Say what is asked of that horizon."""
        question = f"What is the log return from the as-of close to the close {horizon} sessions later?"
        self.identity: Final = IDENTITY if horizon == IDENTITY.horizon else IDENTITY.at(horizon, question)

    def parse(self, head: JsonObject) -> ReturnHead:
        """Read a `ReturnHead`."""
        return msgspec.convert(head, ReturnHead)

    def columns(self, margin: FloatArray, scale: FloatArray, head: Head) -> Columns:
        """Return ``expected_return = margin * scale`` and the band of ``width * scale`` around it."""
        width = expect(head, ReturnHead).width
        centre, half = margin * scale, width * scale
        return {"expected_return": centre, "lower": centre - half, "upper": centre + half}

    def fields(self, columns: Columns, head: Head) -> list[Fields]:
        """Return ``expected_return`` and its ``interval``."""
        level = expect(head, ReturnHead).level
        return [
            {"expected_return": centre, "interval": {"level": level, "lower": lower, "upper": upper}}
            for centre, lower, upper in rows(columns, "expected_return", "lower", "upper")
        ]

    def reading(self, margin: FloatArray, scale: float, head: Head, *, scores: bool) -> Reading:  # noqa: ARG002  one signature for all tasks
        """Times the forecast volatility, contributions are log returns; those and their base give the expected one."""
        return Reading(0, "forecast volatilities", "log return", slope=scale, intercept=0.0)

    def fallback(self, bars: Bars, head: JsonObject | None) -> Fields:  # noqa: ARG002  needs no bars
        """Return the mean of the out-of-fold rows, 0 if no manifest can be read; no interval was measured for it."""
        return {"expected_return": 0.0 if head is None else self.parse(head).mean, "interval": None}
