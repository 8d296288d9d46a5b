"""Direction: calibrated probability against the base rate."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from models.families.base import Objective
from models.tasks.base import Columns, Head
from models.tasks.direction import EVEN, Direction
from training.kit.calibration import of_direction
from training.kit.questions.base import Rows
from training.kit.scores import log_loss
from training.kit.targets import up_over

BINS: Final = 10


class DirectionQuestion:
    """Up or not over a horizon, by log loss."""

    objective: Final[Objective] = "binary"
    metric: Final = "log_loss_skill"

    def __init__(self, horizon: int = 1) -> None:
        """Ask of so many sessions."""
        self.task: Final = Direction(horizon)
        self.target: Final = up_over(horizon)

    def context(self, bars: Bars) -> dict[str, FloatArray]:  # noqa: ARG002  one signature for all questions
        """Need nothing beyond the target."""
        return {}

    def label(self, y: FloatArray, scale: FloatArray) -> FloatArray:  # noqa: ARG002  one signature for all questions
        """Fit the class itself."""
        return y

    def head(self, margin: FloatArray, scale: FloatArray, rows: Rows, level: float, weights: FloatArray) -> Head:  # noqa: ARG002  one signature for all questions
        """Fit a map to out-of-fold log odds, the one that did best on later ones."""
        return of_direction(margin, rows)

    def loss(self, forecast: Columns, y: FloatArray) -> FloatArray:
        """Log loss."""
        return log_loss(forecast["probability_up"], y)

    def baselines(self, train: Rows, test: Rows, scale: FloatArray, tier: int) -> dict[str, Columns]:  # noqa: ARG002  one signature for all questions
        """Repeat the share of up sessions in the training rows."""
        return {"base_rate": {"probability_up": np.full(len(test), train.y.mean())}}

    def quoted(self, losses: Mapping[str, float], tier: int) -> str:  # noqa: ARG002  one signature for all questions
        """Quote the base rate."""
        return next(iter(losses))

    def figures(self, forecast: Columns, y: FloatArray) -> dict[str, float]:
        """Return AUC, accuracy, Brier score and expected calibration error over ten equal-count bins."""
        from sklearn.metrics import balanced_accuracy_score, brier_score_loss, roc_auc_score

        p = forecast["probability_up"]
        called = (p >= EVEN).astype(np.float64)
        return {
            "auc": float(roc_auc_score(y, p)),
            "accuracy": float(np.mean(called == y)),
            "balanced_accuracy": float(balanced_accuracy_score(y, called)),
            "majority_accuracy": float(max(y.mean(), 1 - y.mean())),
            "brier": float(brier_score_loss(y, p)),
            "calibration_error": calibration_error(p, y),
        }


def calibration_error(probability: FloatArray, y: FloatArray) -> float:
    """Return the mean distance of probability and frequency over equal-count bins, weighted by their counts."""
    order = np.argsort(probability, kind="stable")
    return float(
        sum(
            abs(probability[part].mean() - y[part].mean()) * len(part)
            for part in np.array_split(order, BINS)
            if len(part)
        )
        / len(y)
    )
