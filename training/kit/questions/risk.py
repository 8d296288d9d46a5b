"""Risk: class probabilities against what persistence gives."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from models.families.base import Objective
from models.tasks.base import Columns, Head
from models.tasks.risk import CLASSES, Risk
from training.kit.calibration import of_risk
from training.kit.questions.base import Rows
from training.kit.scores import ranked_probability
from training.kit.targets import RISK, TWO_YEARS, risk_class


class RiskQuestion:
    """Next week's class, by the ranked probability score."""

    task: Final = Risk()
    target: Final = RISK
    objective: Final[Objective] = "multiclass"
    metric: Final = "rps_skill"

    def context(self, bars: Bars) -> dict[str, FloatArray]:
        """Return the class of the week that just ended, which persistence goes by."""
        return {"today": risk_class(bars, ahead=0)}

    def label(self, y: FloatArray, scale: FloatArray) -> FloatArray:  # noqa: ARG002  one signature for all questions
        """Fit the class itself."""
        return y

    def head(self, margin: FloatArray, scale: FloatArray, rows: Rows, level: float, weights: FloatArray) -> Head:  # noqa: ARG002  one signature for all questions
        """Keep the class weights, which the shares are corrected for, and a temperature where that did better."""
        low, medium, high = (float(weight) for weight in weights)
        return of_risk(margin, rows, (low, medium, high))

    def loss(self, forecast: Columns, y: FloatArray) -> FloatArray:
        """Ranked probability score."""
        return ranked_probability(forecast["probabilities"], y)

    def baselines(self, train: Rows, test: Rows, scale: FloatArray, tier: int) -> dict[str, Columns]:  # noqa: ARG002  one signature for all questions
        """Give the shares of classes that followed today's class, which is persistence done well; and those of all.

        Today's class takes two years to tell. Who has fewer bars cannot repeat it: there, the shares of all come first.
        """
        k = len(CLASSES)
        today, following = train.context["today"].astype(np.int64), train.y.astype(np.int64)
        counts = np.bincount(today * k + following, minlength=k * k).reshape(k, k).astype(np.float64)
        persistence = counts / counts.sum(axis=1, keepdims=True)
        shares = np.bincount(following, minlength=k) / len(train)
        rivals: dict[str, Columns] = {
            "persistence": {"probabilities": persistence[test.context["today"].astype(np.int64)]},
            "class_shares": {"probabilities": np.tile(shares, (len(test), 1))},
        }
        return rivals if tier >= TWO_YEARS else dict(reversed(rivals.items()))

    def quoted(self, losses: Mapping[str, float], tier: int) -> str:  # noqa: ARG002  one signature for all questions
        """Quote what comes first, however well the others did."""
        return next(iter(losses))

    def figures(self, forecast: Columns, y: FloatArray) -> dict[str, float]:
        """Return RPS, accuracies and the recall of each class."""
        from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score

        called = np.argmax(forecast["probabilities"], axis=1)
        recalls = recall_score(y, called, labels=range(len(CLASSES)), average=None, zero_division=0)
        return {
            "rps": float(np.mean(self.loss(forecast, y))),
            "accuracy": float(accuracy_score(y, called)),
            "balanced_accuracy": float(balanced_accuracy_score(y, called)),
            **{f"recall_{name}": float(value) for name, value in zip(CLASSES, recalls, strict=True)},
        }
