"""Direction: calibrated probability against the base rate."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from models.families.base import Objective
from models.tasks.base import Columns, Head
from models.tasks.direction import EVEN, Direction, DirectionHead
from training.kit.questions.base import Rows
from training.kit.scores import log_loss
from training.kit.targets import NEXT_UP

BINS: Final = 10


class DirectionQuestion:
    """Up or not, by log loss."""

    task: Final = Direction()
    target: Final = NEXT_UP
    objective: Final[Objective] = "binary"
    metric: Final = "log_loss_skill"

    def context(self, bars: Bars) -> dict[str, FloatArray]:  # noqa: ARG002  one signature for all questions
        """Need nothing beyond the target."""
        return {}

    def label(self, y: FloatArray, scale: FloatArray) -> FloatArray:  # noqa: ARG002  one signature for all questions
        """Fit the class itself."""
        return y

    def head(self, margin: FloatArray, scale: FloatArray, rows: Rows, level: float, weights: FloatArray) -> Head:  # noqa: ARG002  one signature for all questions
        """Fit Platt's map on out-of-fold log odds."""
        return platt(margin, rows.y)

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


def platt(margin: FloatArray, y: FloatArray) -> DirectionHead:
    """Fit ``P(up) = sigmoid(slope * margin + intercept)`` by maximum likelihood, slope >= 0 (Platt 1999).

    A slope below 0 would sell noise, turned upside down, as skill: then the answer is the base rate.
    """
    from sklearn.linear_model import LogisticRegression

    base = float(np.log(y.mean() / (1 - y.mean())))
    if np.ptp(margin) == 0:
        return DirectionHead(slope=0.0, intercept=base)
    centre, spread = float(margin.mean()), float(margin.std())
    # Standardised, as the optimiser stops by absolute steps, and margins of a cautious model are narrow.
    fitted = LogisticRegression(C=np.inf).fit((margin[:, None] - centre) / spread, y)
    slope = float(fitted.coef_[0, 0]) / spread
    if slope <= 0:
        return DirectionHead(slope=0.0, intercept=base)
    return DirectionHead(slope=slope, intercept=float(fitted.intercept_[0]) - slope * centre)


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
