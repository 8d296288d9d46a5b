"""One pass over the features for several models about the same bars."""

from collections.abc import Iterable, Sequence

import numpy as np

from app.serving import Slot
from feature_mapper.bars import Bars
from feature_mapper.feature import Feature
from feature_mapper.mapper import compute
from feature_mapper.typing import FloatArray
from models.tabular import TabularModel


class SharedPass:
    """A feature mapper for several models about the same last bar: each feature is computed once, when first asked."""

    def __init__(self, slots: Iterable[Slot], bars: Bars) -> None:
        """Gather every feature that the models' tiers for so many bars ask for."""
        union: dict[str, Feature] = {}
        for slot in slots:
            if slot.loaded is not None and isinstance(slot.loaded.model, TabularModel):
                union |= {feature.name: feature for feature in slot.loaded.model.tier_for(len(bars)).features}
        self._bars = bars
        self._features = tuple(union.values())
        self._at = {name: column for column, name in enumerate(union)}
        self._row: FloatArray | None = None

    def __call__(self, bars: Bars, features: Sequence[Feature], rows: int) -> FloatArray:
        """Return the features of the last bar, shape (1, features)."""
        if rows != 1 or len(bars) != len(self._bars):
            message = f"expected one row as of bar {len(self._bars)}, found {rows} as of bar {len(bars)}"
            raise ValueError(message)
        if self._row is None:
            self._row = compute(self._bars, self._features, 1)
        return np.ascontiguousarray(self._row[:, [self._at[feature.name] for feature in features]])
