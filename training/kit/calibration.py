"""Calibration of probabilities: which map of a model's answers is taken, by what it does to rows that it never saw.

The maps are fitted to out-of-fold margins. Which of them to trust is a question of its own: Platt's line is too stiff
where one side is more certain than the other, and a richer map is noise where there is little to learn. So the rows are
cut into `STRETCHES` by day, each map is fitted on all stretches before one and judged on that one by log loss, and the
map of least loss over all of them is fitted again on all rows. Where losses are equal, the plainer one is taken.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import numpy as np
from msgspec.structs import replace

from feature_mapper.typing import BoolArray, FloatArray, IntArray
from models.tasks.base import Head
from models.tasks.direction import Direction, DirectionHead, certainty
from models.tasks.risk import Risk, RiskHead
from training.kit.questions.base import Rows
from training.kit.scores import log_loss

STRETCHES: Final = 3
"""Parts of the days: the first one teaches only."""

LEAST: Final = 100
"""Rows of a part below which nothing is tried: the plain map is taken then."""

SMALLEST: Final = 1e-12
"""Probability below which log loss counts no further: a forest may give none to what then comes."""

LINE: Final = 2
"""Different margins that a line goes through already."""

H = TypeVar("H", bound=Head)
Map = Callable[[FloatArray, FloatArray], H]
"""From margins and outcomes to the head that was fitted to them."""


def of_direction(margin: FloatArray, rows: Rows) -> DirectionHead:
    """Return the map from log odds to calibrated log odds, margin and rows of shape (n,)."""

    def loss(head: DirectionHead, at: IntArray) -> FloatArray:
        return log_loss(Direction().columns(margin[at], np.ones(len(at)), head)["probability_up"], rows.y[at])

    return _chosen(DIRECTION, DIRECTION["platt"], margin, rows, loss)


def of_risk(margin: FloatArray, rows: Rows, class_weights: tuple[float, float, float]) -> RiskHead:
    """Return the map of class shares, margin of shape (n, 3): class weights taken out, and sharpened or flattened."""
    plain = RiskHead(class_weights=class_weights)

    def loss(head: RiskHead, at: IntArray) -> FloatArray:
        shares = Risk().columns(margin[at], np.ones(len(at)), head)["probabilities"]
        return _surprise(shares, rows.y[at])

    maps: dict[str, Map[RiskHead]] = {
        "weights": lambda _, __: plain,
        "temperature": lambda some, y: _temperature(some, y, plain),
    }
    return _chosen(maps, maps["weights"], margin, rows, loss)


def _chosen(
    maps: Mapping[str, Map[H]],
    plain: Map[H],
    margin: FloatArray,
    rows: Rows,
    loss: Callable[[H, IntArray], FloatArray],
) -> H:
    best, least = plain, np.inf
    stretches = _stretches(rows)
    if stretches:
        for fitted in maps.values():
            total = sum(float(loss(fitted(margin[early], rows.y[early]), late).sum()) for early, late in stretches)
            if total < least:
                best, least = fitted, total
    return best(margin, rows.y)


def _stretches(rows: Rows) -> list[tuple[IntArray, IntArray]]:
    """Return pairs of rows to fit and to judge on; those to fit on had ended before the days to judge on began."""
    days = np.unique(rows.date)
    if len(days) < STRETCHES:
        return []
    edges = days[[len(days) * part // STRETCHES for part in range(1, STRETCHES)]]
    found: list[tuple[IntArray, IntArray]] = []
    for first, after in zip(edges, [*edges[1:], days[-1] + np.timedelta64(1, "D")], strict=True):
        early = np.flatnonzero(rows.label_end < first)
        late = np.flatnonzero((rows.date >= first) & (rows.date < after))
        if min(len(early), len(late)) < LEAST or len(np.unique(rows.y[early])) < len(np.unique(rows.y)):
            return []
        found.append((early, late))
    return found


def base_rate(margin: FloatArray, y: FloatArray) -> DirectionHead:  # noqa: ARG001  one signature for all maps
    """Give every row the share of ones: what is right where margins know nothing."""
    return DirectionHead(slope=0.0, intercept=_log_odds(y.mean()), method="base_rate")


def unchanged(margin: FloatArray, y: FloatArray) -> DirectionHead:  # noqa: ARG001  one signature for all maps
    """Take the margin as it is."""
    return DirectionHead(slope=1.0, intercept=0.0, method="none")


def platt(margin: FloatArray, y: FloatArray) -> DirectionHead:
    """Fit ``P(up) = sigmoid(slope * margin + intercept)`` by maximum likelihood, slope >= 0 (Platt 1999).

    A slope below 0 would sell noise, turned upside down, as skill: then the answer is the base rate.
    """
    (slope,), intercept = _logistic(margin[:, None], y)
    if slope <= 0:
        return base_rate(margin, y)
    return DirectionHead(slope=slope, intercept=intercept, method="platt")


def beta(margin: FloatArray, y: FloatArray) -> DirectionHead:
    """Fit ``log odds = a ln p - b ln(1 - p) + c`` of ``p = sigmoid(margin)``, a and b >= 0 (Kull et al. 2017).

    Written with ``slope = (a + b) / 2`` and ``asymmetry = (a - b) / 2``. Where a or b came out below 0, it is Platt's.
    So it is where margins have two values only, as those of a single split: any bend goes through two points.
    """
    if len(np.unique(margin)) <= LINE:
        return platt(margin, y)
    (slope, asymmetry), intercept = _logistic(np.column_stack([margin, certainty(margin)]), y)
    if slope <= abs(asymmetry):
        return platt(margin, y)
    return DirectionHead(slope=slope, intercept=intercept, asymmetry=asymmetry, method="beta")


DIRECTION: Final[dict[str, Map[DirectionHead]]] = {
    "base_rate": base_rate,
    "none": unchanged,
    "platt": platt,
    "beta": beta,
}
"""From plain to rich."""


def _logistic(x: FloatArray, y: FloatArray) -> tuple[list[float], float]:
    """Return coefficients and intercept of a logistic regression; 0 for a column that does not vary."""
    from sklearn.linear_model import LogisticRegression

    varies: BoolArray = np.ptp(x, axis=0) > 0
    coefficients = np.zeros(x.shape[1])
    if not varies.any():
        return coefficients.tolist(), _log_odds(y.mean())
    # Standardised, as the optimiser stops by absolute steps, and margins of a cautious model are narrow.
    centre, spread = x[:, varies].mean(axis=0), x[:, varies].std(axis=0)
    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky").fit((x[:, varies] - centre) / spread, y)
    coefficients[varies] = fitted.coef_[0] / spread
    return coefficients.tolist(), float(fitted.intercept_[0] - coefficients[varies] @ centre)


def _temperature(margin: FloatArray, y: FloatArray, plain: RiskHead) -> RiskHead:
    """Fit the temperature by least log loss (Guo et al. 2017), between a quarter and four."""
    from scipy.optimize import minimize_scalar

    ones = np.ones(len(y))

    def loss(log_temperature: float) -> float:
        head = replace(plain, temperature=float(np.exp(log_temperature)), method="temperature")
        return float(_surprise(Risk().columns(margin, ones, head)["probabilities"], y).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.25), np.log(4.0)), method="bounded")
    return replace(plain, temperature=float(np.exp(found.x)), method="temperature")


def _surprise(shares: FloatArray, y: FloatArray) -> FloatArray:
    """Return minus the log of the probability of the class that came, shape (n,)."""
    told = shares[np.arange(len(y)), y.astype(np.int64)]
    surprise: FloatArray = -np.log(np.maximum(told, SMALLEST))
    return surprise


def _log_odds(share: float) -> float:
    return float(np.log(share / (1 - share)))
