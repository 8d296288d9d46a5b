"""A served model on feature rows: for each tier of history one estimator, one yardstick and one head."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self, cast

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.feature import Feature
from feature_mapper.manifest import resolve
from feature_mapper.mapper import compute
from feature_mapper.typing import FloatArray
from models.answer import RowAnswer
from models.explanation import MarginParts
from models.families.base import AdditiveEstimator, TabularEstimator, Unexplained, tabular_family
from models.features import to_entries
from models.golden import bars_from_json, numbers_to_json
from models.manifest import Manifest
from models.ranges import KnownRanges
from models.scale import HarScale
from models.store import Artifact
from models.tasks.bands import at_level
from models.tasks.base import Columns, Fields, Head, Reading, TabularTask
from models.tasks.registry import task_of
from models.tiers import spans, tier_at
from models.typing import Json, JsonObject

Mapper = Callable[[Bars, Sequence[Feature], int], FloatArray]
"""Computes features of the last rows of bars, as `feature_mapper.mapper.compute` does."""


@dataclass(frozen=True, slots=True)
class FittedTier:
    """What answers for histories of at least ``bars`` bars."""

    bars: int
    features: tuple[Feature, ...]
    estimator: TabularEstimator
    scale: HarScale | None
    head: Head
    ranges: KnownRanges | None

    def columns(self, task: TabularTask, bars: Bars, x: FloatArray, head: Head) -> Columns:
        """Forecast as of each of the last bars, whose features are the rows of ``x``."""
        return task.columns(self.estimator.predict(x), self._scale(bars, len(x)), head)

    def strange(self, x: FloatArray, bars: Bars) -> list[tuple[str, ...]]:
        """Return for each of the last bars, whose features are the rows of ``x``, what makes it unlike training."""
        return [()] * len(x) if self.ranges is None else self.ranges.strange(x, bars)

    def parts(
        self, task: TabularTask, bars: Bars, mapped: Mapper = compute, like: Reading | None = None
    ) -> MarginParts:
        """Say what each feature adds to the margin as of the last bar; of several, to the one that ``like`` reads.

        Raises
        ------
        Unexplained
            The estimator can't say.

        """
        if not isinstance(self.estimator, AdditiveEstimator):
            kind = type(self.estimator).__name__
            raise Unexplained(f"expected an estimator that knows what features add, found {kind}, which does not")
        x = mapped(bars, self.features, 1)
        margin, parts = self.estimator.predict(x), self.estimator.contributions(x)
        reading = task.reading(margin, float(self._scale(bars, 1)[0]), self.head, scores=parts.scores)
        if like is not None:
            reading = replace(reading, output=like.output, unit=like.unit)
        said = parts.margin if parts.scores else margin
        return MarginParts.of(self.features, x[0], said, parts, reading)

    def _scale(self, bars: Bars, rows: int) -> FloatArray:
        return np.ones(rows) if self.scale is None else self.scale.volatility(bars, rows)

    def vector(self, bars: Bars, rows: int) -> FloatArray:
        """Return the features of the last ``rows`` bars, shape (rows, features)."""
        return compute(bars, self.features, rows)


class TabularModel:
    """A loaded artifact of a tabular task."""

    __slots__ = ("_bars", "_tiers", "manifest", "task")

    def __init__(self, manifest: Manifest, task: TabularTask, tiers: tuple[FittedTier, ...]) -> None:
        """Store; tiers ascend by bars."""
        self.manifest = manifest
        self.task = task
        self._tiers = tiers
        self._bars = tuple(tier.bars for tier in tiers)

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> Self:
        """Build from verified bytes.

        Raises
        ------
        FeatureMismatch
            A feature of the manifest is not in the catalogue, or is defined otherwise there.

        """
        manifest = artifact.manifest
        task = cast("TabularTask", task_of(manifest.model))
        family = tabular_family(manifest.family)
        tiers = tuple(
            FittedTier(
                bars=tier.tier,
                features=resolve(to_entries(tier.features)),
                estimator=family.load(artifact.files[tier.weights]),
                scale=HarScale.parse(tier.head["scale"]) if task.scaled else None,
                head=task.parse(cast("JsonObject", tier.head["answer"])),
                ranges=KnownRanges.of(tier),
            )
            for tier in manifest.tiers
        )
        return cls(manifest, task, tiers)

    @property
    def tiers(self) -> tuple[FittedTier, ...]:
        """Tiers, shortest history first."""
        return self._tiers

    def tier_for(self, bars: int) -> FittedTier:
        """Return the longest tier that a history of ``bars`` bars fills."""
        return self._tiers[tier_at(self._bars, bars)]

    def check_level(self, level: float) -> None:
        """Refuse a level that no band was measured for; raises `LevelUnknown`. A task without bands takes any."""
        for tier in self._tiers:
            at_level(tier.head, level)

    def answer(
        self, bars: Bars, rows: int = 1, mapped: Mapper = compute, level: float | None = None
    ) -> list[RowAnswer]:
        """Answer as of each of the last ``rows`` bars, oldest first; each sees the bars up to its own only.

        Parameters
        ----------
        bars : Bars
            What is known.
        rows : int
            How many of the last bars are answered for.
        mapped : Mapper
            Computes the features; who asks several models about the same bars gives one that shares the work.
        level : float or None
            Share of outcomes that the band is to hold; None: that of the head.

        Raises
        ------
        LevelUnknown
            As `check_level`.

        """
        answers: list[RowAnswer] = []
        for start, stop, position in spans(self._bars, len(bars), rows):
            tier = self._tiers[position]
            known = bars if stop == len(bars) else bars[:stop]
            x, head = mapped(known, tier.features, stop - start), at_level(tier.head, level)
            told = self.task.fields(tier.columns(self.task, known, x, head), head)
            answers += [
                RowAnswer(fields, tier.bars, strange)
                for fields, strange in zip(told, tier.strange(x, known), strict=True)
            ]
        return answers

    def explain(self, bars: Bars, mapped: Mapper = compute) -> Fields:
        """Say what each feature adds to the answer as of the last bar; raises ``Unexplained`` as `FittedTier` does."""
        return self.tier_for(len(bars)).parts(self.task, bars, mapped).as_json()

    def moves(self, before: Bars, after: Bars) -> Fields:
        """Say which features moved the answer from one run of bars to another; raises as `explain`."""
        now = self.tier_for(len(after)).parts(self.task, after)
        return now.since(self.tier_for(len(before)).parts(self.task, before, like=now.reading))

    def golden_answer(self, case: JsonObject) -> dict[str, Json]:
        """Answer one golden case: the features, the tier and the fields."""
        bars = bars_from_json(case)
        tier = self.tier_for(len(bars))
        (answer,) = self.answer(bars)
        names = [feature.name for feature in tier.features]
        return {
            "tier": tier.bars,
            "features": dict(zip(names, numbers_to_json(tier.vector(bars, 1)[0]), strict=True)),
            "answer": answer.fields,
        }
