"""Rivals of risk: the commonest class, today's class, and the ordered logit that a statistician would begin with."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.typing import FloatArray
from models.tasks.base import Columns
from models.tasks.risk import CLASSES
from skill.rivals.base import FoldRival
from training.kit.panel import Panel
from training.kit.splits import Fold

TERMS: Final = (
    *(f"volatility_to_lower_third_{width}" for width in (1, 5, 21, 63)),
    "middle_third_width",
)
"""The terms of a heterogeneous autoregression, measured from the borders that the classes are told by."""


@dataclass(frozen=True, slots=True)
class OrderedLogit:
    """Proportional odds (McCullagh 1980) on the terms of a heterogeneous autoregression (Corsi 2009), all in logs.

    Where the features do not reach two years back, so that the borders are not known, the terms are the levels of the
    last sessions relative to the longest of them.
    """

    name: str = "ordered logit"

    def columns(self, panel: Panel, fold: Fold) -> Columns:
        """As `FoldRival`."""
        from statsmodels.miscmodels.ordinal_model import OrderedModel

        terms = _terms(panel)
        centre, spread = terms[fold.train].mean(axis=0), terms[fold.train].std(axis=0)
        standard = (terms - centre) / spread
        fitted = OrderedModel(panel.rows.y[fold.train].astype(np.int64), standard[fold.train], distr="logit").fit(
            method="lbfgs", maxiter=500, disp=False
        )
        return {"probabilities": np.asarray(fitted.predict(standard[fold.test]))}


@dataclass(frozen=True, slots=True)
class Repeat:
    """The class of the week that just ended, again, as a certainty: what "85 % accurate" has to be compared with."""

    name: str = "today's class"

    def columns(self, panel: Panel, fold: Fold) -> Columns:
        """As `FoldRival`."""
        return {"probabilities": np.eye(len(CLASSES))[panel.rows.context["today"][fold.test].astype(np.int64)]}


@dataclass(frozen=True, slots=True)
class Majority:
    """The class that most training rows had, for everyone and as a certainty."""

    name: str = "majority"

    def columns(self, panel: Panel, fold: Fold) -> Columns:
        """As `FoldRival`; of classes as frequent, the calmer one."""
        counts = np.bincount(panel.rows.y[fold.train].astype(np.int64), minlength=len(CLASSES))
        return {"probabilities": np.tile(np.eye(len(CLASSES))[counts.argmax()], (len(fold.test), 1))}


RISK: Final[tuple[FoldRival, ...]] = (Majority(), Repeat(), OrderedLogit())


def _terms(panel: Panel) -> FloatArray:
    names = [feature.name for feature in panel.features]
    if set(TERMS) <= set(names):
        return panel.x[:, [names.index(name) for name in TERMS]]
    if panel.logs.shape[1] == 1:
        return panel.logs
    return panel.logs[:, :-1] - panel.logs[:, -1:]
