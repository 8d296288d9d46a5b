"""Answers to batches: what is the same for all rows once, then a row each."""

import datetime as dt
from typing import Annotated, Any

from msgspec import Meta

from app.schemas.answers import Problem, Skill, Struct


class BatchModel(Struct, frozen=True):
    """One model of the batch: what its answers have in common."""

    model_version: Annotated[str | None, Meta(description="Version that answered; null: a fallback did.")]
    horizon: Annotated[int, Meta(description="Exchange sessions ahead.", ge=1)]
    full_tier: Annotated[int | None, Meta(description="Bars that the model's best predictor looks at.")]
    trained_to: Annotated[
        dt.date | None, Meta(description="Last session of training: the skill does not apply to rows before it.")
    ]
    skill: Annotated[dict[str, Skill | None], Meta(description="Measured worth by tier of history.")]
    reason: Annotated[str | None, Meta(description="Why the model does not serve; null if it does.")]


class Counts(Struct, frozen=True):
    """How many rows there were and what became of them."""

    rows: Annotated[int, Meta(ge=0)]
    answered: Annotated[int, Meta(ge=0)]
    refused: Annotated[int, Meta(ge=0)]


class BatchRow(Struct, frozen=True):
    """One row of a file, or one item, in the order sent."""

    row: Annotated[int, Meta(description="Position, from 0.", ge=0)]
    line: Annotated[int | None, Meta(description="Line of the file, from 1; null for items.")]
    symbol: str | None
    as_of: Annotated[dt.date | None, Meta(description="Day of the row; nothing after it was looked at.")]
    bars: Annotated[int | None, Meta(description="Bars known as of the row; null if it was refused.")]
    answers: Annotated[
        dict[str, dict[str, Any]] | None,  # Any: each task has its own fields, see the answers of the single routes
        Meta(
            description="By model: the task's fields and target_date, tier, source, reason as the single route's; "
            "abstain: the codes of its reasons."
        ),
    ]
    problem: Annotated[Problem | None, Meta(description="Why the row was refused; null if it was answered.")]


class BatchAnswer(Struct, frozen=True):
    """A batch, answered."""

    models: dict[str, BatchModel]
    counts: Counts
    read: Annotated[str | None, Meta(description="How a file was read: layout, columns, what was dropped.")]
    results: list[BatchRow]
