"""Panels: pooled feature rows of every symbol, for one tier."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.feature import Feature
from feature_mapper.mapper import compute
from feature_mapper.typing import DateArray, FloatArray, IntArray
from models.scale import FLOOR, HarScale, log_levels
from training.kit.questions.base import Question, Rows
from training.kit.spec import SpecError
from training.kit.targets import mean_variance

HAR_WIDTHS: Final = (1, 5, 21, 63)
"""Sessions of a day, a week, a month and a quarter: widths of the yardstick, as far as the history fills them."""


NEWTON_STEPS: Final = 50
TOLERANCE: Final = 1e-13
"""Mean QLIKE that a step must gain, or the fit is done."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Panel:
    """Feature rows with what belongs to them.

    ``x`` has shape (n, k). `HarScale` is fitted on ``logs`` of shape (n, widths) and ``variance_ahead`` of shape (n,),
    the mean session variance over the horizon of the question: the yardstick is of the sessions that are asked about.
    """

    tier: int
    features: tuple[Feature, ...]
    x: FloatArray
    rows: Rows
    logs: FloatArray
    variance_ahead: FloatArray

    def scale(self, train: IntArray) -> HarScale:
        """Fit the yardstick on the rows at ``train``."""
        return fit_scale(har_widths(self.tier), self.logs[train], self.variance_ahead[train])

    def volatility(self, scale: HarScale) -> FloatArray:
        """Return the yardstick's forecast for every row, shape (n,), from the levels that the panel holds."""
        return scale.from_logs([self.logs[:, column] for column in range(self.logs.shape[1])])


def build(series: Mapping[str, Bars], question: Question, features: tuple[Feature, ...], tier: int) -> Panel:
    """Pool the rows that have ``tier`` bars of history, a label and the context of the baselines.

    Where the task measures in the symbol's own level of volatility, rows without one are left out, see `levelled`.

    Raises
    ------
    SpecError
        No row qualifies: the histories are too short for this tier and target.

    """
    parts = [_part(bars, question, features, tier, number) for number, bars in enumerate(series.values())]
    x = np.concatenate([part.x for part in parts])
    if len(x) == 0:
        longest = max((len(bars) for bars in series.values()), default=0)
        message = f"expected histories that fill tier {tier} and the target, found at most {longest} bars; add data"
        raise SpecError(message)
    rows = Rows(
        y=np.concatenate([part.rows.y for part in parts]),
        date=np.concatenate([part.rows.date for part in parts]),
        label_end=np.concatenate([part.rows.label_end for part in parts]),
        symbol=np.concatenate([part.rows.symbol for part in parts]),
        context={name: np.concatenate([part.rows.context[name] for part in parts]) for name in parts[0].rows.context},
    )
    logs = np.concatenate([part.logs for part in parts])
    variance_ahead = np.concatenate([part.variance_ahead for part in parts])
    if question.task.scaled and len(at := levelled(logs)) < len(logs):
        x, rows, logs, variance_ahead = x[at], rows.take(at), logs[at], variance_ahead[at]
    return Panel(tier, features, x, rows, logs, variance_ahead)


def _part(bars: Bars, question: Question, features: tuple[Feature, ...], tier: int, number: int) -> Panel:
    n, horizon, date = len(bars), question.target.horizon, dated(bars)
    y, context, variance = question.target.values(bars), question.context(bars), mean_variance(bars, horizon)
    known = ~np.isnan(y) & ~np.isnan(variance)
    for values in context.values():
        known &= ~np.isnan(values)
    known[: tier - 1] = False
    at = np.flatnonzero(known)
    widths = har_widths(tier)
    logs = np.full((n, len(widths)), np.nan)
    if n >= tier:
        logs[tier - 1 :] = np.stack(log_levels(bars, widths, n - tier + 1), axis=1)
    rows = Rows(
        y=y[at],
        date=date[at],
        label_end=date[np.minimum(at + horizon, n - 1)],
        symbol=np.full(len(at), number),
        context={name: values[at] for name, values in context.items()},
    )
    return Panel(tier, features, compute(bars, features)[at], rows, logs[at], variance[at])


