"""The interface between the walk-forward machinery and a task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray, IntArray
from models.families.base import Objective
from models.tasks.base import Columns, Head, TabularTask
from training.kit.targets import Target


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Rows:
    """Rows of several symbols, pooled.

    Attributes
    ----------
    y : FloatArray of shape (n,)
        The task's target, never NaN.
    date, label_end : DateArray of shape (n,)
        As-of day, and the last day that the label depends on.
    symbol : IntArray of shape (n,)
        Position of the row's symbol in the list of symbols.
    context : Mapping of FloatArray, each of shape (n,)
        What the baselines of the task read (`Question.context`).

    """

    y: FloatArray
    date: DateArray
    label_end: DateArray
    symbol: IntArray
    context: Mapping[str, FloatArray]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.y)

    def take(self, at: IntArray) -> "Rows":
        """Return the rows at the positions ``at``."""
        context = {name: values[at] for name, values in self.context.items()}
        return Rows(self.y[at], self.date[at], self.label_end[at], self.symbol[at], context)


class Question(Protocol):
    """A tabular task, as training sees it. Implementations hold no more than their horizon."""

    @property
    def task(self) -> TabularTask:
        """The task, as serving sees it."""
        ...

    @property
    def target(self) -> Target:
        """What is to be known."""
        ...

    @property
    def objective(self) -> Objective:
        """What the estimator fits."""
        ...

    @property
    def metric(self) -> str:
        """Name of the skill that `loss` gives."""
        ...

    def context(self, bars: Bars) -> dict[str, FloatArray]:
        """Return what `baselines` reads, each of shape (n,); a row with a NaN here neither trains nor is scored."""
        ...

    def label(self, y: FloatArray, scale: FloatArray) -> FloatArray:
        """Return what the estimator fits, in units of forecast volatility where the task is scaled."""
        ...

    def head(self, margin: FloatArray, scale: FloatArray, rows: Rows, level: float, weights: FloatArray) -> Head:
        """Learn the head from out-of-fold margins; ``weights`` are the class weights of training, (1, ...) if none."""
        ...

    def loss(self, forecast: Columns, y: FloatArray) -> FloatArray:
        """Return the loss of each row, shape (n,)."""
        ...

    def baselines(self, train: Rows, test: Rows, scale: FloatArray, tier: int) -> dict[str, Columns]:
        """Return rival forecasts for the test rows, by name; `quoted` says which of them skill is quoted against.

        ``scale`` is the forecast volatility of the test rows; ``tier`` counts the bars that the naive one may see.
        """
        ...

    def quoted(self, losses: Mapping[str, float], tier: int) -> str:
        """Return the naive rival, given the mean loss of each on the scored rows, in the order of `baselines`."""
        ...

    def figures(self, forecast: Columns, y: FloatArray) -> dict[str, float]:
        """Return plain figures for the card: accuracy, coverage and the like."""
        ...
