"""Rivals of direction: the logistic regression that a textbook would begin, and often end, with."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.typing import FloatArray
from models.tasks.base import Columns
from skill.rivals.base import FoldRival
from training.kit.panel import Panel
from training.kit.splits import Fold


@dataclass(frozen=True, slots=True)
class Logistic:
    """Logistic regression on all features of the model, standardised on the training rows, with the usual penalty."""

    name: str = "logistic regression"

    def columns(self, panel: Panel, fold: Fold) -> Columns:
        """As `FoldRival`. An unknown value stands for the training mean, which is 0 once it is standardised."""
        from sklearn.linear_model import LogisticRegression

        train, test = panel.x[fold.train], panel.x[fold.test]
        centre, spread = np.nanmean(train, axis=0), np.nanstd(train, axis=0)
        spread[spread == 0] = 1

        def standard(x: FloatArray) -> FloatArray:
            clipped: FloatArray = np.nan_to_num(np.clip((x - centre) / spread, -CLIP, CLIP))
            return clipped

        fitted = LogisticRegression(C=1.0, max_iter=500).fit(standard(train), panel.rows.y[fold.train])
        return {"probability_up": fitted.predict_proba(standard(test))[:, 1]}


CLIP: Final = 5.0
"""Standard deviations beyond which a feature tells no more: a crash is not to decide what a calm day means."""

DIRECTION: Final[tuple[FoldRival, ...]] = (Logistic(),)