def har_widths(tier: int) -> tuple[int, ...]:
    """Return the widths that ``tier`` bars fill: one bar more than the width, or one bar in all (see `HarScale`)."""
    return tuple(width for width in HAR_WIDTHS if width < tier) or HAR_WIDTHS[:1]


def dated(bars: Bars) -> DateArray:
    """Return the days of bars; raises `SpecError` if they have none, as training splits by date."""
    if bars.date is None:
        raise SpecError(f"expected dated bars of {bars.symbol}, found none; give each bar its date")
    return bars.date


def longest(series: Mapping[str, Bars], most: int) -> dict[str, Bars]:
    """Return the ``most`` series of most bars, in the order of all."""
    names = sorted(series, key=lambda symbol: -len(series[symbol]))[:most]
    return {symbol: bars for symbol, bars in series.items() if symbol in names}


def levelled(logs: FloatArray) -> IntArray:
    """Return the positions of the rows that have a level to measure by: one above the floor, over the longest width.

    Bars of a single price, as old series of indices consist of, have no range. A ratio to the floor is up to 1e8, so
    that a few such rows among others are all that a mean of ratios would be made of. Where no row has a level, as where
    closes are all there is, the floor is the level of all of them, and harms none.
    """
    at = np.flatnonzero(logs[:, -1] > np.log(FLOOR))
    return at if len(at) else np.arange(len(logs))


def fit_scale(widths: tuple[int, ...], logs: FloatArray, variance_ahead: FloatArray) -> HarScale:
    """Fit `HarScale` by least QLIKE, the loss that it is judged by; the weights add up to 1.

    With ``x`` the logs relative to the longest width's and ``r`` the variance relative to it, the mean of
    ``r exp(-b x) + b x`` is convex in ``b``, so Newton's method with halved steps finds its minimum. There the mean of
    outcome / forecast is 1: the yardstick is unbiased. Rows without a level are left out, see `levelled`.

    Parameters
    ----------
    widths : tuple of int
        Of the yardstick.
    logs : FloatArray of shape (n, widths)
        `models.scale.log_levels` of each row.
    variance_ahead : FloatArray of shape (n,)
        Mean session variance of the sessions that followed, as many as the horizon has.

    """
    at = levelled(logs)
    logs, variance_ahead = logs[at], variance_ahead[at]
    longest = logs[:, -1]
    x = np.column_stack([np.ones(len(logs)), logs[:, :-1] - longest[:, None]])
    ratio = np.maximum(variance_ahead, FLOOR) / np.exp(longest)
    b = np.zeros(x.shape[1])
    b[0] = np.log(ratio.mean())
    loss = _excess(b, x, ratio)
    for _ in range(NEWTON_STEPS):
        pull = ratio * np.exp(-(x @ b))
        # Rows that hardly differ leave directions without curvature; least squares takes no step along them.
        step, *_ = np.linalg.lstsq((x * pull[:, None]).T @ x, x.T @ (pull - 1), rcond=None)
        while (new := _excess(b + step, x, ratio)) > loss:
            step = step / 2
        b, gained, loss = b + step, loss - new, new
        if gained < TOLERANCE:
            break
    weights = (*b[1:].tolist(), 1.0 - float(b[1:].sum()))
    return HarScale(widths=widths, weights=weights, intercept=float(b[0]))


def _excess(b: FloatArray, x: FloatArray, ratio: FloatArray) -> float:
    """Return the mean QLIKE but for terms that do not depend on ``b``."""
    forecast = x @ b
    with np.errstate(over="ignore"):  # a step too far gives infinity, and is halved
        return float(np.mean(ratio * np.exp(-forecast) + forecast))
