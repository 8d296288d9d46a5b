"""Answers about a bar that is not there. No field has a default, as in `app.schemas.answers`."""

import datetime as dt
from typing import Annotated

from msgspec import Meta

from app.schemas.answers import (
    DirectionAnswer,
    RegimeAnswer,
    Rest,
    ReturnAnswer,
    RiskAnswer,
    Struct,
    VolatilityAnswer,
)


class SupposedBar(Struct, frozen=True):
    """The hypothetical bar, as it was taken."""

    date: Annotated[
        dt.date | None, Meta(description="Its day: the next session if none was given; null without dates.")
    ]
    open: float
    high: float
    low: float
    close: float
    volume: Annotated[float | None, Meta(description="Null: not known.")]


class Move(Struct, frozen=True):
    """What a change of one feature does to the margin."""

    feature: Annotated[str, Meta(description="Name in the catalogue.")]
    meaning: Annotated[str, Meta(description="What it is: its formula, in full.")]
    unit: Annotated[str, Meta(description="Unit of its value.")]
    before: Annotated[float | None, Meta(description="Its value before the bar; null: not known, or not looked at.")]
    after: Annotated[float | None, Meta(description="Its value after the bar; null: not known, or not looked at.")]
    contribution: Annotated[float, Meta(description="Its contribution after the bar less the one before.")]
    effect: Annotated[float | None, Meta(description="The same in `effect_unit`; null where there is none.")]


class Moved(Struct, frozen=True):
    """What the change of a margin is the sum of: base + contributions + rest = margin, within 1e-9; all differences.

    `base` differs from 0 only where the bar makes a longer history answer. Of risk, both margins are those of the
    class that is called after the bar.
    """

    unit: Annotated[str, Meta(description="Unit of margin, base and contributions.")]
    base: float
    margin: float
    contributions: Annotated[list[Move], Meta(description="Largest first, by size.", max_length=8)]
    rest: Rest
    effect_unit: Annotated[str | None, Meta(description="Unit of the answer that effects add up to; null: none.")]
    effect_base: Annotated[float | None, Meta(description="Change of the base in `effect_unit`.")]
    effect_total: Annotated[float | None, Meta(description="Change of the answer in `effect_unit`.")]


class WhatIfAnswer(Struct, frozen=True):
    """The answer as it stands, as it would be after one bar more, and what the bar moves."""

    what_if: SupposedBar
    changes: Annotated[
        dict[str, float], Meta(description="Each forecast number of the answer, by its path: after less before.")
    ]
    moved: Annotated[
        Moved | None, Meta(description="By which features; null: `explain` was not true, or no trees answered.")
    ]


class ReturnWhatIf(WhatIfAnswer, frozen=True):
    """What a next bar would move in a return."""

    before: ReturnAnswer
    after: ReturnAnswer


class DirectionWhatIf(WhatIfAnswer, frozen=True):
    """What a next bar would move in a direction."""

    before: DirectionAnswer
    after: DirectionAnswer


class VolatilityWhatIf(WhatIfAnswer, frozen=True):
    """What a next bar would move in a volatility."""

    before: VolatilityAnswer
    after: VolatilityAnswer


class RiskWhatIf(WhatIfAnswer, frozen=True):
    """What a next bar would move in a risk class."""

    before: RiskAnswer
    after: RiskAnswer


class RegimeWhatIf(WhatIfAnswer, frozen=True):
    """What a next bar would move in a regime; explained, `after` has the step that the bar takes."""

    before: RegimeAnswer
    after: RegimeAnswer
