"""Return: point forecast against the training mean, and a conformal band."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from models.families.base import Objective
from models.tasks.bands import LEVELS
from models.tasks.base import Columns, Head
from models.tasks.returns import Return, ReturnHead
from training.kit.adaptive import adapted, central_rank
from training.kit.questions.base import Rows
from training.kit.scores import conformal_quantiles, squared_error
from training.kit.targets import return_over


class ReturnQuestion:
    """Log return over a horizon, by squared error."""

    objective: Final[Objective] = "regression"
    metric: Final = "mse_skill"

    def __init__(self, horizon: int = 1) -> None:
        """Ask of so many sessions."""
        self.task: Final = Return(horizon)
        self.target: Final = return_over(horizon)

    def context(self, bars: Bars) -> dict[str, FloatArray]:  # noqa: ARG002  one signature for all questions
        """Need nothing beyond the target."""
        return {}

    def label(self, y: FloatArray, scale: FloatArray) -> FloatArray:
        """Fit the return in units of the forecast volatility of a session: rough weeks do not outvote calm years."""
        return y / scale

    def head(self, margin: FloatArray, scale: FloatArray, rows: Rows, level: float, weights: FloatArray) -> Head:  # noqa: ARG002  one signature for all questions
        """Take the split-conformal quantiles of the scaled out-of-fold errors, at levels that follow what came."""
        errors = np.abs(rows.y - margin * scale) / scale
        if level < LEVELS[0]:  # no answer has such a band; the report's scores ask for them, many times over
            (width,) = conformal_quantiles(errors, (level,))
            return ReturnHead(level=level, width=width, mean=float(rows.y.mean()))
        asked = sorted({level, *LEVELS})
        rate, states = adapted(central_rank(errors), rows.date, rows.label_end, asked, level)
        by_level = dict(zip(asked, conformal_quantiles(errors, states.tolist()), strict=True))
        return ReturnHead(
            level=level,
            width=by_level[level],
            mean=float(rows.y.mean()),
            levels=LEVELS,
            widths=tuple(by_level[each] for each in LEVELS),
            rate=rate,
        )

    def loss(self, forecast: Columns, y: FloatArray) -> FloatArray:
        """Squared error."""
        return squared_error(forecast["expected_return"], y)

    def baselines(self, train: Rows, test: Rows, scale: FloatArray, tier: int) -> dict[str, Columns]:  # noqa: ARG002  one signature for all questions
        """Repeat the mean of the training rows; and zero, which is hard to beat."""
        return {
            "training_mean": {"expected_return": np.full(len(test), train.y.mean())},
            "zero": {"expected_return": np.zeros(len(test))},
        }

    def quoted(self, losses: Mapping[str, float], tier: int) -> str:  # noqa: ARG002  one signature for all questions
        """Quote the training mean."""
        return next(iter(losses))

    def figures(self, forecast: Columns, y: FloatArray) -> dict[str, float]:
        """Return RMSE, MAE, rank correlation, and what the interval held and measured."""
        from scipy.stats import spearmanr

        mean, lower, upper = forecast["expected_return"], forecast["lower"], forecast["upper"]
        flat = np.ptp(mean) == 0
        return {
            "rmse": float(np.sqrt(np.mean(np.square(mean - y)))),
            "mae": float(np.mean(np.abs(mean - y))),
            "rank_correlation": 0.0 if flat else float(spearmanr(mean, y).statistic),
            "coverage": float(np.mean((lower <= y) & (y <= upper))),
            "mean_width": float(np.mean(upper - lower)),
        }
